//! A backend of your own: scoped threads, each with a fixed share of the tiles, dealt out like cards.
//!
//! A backend decides which worker takes which piece, and when; a `Job` computes, times, catches panics and delivers results to the
//! sink.

use fractal::backend::Session;
use fractal::parallel::{Job, Report, Sink, Stop, Work, Worker};
use fractal::sink::Grid;
use fractal::{Render, Result, Scene};
use std::sync::Arc;
use std::thread;

struct Cards {
    workers: usize,
}

impl Session for Cards {
    fn run(&mut self, work: Arc<dyn Work>, sink: Arc<dyn Sink>, stop: &Stop) -> Result<Report> {
        let job = Job::begin("cards", self.workers, true, work, sink, stop)?;
        let deal = |index: usize| {
            let mut worker = Worker::new(index);
            for piece in (index..job.pieces()).step_by(self.workers) {
                if job.execute(&mut worker, piece..piece + 1).is_break() {
                    break;
                }
            }
            worker.take_report()
        };
        let reports = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.workers).map(|index| scope.spawn(move || deal(index))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a job catches panics")).collect()
        });
        job.end("cards", reports)
    }
}

fn main() -> Result<()> {
    let mut scene = Scene::load("armada")?;
    scene.set("image.size=640x360")?;
    let render = Render::new(&scene)?;
    let grid = Arc::new(Grid::new(render.tiles()));
    let outcome = render.run(&mut Cards { workers: 4 }, grid.clone(), &Stop::new())?;
    for worker in &outcome.report.workers {
        println!("worker {}: {} tiles in {:.3} s", worker.index, worker.pieces, worker.busy.as_secs_f64());
    }
    let inside = grid.samples().iter().filter(|sample| sample.count.is_none()).count();
    println!(
        "{inside} samples are inside; the busiest worker did {:.0} % more than the mean",
        100.0 * outcome.report.imbalance()
    );
    Ok(())
}

//! Observers of a run see claims as workers take them, whatever the backend.

use fractal::backend::{BACKENDS, Program, SessionOptions};
use fractal::parallel::{FinishedClaim, Sink, Stop};
use fractal::{Render, RenderOptions, Result, Scene};
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Notes what happens, in order.
#[derive(Default)]
struct Watcher(Mutex<Vec<(Happened, usize, Range<usize>)>>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Happened {
    Claimed,
    Done,
}

impl Sink for Watcher {
    fn claimed(&self, worker: usize, range: Range<usize>) {
        self.0.lock().unwrap().push((Happened::Claimed, worker, range));
    }

    fn done(&self, done: &FinishedClaim<'_>) -> Result<()> {
        self.0.lock().unwrap().push((Happened::Done, done.worker, done.range.clone()));
        Ok(())
    }
}

#[test]
fn claims_are_reported_when_they_are_taken() {
    // No orbit inside of this Julia set ends before its last iteration, so each tile takes its time.
    let scene = "julia = [\"-0.390540870218\", \"-0.586787907347\"]\n\
                 view = { width = \"0.2\" }\nimage = { size = [64, 64] }\niteration = { max = 400000 }";
    let scene = Scene::from_toml(scene).unwrap();
    for entry in BACKENDS {
        let program = Program { path: Some(env!("CARGO_BIN_EXE_fractal").into()), ..Program::default() };
        let options = SessionOptions { workers: 2, timed: true, program, ..SessionOptions::default() };
        let render = Render::with(&scene, RenderOptions { tile: 16, ..RenderOptions::default() }).unwrap();
        let watcher = Arc::new(Watcher::default());
        render.run(&mut *entry.open(&options).unwrap(), watcher.clone(), &Stop::new()).unwrap();
        let log = watcher.0.lock().unwrap();
        let (mut taken, mut told, mut finished) = ([None; 16], 0, 0);
        for (happened, worker, range) in log.iter() {
            for index in range.clone() {
                match happened {
                    Happened::Claimed => taken[index] = Some(*worker),
                    Happened::Done => {
                        finished += 1;
                        told += usize::from(taken[index] == Some(*worker));
                    }
                }
            }
        }
        assert_eq!(finished, 16, "{}", entry.name);
        // The session of `processes` looks at what its workers do; it sees what takes longer than that, and may see an end first.
        let looks = entry.name == "processes";
        assert!(told >= if looks { 1 } else { 16 }, "{}: {told} of 16", entry.name);
        let first = log.first().map(|(happened, ..)| *happened);
        assert!(looks || first == Some(Happened::Claimed), "{}", entry.name);
    }
}

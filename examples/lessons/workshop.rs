//! Answers `fractal/mandelbrot.py`, `mandelbrot_mp.py` and `mandelbrot_pymp.py`: their picture, to the byte, on every backend.

use super::support::{Gathered, notice, originals, run_on, say_cores};
use fractal::backend::{BACKENDS, WorkKind};
use fractal::parallel::{Claim, Prepared, Recipe, Stop, Work};
use fractal::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// The originals' options.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Pixels in a row
    #[arg(short = 'W', long, default_value_t = 560, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    width: u32,
    /// Rows
    #[arg(short = 'H', long, default_value_t = 320, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    height: u32,
    /// The most iterations
    #[arg(short = 'n', long, default_value_t = 1000)]
    niter: u32,
    /// Workers of each backend; by default one for each processor
    #[arg(long, default_value_t = 0)]
    workers: usize,
    /// A PNG file for the picture
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Also runs the Python programs in this folder
    #[arg(long, value_name = "DIR")]
    originals: Option<PathBuf>,
}

/// A picture whose pieces are its rows.
pub(crate) struct Workshop(pub(crate) [u32; 3]);

impl Work for Workshop {
    fn len(&self) -> usize {
        self.0[1] as usize
    }

    fn piece_len(&self, _: usize) -> usize {
        3 * self.0[0] as usize
    }

    fn compute(&self, _: &Prepared, claim: &mut Claim<'_>, stop: &Stop) -> Result<()> {
        let [width, height, most] = self.0;
        for (row, out) in claim.range().zip(claim.bytes().chunks_exact_mut(3 * width as usize)) {
            let y = row as f64 * (2.0 / f64::from(height)) - 1.0;
            for (column, pixel) in (0..width).zip(out.as_chunks_mut().0) {
                let x = f64::from(column) * (3.5 / f64::from(width)) - 2.5;
                let (mut re, mut im, mut i) = (0.0_f64, 0.0_f64, 0);
                while re.hypot(im) < 2.0 && i < most {
                    (re, im, i) = (re * re - im * im + x, re * im + im * re + y, i + 1);
                }
                *pixel = [(i % 8 * 32) as u8, (i % 16 * 16) as u8, (i % 32 * 8) as u8];
            }
            if stop.is_set() {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(Recipe { kind: "workshop".into(), bytes: self.0.map(u32::to_le_bytes).concat() })
    }
}

/// How a worker process makes this work.
pub(crate) fn kind() -> WorkKind {
    WorkKind::new("workshop", |bytes| match bytes.as_chunks() {
        (&[width, height, most], []) => Ok(Arc::new(Workshop([width, height, most].map(u32::from_le_bytes)))),
        _ => Err(Error::Input("a recipe of the workshop is three numbers".into())),
    })
}

/// Runs the lesson.
pub(crate) fn run(quick: bool, options: &Options) -> Result<()> {
    let Options { width, height, niter, workers, .. } = *options;
    let [width, height, niter] = if quick { [320, 240, 256] } else { [width, height, niter] };
    say_cores();
    println!("{width} x {height} pixels, at most {niter} iterations; times in seconds\n");
    println!("{:11}{:>7}{:>10}{:>9}  its place in Python", "backend", "wall", "processor", "speed-up");
    let (mut serial, mut first) = (None, None);
    for backend in BACKENDS {
        let work = Arc::new(Workshop([width, height, niter]));
        let picture = Gathered::new(&*work);
        let [wall, processor] = run_on(backend, workers, work, picture.clone())?;
        let speed_up = *serial.get_or_insert(wall) / wall;
        println!("{:11}{wall:7.3}{processor:10.3}{speed_up:9.2}  {}", backend.name, backend.counterpart);
        let bytes = picture.bytes();
        assert!(*first.get_or_insert_with(|| bytes.clone()) == bytes, "{} computes other pixels", backend.name);
    }
    println!("\nAll {} give the same bytes.", BACKENDS.len());
    let bytes = first.expect("there is a backend");
    originals::save(options.output.as_deref(), [width, height], &bytes)?;
    let serial = serial.expect("there is a backend");
    originals::run(options.originals.as_deref(), serial, [width, height, niter], &bytes)?;
    notice(
        "the work knows nothing of threads or processes; who runs it is the backend's affair. Processor times \
        are nearly the same: backends do not do less, they do it at the same time.",
    );
    Ok(())
}

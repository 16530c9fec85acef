//! The talks' own Mandelbrot programs, run with the Python that is there, and a picture in a file.

use fractal::{Error, Result};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The programs, and the modules that they need.
const PROGRAMS: [(&str, &str); 4] = [
    ("mandelbrot.py", "PIL"),
    ("mandelbrot_mp.py", "PIL"),
    ("mandelbrot_concurrent.py", "PIL"),
    ("mandelbrot_pymp.py", "PIL, pymp"),
];

/// Runs the programs of a checkout of the talks, wherever in it they are, and goes on with the table: what they cost
/// beside our serial loop, which took so many seconds, and whether their picture is ours.
pub(crate) fn run(folder: Option<&Path>, serial: f64, [width, height, niter]: [u32; 3], rgb: &[u8]) -> Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    let places = ["pydelhi2017concurrency/fractal", "pyconindia2017concurrency/fractal", "fractal", ""];
    let picture = std::env::temp_dir().join(format!("lessons-original-{}.png", std::process::id()));
    let outcome = |(name, modules): (&'static str, &str)| {
        let Some(path) = places.map(|place| folder.join(place).join(name)).into_iter().find(|path| path.is_file())
        else {
            return Err(Error::Input(format!("`{}` has no {name}; name a checkout of the talks", folder.display())));
        };
        let has = Command::new("python3").args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
        if !has.is_ok_and(|status| status.success()) {
            return Ok(format!("left out: python3 lacks {modules}"));
        }
        let (began, before) = (Instant::now(), children());
        let mut command = Command::new("python3");
        command.arg(path).args(["-W", &width.to_string(), "-H", &height.to_string(), "-n", &niter.to_string(), "-o"]);
        let output = command.arg(&picture).output().map_err(|error| Error::io("run", "python3", error))?;
        let (wall, processor) = (began.elapsed().as_secs_f64(), (children() - before).as_secs_f64());
        let outcome = if output.status.success() {
            let same = if load(&picture)? == rgb { "the same bytes" } else { "other bytes" };
            format!("{wall:7.3}{processor:10.3}{:9.3}  {same}", serial / wall)
        } else {
            "failed; it does not run with this Python".to_owned()
        };
        Ok(outcome)
    };
    println!("\n{:26}{:>7}{:>10}{:>9}", "the originals", "wall", "processor", "speed-up");
    let printed = PROGRAMS.into_iter().try_for_each(|program| {
        println!("{:26}{}", program.0, outcome(program)?);
        Ok(())
    });
    let _ = std::fs::remove_file(picture);
    printed
}

/// The processor time of all children that have ended, to a hundredth of a second.
pub(crate) fn children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    Duration::from_millis(10 * fields.skip(13).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
}

/// The bytes of a PNG file's pixels.
fn load(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    let read = || {
        let mut reader = png::Decoder::new(BufReader::new(file)).read_info()?;
        let mut bytes = vec![0; reader.output_buffer_size().unwrap_or(0)];
        reader.next_frame(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error: png::DecodingError| Error::io("read", path, error.into()))
}

/// Writes a picture as PNG, if it has a name.
pub(crate) fn save(path: Option<&Path>, [width, height]: [u32; 2], rgb: &[u8]) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let file = File::create(path).map_err(|error| Error::io("create", path, error))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(rgb)?;
        writer.finish()
    });
    written.map_err(|error| Error::io("write", path, error.into()))
}

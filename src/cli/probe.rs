//! `probe`: the values of single pixels, from the kernel that renders them.

use super::args::ProbeArgs;
use super::{memory, plan, print};
use fractal::kernel::{Counters, TileClaim};
use fractal::parallel::{Preparing, Stop};
use fractal::sample::{Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS, Samples, Tile};
use fractal::{Error, Render, RenderOptions, Result};
use serde::Serialize;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

/// The largest size of a file of points, in bytes.
const MAX_POINTS_BYTES: u64 = 64 << 20;

#[derive(Serialize)]
struct Point {
    x: u32,
    y: u32,
    /// The point of the plane.
    re: f64,
    im: f64,
    /// The iteration count; `None` in the interior.
    n: Option<u64>,
    smooth: Option<f64>,
    /// The distance estimate in pixels.
    de: Option<f64>,
    why: &'static str,
    /// The period of the attracting cycle that an interior orbit tends to, if it is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<u64>,
}

/// `fractal probe`.
pub(crate) fn run(args: &ProbeArgs) -> Result<()> {
    let mut scene = plan::scene(&args.source, &args.scene)?;
    // A pixel is asked for, not its samples: the sample at its centre stands for it.
    scene.image.samples = 1;
    let points = points(&args.points, scene.image.drawn().into())?;
    let channels = Channels::ALL;
    let render = Render::with(&scene, RenderOptions { channels, ..RenderOptions::default() })?;
    memory::check_shared(scene.title(), memory::shared(&render))?;
    let kernel = render.kernel();
    let stop = Stop::new();
    let prepared = render.prepared(&Preparing::quietly(&stop))?;
    let plane = scene.view().plane(scene.image.size.0, scene.image.size.1, 1)?;
    let (left, top) = scene.image.crop.map_or((0, 0), |crop| (crop.x, crop.y));
    let mut text = String::new();
    for (x, y) in points {
        let tile = Tile { x, y, width: 1, height: 1 };
        let mut words = vec![0u32; kernel.channels().words()];
        let claim = TileClaim { tiles: &[tile.into()], words: &mut words, useful: &mut [0] };
        let counters = kernel.compute(&prepared, claim, &stop)?;
        let samples = Samples::new(tile, kernel.channels(), bytemuck::cast_slice(&words));
        let at = plane.point((left + x) as usize, (top + y) as usize);
        let mut point = point(&samples, [at.re, at.im], &counters);
        if point.n.is_none() {
            point.period = kernel.period(&prepared, x, y, &stop)?;
        }
        if args.json {
            text += &serde_json::to_string(&point).expect("numbers and text are always JSON");
            text.push('\n');
        } else {
            describe(&point, &mut text);
        }
    }
    print(text)
}

fn point(samples: &Samples<'_>, [re, im]: [f64; 2], counters: &Counters) -> Point {
    let n = samples.count(0);
    let (x, y) = (f64::from(samples.plane(DISTANCES_X)[0]), f64::from(samples.plane(DISTANCES_Y)[0]));
    let reasons = [
        (counters.cardioid, "cardioid"),
        (counters.bulb, "bulb"),
        (counters.periodic, "period"),
        (counters.escaped, "escaped"),
    ];
    Point {
        x: samples.tile.x,
        y: samples.tile.y,
        re,
        im,
        n,
        smooth: n.map(|n| n as f64 + f64::from(samples.plane(FRACTIONS)[0])),
        de: n.map(|_| x.hypot(y)),
        why: reasons.into_iter().find(|(count, _)| *count > 0).map_or("limit", |(_, why)| why),
        period: None,
    }
}

fn describe(point: &Point, text: &mut String) {
    let Point { x, y, re, im, why, .. } = point;
    let outcome = match (point.n, point.smooth, point.de) {
        (Some(n), Some(smooth), Some(de)) => {
            format!("escaped after {n} iterations, smooth {smooth:.7}, distance {de:.5} pixels")
        }
        _ => format!(
            "interior, {}{}",
            match *why {
                "cardioid" => "in the main cardioid",
                "bulb" => "in the disc of period 2",
                "period" => "its orbit repeats",
                _ => "no escape within the maximum of iterations",
            },
            point.period.map_or(String::new(), |period| format!(", attracted by a cycle of period {period}"))
        ),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{x},{y}: {outcome}, at re {re:?}, im {im:?}");
}

/// The pixels that the arguments name; `@FILE` has one on each line.
fn points(arguments: &[OsString], size: (u32, u32)) -> Result<Vec<(u32, u32)>> {
    let mut points = Vec::new();
    for argument in arguments {
        match plan::split(argument, b'@').filter(|(before, _)| before.is_empty()) {
            None => points.push(parse(&argument.to_string_lossy(), size).map_err(Error::Usage)?),
            Some((_, path)) => {
                let text = read(Path::new(path))?;
                let path = path.display();
                for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                    let located = |why| Error::Input(format!("`{path}`, line {}: {why}", index + 1));
                    points.push(parse(line.trim(), size).map_err(located)?);
                }
            }
        }
    }
    Ok(points)
}

fn read(path: &Path) -> Result<String> {
    use std::io::Read;
    let failed = |source| Error::io("read", path, source);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_POINTS_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let path = path.display();
    if bytes.len() as u64 > MAX_POINTS_BYTES {
        return Err(Error::Input(format!("`{path}` is too long: at most {MAX_POINTS_BYTES} bytes of points are read")));
    }
    String::from_utf8(bytes).map_err(|_| Error::Input(format!("`{path}` is not text with a point X,Y on each line")))
}

fn parse(text: &str, (width, height): (u32, u32)) -> std::result::Result<(u32, u32), String> {
    let shown: String = text.chars().take(40).collect();
    let numbers = text.split_once(',').and_then(|(x, y)| Some((x.trim().parse().ok()?, y.trim().parse().ok()?)));
    let (x, y) = numbers.ok_or_else(|| {
        format!("`{shown}` is not a pixel: it must be two whole numbers X,Y, counted from the picture's top left")
    })?;
    if x >= width || y >= height {
        return Err(format!(
            "pixel {x},{y} is outside the picture: X is 0 to {} and Y is 0 to {}",
            width - 1,
            height - 1
        ));
    }
    Ok((x, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_pixels_of_the_picture() {
        assert_eq!(parse("3, 4", (5, 5)), Ok((3, 4)));
        for wrong in ["5,0", "0,5", "-1,0", "1", "1,2,3", "a,b", "1.5,2", "99999999999,0", ""] {
            assert!(parse(wrong, (5, 5)).is_err(), "{wrong}");
        }
    }
}

//! Pictures whose pixels are recorded: written by the library, and by the program from the same scene.

use super::decode;
use super::list::Hashes;
use super::old;
use super::samples::{options, scene};
use super::support::Scratch;
use super::ways::{Sessions, Way};
use fractal::colour::{COLOURINGS, Colourer, Depth, PALETTES};
use fractal::parallel::Stop;
use fractal::sink::{Format, ImageSink, Output};
use fractal::{Render, RenderOptions};
use std::sync::Arc;

/// A picture that is recorded.
pub(super) enum Recorded {
    /// By the library: keys of the scene, tiles and their order, format, and depth.
    Library { name: &'static str, keys: String, tiles: &'static str, format: &'static str, depth: Depth },
    /// By the program: its arguments after `render`, and the ending of the file's name, or `-` for the standard output.
    Program { name: &'static str, arguments: &'static str, file: &'static str },
}

const SPIRALS: &str = "re=-0.7452 im=0.1126 width=0.002 max=1500";

/// Name, keys of the scene, tiles and their order, and the format with its depth.
const LIBRARY: &[(&str, &str, &str, &str)] = &[
    // The same pixels in every format that holds them, cut in several ways: lines of one depth have one hash.
    ("picture/png-8", "", "16 rows", "png 8"),
    ("picture/png-16", "", "7 hilbert", "png 16"),
    ("picture/ppm-8", "", "whole rows", "ppm 8"),
    ("picture/ppm-16", "", "1 centre", "ppm 16"),
    // And the same samples, in both ways that EXR files have of cutting them.
    ("picture/exr", "", "16 rows", "exr 8"),
    ("picture/exr-tiles", "", "7 centre", "exr-tiles 8"),
    // Samples are mixed in linear light.
    ("picture/samples-2", "samples=2 size=41x30", "16 rows", "png 8"),
    ("picture/samples-3", "samples=3 size=29x21", "7 hilbert", "png 16"),
    ("picture/samples-2/relief", "samples=2 size=41x30 colouring=relief", "16 rows", "ppm 16"),
    // Every number of a colouring.
    ("picture/density", "density=7.25 offset=0.4 palette=neon", "16 rows", "png 8"),
    ("picture/backwards", "density=-0.3 offset=-11.75 palette=spectrum", "16 rows", "png 16"),
    ("picture/interior", "interior=#3a7 colouring=bands density=3 re=-0.5 width=3", "16 rows", "png 8"),
];

/// Name, arguments after `render`, and the ending of the file's name.
const PROGRAM: &[(&str, &str, &str)] = &[
    ("program/png", "--re -0.16 --im 1.035 --width 0.02 --size 90x60 --tile 16", "png"),
    ("program/ppm-16", "--formula burning_ship --size 61x43 --bits 16 --palette ink --tile 8 --order hilbert", "ppm"),
    ("program/exr", "--julia -0.8,0.156 --rotation 30 --size 64x48 --iterations 700 --tile whole", "exr"),
    ("program/poster", "--formula celtic --size 70x50 --format exr-tiles --tile 8 --order centre", "exr"),
    ("program/samples", "--formula multibrot --power 4 --size 50x34 --samples 3 --colour relief --tile 9", "png"),
    ("program/pipe", "--formula tricorn --size 80x45 --samples 2 --colour distance --palette clarity", "-"),
    // What old files must lead to.
    ("old/relief", old::RELIEF, "png"),
    ("old/ship", old::SHIP, "png"),
    ("old/deep", old::DEEP, "png"),
    ("old/celtic", old::CELTIC, "png"),
    ("old/more", old::MORE, "png"),
];

/// All pictures. There is one for each palette and one for each colouring, so that a new one has a line without being named here.
pub(super) fn all() -> Vec<Recorded> {
    let library = |name: String, keys: &str, tiles, format: &'static str| {
        let (format, depth) = format.split_once(' ').unwrap();
        let depth = if depth == "16" { Depth::Sixteen } else { Depth::Eight };
        Recorded::Library { name: name.leak(), keys: format!("{SPIRALS} {keys}"), tiles, format, depth }
    };
    let mut all: Vec<_> =
        LIBRARY.iter().map(|&(name, keys, tiles, format)| library(name.into(), keys, tiles, format)).collect();
    for palette in PALETTES {
        let keys = format!("palette={} density=2", palette.name);
        all.push(library(format!("palette/{}", palette.name), &keys, "16 rows", "png 8"));
    }
    for colouring in COLOURINGS {
        let keys = format!("colouring={}", colouring.name);
        all.push(library(format!("colouring/{}", colouring.name), &keys, "16 rows", "png 16"));
    }
    all.extend(PROGRAM.iter().map(|&(name, arguments, file)| Recorded::Program { name, arguments, file }));
    all
}

impl Recorded {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Library { name, .. } | Self::Program { name, .. } => name,
        }
    }

    /// Makes it and hashes what it says.
    pub(super) fn hashes(&self, scratch: &Scratch, sessions: &mut Sessions, way: Way) -> Hashes {
        match self {
            Self::Library { keys, tiles, format, depth, .. } => library(keys, tiles, format, *depth, sessions, way),
            Self::Program { arguments, file, .. } => program(scratch, arguments, file, way),
        }
    }
}

fn library(
    keys: &str,
    tiles: &str,
    format: &str,
    depth: Depth,
    sessions: &mut Sessions,
    (backend, isa): Way,
) -> Hashes {
    let (scene, format) = (scene(&[keys]), Format::named(format).unwrap());
    let channels = format.channels(&Colourer::new(&scene.colour).unwrap());
    let options = RenderOptions { isa: Some(isa), channels, ..options(&format!("{tiles} n")) };
    let render = Render::with(&scene, options).unwrap();
    let sink = Arc::new(ImageSink::new(format, Output::memory(), render.image_options(depth)).unwrap());
    render.run(sessions.of(backend), sink.clone(), &Stop::new()).unwrap();
    decode::hashes(&Arc::into_inner(sink).expect("the run is over").into_memory())
}

fn program(scratch: &Scratch, arguments: &str, file: &str, (backend, isa): Way) -> Hashes {
    let output = if file == "-" { "-".into() } else { format!("picture.{file}") };
    let words = ["render", "-q", "--workers", "2", "--backend", backend, "-o", &output];
    let mut command = scratch.program(words.into_iter().chain(arguments.split_whitespace()));
    let outcome = command.env("FRACTAL_ISA", isa.name()).output().unwrap();
    assert!(outcome.status.success(), "{arguments}: {}", String::from_utf8_lossy(&outcome.stderr));
    if file == "-" {
        decode::hashes(&outcome.stdout)
    } else {
        decode::hashes(&std::fs::read(scratch.join(output)).unwrap())
    }
}

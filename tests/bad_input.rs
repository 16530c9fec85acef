//! Every kind of bad input: each case ends with the right exit status and one sentence.

mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::Scratch;

/// A wrong use of the program.
struct Case {
    arguments: String,
    /// What standard input gives.
    input: Vec<u8>,
    /// Variables of the environment.
    environment: Vec<(&'static str, &'static str)>,
    /// The exit status.
    code: i32,
    /// What the sentence must mention: the thing, and what is allowed.
    mentions: Vec<&'static str>,
}

/// Wrong arguments: 2.
fn usage(arguments: impl Into<String>, mentions: &[&'static str]) -> Case {
    let (arguments, mentions) = (arguments.into(), mentions.to_vec());
    Case { arguments, input: Vec::new(), environment: Vec::new(), code: 2, mentions }
}

/// Right arguments, and something else is wrong: 1.
fn failure(arguments: impl Into<String>, mentions: &[&'static str]) -> Case {
    Case { code: 1, ..usage(arguments, mentions) }
}

/// A wrong scene, which is given on standard input.
fn scene(text: impl Into<Vec<u8>>, mentions: &[&'static str]) -> Case {
    Case { input: text.into(), ..failure("info -", mentions) }
}

/// A wrong variable.
fn environment(name: &'static str, value: &'static str, mentions: &[&'static str]) -> Case {
    Case { environment: vec![(name, value)], ..usage("render --size 9x9 -o x.png", mentions) }
}

fn arguments() -> Vec<Case> {
    vec![
        usage("rendr", &["'rendr'", "similar", "render"]),
        usage("render --no-such-flag", &["--no-such-flag", "--help"]),
        usage("render --widht 3", &["--widht", "--width"]),
        usage("render --width 1 --zoom 2", &["--width", "--zoom", "cannot be used with"]),
        usage("render -q -v", &["--quiet", "--verbose"]),
        usage("render --size", &["--size", "value is required"]),
        usage("render --backend thread", &["'thread'", "serial, threads"]),
        usage("render --formula mandelbrat", &["'mandelbrat'", "mandelbrot", "tricorn"]),
        usage("render --palette emberr", &["'emberr'", "ember"]),
        usage("render --colour smoth", &["'smoth'", "smooth"]),
        usage("render --format jpg -o x.jpg", &["'jpg'", "png, exr"]),
        usage("render -o x.jpg", &["x.jpg", ".png, .exr"]),
        usage("render -o x", &["`x`", ".png"]),
        usage("render --order spiral", &["'spiral'", "rows, hilbert, centre"]),
        usage("render --bits 12", &["'12'", "8, 16"]),
        usage("render --stats xml", &["'xml'", "json"]),
        usage("render --progress sometimes", &["'sometimes'", "auto, always, never, json"]),
        usage("render --workers 0", &["'0'", "1 to 4096"]),
        usage("render --workers 4097", &["'4097'", "1 to 4096"]),
        usage("render --workers many", &["'many'", "1 to 4096"]),
        usage("render --tile 0", &["'0'", "whole"]),
        usage("render --tile 4294967296", &["'4294967296'", "whole"]),
        usage("render --tile 1 --size 30000x30000 -o x.png", &["pieces", "larger tiles"]),
        usage("render --schedule fair", &["`fair`", "static", "guided"]),
        usage("render --schedule dynamic,0", &["`0`", "chunk", "from 1"]),
        usage("render --schedule guided --backend rayon", &["rayon", "guided", "it honours dynamic"]),
        usage("render --schedule dynamic --backend serial", &["serial", "dynamic", "it honours static"]),
        usage("render no-such-scene", &["`no-such-scene`", "places are"]),
        usage("render seahorse", &["`seahorse` (perhaps you mean `seahorses`)", "places are"]),
        usage("render --center 1", &["'--center'", "here that is --re and --im", "fractal render --help"]),
        usage("view --tile 2", &["--tile 2", "4 to 4096"]),
        usage("bench --warmup", &["'--warmup' found (try `fractal bench --help`)"]),
        usage("info whole --toml --json", &["--toml", "--json"]),
        usage("render whole seahorses -o x.png", &["x.png", "{name}"]),
        usage("render whole whole -o {name}.png", &["whole.png", "{index}"]),
        usage("render whole -o {size}.png", &["{size}.png", "{name} and {index}"]),
        usage("render - -", &["standard input"]),
        usage("render -o a.png --owners a.png", &["a.png", "two outputs"]),
        usage("render -o a.png --trace a.png", &["a.png", "two outputs"]),
        usage("render -o a.png --owners ./a.png", &["two outputs", "`./a.png`, which is also `a.png`"]),
        usage("render -o a.png --checkpoint ./a.png", &["two outputs", "`./a.png`"]),
        usage("bench --json a.json --csv ./a.json", &["two outputs", "`./a.json`"]),
        usage("bench overhead --html a.json --trace ./a.json", &["two outputs", "`./a.json`"]),
        usage("bench simulate whole --html a.json --trace ./a.json", &["two outputs", "`./a.json`"]),
        usage("bench schedules whole --svg a.svg --html ./a.svg", &["two outputs", "`./a.svg`"]),
        usage(
            "guide --ask compute,often",
            &["`often` is no part of a question", "allowed are the words machines, queue"],
        ),
        usage("guide --ask compute,wait", &["either `compute` or `wait`"]),
        usage("guide --ask ,", &["the question is empty", "such as 10us"]),
        usage("guide --quick", &["--measure"]),
        usage("guide --save a.json", &["--measure"]),
        usage("guide --ask wait --markdown", &["cannot be used with"]),
        usage("render -o a.png --owners a.exr", &["exr"]),
        usage("render --samples 2 -o x.exr", &["samples = 1"]),
        usage("info", &["SCENE"]),
        usage("primes", &["<N>"]),
        usage("primes ten", &["'ten'", "10^6"]),
        usage("primes 1.5", &["'1.5'", "whole number"]),
        usage("primes 1e16", &["10000000000000000", "1e15"]),
        usage("primes 9 --resume", &["--checkpoint"]),
        usage("primes 9 --schedule fair", &["`fair`", "static"]),
        usage("bench --work cooking", &["'cooking'", "scene, primes, thumbnails"]),
        usage("bench --work primes --scene whole", &["`--scene` is for scenes", "primes"]),
        usage("bench simulate", &["SCENE"]),
        usage("bench simulate --work scene", &["whole"]),
        usage("crawl http://127.0.0.1:9/ --per-host 0", &["'0'", "must be a number from 1 to 100"]),
        usage("crawl http://127.0.0.1:9/ --pause soon", &["'soon'", "must be a time from 1ms to 24h"]),
        usage("thumbnails . -o x --size 0", &["'0'", "1..=1024"]),
        usage("thumbnails .", &["--output"]),
        usage("status", &["FILE|URL"]),
        usage("status http://localhost/ -j 0", &["'0'", "from 1 to 100000"]),
        usage("status http://localhost/ --timeout 10x", &["'10x'", "500ms, 10s or 2m"]),
        usage("bench waiting --delay 2d", &["'2d'", "from 1ms to 24h"]),
        usage("probe whole", &["X,Y"]),
        usage("probe whole 5", &["`5`", "X,Y"]),
        usage("probe whole a,b", &["`a,b`", "X,Y"]),
        usage("probe whole 1920,0", &["1920,0", "0 to 1919"]),
        usage("probe whole 0,4294967296", &["0,4294967296", "X,Y"]),
        failure(
            "check whole --re 0.25 --im 0 --width 1e-20 --iterations 200000000",
            &["this close to 1/4", "up to 100000000", "not 200000000"],
        ),
        usage("check", &["SCENE"]),
        usage("check whole --pixels 0", &["0 pixels", "1 to 10000000"]),
        usage("check whole --pixels many", &["'many'", "--pixels"]),
        usage("bench kernel --runs 0", &["'0'", "1..=10000"]),
        usage("bench kernel D@1", &["'D@1'", "loops, A@1000"]),
        usage("bench deep --size 0x9", &["image.size"]),
        usage("bench deep --svg a.svg --html ./a.svg", &["two outputs", "`./a.svg`"]),
        usage("bench kernel --isa sse9", &["'sse9'", "sse4.2, scalar"]),
        usage("bench kernel --isa neon", &["`neon`", "not available"]),
        usage("completions tcsh", &["'tcsh'", "bash"]),
        usage("man rendr", &["`rendr`", "render"]),
        usage("man bench compart", &["`bench compart`", "kernel, overhead"]),
        usage("man render whole", &["`render whole`", "none here"]),
        usage("backends --json --markdown", &["--json", "--markdown"]),
        environment("FRACTAL_BACKEND", "gpu9", &["FRACTAL_BACKEND", "`gpu9`", "serial, threads"]),
        environment("FRACTAL_WORKERS", "none", &["FRACTAL_WORKERS", "`none`", "1 to 4096"]),
        environment("OMP_NUM_THREADS", "0", &["OMP_NUM_THREADS", "`0`", "1 to 4096"]),
        environment("FRACTAL_SCHEDULE", "fair", &["FRACTAL_SCHEDULE", "`fair`", "static"]),
        environment("OMP_SCHEDULE", "static,x", &["OMP_SCHEDULE", "`x`", "chunk"]),
        environment("OMP_PROC_BIND", "perhaps", &["OMP_PROC_BIND", "`perhaps`", "spread"]),
        environment("OMP_PROC_BIND", "close,perhaps", &["OMP_PROC_BIND", "`close,perhaps`", "primary"]),
        environment("FRACTAL_ISA", "sse9", &["FRACTAL_ISA", "`sse9`", "scalar"]),
        environment("FRACTAL_ISA", "neon", &["FRACTAL_ISA", "`neon`", "not available", "scalar"]),
    ]
}

fn scene_arguments() -> Vec<Case> {
    vec![
        usage("render --size 0x5", &["image.size", "0x5", "at least 1"]),
        usage("render --size 5x0", &["image.size", "at least 1"]),
        usage("render --size 4294967296x1", &["image.size", "1920x1080"]),
        usage("render --size 4294967295x4294967295", &["image.size", "at most"]),
        usage("render --size big", &["image.size", "`big`", "1920x1080"]),
        usage("render --size -3x3", &["-3"]),
        usage("render --size 0", &["image.size", "`0`", "2560"]),
        usage("render --size 3K", &["image.size", "`3K`", "2560", "1080p", "4K"]),
        usage("render --set palete=ember", &["`palete` (perhaps you mean `palette`)"]),
        usage("render --set palette=embr", &["`embr` (perhaps you mean `ember`)"]),
        usage("render --samples 0", &["image.samples", "1 to 16"]),
        usage("render --crop 1,2,3", &["`image.crop` cannot be `1,2,3`", "100,50,640x360"]),
        usage("render --size 20x10 --crop 0,0,0x5", &["`image.crop` is 0,0,0x5", "1x1"]),
        usage("render --size 20x10 --crop 15,0,6x5", &["15,0,6x5", "20x10"]),
        usage("render --size 20x10 --crop 4294967295,0,4294967295x5", &["4294967295", "20x10"]),
        usage("render --samples 17", &["image.samples", "1 to 16"]),
        usage("render --re NaN", &["view.re", "decimal number"]),
        usage("render --re inf", &["view.re", "decimal number"]),
        usage("render --im -Infinity", &["view.im", "decimal number"]),
        usage("render --re 1e100", &["view.re", "1e100"]),
        usage("render --re 1e99999999999999999999", &["view.re"]),
        usage("render --width 0", &["view.width", "above 0"]),
        usage("render --width -1", &["view.width", "above 0"]),
        usage("render --zoom nan", &["view.zoom", "decimal number"]),
        usage("render --rotation NaN", &["view.rotation", "1000000"]),
        usage("render --rotation turn", &["view.rotation", "degrees"]),
        usage("render --iterations 0", &["iteration.max", "auto"]),
        usage("render --iterations 9007199254740993", &["iteration.max", "9007199254740992"]),
        usage("render --iterations 1e6", &["iteration.max", "whole number"]),
        usage("render --escape-radius 1", &["iteration.escape_radius", "more than 1"]),
        usage("render --escape-radius NaN", &["iteration.escape_radius"]),
        usage("render --power 9", &["`power` is 9", "2"]),
        usage("render --formula multibrot --power 9", &["`power` is 9", "2 to 8"]),
        usage("render --formula tricorn --power 3", &["`power` is 3", "tricorn", "2"]),
        usage("render --julia 1", &["julia", "-0.8,0.156"]),
        usage("render --julia 1,2,3", &["julia"]),
        usage("render --set colour.density", &["`colour.density`", "key=value"]),
        usage("render --set colour.hue=3", &["`colour.hue`", "colour.palette"]),
        usage("render --set colour.palette=none", &["none", "ember"]),
        usage("render --set interior=reddish", &["reddish"]),
        usage("render --precision f32", &["iteration.precision", "auto, or a number tier: f64"]),
        usage("render --set quality=best", &["iteration.quality", "draft, normal or exact"]),
        usage("render --precision perturbation --formula celtic", &["perturbation", "celtic", "auto or f64"]),
        usage(
            "render --precision perturbation --julia 3,0",
            &["perturbation", "Julia sets", "within radius 2", "auto or f64"],
        ),
        failure("render --formula celtic --width 1e-14 -o x.png", &["too deep", "64-bit"]),
        failure("render --precision f64 --width 1e-14 -o x.png", &["too deep", "64-bit", "iteration.precision"]),
        failure("info --zoom 1e40000 whole", &["too deep", "64-bit"]),
    ]
}

fn scenes() -> Vec<Case> {
    let long = "7".repeat(200_000);
    vec![
        scene("formula = ", &["line 1"]),
        scene("formula = 3", &["line 1", "string"]),
        scene("formula = \"mandelbrat\"", &["mandelbrat", "mandelbrot"]),
        scene("formule = \"mandelbrot\"", &["line 1", "unknown key", "formule", "formula"]),
        scene("[view]\nre = -0.7436438870371510123", &["view.re", "quotes"]),
        scene("[view]\nre = \"-0.5x\"", &["line 2"]),
        scene("[view]\nre = \"NaN\"", &["line 2", "decimal number"]),
        scene("[view]\nim = \"inf\"", &["line 2", "decimal number"]),
        scene("[view]\nre = inf", &["line 2"]),
        scene("[view]\nwidth = \"0\"", &["view.width", "above 0"]),
        scene("[view]\nwidth = \"1\"\nzoom = \"2\"", &["view.width", "view.zoom"]),
        scene("[view]\nrotation = nan", &["view.rotation"]),
        scene("[view]\ncentre = \"0\"", &["unknown key", "centre", "re"]),
        scene(format!("[view]\nwidth = \"0.{}1\"", "0".repeat(199_999)), &["line 2", "200001 digits"]),
        scene(format!("[view]\nre = \"{long}\""), &["line 2", "200000 digits"]),
        scene("[image]\nsize = [0, 5]", &["image.size", "at least 1"]),
        scene("[image]\nsize = [4294967296, 5]", &["line 2", "4294967295"]),
        scene("[image]\nsize = [4294967295, 4294967295]", &["image.size", "at most"]),
        scene("[image]\nsize = [5]", &["line 2", "two"]),
        scene("[image]\nsize = [5, 5, 5]", &["line 2", "two"]),
        scene("[image]\nsize = \"5x5\"", &["line 2"]),
        scene("[image]\nsize = [-5, 5]", &["line 2", "whole number"]),
        scene("[image]\nsamples = 1.5", &["line 2", "whole number"]),
        scene("[iteration]\nmax = \"lots\"", &["line 2", "auto"]),
        scene("[iteration]\nmax = 0", &["iteration.max", "auto"]),
        scene("[iteration]\nescape_radius = 0.5", &["iteration.escape_radius"]),
        scene("[iteration]\nquality = \"best\"", &["line 2", "draft"]),
        scene("Re: -0.05\r\nIm: 0.1\r\nZoom: 1E50\r\n", &["is a Kalles Fraktaler location", "--re, --im and --zoom"]),
        scene("[colour]\npalette = \"none\"", &["`none`", "ember"]),
        scene("[colour]\ndensity = inf", &["density"]),
        scene("[colour]\ninterior = \"red\"", &["interior"]),
        scene("version = 2", &["version", "1"]),
        scene("power = 2\npower = 3", &["line 2", "duplicate"]),
        scene("view = 3", &["line 1"]),
        scene("julia = [\"1\"]", &["line 1"]),
        scene("{\"formula\": }", &["line 1", "column"]),
        scene("{\"formula\": \"mandelbrot\"", &["line 1"]),
        scene("{\"view\": {\"re\": true}}", &["line 1", "decimal number"]),
        scene("{\"formula\": \"mandelbrot\"} tail", &["line 1"]),
        scene("[".repeat(100_000), &["line 1"]),
        scene(format!("{{\"view\": {}", "[".repeat(100_000)), &["line 1"]),
        scene(b"\xff\xfe\x00f".to_vec(), &["standard input", "neither"]),
        scene(b"formula = \"\xc3\x28\"".to_vec(), &["standard input", "UTF-8"]),
    ]
}

/// Makes the files that [`files`] names.
fn write_files(directory: &Path) {
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.join(name), bytes).unwrap();
    let noise: Vec<u8> = (0u32..4096).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let picture = png_without_scene();
    write("picture.png", &picture);
    write("truncated.png", &picture[..40]);
    write("head.png", &picture[..8]);
    write("noise.png", &[&picture[..8], &noise[..]].concat());
    write("noise.exr", &[b"\x76\x2f\x31\x01\x02\x00\x00\x00", &noise[..]].concat());
    write("noise.toml", &noise);
    write("empty.png", b"");
    write("picture.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01");
    write("long.toml", "# a comment that goes on and on\n".repeat(330_000).as_bytes());
    write("long.json", format!("{{\"formula\": \"{}\"}}", "m".repeat(10_000_000)).as_bytes());
    write("zeros.toml", &vec![0; 10_000_000]);
    write("good.toml", b"");
    write("points", b"1,1\n2,x\n");
    write("noise.points", &noise);
    std::fs::create_dir(directory.join("directory")).unwrap();
    std::fs::hard_link(directory.join("good.toml"), directory.join("hard.toml")).unwrap();
    std::os::unix::fs::symlink("later.png", directory.join("link.png")).unwrap();
}

/// A picture of another program: grey, 1 × 1.
fn png_without_scene() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = png::Encoder::new(&mut bytes, 1, 1).write_header().unwrap();
    writer.write_image_data(&[7]).unwrap();
    writer.finish().unwrap();
    bytes
}

fn files() -> Vec<Case> {
    let mut cases = vec![
        failure("info picture.png", &["picture.png", "scene"]),
        failure("info truncated.png", &["truncated.png"]),
        failure("info head.png", &["head.png"]),
        failure("info noise.png", &["noise.png"]),
        failure("info noise.exr", &["noise.exr"]),
        failure("info noise.toml", &["noise.toml", "neither"]),
        failure("info picture.jpg", &["picture.jpg", "neither"]),
        failure("info long.toml", &["long.toml", "too long"]),
        failure("info long.json", &["long.json", "too long"]),
        failure("info zeros.toml", &["zeros.toml", "neither"]),
        failure("info directory", &["directory"]),
        failure("info missing.toml", &["missing.toml"]),
        failure("render good.toml noise.toml --size 9x9 -o {name}.png", &["noise.toml"]),
        failure("bench kernel loops --isa scalar", &["scalar", "no vectors"]),
        failure("probe whole @missing", &["missing"]),
        #[cfg(not(feature = "net"))]
        failure("crawl http://127.0.0.1:9/", &["built without networking", "--features net"]),
        usage("crawl http://127.0.0.1:9/ --resume", &["--output <FOLDER>"]),
        #[cfg(feature = "net")]
        usage("crawl example.org", &["`example.org` does not begin with http:// or https://"]),
        #[cfg(feature = "net")]
        usage("crawl ftp://example.org/", &["the scheme `ftp`", "http and https"]),
        #[cfg(feature = "net")]
        usage("crawl http://127.0.0.1:9/ --host http://x/", &["`http://x/` is no host", "example.org:8080"]),
        #[cfg(feature = "net")]
        usage("crawl http://127.0.0.1:9/ --pages 0", &["`--pages 0`", "numbers from 1"]),
        #[cfg(feature = "net")]
        usage("crawl http://127.0.0.1:9/ -o .", &["`.` is not empty"]),
        #[cfg(not(feature = "net"))]
        failure("status http://localhost/", &["built without networking", "--features net"]),
        #[cfg(not(feature = "net"))]
        failure("bench waiting", &["built without networking", "--features net"]),
        #[cfg(feature = "net")]
        usage("status ftp://localhost/", &["`ftp://localhost/`", "allowed are http and https"]),
        #[cfg(feature = "net")]
        usage("status http://", &["`http://` is no URL", "https://example.org/"]),
        #[cfg(feature = "net")]
        failure("status missing", &["`missing` is no file, and no URL, which begins with http:// or https://"]),
        #[cfg(feature = "net")]
        failure("status points", &["line 1 of `points` does not begin with http:// or https://"]),
        #[cfg(feature = "net")]
        failure("status -", &["`standard input` has no URLs"]),
        #[cfg(feature = "net")]
        usage("status http://localhost/ --model threads", &["'threads'", "serial, pool"]),
        #[cfg(not(feature = "thumbnails"))]
        failure("thumbnails . -o x", &["built without thumbnails", "--features thumbnails"]),
        #[cfg(feature = "thumbnails")]
        failure("thumbnails missing -o x", &["`missing`"]),
        #[cfg(feature = "thumbnails")]
        usage("thumbnails directory -o directory/../directory", &["would replace its pictures"]),
        #[cfg(feature = "thumbnails")]
        failure("thumbnails directory -o x", &["has no pictures", "jpg, jpeg, png, webp"]),
        failure("probe whole @points", &["points", "line 2"]),
        failure("probe whole @noise.points", &["noise.points"]),
        failure("probe whole @directory", &["directory"]),
        failure("render --size 9x9 -o missing/x.png", &["missing/x.png"]),
        failure("info \u{1b}[31mred.toml", &["`\u{fffd}[31mred.toml`"]),
        failure("probe whole @a\u{9b}1m", &["`a\u{fffd}1m`"]),
        failure("bench report \u{202e}lmth.a -o x.html", &["`\u{fffd}lmth.a`"]),
        failure("render --size 9x9 -o directory", &["`directory` is a folder", "a file in it"]),
        failure("render --size 9x9 -o nowhere/ --format png", &["`nowhere/` is a folder"]),
        failure("render --size 9x9 -o good.toml/x.png", &["good.toml/x.png"]),
        failure(format!("render --size 9x9 -o {}.png", "x".repeat(300)), &["xxx"]),
        failure("render --size 9x9 -o x.png --owners missing/x.png", &["missing/x.png"]),
        failure("render --size 9x9 -o x.png --trace missing/t.json", &["missing/t.json"]),
        usage("render --size 9x9 -o x.png --owners x", &["`x`", ".png"]),
        usage("render good.toml --size 9x9 -o x.png --trace ./good.toml", &["`./good.toml`", "which is an input"]),
        usage("render good.toml --size 9x9 -o good.toml --format png", &["`good.toml`", "which is an input"]),
        usage(
            "render good.toml --size 9x9 -o x.png --trace hard.toml",
            &["`hard.toml`", "`good.toml`", "which is an input"],
        ),
        usage(
            "render --size 9x9 -o x.png --continue good.toml --trace good.toml",
            &["`good.toml`", "which is an input"],
        ),
        usage("render --size 9x9 -o link.png --trace later.png", &["`later.png`", "`link.png`"]),
        usage(
            "merge good.toml picture.png -o directory/../good.toml --format png",
            &["good.toml`", "which is an input"],
        ),
        usage("bench --scene good.toml --csv good.toml", &["`good.toml`", "which is an input"]),
        usage("bench simulate good.toml --csv good.toml", &["`good.toml`", "which is an input"]),
        usage("bench schedules good.toml --svg good.toml", &["`good.toml`", "which is an input"]),
        usage("bench report points good.toml -o ./good.toml", &["`./good.toml`", "which is an input"]),
    ];
    if cfg!(target_os = "linux") {
        cases.extend([
            failure("info /proc/self/mem", &["/proc/self/mem", "read"]),
            failure("render --size 9x9 -o /proc/x.png", &["/proc/x.png"]),
            failure("render --size 9x9 -o /dev/full --format png", &["/dev/full", "space"]),
            failure("render --size 9x9 -o /dev/full --format exr", &["/dev/full", "space"]),
            failure("render --size 999x999 -o /dev/full --format ppm", &["/dev/full", "space"]),
            failure("render --size 9x9 -o /dev/null --format png --trace /dev/full", &["/dev/full", "space"]),
        ]);
    }
    cases
}

fn listing(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What is wrong with how the program answered, if anything.
fn fault(case: &Case, output: &Output) -> Option<String> {
    let told = String::from_utf8_lossy(&output.stderr);
    let complaint = if output.status.code() != Some(case.code) {
        format!("ended with {}, not {}", output.status, case.code)
    } else if !told.starts_with("fractal: ") || !told.ends_with('\n') || told.lines().count() != 1 {
        "is not one line that begins with `fractal: `".into()
    } else if told.len() > 1500 {
        format!("says {} bytes", told.len())
    } else if told.contains("panicked") || told.contains("RUST_BACKTRACE") {
        "shows a panic".into()
    } else if let Some(missing) = case.mentions.iter().find(|mention| !told.contains(**mention)) {
        format!("does not mention {missing:?}")
    } else if !output.stdout.is_empty() {
        "writes to standard output".into()
    } else {
        return None;
    };
    let told: String = told.chars().take(1500).collect();
    let input: String = String::from_utf8_lossy(&case.input).chars().take(100).collect();
    let Case { arguments, environment, .. } = case;
    Some(format!("fractal {arguments:.200} {environment:?} {input:?}\n    {complaint}:\n    {told}"))
}

fn check(name: &str, cases: Vec<Case>) {
    let scratch = Scratch::new(name);
    write_files(&scratch);
    let before = listing(&scratch);
    let mut faults = Vec::new();
    for case in cases {
        let mut command = scratch.program(case.arguments.split_whitespace());
        command.envs(case.environment.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that has seen enough closes its input early.
        let _ = child.stdin.take().unwrap().write_all(&case.input);
        let output = child.wait_with_output().unwrap();
        faults.extend(fault(&case, &output));
        let after = listing(&scratch);
        for left in after.difference(&before) {
            faults.push(format!("fractal {:.200}\n    leaves `{left}`", case.arguments));
            let _ = std::fs::remove_file(scratch.join(left));
        }
    }
    assert!(faults.is_empty(), "{} of the cases:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn wrong_arguments() {
    check("arguments", arguments());
}

#[test]
fn wrong_values_for_scenes() {
    check("values", scene_arguments());
}

/// What `render` refuses, `view` refuses too: before it looks for a screen.
#[cfg(feature = "window")]
#[test]
fn wrong_scenes_for_a_window() {
    let far = "[view]\nwidth = \"1e-1000000\"\n";
    let mut cases = vec![
        failure("view whole --width 1e-1000000", &["too deep", "64-bit"]),
        failure("view whole --formula celtic --width 1e-20 --re 1e-1000000", &["too deep", "64-bit"]),
        failure("view whole --zoom 1e1000000", &["too deep", "64-bit"]),
        Case { input: far.into(), ..failure("view -", &["too deep", "64-bit"]) },
        usage("view whole --size 1000000x1000000", &["1000000x1000000", "1 to 32767"]),
        usage("view whole --size 5x40000", &["5x40000", "1 to 32767"]),
        failure("view whole --re 1e-1000000", &["no window can be opened here"]),
        failure("view whole --julia 1e-1000000,0", &["no window can be opened here"]),
    ];
    cases.iter_mut().for_each(|case| case.environment = vec![("DISPLAY", "")]);
    check("window", cases);
}

#[test]
fn wrong_scenes() {
    check("scenes", scenes());
}

#[test]
fn wrong_files() {
    check("files", files());
}

/// The same command by someone whom permissions bind: root loses its right to pass over them.
#[cfg(target_os = "linux")]
fn bound_by_permissions(command: &Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return same;
    }
    let mut bound = Command::new("setpriv");
    bound.arg("--bounding-set=-dac_override,-dac_read_search").arg(command.get_program()).args(command.get_args());
    bound
}

#[cfg(target_os = "linux")]
#[test]
fn files_without_permission() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("permission");
    let allow = |path: &str, mode| {
        std::fs::set_permissions(scratch.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::write(scratch.join("secret.toml"), "").unwrap();
    std::fs::write(scratch.join("points"), "1,1\n").unwrap();
    std::fs::create_dir(scratch.join("locked")).unwrap();
    allow("secret.toml", 0);
    allow("points", 0);
    allow("locked", 0o500);
    for (arguments, mentions) in [
        ("info secret.toml", ["secret.toml", "ermission"]),
        ("render secret.toml -o x.png", ["secret.toml", "ermission"]),
        ("probe whole @points", ["points", "ermission"]),
        ("render --size 9x9 -o locked/x.png", ["locked/x.png", "ermission"]),
        ("render --size 9x9 -o x.png --trace locked/x.json", ["locked/x.json", "ermission"]),
    ] {
        let command = scratch.program(arguments.split_whitespace());
        let output = bound_by_permissions(&command).current_dir(&*scratch).output().unwrap();
        assert_eq!(fault(&failure(arguments, &mentions), &output), None);
        assert!(!scratch.join("x.png").exists());
    }
    allow("locked", 0o700);
}

#[test]
fn a_standard_output_that_is_full() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let scratch = Scratch::new("full");
    for arguments in [
        "render --size 9x9 -o -",
        "places",
        "backends --json",
        "man",
        "completions fish",
        "info whole",
        "probe whole 1,1",
        "check whole --pixels 3",
        "render --size 9x9 -o /dev/stdout",
        "--help",
        "--version",
        "render --help",
        "bench kernel --json --runs 1 --anyway A@1000",
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut output = scratch.program(arguments.split_whitespace()).stdout(full).output().unwrap();
        output.stdout.clear();
        assert_eq!(fault(&failure(arguments, &["space"]), &output), None);
        assert_eq!(listing(&scratch), BTreeSet::new());
    }
}

#[test]
fn a_standard_output_that_nobody_takes() {
    let scratch = Scratch::new("closed");
    let run = |redirect: &str, arguments: &str| {
        let program = env!("CARGO_BIN_EXE_fractal");
        let script = format!("'{program}' {arguments} {redirect}");
        Command::new("sh").args(["-c", &script]).current_dir(&*scratch).output().unwrap()
    };
    // Closed, and open for reading only.
    for (redirect, arguments, says) in [
        (">&-", "render --size 9x9 -o -", "closed"),
        (">&-", "render --size 9x9 -o /dev/stdout", "closed"),
        (">&-", "render --size 9x9 -q -o a.png --trace -", "closed"),
        ("1</dev/null", "render --size 9x9 -o -", "Bad file descriptor"),
        ("1</dev/null", "places", "Bad file descriptor"),
        ("1</dev/null", "--help", "Bad file descriptor"),
    ] {
        assert_eq!(fault(&failure(format!("{arguments} {redirect}"), &[says]), &run(redirect, arguments)), None);
        assert_eq!(listing(&scratch), BTreeSet::new());
    }
    assert!(run(">/dev/null", "render --size 9x9 -o -").status.success());
    // It is the standard output that is written, whatever it is called: what was there before stays.
    std::fs::write(scratch.join("log"), "before").unwrap();
    assert!(run(">>log", "render --size 9x9 -o /dev/stdout").status.success());
    assert!(std::fs::read(scratch.join("log")).unwrap().starts_with(b"before\x89PNG"));
}

#[test]
fn variables_that_are_empty_count_as_unset() {
    let scratch = Scratch::new("empty-variables");
    let names = ["BACKEND", "WORKERS", "SCHEDULE", "ISA", "PATIENCE"].map(|name| format!("FRACTAL_{name}"));
    let openmp =
        ["NUM_THREADS", "SCHEDULE", "PROC_BIND", "THREAD_LIMIT", "MAX_ACTIVE_LEVELS", "WAIT_POLICY", "DISPLAY_ENV"];
    let names: Vec<_> = names.into_iter().chain(openmp.map(|name| format!("OMP_{name}"))).collect();
    for arguments in ["render --size 9x9 --backend pipes --workers 1 -q -o x.png", "info whole"] {
        let unset = scratch.program(arguments.split_whitespace()).output().unwrap();
        let mut command = scratch.program(arguments.split_whitespace());
        command.envs(names.iter().map(|name| (name, "")));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, unset.stdout);
    }
}

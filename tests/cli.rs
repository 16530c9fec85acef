//! The command line as people and programs use it.

#[path = "cli/completion.rs"]
mod completion;
#[path = "cli/ending.rs"]
mod ending;
mod support;
#[path = "cli/works.rs"]
mod works;

use fractal::sample::{Channels, DISTANCES_X, DISTANCES_Y, FRACTIONS};
use fractal::sink::Grid;
use fractal::{Render, RenderOptions, Scene};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use support::{Scratch, left_out::lacks, until};

/// Runs a command that must succeed.
fn done(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn stdout(command: Command) -> String {
    String::from_utf8(done(command).stdout).unwrap()
}

fn stderr(command: Command) -> String {
    String::from_utf8(done(command).stderr).unwrap()
}

fn files(scratch: &Scratch) -> Vec<String> {
    let entries = std::fs::read_dir(&**scratch).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// The commands that the program's help lists.
fn commands(scratch: &Scratch) -> Vec<String> {
    let help = stdout(scratch.program(["--help"]));
    let listed = help.split("\nOptions:\n").next().unwrap().lines().filter(|line| line.starts_with("  "));
    listed.map(|line| words(line)[0].to_owned()).filter(|name| name != "help").collect()
}

#[test]
fn every_command_has_help_and_a_manual_page() {
    let scratch = Scratch::new("help");
    let commands = commands(&scratch);
    assert!(commands.iter().any(|name| name == "render") && commands.len() >= 10, "{commands:?}");
    for name in &commands {
        let output = done(scratch.program([name, "--help"]));
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains(&format!("Usage: fractal {name}")), "{help}");
        assert!(output.stderr.is_empty());
        let page = stdout(scratch.program(["man", name]));
        assert!(page.contains(&format!(".TH fractal-{name}")), "{page}");
    }
    let page = stdout(scratch.program(["man"]));
    assert!(commands.iter().all(|name| page.contains(name.as_str())), "{page}");
    assert_eq!(stdout(scratch.program(["--version"])), concat!("fractal ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// The pages that a page refers to, each as the words of a command.
fn referred_to(page: &str) -> Vec<Vec<String>> {
    let plain = page.replace("\\-", "-");
    let names = plain.lines().filter_map(|line| line.strip_prefix("fractal-")?.split_once("(1)"));
    names.map(|(name, _)| name.split('-').map(str::to_owned).collect()).collect()
}

#[test]
fn manual_pages_are_plain_for_groff() {
    let scratch = Scratch::new("groff");
    let has_groff = Command::new("groff").arg("--version").output().is_ok();
    for name in commands(&scratch).iter().map(String::as_str).chain(["bench compare", "bench overhead"]) {
        let words: Vec<_> = ["man"].into_iter().chain(name.split(' ')).collect();
        let page = stdout(scratch.program(words));
        assert!(page.is_ascii(), "{name}");
        if has_groff {
            fs::write(scratch.join("page"), page).unwrap();
            let arguments = ["-ww", "-man", "-Tutf8", "page"];
            let output = Command::new("groff").args(arguments).current_dir(&*scratch).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
        }
    }
    if !has_groff {
        lacks("what is said of manual pages", "groff");
    }
}

#[test]
fn every_manual_page_that_is_referred_to_exists() {
    let scratch = Scratch::new("pages");
    let mut open = vec![Vec::new()];
    let mut seen = 0;
    while let Some(words) = open.pop() {
        let page = stdout(scratch.program(["man".to_owned()].iter().chain(&words)));
        let title = [&["fractal".to_owned()], &words[..]].concat().join("-");
        assert!(page.contains(&format!(".TH {title} 1")), "{page}");
        assert!(page.contains(&format!("\\fB{}\\fR", title.replace('-', " "))), "{page}");
        open.extend(referred_to(&page));
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn lists_are_json_with_fixed_keys() {
    let scratch = Scratch::new("lists");
    for (list, keys) in [
        ("backends", "name help available why schedules choose avoid"),
        ("formulas", "name help"),
        ("palettes", "name help"),
        ("colourings", "name help"),
        ("places", "name help formula re im width zoom samples"),
    ] {
        let json: Value = serde_json::from_str(&stdout(scratch.program([list, "--json"]))).unwrap();
        let entries = json.as_array().unwrap();
        assert!(!entries.is_empty());
        for (entry, key) in entries.iter().flat_map(|entry| words(keys).into_iter().map(move |key| (entry, key))) {
            assert!(entry.get(key).is_some(), "{list} without {key}: {entry}");
        }
        let (people, table) = (stdout(scratch.program([list])), stdout(scratch.program([list, "--markdown"])));
        for name in entries.iter().map(|entry| entry["name"].as_str().unwrap()) {
            assert!(people.lines().any(|line| words(line)[0] == name), "{people}");
            assert!(table.contains(&format!("| `{name}` |")), "{table}");
        }
    }
    let backends: Value = serde_json::from_str(&stdout(scratch.program(["backends", "--json"]))).unwrap();
    for backend in backends.as_array().unwrap() {
        assert_eq!((&backend["available"], &backend["why"]), (&Value::Bool(true), &Value::Null), "{backend}");
        assert!(backend["schedules"].as_array().unwrap().iter().any(|schedule| schedule == "auto"));
    }
}

#[test]
fn every_place_can_be_planned_and_reported_about() {
    let scratch = Scratch::new("info");
    for place in fractal::scene::PLACES {
        let text = stdout(scratch.program(["info", place.name]));
        let tier = text.contains("\nnumbers     f64: ") || text.contains("\nnumbers     perturbation: ");
        assert!(tier && text.contains("the best that this processor has") && !text.contains("inf"), "{text}");
    }
    let json: Value = serde_json::from_str(&stdout(scratch.program(["info", "whole", "--json"]))).unwrap();
    assert_eq!((json["formula"].as_str(), json["tier"].as_str()), (Some("mandelbrot"), Some("f64")));
    assert_eq!((&json["re"], &json["im"], &json["zoom"]), (&"-0.75".into(), &"0".into(), &1.6.into()));
    assert_eq!(json["width"].as_str().unwrap().parse::<f64>().unwrap(), 4.0 / 1.6 / 1080.0 * 1920.0);
    let text = stdout(scratch.program(["info", "coast"]));
    let arguments = "--formula multibrot --power 3 --re 0.62 --im 0.53 --width 0.2";
    assert!(text.contains("centre      re 0.62, im 0.53\nwidth       0.2\n") && text.contains(arguments), "{text}");
    let deep = words("info --re 0 --im 1 --width 1e-50 --iterations 999");
    let text = stdout(scratch.program(&deep));
    assert!(
        text.contains("perturbation: differences")
            && text.contains("since the view is too small")
            && text.contains("reference   320 bits; at most 999 iterations, 64.0 kB and about "),
        "{text}"
    );
    let cusp = words("info --re 0.2500000000000000005 --im 0 --width 1e-27 --iterations 5000000000");
    let text = stdout(scratch.program(&cusp));
    assert!(text.contains("in numbers of 32 digits, from 1/2, since orbits this close to 1/4 take long"), "{text}");
    assert!(!text.contains("reference ") && text.contains("\nprocessor   scalar: "), "{text}");
    let json: Value = serde_json::from_str(&stdout(scratch.program([&deep[..], &["--json"]].concat()))).unwrap();
    assert_eq!((json["tier"].as_str(), json["prepared_bytes"].as_u64()), (Some("perturbation"), Some(64_000)));
    assert_eq!((json["reference_bits"].as_u64(), json["reference_iterations"].as_u64()), (Some(320), Some(999)));
    assert!(json["reference_seconds"].as_f64() < Some(0.01));
    let mut forced = scratch.program(["info", "whole"]);
    forced.env("FRACTAL_ISA", "scalar");
    assert!(stdout(forced).contains("scalar: FRACTAL_ISA asks for it"));
}

#[test]
fn a_render_says_what_it_cost_in_fixed_keys() {
    let scratch = Scratch::new("stats");
    let text = stderr(scratch.program(words(
        "render whole --size 300x200 --samples 2 --tile 32 --backend threads --workers 3 --schedule dynamic,2 -o a.png --stats json",
    )));
    let json: Value = serde_json::from_str(&text).unwrap();
    let keys = |value: &Value, keys: &str| {
        for key in words(keys) {
            assert!(value.get(key).is_some(), "no {key} in {value}");
        }
    };
    keys(&json, "seconds cpu_seconds iterations tiles pixels peak_memory_bytes backend schedule isa tier workers");
    keys(&json, "imbalance efficiency");
    keys(&json["seconds"], "setup reference render colour encode keep total");
    keys(&json["cpu_seconds"], "render total");
    keys(&json["iterations"], "executed useful");
    keys(&json["workers"][0], "index busy_seconds tiles host name");
    assert_eq!((json["tiles"].as_u64(), json["pixels"].as_u64()), (Some(70), Some(60_000)));
    assert_eq!((json["backend"].as_str(), json["schedule"].as_str()), (Some("threads"), Some("dynamic,2")));
    let workers = json["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 3);
    let sum = |key: &str| workers.iter().map(|worker| worker[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("tiles"), 70);
    let useful: u64 = workers.iter().map(|worker| worker["iterations"]["useful"].as_u64().unwrap()).sum();
    assert_eq!(Some(useful), json["iterations"]["useful"].as_u64());
    let samples: u64 = json["samples"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(samples, 240_000, "every sample ended in one way");
    let seconds = |key: &str| json["seconds"][key].as_f64().unwrap();
    assert!(seconds("total") >= seconds("render") && seconds("render") > 0.0 && seconds("colour") > 0.0);
    assert_eq!(seconds("keep"), 0.0, "nothing was kept");
    assert!((0.0..=1.001).contains(&json["efficiency"].as_f64().unwrap()));
    assert!(json["seconds"]["reference"].is_null(), "no reference orbit");
    let text =
        stderr(scratch.program(words("render whole --re 0 --im 1 --zoom 1e100 --size 40x30 -o b.png --stats json")));
    let json: Value = serde_json::from_str(&text).unwrap();
    let seconds = |key: &str| json["seconds"][key].as_f64().unwrap();
    assert!(seconds("reference") > 0.0 && seconds("setup") >= seconds("reference"));
}

#[test]
fn the_environment_says_what_arguments_do_not() {
    let scratch = Scratch::new("environment");
    let stats = |arguments: &str| {
        let mut command = scratch.program(words(arguments));
        command.env("FRACTAL_BACKEND", "rayon").env("FRACTAL_WORKERS", "3").env("FRACTAL_SCHEDULE", "dynamic,4");
        command.env("FRACTAL_ISA", "scalar");
        let json: Value = serde_json::from_str(&stderr(command)).unwrap();
        let text = |key: &str| json[key].as_str().unwrap().to_owned();
        (text("backend"), text("schedule"), text("isa"), json["workers"].as_array().unwrap().len())
    };
    let size = "render --size 40x30 -o a.png --stats json";
    assert_eq!(stats(size), ("rayon".into(), "dynamic,4".into(), "scalar".into(), 3));
    let told = stats(&format!("{size} --backend threads --workers 2 --schedule static"));
    assert_eq!(told, ("threads".into(), "static".into(), "scalar".into(), 2));
}

#[test]
fn progress_as_json_ends_with_everything_done() {
    let scratch = Scratch::new("progress");
    let text = stderr(scratch.program(words("render --size 200x100 --tile 16 -o a.png --progress json")));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    for key in words("tiles_done tiles pixels_done pixels iterations seconds eta_seconds") {
        assert!(last.get(key).is_some(), "{last}");
    }
    assert_eq!((last["tiles_done"].as_u64(), last["pixels_done"].as_u64()), (Some(91), Some(20_000)));
    assert_eq!((last["tiles"].as_u64(), last["pixels"].as_u64()), (Some(91), Some(20_000)));
    assert_eq!(last["eta_seconds"].as_f64(), Some(0.0));
}

#[test]
fn off_a_terminal_one_line_says_what_was_written() {
    let scratch = Scratch::new("silence");
    assert_eq!(stderr(scratch.program(words("render --size 40x30 -q -o a.png"))), "");
    for arguments in ["render --size 40x30 -o a.png", "render --size 40x30 -o a.png --progress auto"] {
        let told = stderr(scratch.program(words(arguments)));
        assert!(told.starts_with("wrote `a.png`: 40 × 30 pixels, ") && told.ends_with(" s\n"), "{told}");
        assert!(told.contains(" kB, in ") && told.lines().count() == 1, "{told}");
    }
    let told = stderr(scratch.program(words("render --size 40x30 -o a.png -v")));
    assert!(told.starts_with("a.png: 40 × 30 pixels in ") && told.lines().count() == 2, "{told}");
    // A device, a pipe and whoever reads JSON get none.
    for arguments in ["-o /dev/null", "-o -", "-o a.png --progress json", "-o a.png --stats json"] {
        let told = stderr(scratch.program(words(&format!("render --size 40x30 --format png {arguments}"))));
        assert!(!told.contains("wrote"), "{arguments}: {told}");
    }
}

#[test]
fn a_trace_has_a_row_for_each_worker_and_every_tile_once() {
    let scratch = Scratch::new("trace");
    done(
        scratch.program(words(
            "render whole seahorses --size 200x100 --tile 16 --workers 2 --trace t.json -o {index}.png",
        )),
    );
    let json: Value = serde_json::from_slice(&std::fs::read(scratch.join("t.json")).unwrap()).unwrap();
    let events = json["traceEvents"].as_array().unwrap();
    for pid in [1, 2] {
        let of = |phase: &str| {
            let matching = events.iter().filter(move |event| event["pid"] == pid && event["ph"] == *phase);
            matching.collect::<Vec<_>>()
        };
        // Two workers, and the run as a whole.
        assert_eq!(of("M").iter().filter(|event| event["name"] == "thread_name").count(), 3);
        let claims = of("X").into_iter().filter(|slice| slice["cat"] == "claim");
        let pieces = claims.map(|slice| slice["args"]["pieces"].as_u64().unwrap()).sum::<u64>();
        assert_eq!(pieces, 91);
    }
    assert_eq!(files(&scratch), ["1.png", "2.png", "t.json"]);
}

#[test]
fn pictures_are_scenes_and_give_the_same_picture_again() {
    let scratch = Scratch::new("again");
    done(scratch.program(words("render seahorses --size 160x90 --palette ember --rotation 30 --samples 2 -o a.png")));
    done(scratch.program(words("render a.png -o b.png --backend serial")));
    let read = |name: &str| std::fs::read(scratch.join(name)).unwrap();
    assert!(read("a.png") == read("b.png"), "the same bytes");
    done(scratch.program(words("render a.png -o c.exr --samples 1")));
    done(scratch.program(words("render c.exr -o d.png --samples 2")));
    assert!(read("a.png") == read("d.png"), "also through raw data");
}

#[test]
fn a_crop_has_the_pixels_of_the_whole_and_is_a_scene_too() {
    let scratch = Scratch::new("crop");
    done(scratch.program(words("render seahorses --size 200x120 --rotation 20 --samples 2 -o whole.ppm")));
    done(
        scratch.program(words("render seahorses --size 200x120 --rotation 20 --samples 2 --crop 50,30,64x36 -o a.png")),
    );
    done(scratch.program(words("render a.png -o crop.ppm --backend pipes")));
    done(scratch.program(words("render a.png -o other.ppm --size 20x20 --crop 5,5,10x15")));
    done(scratch.program(words("render a.png -o again.ppm --size 200x120 --crop none")));
    let pixels = |name: &str, header: &str| {
        let bytes = std::fs::read(scratch.join(name)).unwrap();
        bytes.strip_prefix(header.as_bytes()).unwrap_or_else(|| panic!("{:?}", &bytes[..20])).to_vec()
    };
    let whole = pixels("whole.ppm", "P6\n200 120\n255\n");
    let expected: Vec<u8> = (30..66).flat_map(|y| &whole[3 * (200 * y + 50)..][..3 * 64]).copied().collect();
    assert!(pixels("crop.ppm", "P6\n64 36\n255\n") == expected);
    assert_eq!(pixels("other.ppm", "P6\n10 15\n255\n").len(), 450);
    assert!(pixels("again.ppm", "P6\n200 120\n255\n") == whole);
    assert!(stdout(scratch.program(words("info a.png"))).contains("200 × 120 pixels, of which 50,30,64x36 are drawn"));
}

#[test]
fn every_scene_can_be_written_as_a_scene_file() {
    let scratch = Scratch::new("toml");
    done(scratch.program(words("render whole --size 40x30 --palette ink -o a.png")));
    for (source, key) in [("whole", "zoom = \"1.6\""), ("a.png", "palette = \"ink\""), ("dragon", "julia = [")] {
        let text = stdout(scratch.program(["info", source, "--toml"]));
        assert!(text.contains("re = \"") && text.contains("im = \"") && text.contains(key), "{text}");
        std::fs::write(scratch.join("scene.toml"), &text).unwrap();
        assert_eq!(stdout(scratch.program(["info", "scene.toml", "--toml"])), text);
        done(scratch.program(["render", source, "--size", "40x30", "-o", "one.ppm"]));
        done(scratch.program(["render", "scene.toml", "--size", "40x30", "-o", "other.ppm"]));
        let read = |name: &str| std::fs::read(scratch.join(name)).unwrap();
        assert!(read("one.ppm") == read("other.ppm"), "{source}");
    }
}

#[test]
fn a_scene_is_called_what_it_is() {
    let scratch = Scratch::new("called");
    for (arguments, title) in [
        ("whole", "the whole Mandelbrot set"),
        ("whole --iterations 50 --size 40x30", "the whole Mandelbrot set"),
        ("whole --formula celtic", "celtic"),
        ("whole --re 0.3", "mandelbrot"),
        ("whole --julia -0.8,0.156 --set title=rabbit", "rabbit"),
    ] {
        let told = stdout(scratch.program(words(&format!("info {arguments}"))));
        assert_eq!(told.lines().next().unwrap().trim_start_matches("scene").trim(), title, "{arguments}");
    }
    let again = ["info", "whole", "--re", "0.3", "--set", "title=the whole Mandelbrot set"];
    assert!(stdout(scratch.program(again)).contains("the whole Mandelbrot set"), "it was given");
}

#[test]
fn several_scenes_go_where_the_pattern_says() {
    let scratch = Scratch::new("several");
    std::fs::write(scratch.join("mine.toml"), "formula = \"tricorn\"").unwrap();
    done(
        scratch.program(words("render whole mine.toml --size 40x30 -o {index}-{name}.ppm --owners {name}-owners.png")),
    );
    assert_eq!(files(&scratch), ["1-whole.ppm", "2-mine.ppm", "mine-owners.png", "mine.toml", "whole-owners.png"]);
    done(scratch.program(words("render whole mine.toml --size 40x30")));
    assert!(files(&scratch).contains(&"mine.png".into()) && files(&scratch).contains(&"whole.png".into()));
}

#[test]
fn standard_input_and_output_are_scenes_and_pictures() {
    let scratch = Scratch::new("pipes");
    std::fs::write(scratch.join("scene.json"), r#"{"formula": "celtic", "image": {"size": [30, 20]}}"#).unwrap();
    let mut command = scratch.program(words("render - -o -"));
    command.stdin(std::fs::File::open(scratch.join("scene.json")).unwrap());
    let output = done(command);
    assert!(output.stdout.starts_with(b"\x89PNG") && output.stderr.is_empty());
    done(scratch.program(words("render scene.json -o a.png")));
    assert!(std::fs::read(scratch.join("a.png")).unwrap() == output.stdout, "the same bytes");
    let ppm = done(scratch.program(words("render scene.json -o - --format ppm"))).stdout;
    assert!(ppm.starts_with(b"P6") && ppm.len() > 30 * 20 * 3);
}

#[test]
fn probing_says_what_rendering_computes() {
    let scratch = Scratch::new("probe");
    let mut scene = Scene::load("seahorses").unwrap();
    scene.set("samples=1").unwrap();
    scene.set("size=32x18").unwrap();
    let channels = Channels::ALL;
    let render = Render::with(&scene, RenderOptions { channels, ..RenderOptions::default() }).unwrap();
    let grid = Arc::new(Grid::new(render.tiles()));
    render.run_here(grid.clone(), &fractal::parallel::Stop::new()).unwrap();
    let points: String = (0..18).flat_map(|y| (0..32).map(move |x| format!("{x},{y}\n"))).collect();
    std::fs::write(scratch.join("points"), points).unwrap();
    let text = stdout(scratch.program(words("probe seahorses @points --size 32x18 --json")));
    let samples = grid.samples();
    assert_eq!(text.lines().count(), samples.len());
    let mut reasons = std::collections::BTreeSet::new();
    for (index, (line, sample)) in text.lines().zip(samples).enumerate() {
        let point: Value = serde_json::from_str(line).unwrap();
        assert_eq!((point["x"].as_u64(), point["y"].as_u64()), (Some(index as u64 % 32), Some(index as u64 / 32)));
        assert_eq!(point["n"].as_u64(), sample.count, "{line}");
        let smooth = sample.count.map(|n| n as f64 + f64::from(sample.number(FRACTIONS)));
        assert_eq!(point["smooth"].as_f64(), smooth, "{line}");
        let [x, y] = [DISTANCES_X, DISTANCES_Y].map(|plane| f64::from(sample.number(plane)));
        assert_eq!(point["de"].as_f64(), sample.count.map(|_| x.hypot(y)), "{line}");
        assert_eq!(point["why"] == "escaped", sample.count.is_some(), "{line}");
        reasons.insert(point["why"].as_str().unwrap().to_owned());
    }
    assert!(reasons.len() >= 2, "{reasons:?}");
    let probe = |arguments: &str| stdout(scratch.program(words(arguments)));
    let whole = "probe whole --size 400x300";
    assert!(probe(&format!("{whole} 220,150 --json")).contains(r#""n":null,"smooth":null,"de":null,"why":"cardioid""#));
    assert!(probe(&format!("{whole} 100,150")).starts_with("100,150: "));
    // A pixel's point is the same in a part of the picture.
    let at = |arguments: &str| {
        let point: Value = serde_json::from_str(&probe(&format!("{whole} --json --rotation 30 {arguments}"))).unwrap();
        (point["re"].as_f64().unwrap(), point["im"].as_f64().unwrap(), point["n"].clone())
    };
    assert_eq!(at("110,155"), at("10,5 --crop 100,150,40x30"));
    let centre = probe("probe whole --size 401x301 200,150");
    assert!(centre.ends_with(", at re -0.75, im 0.0\n"), "{centre}");
}

/// Beyond 2³² counts have two words, in every file.
#[test]
fn a_maximum_beyond_32_bits_changes_no_picture() {
    let scratch = Scratch::new("large");
    let outside = "whole --re 1.6 --im 0.2 --width 2 --size 40x30";
    let ppm = |iterations: &str| {
        let command = format!("render {outside} --iterations {iterations} --format ppm -o -");
        scratch.program(words(&command)).output().unwrap().stdout
    };
    let [few, many] = ["1000", "5000000000"].map(ppm);
    assert!(few == many && few.len() > 3 * 40 * 30);
    let kept = format!("render {outside} --iterations 5000000000 --checkpoint a.tiles");
    done(scratch.program(words(&format!("{kept} -o a.png -q"))));
    assert!(scratch.program(words(&format!("{kept} --resume --format ppm -o -"))).output().unwrap().stdout == few);
    done(scratch.program(words(&format!("render {outside} --iterations 5000000000 -o a.exr -q"))));
    for (from, to) in [("a.exr", "b.exr"), ("a.tiles", "b.png")] {
        let more = format!("render {outside} --iterations 6000000000 --continue {from} -o {to}");
        let report = String::from_utf8(done(scratch.program(words(&more))).stderr).unwrap();
        assert!(report.contains("1200 of 1200 samples had escaped"), "{report}");
    }
    // A picture with fewer iterations has no high words.
    done(scratch.program(words(&format!("render {outside} --iterations 1000 -o c.exr -q"))));
    let more = format!("render {outside} --iterations 6000000000 --continue c.exr -o d.exr");
    let refused = scratch.program(words(&more)).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("`c.exr` lacks data that this picture needs"));
    let info: Value = serde_json::from_str(&stdout(scratch.program(words("info b.exr --json")))).unwrap();
    assert_eq!((&info["max_iterations"], &info["high"]), (&6_000_000_000_u64.into(), &true.into()));
    let probe = stdout(scratch.program(words(&format!("probe {outside} --iterations 5000000000 3,4 --json"))));
    assert!(serde_json::from_str::<Value>(&probe).unwrap()["n"].as_u64() < Some(20), "{probe}");
}

#[test]
fn checking_compares_with_wider_numbers() {
    let scratch = Scratch::new("check");
    let check = |arguments: &str| stdout(scratch.program(words(arguments)));
    let deep = "check whole --re 0 --im 1 --width 1e-50 --size 40x30 --pixels 100 --exact 2";
    let found: Value = serde_json::from_str(&check(&format!("{deep} --json --seed 5 --workers 2"))).unwrap();
    assert_eq!((&found["tier"], &found["samples"], &found["all"]), (&"perturbation".into(), &100.into(), &1200.into()));
    assert_eq!((&found["exact"], &found["exact_off"], &found["seed"]), (&2.into(), &0.into(), &5.into()));
    assert_eq!((&found["off"], &found["chaotic"]), (&0.into(), &0.into()), "{found}");
    assert!(found["interval"]["high"].as_f64().unwrap() < 0.05 && found["smooth"]["largest"].as_f64().unwrap() < 1e-5);
    let text = check("check whole --size 20x10 --pixels 5000");
    let keys: Vec<_> = text.lines().map(|line| line[..12].trim()).collect();
    assert_eq!(keys, ["checked", "numbers", "chaotic", "counts", "smooth", "distances", "all digits"], "{text}");
    assert!(text.ends_with("4 of these also with as many digits as they need: no count differs\n"), "{text}");
    assert!(
        text.starts_with("checked     200 of 200 samples, all\n") && text.contains(" 0 of 200 differ: 0 % (0 % to "),
        "{text}"
    );
    // A sample at the maximum, by less than the roundings of the stages.
    let edge =
        "check necklace --size 320x180 --samples 1 --iterations 1000 --crop 22,152,1x1 --set iteration.quality=exact";
    assert!(check(edge).contains(" 0 of 1 differ: "), "{}", check(edge));
    let progress = scratch.program(words("check whole --size 20x10 --pixels 9 --progress json")).output().unwrap();
    let last: Value = serde_json::from_slice(progress.stderr.split(|&b| b == b'\n').rev().nth(1).unwrap()).unwrap();
    assert_eq!((&last["pieces_done"], &last["pieces"]), (&9.into(), &9.into()), "{last}");
}

#[test]
fn measurements_tell_the_loops_and_the_scenes() {
    let scratch = Scratch::new("bench");
    let text = stdout(scratch.program(words("bench kernel loops A@1000 --runs 1 --json")));
    let json: Value = serde_json::from_str(&text).unwrap();
    let (loops, scenes) = (json["loops"].as_array().unwrap(), json["scenes"].as_array().unwrap());
    let powers: usize = fractal::formula::FORMULAS.iter().map(|entry| entry.powers.clone().count()).sum();
    let isas: std::collections::BTreeSet<_> = scenes.iter().map(|scene| scene["isa"].as_str().unwrap()).collect();
    let vectors = isas.len();
    assert!(isas.contains(fractal::kernel::Isa::best().name()));
    assert_eq!((loops.len(), scenes.len()), (powers * vectors, 4 * vectors));
    assert!(loops.iter().all(|inner| inner["iterations_per_second"].as_f64().unwrap() > 0.0), "{json}");
    assert!(scenes.iter().all(|scene| scene["scene"] == "A@1000" && scene["seconds"].as_f64().unwrap() > 0.0));
    let people = stdout(scratch.program(words("bench kernel A@1000 --runs 1")));
    assert_eq!(people.matches("ns/pixel").count(), 4 * vectors, "{people}");
}

#[test]
fn the_guide_answers_for_people_and_for_programs() {
    let scratch = Scratch::new("guide");
    let run = |arguments: &str| stdout(scratch.program(words(arguments)));
    let text = run("guide --ask compute,10ms,local");
    assert!(
        text.starts_with("threads – ") && text.contains("\nNumber:  ") && text.contains("guide --measure"),
        "{text}"
    );
    let answer: Value = serde_json::from_str(&run("guide --ask 10ms,crash --json")).unwrap();
    assert_eq!(answer["model"], "processes");
    assert_eq!(run(answer["run"].as_str().unwrap().strip_prefix("fractal ").unwrap()), "");
    assert!(run("guide --ask queue").contains("\nNot built yet: "));
    let (text, page) = (run("guide"), run("guide --markdown"));
    let json: Value = serde_json::from_str(&run("guide --json")).unwrap();
    for model in json["models"].as_array().unwrap() {
        let name = model["name"].as_str().unwrap();
        assert!(text.contains(name) && page.contains(&format!("| `{name}` |")), "{name}");
        assert!(model["figures"]["piece"].as_f64() > Some(0.0), "{model}");
    }
    let long = run("backends --long");
    assert_eq!(long.matches("\n  Choose it ").count(), long.matches("\n  Choose another ").count());
    // A worker process takes more than a thread's stack.
    assert_eq!(run("guide --memory-of serial"), "null\n");
    let bytes: f64 = run("guide --memory-of pipes").trim().parse().unwrap();
    assert!(bytes > 100_000.0, "{bytes}");
}

//! What a round runs: commands over all backends, formats and ways to keep, and what their files hold when nobody disturbs them.

use super::super::random::Random;
use super::super::support::{Scratch, xvfb};
use super::super::{told, words};
use std::collections::BTreeMap;
use std::fs;

/// Two Siegel disks, whose orbits never escape or return: as much work as one likes, here for a twentieth of a second.
const SCENES: [(&str, &str); 2] = [
    (
        "disk",
        "julia = [\"-0.390540870218\", \"-0.586787907347\"]\n[image]\nsize = [240, 180]\n[iteration]\nmax = 40000\n",
    ),
    (
        "other",
        "julia = [\"-0.390540870218\", \"-0.586787907347\"]\n[image]\nsize = [200, 150]\n[iteration]\nmax = 9000\n\
         [colour]\npalette = \"ember\"\n",
    ),
];

/// Formats, each with the ending of its files.
const FORMATS: [(&str, &str); 4] = [("png", "png"), ("ppm", "ppm"), ("exr", "exr"), ("exr-tiles", "exr")];

/// The pictures that nobody disturbed, by scene and format.
pub(super) struct Undisturbed {
    pictures: BTreeMap<(&'static str, &'static str), Vec<u8>>,
    /// A picture of the first scene with fewer iterations.
    few: Vec<u8>,
}

impl Undisturbed {
    pub(super) fn render() -> Self {
        let scratch = Scratch::new("undisturbed");
        write_scenes(&scratch);
        let render = |scene: &str, format: &str, rest: &str| {
            let arguments = format!("render {scene}.toml --format {format} --backend serial -q -o picture {rest}");
            assert_eq!(told(scratch.program(words(&arguments))), (0, String::new()), "{arguments}");
            fs::read(scratch.join("picture")).unwrap()
        };
        let all = SCENES.iter().flat_map(|(scene, _)| FORMATS.map(|(format, _)| (*scene, format)));
        let pictures = all.map(|(scene, format)| ((scene, format), render(scene, format, ""))).collect();
        Self { pictures, few: render("disk", "exr", "--iterations 300") }
    }
}

fn write_scenes(scratch: &Scratch) {
    for (name, text) in SCENES {
        fs::write(scratch.join(format!("{name}.toml")), text).unwrap();
    }
}

/// What a complete file holds.
pub(super) enum Holds {
    /// What the undisturbed picture of this scene does.
    Picture(&'static str),
    /// As many tiles as a shard has.
    Part,
    Json,
    Png,
    Text,
}

/// A file of finished tiles.
pub(super) struct Tiles {
    pub(super) name: String,
    /// Whether it stays when the work is complete.
    pub(super) stays: bool,
}

/// A command of a round, and its files.
pub(super) struct Stage {
    pub(super) arguments: String,
    pub(super) outputs: Vec<(String, Holds)>,
    pub(super) tiles: Option<Tiles>,
    /// Whether its picture goes to the standard output.
    pub(super) piped: bool,
    /// Whether it is started twice at once.
    pub(super) twice: bool,
    /// Whether it is watched in a window when it is struck.
    pub(super) watched: bool,
}

/// The choices that commands of all kinds are made of.
pub(super) struct Choices {
    backend: &'static str,
    format: &'static str,
    ending: &'static str,
    order: &'static str,
    quiet: bool,
}

impl Choices {
    fn draw(random: &mut Random) -> Self {
        let own: Vec<_> = fractal::backend::BACKENDS.iter().map(|entry| entry.name).collect();
        // Half of them have workers that can be struck.
        let backend = match random.below(4) {
            0 => "processes",
            1 => "pipes",
            _ => own[random.below(own.len() as u64) as usize],
        };
        let (format, ending) = FORMATS[random.below(4) as usize];
        let order = ["rows", "hilbert", "centre"][random.below(3) as usize];
        Self { backend, format, ending, order, quiet: random.below(2) == 0 }
    }

    /// A render with these arguments.
    fn render(&self, arguments: &str) -> Stage {
        let Self { backend, format, order, .. } = self;
        let quiet = if self.quiet { " -q" } else { "" };
        // What has one worker refuses two.
        let workers = if *backend == "serial" { 1 } else { 2 };
        let arguments = format!(
            "render {arguments} --format {format} --order {order} --backend {backend} --workers {workers} --tile 8{quiet}"
        );
        Stage::of(arguments)
    }

    /// One of the first scene to a file.
    fn to_file(&self, more: &str) -> Stage {
        let output = format!("disk.{}", self.ending);
        self.render(&format!("disk.toml {more} -o {output}")).with(output, Holds::Picture("disk"))
    }
}

impl Stage {
    fn of(arguments: String) -> Self {
        Self { arguments, outputs: Vec::new(), tiles: None, piped: false, twice: false, watched: false }
    }

    fn with(mut self, name: impl Into<String>, holds: Holds) -> Self {
        self.outputs.push((name.into(), holds));
        self
    }

    fn keeps(mut self, name: impl Into<String>, stays: bool) -> Self {
        self.tiles = Some(Tiles { name: name.into(), stays });
        self
    }
}

fn file(choices: &Choices, random: &mut Random) -> Vec<Stage> {
    let mut more = String::new();
    let (traced, owned) = (random.below(3) == 0, random.below(3) == 0);
    more += if traced { " --trace trace.json" } else { "" };
    more += if owned { " --owners owners.png" } else { "" };
    let mut stage = choices.to_file(&more);
    stage = if traced { stage.with("trace.json", Holds::Json) } else { stage };
    stage = if owned { stage.with("owners.png", Holds::Png) } else { stage };
    vec![stage]
}

fn two_files(choices: &Choices, _: &mut Random) -> Vec<Stage> {
    let mut stage = choices.render(&format!("disk.toml other.toml -o {{name}}.{}", choices.ending));
    for (scene, _) in SCENES {
        stage = stage.with(format!("{scene}.{}", choices.ending), Holds::Picture(scene));
    }
    vec![stage]
}

fn pipe(choices: &Choices, _: &mut Random) -> Vec<Stage> {
    let mut stage = choices.render("disk.toml -o -");
    stage.piped = true;
    vec![stage]
}

fn checkpoint(choices: &Choices, random: &mut Random) -> Vec<Stage> {
    vec![if random.below(3) > 0 {
        choices.to_file("--checkpoint kept.tiles --resume --progress json").keeps("kept.tiles", true)
    } else {
        choices.to_file("--resume --progress json").keeps(format!("disk.{}.checkpoint", choices.ending), false)
    }]
}

fn shards(choices: &Choices, random: &mut Random) -> Vec<Stage> {
    let shard = |number: u32| {
        let part = format!("{number}.part");
        let stage = choices.render(&format!("disk.toml --shard {number}/2 --progress json -o {part}"));
        stage.with(&*part, Holds::Part).keeps(format!("{part}.checkpoint"), false)
    };
    let output = format!("disk.{}", choices.ending);
    let merge = format!("merge 1.part 2.part --format {} -o {output}", choices.format);
    // With a part that is missing `merge` computes.
    let (parts, merge) = match random.below(3) {
        0 => (1..2, format!("{} --complete", merge.replace(" 2.part", ""))),
        _ => (1..3, merge),
    };
    parts.map(shard).chain([Stage::of(merge).with(output, Holds::Picture("disk"))]).collect()
}

fn continued(choices: &Choices, _: &mut Random) -> Vec<Stage> {
    vec![choices.to_file("--continue few.exr")]
}

fn twins(choices: &Choices, random: &mut Random) -> Vec<Stage> {
    let mut stages = match random.below(4) {
        0 => file(choices, random),
        1 => {
            let mut shards = shards(choices, random);
            shards[0].twice = true;
            return shards;
        }
        _ => checkpoint(choices, random),
    };
    stages[0].twice = true;
    stages
}

fn watched(choices: &Choices, random: &mut Random) -> Vec<Stage> {
    let mut stages = if random.below(2) == 0 { file(choices, random) } else { checkpoint(choices, random) };
    stages[0].watched = true;
    stages
}

fn bench(choices: &Choices, _: &mut Random) -> Vec<Stage> {
    let workers = if choices.backend == "serial" { 1 } else { 2 };
    let arguments = format!(
        "bench --scene whole --size 32x24 --runs 1 --backend {} --workers {workers} --json results.json --csv results.csv --anyway \
         --html results.html",
        choices.backend
    );
    let stage = Stage::of(arguments).with("results.json", Holds::Json).with("results.csv", Holds::Text);
    vec![stage.with("results.html", Holds::Text)]
}

type Kind = fn(&Choices, &mut Random) -> Vec<Stage>;

/// The kinds of commands, those that are drawn more often more than once.
pub(super) const KINDS: [(&str, Kind); 11] = [
    ("file", file),
    ("two files", two_files),
    ("pipe", pipe),
    ("checkpoint", checkpoint),
    ("checkpoint", checkpoint),
    ("shards", shards),
    ("continued", continued),
    ("twins", twins),
    ("twins", twins),
    ("bench", bench),
    (WATCHED, watched),
];

/// The kind that needs an X server.
pub(super) const WATCHED: &str = "watched";

/// Whether there can be windows.
pub(super) fn has_windows() -> bool {
    cfg!(feature = "window") && xvfb::are_here(&["Xvfb"], "the loss of windows among kills and signals")
}

/// A round: its folder, and its commands, one after the other.
pub(super) struct Plan<'a> {
    pub(super) kind: &'static str,
    pub(super) scratch: Scratch,
    pub(super) stages: Vec<Stage>,
    /// Whether SIGHUP and SIGINT are ignored from the start.
    pub(super) ignoring: bool,
    format: &'static str,
    undisturbed: &'a Undisturbed,
}

impl<'a> Plan<'a> {
    pub(super) fn draw(random: &mut Random, undisturbed: &'a Undisturbed, windows: bool) -> Self {
        let scratch = Scratch::new("storm");
        write_scenes(&scratch);
        fs::write(scratch.join("few.exr"), &undisturbed.few).unwrap();
        let (kind, make) = KINDS[random.below(KINDS.len() as u64) as usize];
        let (kind, make) = if kind == WATCHED && !windows { KINDS[0] } else { (kind, make) };
        let choices = Choices::draw(random);
        let stages = make(&choices, random);
        Self { kind, scratch, stages, ignoring: random.below(5) == 0, format: choices.format, undisturbed }
    }

    /// What the complete picture of a scene holds.
    pub(super) fn picture(&self, scene: &'static str) -> &[u8] {
        &self.undisturbed.pictures[&(scene, self.format)]
    }

    /// The files that may be there at a stage, beside temporary ones.
    pub(super) fn names(&self, stage: usize) -> impl Iterator<Item = &str> {
        let made = self.stages[..=stage].iter().flat_map(|stage| {
            stage.outputs.iter().map(|(name, _)| &**name).chain(stage.tiles.iter().map(|tiles| &*tiles.name))
        });
        ["disk.toml", "other.toml", "few.exr", "told-0", "told-1", "cache"].into_iter().chain(made)
    }

    pub(super) fn describe(&self) -> String {
        let commands: Vec<_> = self.stages.iter().map(|stage| &*stage.arguments).collect();
        let ignoring = if self.ignoring { " (ignoring SIGHUP and SIGINT)" } else { "" };
        format!("{}: {}{ignoring}", self.kind, commands.join("; "))
    }
}

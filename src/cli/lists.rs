//! `backends`, `formulas`, `palettes`, `colourings` and `places`: the library's tables.

use super::args::{BackendsArgs, ListArgs};
use super::place::Place;
use super::{print, print_json};
use fractal::Result;
use fractal::backend::{self, BACKENDS};
use fractal::colour::{COLOURINGS, PALETTES};
use fractal::formula::FORMULAS;
use fractal::scene::PLACES;
use serde::Serialize;

/// A heading and its cells.
type Column<T> = (&'static str, fn(&T) -> String);

/// Writes `items` in the requested form: JSON with everything, a Markdown table of `columns`, or name and help for people.
fn show<T: Serialize>(args: &ListArgs, items: &[T], text: fn(&T) -> [String; 2], columns: &[Column<T>]) -> Result<()> {
    if args.json {
        print_json(&items)
    } else if args.markdown {
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = row(columns.iter().map(|(heading, _)| (*heading).to_owned()).collect());
        let rule = row(columns.iter().map(|_| "---".to_owned()).collect());
        let body = items.iter().map(|item| row(columns.iter().map(|(_, cell)| cell(item)).collect()));
        print(head + &rule + &body.collect::<String>())
    } else {
        let rows: Vec<_> = items.iter().map(text).collect();
        let width = rows.iter().map(|[name, _]| name.chars().count()).max().unwrap_or(0);
        print(rows.iter().map(|[name, help]| format!("{name:width$}  {help}\n")).collect::<String>())
    }
}

#[derive(Serialize)]
struct Backend {
    name: &'static str,
    help: &'static str,
    available: bool,
    /// Why it cannot run here.
    why: Option<String>,
    schedules: Vec<String>,
    model: &'static str,
    counterpart: &'static str,
    choose: &'static str,
    avoid: &'static str,
    parallel: bool,
    default: bool,
}

/// `fractal backends`.
pub(crate) fn backends(args: &BackendsArgs) -> Result<()> {
    let describe = |entry: &backend::BackendEntry| {
        let why = entry.probe().err();
        Backend {
            name: entry.name,
            help: entry.help,
            available: why.is_none(),
            why,
            schedules: entry.schedules.iter().map(|schedule| schedule.usage()).collect(),
            model: entry.model,
            counterpart: entry.counterpart,
            choose: entry.choose,
            avoid: entry.avoid,
            parallel: entry.parallel,
            default: entry.name == backend::DEFAULT,
        }
    };
    let text = |backend: &Backend| {
        let note = match (&backend.why, backend.default) {
            (Some(why), _) => format!(" (cannot run here: {why})"),
            (None, true) => " (the default)".to_owned(),
            (None, false) => String::new(),
        };
        [backend.name.to_owned(), format!("{}{note}", backend.help)]
    };
    let columns: &[Column<Backend>] = &[
        ("Backend", |b| format!("`{}`", b.name)),
        ("What it does", |b| b.help.to_owned()),
        ("Model", |b| b.model.to_owned()),
        ("Python equivalent", |b| b.counterpart.to_owned()),
        ("Schedules", |b| b.schedules.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ")),
    ];
    let all: Vec<_> = BACKENDS.iter().map(describe).collect();
    if !args.long {
        return show(&args.list, &all, text, columns);
    }
    let columns: &[Column<Backend>] = &[
        ("Backend", |b| format!("`{}`", b.name)),
        ("Choose it", |b| b.choose.to_owned()),
        ("Choose another", |b| b.avoid.to_owned()),
    ];
    if args.list.json || args.list.markdown {
        return show(&args.list, &all, text, columns);
    }
    let long = |backend: &Backend| {
        let [name, help] = text(backend);
        let Backend { model, counterpart, choose, avoid, .. } = backend;
        format!(
            "{name}  {help}\n  Model: {model}; in Python: {counterpart}\n  Choose it {choose}.\n  Choose another {avoid}.\n"
        )
    };
    print(all.iter().map(long).collect::<Vec<_>>().join("\n"))
}

/// An entry with just a name and a line of help.
#[derive(Serialize)]
struct Named {
    name: &'static str,
    help: &'static str,
}

fn show_named(args: &ListArgs, heading: &'static str, entries: &[Named]) -> Result<()> {
    let columns: &[Column<Named>] = &[(heading, |n| format!("`{}`", n.name)), ("What it is", |n| n.help.to_owned())];
    show(args, entries, |n| [n.name.to_owned(), n.help.to_owned()], columns)
}

#[derive(Serialize)]
struct Formula {
    name: &'static str,
    help: &'static str,
    /// The smallest and the largest power that it takes.
    powers: [u32; 2],
}

/// `fractal formulas`.
pub(crate) fn formulas(args: &ListArgs) -> Result<()> {
    let formulas: Vec<_> = FORMULAS
        .iter()
        .map(|entry| Formula {
            name: entry.name,
            help: entry.help,
            powers: [*entry.powers.start(), *entry.powers.end()],
        })
        .collect();
    let columns: &[Column<Formula>] = &[
        ("Formula", |f| format!("`{}`", f.name)),
        ("What it is", |f| f.help.to_owned()),
        ("Powers", |f| match f.powers {
            [first, last] if first == last => first.to_string(),
            [first, last] => format!("{first} to {last}"),
        }),
    ];
    show(args, &formulas, |f| [f.name.to_owned(), f.help.to_owned()], columns)
}

/// `fractal palettes`.
pub(crate) fn palettes(args: &ListArgs) -> Result<()> {
    let entries: Vec<_> = PALETTES.iter().map(|entry| Named { name: entry.name, help: entry.help }).collect();
    show_named(args, "Palette", &entries)
}

/// `fractal colourings`.
pub(crate) fn colourings(args: &ListArgs) -> Result<()> {
    let entries: Vec<_> = COLOURINGS.iter().map(|entry| Named { name: entry.name, help: entry.help }).collect();
    show_named(args, "Colouring", &entries)
}

#[derive(Serialize)]
struct NamedPlace {
    name: &'static str,
    help: &'static str,
    formula: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    power: Option<u32>,
    /// The constant of a Julia set.
    #[serde(skip_serializing_if = "Option::is_none")]
    julia: Option<[String; 2]>,
    #[serde(flatten)]
    place: Place,
    samples: u32,
}

/// `fractal places`.
pub(crate) fn places(args: &ListArgs) -> Result<()> {
    let entries: Vec<_> = PLACES
        .iter()
        .map(|place| {
            let scene = place.scene();
            let julia = scene.julia.as_ref().map(|constant| constant.each_ref().map(ToString::to_string));
            let (place_of, samples, formula) = (Place::of(&scene), scene.image.samples, scene.formula);
            NamedPlace {
                name: place.name,
                help: place.help,
                formula,
                power: scene.power,
                julia,
                place: place_of,
                samples,
            }
        })
        .collect();
    let columns: &[Column<NamedPlace>] =
        &[("Place", |p| format!("`{}`", p.name)), ("What it is", |p| p.help.to_owned())];
    show(args, &entries, |p| [p.name.to_owned(), p.help.to_owned()], columns)
}

//! The first page of help: commands grouped by purpose, each group with an example.

use super::args::Cli;
use clap::{CommandFactory, FromArgMatches};

/// The groups: purpose, an example, and the commands.
const WISHES: &[(&str, &str, &[&str])] = &[
    (
        "Make a picture",
        "fractal render seahorses --size 1280x720 -o seahorses.png",
        &["render", "merge", "places", "formulas", "palettes", "colourings"],
    ),
    ("Explore", "fractal view seahorses", &["view", "info", "probe"]),
    ("Measure", "fractal bench --quick", &["bench", "check"]),
    (
        "Learn how work is shared",
        "fractal render whole --backend processes --owners who.png",
        &["backends", "guide", "primes", "thumbnails", "status", "crawl"],
    ),
    ("Set up", "fractal man render | man -l -", &["completions", "man", "help"]),
];

/// The arguments of this process.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches()?;
    Cli::from_arg_matches(&matches)
}

/// The program's description with its commands in groups.
fn command() -> clap::Command {
    let command = Cli::command();
    let mut page = String::from("{about}\n\n{usage-heading} {usage}\n");
    for (wish, example, names) in WISHES {
        page += &format!("\n{wish}:  {example}\n");
        for name in *names {
            let about = command.get_subcommands().find(|command| command.get_name() == *name);
            let about = about.and_then(clap::Command::get_about).map(ToString::to_string);
            // Clap adds `help` when it parses; without a window there is no `view`.
            let about = about.or_else(|| (*name == "help").then(|| "Show the help of a command".into()));
            page += &about.map_or(String::new(), |about| format!("  {name:<12} {about}\n"));
        }
    }
    // Both in one line; clap would take four and blank ones.
    page += "\nOptions:  -h, --help: print help; -V, --version: print version";
    command.help_template(page + "{after-help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let mut listed: Vec<_> = WISHES.iter().flat_map(|(_, _, names)| names.iter().copied()).collect();
        listed.sort_unstable();
        let mut there: Vec<_> = Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        there.push("help".into());
        if cfg!(not(feature = "window")) {
            there.push("view".into());
        }
        there.sort();
        assert_eq!(listed, there);
        let page = command().render_long_help().to_string();
        for (wish, example, _) in WISHES {
            assert!(page.contains(&format!("{wish}:  {example}\n")), "{page}");
        }
        assert!(page.lines().count() <= 40, "the first page fits on a screen:\n{page}");
    }
}

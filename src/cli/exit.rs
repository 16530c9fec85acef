//! How the program ends: an exit status, and after a failure one sentence on standard error.

use super::args::Cli;
use super::plan::is_place;
use super::signals::explained;
use super::typed::quoted;
use super::{note, print};
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use fractal::Error;
use fractal::internal::is_stdout;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The exit status of an outcome; an error is reported.
pub(crate) fn code(outcome: fractal::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as with `| head`.
        Err(error) if reader_has_left(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let error = explained(error);
            note(format!("fractal: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Whether the reader of standard output has closed it.
pub(super) fn reader_has_left(error: &Error) -> bool {
    matches!(error, Error::Io { path, source, .. } if is_stdout(path) && source.kind() == io::ErrorKind::BrokenPipe)
}

/// The exit status of clap's outcome: help and version go to standard output, errors as one line to standard error.
pub(crate) fn from_clap(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    match error.kind() {
        DisplayHelp | DisplayVersion => return code(print(error.to_string().trim_end().to_owned() + "\n")),
        // If that fails, there is nowhere to report it.
        DisplayHelpOnMissingArgumentOrSubcommand => _ = error.print(),
        _ => {
            let typed: Vec<_> = std::env::args_os().skip(1).collect();
            note(format!("fractal: {}", sentence(error, &typed)));
        }
    }
    ExitCode::from(error.exit_code() as u8)
}

/// Arguments of other programs, and what has their place here.
const ELSEWHERE: &[(&[&str], &[&str])] = &[
    (&["center", "centre", "centre-re", "center-re", "position", "location", "x", "y", "real", "imag"], &["re", "im"]),
    (&["magnification", "magnify", "scale", "radius", "depth"], &["zoom", "width"]),
    (&["height"], &["size", "zoom"]),
    (&["resolution", "dimensions", "geometry", "res"], &["size"]),
    (&["iter", "iters", "max-iter", "maxiter", "max-iterations", "max", "limit"], &["iterations"]),
    (&["threads", "jobs", "cores", "cpus", "processes", "procs", "parallel"], &["workers"]),
    (&["aa", "antialias", "anti-alias", "antialiasing", "supersample", "supersampling", "ss"], &["samples"]),
    (&["colors", "colours", "colormap", "cmap", "gradient", "theme"], &["palette"]),
    (&["constant", "seed", "c"], &["julia"]),
    (&["angle", "rotate", "turn"], &["rotation"]),
    (&["bailout", "escape"], &["escape-radius"]),
    (&["out", "file", "outfile", "dest", "destination", "save", "write"], &["output"]),
    (&["type", "fractal", "function"], &["formula"]),
    (&["method", "engine"], &["backend"]),
    (&["tiles", "tile-size", "block", "block-size"], &["tile"]),
];

/// Clap's lines as one sentence: what is wrong, the possible values, the tip, and where help is.
fn sentence(error: &clap::Error, typed: &[OsString]) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let (command, path) = command(typed);
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) if error.kind() == ErrorKind::UnknownArgument => argument.as_str(),
        _ => "",
    };
    let meant = meant(&command, unknown);
    let mut sentence = String::new();
    // The usage goes on to the end, in as many lines as the command has ways of being called.
    for line in text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage: ")) {
        if let Some(values) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sentence += &format!(" ({values})");
        } else if let Some(tip) = line.strip_prefix("tip: ") {
            // How to pass it as a value helps nobody who mistook an argument.
            if meant.is_none() && !tip.starts_with("to pass ") {
                sentence += &format!("; {tip}");
            }
        } else if !line.is_empty() && !line.starts_with("For more information") {
            sentence += if sentence.is_empty() { "" } else { " " };
            sentence += line;
        }
    }
    let meant = meant.map_or(String::new(), |meant| format!("; here that is {meant}"));
    let scene = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) => of_scene(word, &path),
        _ => String::new(),
    };
    format!("{sentence}{meant}{scene} (try `{path} --help`)")
}

/// What to do with a scene that was typed where a command belongs.
fn of_scene(word: &str, path: &str) -> String {
    if !is_place(word.as_ref()) && !Path::new(word).is_file() {
        return String::new();
    }
    let word = quoted(word.as_ref());
    match path {
        "fractal" => format!("; to draw it: `fractal render {word}`"),
        "fractal bench" => format!("; to measure it: `fractal bench --scene {word}`"),
        _ => String::new(),
    }
}

/// What has the place of an argument of other programs in a command.
fn meant(command: &clap::Command, argument: &str) -> Option<String> {
    let name = argument.strip_prefix("--")?.split('=').next()?.to_lowercase();
    let (_, ours) = ELSEWHERE.iter().find(|(theirs, _)| theirs.contains(&name.as_str()))?;
    let has = |name: &&&str| command.get_arguments().any(|argument| argument.get_long() == Some(**name));
    let ours: Vec<_> = ours.iter().filter(has).map(|name| format!("--{name}")).collect();
    let word = if ours.first().is_some_and(|first| first == "--re") { " and " } else { " or " };
    (!ours.is_empty()).then(|| ours.join(word))
}

/// The command that was typed, and how it is called.
fn command(typed: &[OsString]) -> (clap::Command, String) {
    let (mut command, mut path) = (Cli::command(), "fractal".to_owned());
    for word in typed.iter().filter_map(|word| word.to_str()).take_while(|word| !word.starts_with('-')) {
        let Some(next) = command.find_subcommand(word).cloned() else { break };
        path += &format!(" {word}");
        command = next;
    }
    (command, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn usage_error(arguments: &[&str]) -> String {
        let error = Cli::try_parse_from(["fractal"].iter().chain(arguments)).unwrap_err();
        sentence(&error, &arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn no_usage_leaks_into_a_sentence() {
        let text = usage_error(&["bench", "--warmup"]);
        assert_eq!(text, "unexpected argument '--warmup' found (try `fractal bench --help`)");
        let text = usage_error(&["bench", "nosuch"]);
        assert_eq!(text, "unrecognized subcommand 'nosuch' (try `fractal bench --help`)");
        // A scene in the place of a command.
        let text = usage_error(&["seahorses"]);
        assert!(text.contains("; to draw it: `fractal render seahorses` (try"), "{text}");
        let text = usage_error(&["bench", "whole", "--quick"]);
        assert!(text.contains("; to measure it: `fractal bench --scene whole` (try"), "{text}");
        assert_eq!(
            usage_error(&["view", "--warmup"]),
            "unexpected argument '--warmup' found (try `fractal view --help`)"
        );
        assert!(usage_error(&["render", "--workers", "0"]).ends_with(" (try `fractal render --help`)"));
        let commands = Cli::command();
        for command in commands.get_subcommands().map(clap::Command::get_name) {
            let text = usage_error(&[command, "--no-such"]);
            assert!(!text.contains("Usage") && !text.contains('[') && text.matches("fractal").count() == 1, "{text}");
        }
    }

    #[test]
    fn arguments_of_other_programs_are_translated() {
        for (argument, meant) in [
            ("--center", "--re and --im"),
            ("--Centre=-1,2", "--re and --im"),
            ("--max-iter", "--iterations"),
            ("--threads", "--workers"),
            ("--colormap", "--palette"),
        ] {
            let text = usage_error(&["render", argument, "1"]);
            assert!(text.contains(&format!(" found; here that is {meant} (try `fractal render --help`)")), "{text}");
        }
        assert!(!usage_error(&["places", "--center", "1"]).contains("--re"));
        for (theirs, ours) in ELSEWHERE {
            let command = Cli::command();
            let render = command.find_subcommand("render").unwrap();
            let has = |name: &&str| render.get_arguments().any(|argument| argument.get_long() == Some(name));
            assert!(ours.iter().all(&has) && !theirs.iter().any(&has), "{theirs:?}");
        }
    }

    #[test]
    fn usage_errors_are_one_line_and_keep_the_suggestions() {
        let text = usage_error(&["render", "--backend", "thread"]);
        assert!(
            text.starts_with("invalid value 'thread' for '--backend <NAME>' (possible values: serial, threads"),
            "{text}"
        );
        assert!(text.contains("; a similar value exists: 'threads' (try `"), "{text}");
        let text = usage_error(&["rendr"]);
        assert!(text.contains("'rendr'") && text.contains("similar subcommand exists: 'render'"), "{text}");
        let text = usage_error(&["render", "--widht", "3"]);
        assert!(text.contains("; a similar argument exists: '--width' (try `fractal render --help`)"), "{text}");
        let text = usage_error(&["probe", "whole"]);
        assert!(text.contains("required") && text.contains("X,Y") && !text.contains('\n'), "{text}");
        let text = usage_error(&["render", "-q", "-v"]);
        assert!(text.contains("cannot be used with") && !text.contains('\n'), "{text}");
    }
}

//! How the program ends: an exit status, and after a failure one sentence on standard error.

use super::signals::explained;
use super::{print, tell};
use fractal::Error;
use fractal::internal::is_stdout;
use std::io;
use std::process::ExitCode;

/// The exit status of an outcome; an error is reported.
pub(crate) fn code(outcome: fractal::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as with `| head`.
        Err(error) if reader_has_left(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let error = explained(error);
            tell(format!("fractal: {error}"));
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
        _ => tell(format!("fractal: {}", sentence(&error.to_string()))),
    }
    ExitCode::from(error.exit_code() as u8)
}

/// Clap's lines as one sentence: what is wrong, the possible values, the tip, and where help is.
fn sentence(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let mut sentence = String::new();
    let mut usage = "--help";
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(call) = line.strip_prefix("Usage: ") {
            // The command without its arguments.
            usage = call.find(['[', '<', '-']).map_or(call, |end| &call[..end]).trim_end();
        } else if let Some(values) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sentence += &format!(" ({values})");
        } else if let Some(tip) = line.strip_prefix("tip: ") {
            sentence += &format!("; {tip}");
        } else if !line.starts_with("For more information") {
            sentence += if sentence.is_empty() { "" } else { " " };
            sentence += line;
        }
    }
    let help = if usage == "--help" { usage.to_owned() } else { format!("{usage} --help") };
    format!("{sentence} (try `{help}`)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::Parser;

    fn usage_error(arguments: &[&str]) -> String {
        let typed = ["fractal"].iter().chain(arguments);
        sentence(&Cli::try_parse_from(typed).unwrap_err().to_string())
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

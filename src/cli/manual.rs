//! `man`: pages generated from the arguments' definition.

use super::args::Cli;
use super::print;
use clap::CommandFactory;
use clap_mangen::Man;
use fractal::{Error, Result};

/// Writes the manual page of the program, or of the command with this name.
pub(crate) fn manual(words: &[String]) -> Result<()> {
    let mut program = without_help(Cli::command());
    program.build();
    let mut command = &program;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            let known: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
            let all = if known.is_empty() { "there are none here".into() } else { known.join(", ") };
            Error::Usage(format!("there is no command `{}`; the commands are {all}", words.join(" ")))
        })?;
    }
    let name = ["fractal"].into_iter().chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
    let page = command.clone().name(name.clone()).display_name(name);
    let mut text = Vec::new();
    Man::new(page).render(&mut text).map_err(|source| Error::io("write", "manual page", source))?;
    print(plain(&String::from_utf8_lossy(&text)))
}

/// The same page in ASCII, with groff's escapes for all other characters: without `preconv`, groff would take each of their bytes for a
/// character.
fn plain(page: &str) -> String {
    let write = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) };
    page.chars().map(write).collect()
}

/// Without `help`, to whose pages a page would refer although they only repeat it.
fn without_help(command: clap::Command) -> clap::Command {
    let names: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = command.disable_help_subcommand(true);
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, without_help))
}

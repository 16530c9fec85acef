//! `completions` and `man`: made from the arguments' own description.

use super::args::Cli;
use super::print;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use fractal::{Error, Result};

/// Writes the completion script for `shell`.
pub(crate) fn completions(shell: Shell) -> Result<()> {
    // Into memory first: clap's own writing panics when the reader goes away.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "fractal", &mut script);
    print(String::from_utf8_lossy(&script))
}

/// Writes the manual page of the program or of one command.
pub(crate) fn manual(command: Option<&str>) -> Result<()> {
    let mut program = Cli::command();
    program.build();
    let page = match command {
        None => program,
        Some(name) => {
            let known: Vec<_> = program.get_subcommands().map(|command| command.get_name().to_owned()).collect();
            let found = program.find_subcommand(name).ok_or_else(|| {
                Error::Usage(format!("there is no command `{name}`; the commands are {}", known.join(", ")))
            })?;
            found.clone().name(format!("fractal-{name}")).display_name(format!("fractal-{name}"))
        }
    };
    let mut text = Vec::new();
    Man::new(page).render(&mut text).map_err(|source| Error::io("write", "manual page", source))?;
    print(String::from_utf8_lossy(&text))
}

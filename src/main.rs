//! The `fractal` program: what was typed, what it means, doing it, and how it ended.

mod cli;

use cli::args::Command;
use cli::{
    bench, check, completion, crawl, exit, guide, help, info, lists, manual, merge, primes, probe, render, status,
    thumbnails,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    fractal::worker_main([]);
    cli::signals::heed_lengths();
    match help::parse() {
        Ok(cli) => exit::code(run(cli.command)),
        Err(error) => exit::from_clap(&error),
    }
}

fn run(command: Command) -> fractal::Result<()> {
    match command {
        Command::Render(args) => render::run(&args),
        Command::Merge(args) => merge::run(&args),
        #[cfg(feature = "window")]
        Command::View(args) => cli::view::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Primes(args) => primes::run(&args),
        Command::Thumbnails(args) => thumbnails::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Crawl(args) => crawl::run(&args),
        Command::Backends(args) => lists::backends(&args),
        Command::Guide(args) => guide::run(&args),
        Command::Formulas(args) => lists::formulas(&args),
        Command::Palettes(args) => lists::palettes(&args),
        Command::Colourings(args) => lists::colourings(&args),
        Command::Places(args) => lists::places(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Completions { shell } => completion::completions(shell),
        Command::Man { command } => manual::manual(&command),
    }
}

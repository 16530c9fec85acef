//! The argument of all commands that take long.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ProgressArgs {
    /// Show progress on standard error: on a terminal, always, never, or as lines of JSON
    #[arg(long = "progress", value_name = "WHEN", value_parser = ["auto", "always", "never", "json"])]
    pub(crate) when: Option<String>,
}

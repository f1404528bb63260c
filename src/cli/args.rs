//! The flags and commands, as clap reads them.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// A declarative, incremental build engine whose targets are development tasks.
#[derive(Debug, Parser)]
#[command(name = "orca", version, max_term_width = 100, propagate_version = true)]
pub(super) struct Args {
    /// The project: the directory with orca.toml
    #[arg(short = 'C', long, global = true, default_value = ".", value_name = "DIR")]
    pub directory: PathBuf,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How tasks are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Schedule {
    /// Ready tasks start at once, the longest chain first
    Ready,
    /// A layer starts when the one before is settled
    Layers,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run what is not up to date
    Build(BuildArgs),
    /// Say what is wrong with the plan, and run nothing
    Check(CheckArgs),
}

/// `orca build`
#[derive(Debug, clap::Args)]
pub(super) struct BuildArgs {
    /// Tasks to build, with all they need: names, `tag:x`, globs, `+x` (with deps), `x+` (with dependents)
    pub tasks: Vec<String>,
    /// Say what would run and why, and run nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// The most tasks at a time
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub jobs: Option<u32>,
    /// Go on with tasks that do not depend on a red one
    #[arg(short, long)]
    pub keep_going: bool,
    /// Run the tasks asked for even if nothing changed
    #[arg(long)]
    pub force: bool,
    /// Ask before each layer
    #[arg(long)]
    pub step: bool,
    /// How tasks are ordered
    #[arg(long, value_enum, default_value_t = Schedule::Ready, value_name = "HOW")]
    pub schedule: Schedule,
    /// Print events, one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Name cached tasks, too
    #[arg(short, long)]
    pub verbose: bool,
}

/// `orca check`
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Print findings as JSON
    #[arg(long)]
    pub json: bool,
    /// Count warnings as errors
    #[arg(long)]
    pub strict: bool,
}

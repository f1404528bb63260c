//! The flags and commands, as clap reads them.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

use crate::base::{DurationMs, UnitError};

/// How long it has to be quiet before a build begins by itself, in milliseconds.
pub(super) const SETTLE_MS: u64 = 50;

/// A declarative, incremental build engine whose targets are development tasks.
#[derive(Debug, Parser)]
#[command(name = "orca", version, max_term_width = 100, propagate_version = true)]
pub(super) struct Args {
    /// The project: the directory with orca.toml; else this one, or the nearest above it that has a plan
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// The directory to work in.
    pub(super) fn directory(&self) -> &Path {
        self.directory.as_deref().unwrap_or(Path::new("."))
    }
}

impl Command {
    /// Whether it works with a project that is there.
    pub(super) fn needs_project(&self) -> bool {
        !matches!(
            self,
            Self::Cache(_)
                | Self::Generate(_)
                | Self::Init
                | Self::Schema { .. }
                | Self::Completions { .. }
                | Self::Man
        )
    }
}

/// What there is a JSON Schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaOf {
    /// orca.toml
    Plan,
    /// The verdict of a reviewer, `.orca/verdict.json`
    Verdict,
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
    /// Build, and build again whenever something changes
    Watch(WatchArgs),
    /// Say what is wrong with the plan, and run nothing
    Check(CheckArgs),
    /// Draw the tasks, what they wait for, and where each stands
    Graph(GraphArgs),
    /// Say why a task would run, or why its result is reused
    Explain(ExplainArgs),
    /// Say where the project stands
    Status(JsonArgs),
    /// Print the complete task as an agent gets it
    Show(ShowArgs),
    /// Print the last output of a task
    Log(LogArgs),
    /// Show what a task's result changed, or what was edited since
    Diff(DiffArgs),
    /// Let gates judge the results that are there, and run no task
    Gate(GateArgs),
    /// Accept what gates find in the results that are there
    Baseline(BaselineArgs),
    /// Say what the last run did and took
    Report(ReportArgs),
    /// Give the plan the powers that it asks for
    Trust(TrustArgs),
    /// Agree to results that want approval, or reject them
    Approve(ApproveArgs),
    /// Make the present content of edited files their base
    Rebase(RebaseArgs),
    /// Take back what a run wrote, and keep what you edited since
    Undo(UndoArgs),
    /// Remove what builds have put into the project
    Clean(CleanArgs),
    /// Look after the cache that all projects share
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Write a small plan to start from
    Init,
    /// Draft a plan from an implementation plan: Markdown, Spec Kit's tasks.md, or Task Master's tasks.json
    Generate(GenerateArgs),
    /// Print the JSON Schema of orca.toml, or of what a reviewer writes
    Schema {
        /// Of what
        #[arg(value_enum, default_value_t = SchemaOf::Plan)]
        of: SchemaOf,
    },
    /// Print a shell's completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
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
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub jobs: Option<u32>,
    /// Go on with tasks that do not depend on a red one
    #[arg(short, long)]
    pub keep_going: bool,
    /// Run the tasks asked for even if nothing changed
    #[arg(long)]
    pub force: bool,
    /// Fail, before anything runs, if a task would run or orca.lock would change
    #[arg(long, conflicts_with_all = ["dry_run", "force"])]
    pub locked: bool,
    /// Ask before each layer
    #[arg(long, conflicts_with = "watch")]
    pub step: bool,
    /// Build again whenever something changes
    #[arg(long, conflicts_with_all = ["dry_run", "force", "locked", "profile"])]
    pub watch: bool,
    /// With --watch: how long it has to be quiet before a build begins; ten times that is waited at most
    #[arg(long, value_name = "MS", allow_negative_numbers = true, default_value_t = SETTLE_MS, requires = "watch")]
    pub settle: u64,
    /// How tasks are ordered
    #[arg(long, value_enum, default_value_t = Schedule::Ready, value_name = "HOW")]
    pub schedule: Schedule,
    /// Print events, one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Write down where the time went, as a trace that ui.perfetto.dev opens
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub profile: Option<PathBuf>,
    /// Name cached tasks, too, with more of their output
    #[arg(short, long)]
    pub verbose: bool,
    /// Say only what is wrong, what waits, and how it ended
    #[arg(short, long, conflicts_with_all = ["verbose", "json"])]
    pub quiet: bool,
}

/// `orca watch`
#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    /// Tasks to build, as for `orca build`; all if none is given
    pub tasks: Vec<String>,
    /// The most tasks at a time
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub jobs: Option<u32>,
    /// Go on with tasks that do not depend on a red one
    #[arg(short, long)]
    pub keep_going: bool,
    /// How tasks are ordered
    #[arg(long, value_enum, default_value_t = Schedule::Ready, value_name = "HOW")]
    pub schedule: Schedule,
    /// How long it has to be quiet before a build begins; ten times that is waited at most
    #[arg(long, value_name = "MS", allow_negative_numbers = true, default_value_t = SETTLE_MS)]
    pub settle: u64,
    /// Print the events of every build, one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Name cached tasks, too, with more of their output
    #[arg(short, long)]
    pub verbose: bool,
    /// Say only what is wrong, what waits, and how it ended
    #[arg(short, long, conflicts_with_all = ["verbose", "json"])]
    pub quiet: bool,
}

impl WatchArgs {
    /// The build that is watched.
    pub(super) fn build(&self) -> BuildArgs {
        BuildArgs {
            tasks: self.tasks.clone(),
            dry_run: false,
            jobs: self.jobs,
            keep_going: self.keep_going,
            force: false,
            locked: false,
            step: false,
            watch: true,
            settle: self.settle,
            schedule: self.schedule,
            json: self.json,
            verbose: self.verbose,
            quiet: self.quiet,
            profile: None,
        }
    }
}

impl BuildArgs {
    /// How much is told.
    pub(super) fn volume(&self) -> Volume {
        match (self.quiet, self.verbose) {
            (true, _) => Volume::Quiet,
            (_, true) => Volume::Verbose,
            _ => Volume::Ordinary,
        }
    }
}

/// How much a build tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Volume {
    /// What is wrong or waits.
    Quiet,
    /// What ran as well, and what there is to say.
    Ordinary,
    /// Everything.
    Verbose,
}

/// `orca check`
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Print findings as JSON
    #[arg(long)]
    pub json: bool,
    /// Count warnings and hints as errors
    #[arg(long)]
    pub strict: bool,
}

/// `orca graph`
#[derive(Debug, clap::Args)]
pub(super) struct GraphArgs {
    /// Tasks to draw: names, `tag:x`, globs, `+x` (with deps), `x+` (with dependents)
    pub tasks: Vec<String>,
    /// What to draw it as
    #[arg(long, value_enum, default_value_t = GraphFormat::Tree, value_name = "FORMAT")]
    pub format: GraphFormat,
    /// Draw layers, and no edges
    #[arg(long)]
    pub layers: bool,
    /// Mark the chain of tasks that takes longest; as a tree, draw nothing else
    #[arg(long)]
    pub critical_path: bool,
    /// Print it as JSON; the same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// What a graph is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// Text, layer by layer
    Tree,
    /// For Graphviz
    Dot,
    /// For Mermaid
    Mermaid,
    /// For programs
    Json,
}

/// `orca explain`
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The task
    pub task: String,
    /// Print everything that is in its key, too
    #[arg(long)]
    pub key: bool,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// A command that takes nothing else.
#[derive(Debug, clap::Args)]
pub(super) struct JsonArgs {
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// `orca show`
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The task
    pub task: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t = TaskFormat::Md, value_name = "FORMAT")]
    pub format: TaskFormat,
    /// Print it as JSON; the same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// How a task is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TaskFormat {
    /// Markdown, as in `.orca/task.md`
    Md,
    /// JSON, as in `.orca/task.json`
    Json,
}

/// `orca log`
#[derive(Debug, clap::Args)]
pub(super) struct LogArgs {
    /// The task
    pub task: String,
    /// The last attempt that failed, whatever came after it
    #[arg(long)]
    pub failed: bool,
    /// Every byte as it came, control sequences too
    #[arg(long)]
    pub raw: bool,
    /// Print it as JSON
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,
}

/// `orca diff`
#[derive(Debug, clap::Args)]
pub(super) struct DiffArgs {
    /// The task; without one, what was edited by hand since orca wrote it
    pub task: Option<String>,
    /// Say how many lines came and went, and no more
    #[arg(long, conflicts_with = "json")]
    pub stat: bool,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// `orca gate`
#[derive(Debug, clap::Args)]
pub(super) struct GateArgs {
    /// Tasks whose results are judged, as for `orca build`; all if none is given
    pub tasks: Vec<String>,
    /// Only this gate; can be given several times
    #[arg(short, long, value_name = "NAME")]
    pub gate: Vec<String>,
    /// Take verdicts that are known, and judge only what has none
    #[arg(long)]
    pub known: bool,
    /// Print events, one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Name green gates, too
    #[arg(short, long, conflicts_with = "json")]
    pub verbose: bool,
}

/// `orca baseline`
#[derive(Debug, clap::Args)]
pub(super) struct BaselineArgs {
    /// Tasks whose results are judged, as for `orca build`; all if none is given
    pub tasks: Vec<String>,
    /// Only what this gate finds; can be given several times
    #[arg(short, long, value_name = "NAME")]
    pub gate: Vec<String>,
    /// Say what would be accepted, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// `orca report`
#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// The run, by its number; the last one if not given
    #[arg(long, value_name = "N")]
    pub run: Option<u64>,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
    /// Write it as one HTML page that needs nothing else: to FILE, else to .orca/reports; `-` prints it
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["json", "sarif", "junit"])]
    pub html: Option<Option<PathBuf>>,
    /// Write what its gates said as SARIF 2.1.0: to FILE, or print it
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with = "json")]
    pub sarif: Option<Option<PathBuf>>,
    /// Write what its gates said as JUnit XML: to FILE, or print it
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["json", "sarif"])]
    pub junit: Option<Option<PathBuf>>,
}

/// `orca trust`
#[derive(Debug, clap::Args)]
pub(super) struct TrustArgs {
    /// Give the powers without a question
    #[arg(long)]
    pub yes: bool,
    /// Say which powers the plan asks for and which are given, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub list: bool,
    /// Take all powers back
    #[arg(long, conflicts_with_all = ["yes", "list"])]
    pub revoke: bool,
    /// Print it as JSON; asks nothing, so it gives powers with --yes only
    #[arg(long)]
    pub json: bool,
}

/// `orca generate`
#[derive(Debug, clap::Args)]
pub(super) struct GenerateArgs {
    /// The implementation plan
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// The directory of the project, where orca.toml is written; `-` prints the plan and writes nothing
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub output: PathBuf,
    /// Replace an orca.toml that is there
    #[arg(long)]
    pub force: bool,
    /// Print what was made of the plan as JSON
    #[arg(long)]
    pub json: bool,
}

/// `orca approve`
#[derive(Debug, clap::Args)]
pub(super) struct ApproveArgs {
    /// Tasks whose results wait: names, `tag:x`, globs
    #[arg(required = true)]
    pub tasks: Vec<String>,
    /// Reject them: the next build runs the tasks again, and pays for that again
    #[arg(long)]
    pub reject: bool,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// `orca rebase`
#[derive(Debug, clap::Args)]
pub(super) struct RebaseArgs {
    /// Files that tasks edited, or directories of such, relative to the project; all if none is given
    pub paths: Vec<String>,
    /// Say what would be due again, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Do it without a question; needed where there is no terminal to ask at
    #[arg(long)]
    pub yes: bool,
    /// Print it as JSON; asks nothing, so it rebases with --yes only
    #[arg(long)]
    pub json: bool,
}

/// `orca undo`
#[derive(Debug, clap::Args)]
pub(super) struct UndoArgs {
    /// The run, by its number; the last one that wrote anything if not given
    pub run: Option<u64>,
    /// Say what would be taken back, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Take it back without a question; needed where there is no terminal to ask at
    #[arg(long)]
    pub yes: bool,
    /// Print it as JSON; asks nothing, so it takes back with --yes only
    #[arg(long)]
    pub json: bool,
}

/// `orca clean`
#[derive(Debug, clap::Args)]
pub(super) struct CleanArgs {
    /// Tasks whose outputs to remove; all if none is given
    pub tasks: Vec<String>,
    /// Say what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Remove without a question; needed where there is no terminal to ask at
    #[arg(long)]
    pub yes: bool,
    /// Remove kept workspaces, scratch directories and replaced files in .orca, too
    #[arg(long)]
    pub all: bool,
    /// Print it as JSON; asks nothing, so it removes with --yes only
    #[arg(long)]
    pub json: bool,
}

/// `orca cache`
#[derive(Debug, Subcommand)]
pub(super) enum CacheCommand {
    /// Say what it holds
    Stats(JsonArgs),
    /// Read everything, and take out what is damaged
    Verify(JsonArgs),
    /// Remove what was not used for longest
    Gc(GcArgs),
}

/// `orca cache gc`
#[derive(Debug, clap::Args)]
pub(super) struct GcArgs {
    /// How much may stay: `512MiB`, `20GB`
    #[arg(long, value_name = "SIZE")]
    pub max_size: crate::base::SizeBytes,
    /// What was used within this time stays, whatever its size; `0s` spares nothing
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = grace_ms)]
    pub grace: u64,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// A duration in milliseconds that may be none at all.
fn grace_ms(text: &str) -> Result<u64, UnitError> {
    match text.parse::<DurationMs>() {
        Err(UnitError::Zero) => Ok(0),
        parsed => parsed.map(DurationMs::ms),
    }
}

//! Before anything else: does an orca watch this project, and can it say at once what was asked for? It is asked only
//! about command lines that are understood here to the last word; `docs/serve.md` lists them.
#![expect(clippy::disallowed_methods, reason = "a build says how long it took")]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use super::Exit;
use super::args::{ColorChoice, Volume};
use super::closing::Closing;
use super::progress::Progress;
use super::terminal::Terminal;
use crate::base::TaskName;
use crate::serve::{Answered, Ask, GraphAsk, GraphForm, ask, environment};

/// A command line that may be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    directory: Option<PathBuf>,
    color: ColorChoice,
    ask: Ask,
}

/// How the command ended, if somebody else knew the answer.
pub(super) fn answered(words: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let started = Instant::now();
    let line = Line::read(words)?;
    let root = line.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    // The width only counts where somebody listens, and is cheap.
    let terminal = Terminal::new(line.color);
    let mut asked = line.ask;
    if let Ask::Graph(graph) = &mut asked {
        graph.width = terminal.width();
    }
    match ask(&root, || environment(std::env::vars_os()), asked)? {
        Answered::Printed(bytes) => terminal.bytes(&bytes),
        Answered::NothingToDo { cached, saved_ms, saved_micro_usd, replays } => {
            let replays = replays.into_iter().map(|(task, text)| Some((task.parse().ok()?, text)));
            let replays: Vec<(TaskName, String)> = replays.collect::<Option<_>>()?;
            let mut progress = Progress::new(false, Volume::Ordinary, false, &terminal);
            replays.into_iter().for_each(|(task, text)| progress.replay(task, text));
            let wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let line = Closing::nothing_to_do(cached, wall_ms, saved_ms, saved_micro_usd);
            terminal.err(&format!("{}\n", line.to_line(terminal.color_err())));
        }
    }
    Some(ExitCode::from(terminal.close(Exit::Good).code()))
}

impl Line {
    fn read(words: impl Iterator<Item = OsString>) -> Option<Self> {
        let words: Vec<OsString> = words.take(20).collect();
        let mut words = words.iter();
        let (mut directory, mut color, mut command) = (None, None, None);
        let mut graph = GraphAsk { format: GraphForm::Tree, layers: false, critical_path: false, width: 0 };
        let (mut json, mut formatted) = (false, false);
        let (mut has_jobs, mut is_scheduled, mut keeps_going) = (false, false, false);
        while let Some(word) = words.next() {
            match (word.to_str()?, command) {
                ("-C", _) if directory.is_none() => directory = Some(PathBuf::from(words.next()?)),
                ("--color", _) if color.is_none() => color = Some(choice(words.next()?.to_str()?)?),
                ("build" | "status" | "graph", None) => command = word.to_str(),
                ("-k" | "--keep-going", Some("build")) if !keeps_going => keeps_going = true,
                ("-j" | "--jobs", Some("build")) if !has_jobs => {
                    has_jobs = true;
                    let jobs: u32 = words.next()?.to_str()?.parse().ok()?;
                    (1..=100_000).contains(&jobs).then_some(())?;
                }
                ("--schedule", Some("build")) if !is_scheduled => {
                    is_scheduled = true;
                    matches!(words.next()?.to_str()?, "ready" | "layers").then_some(())?;
                }
                ("--json", Some("status" | "graph")) if !json => json = true,
                ("--layers", Some("graph")) if !graph.layers => graph.layers = true,
                ("--critical-path", Some("graph")) if !graph.critical_path => graph.critical_path = true,
                ("--format", Some("graph")) if !formatted => {
                    formatted = true;
                    graph.format = form(words.next()?.to_str()?)?;
                }
                _ => return None,
            }
        }
        let ask = match command? {
            "build" => Ask::Build,
            "status" => Ask::Status { json },
            // These exclude each other.
            _ if json && formatted => return None,
            _ if json => Ask::Graph(GraphAsk { format: GraphForm::Json, ..graph }),
            _ => Ask::Graph(graph),
        };
        Some(Self { directory, color: color.unwrap_or(ColorChoice::Auto), ask })
    }
}

fn choice(word: &str) -> Option<ColorChoice> {
    match word {
        "auto" => Some(ColorChoice::Auto),
        "always" => Some(ColorChoice::Always),
        "never" => Some(ColorChoice::Never),
        _ => None,
    }
}

fn form(word: &str) -> Option<GraphForm> {
    match word {
        "tree" => Some(GraphForm::Tree),
        "dot" => Some(GraphForm::Dot),
        "mermaid" => Some(GraphForm::Mermaid),
        "json" => Some(GraphForm::Json),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Args, Command};

    fn read(line: &str) -> Option<Line> {
        Line::read(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_is_understood_here_is_what_clap_understands() {
        for line in [
            "build",
            "build -k -j 4 --schedule layers",
            "-C sub --color never build --keep-going --jobs 7",
            "status",
            "status --json --color always",
            "graph --layers --critical-path",
            "graph --format dot -C sub",
            "graph --json",
        ] {
            let ours = read(line).unwrap_or_else(|| panic!("`{line}` is not read"));
            let theirs = Args::try_parse_from(["orca"].into_iter().chain(line.split_whitespace())).unwrap();
            assert_eq!((ours.directory, ours.color), (theirs.directory, theirs.color), "{line}");
            let is_same = match (&ours.ask, &theirs.command) {
                (Ask::Build, Command::Build(build)) => {
                    build.tasks.is_empty()
                        && !build.force
                        && !build.json
                        && !build.dry_run
                        && build.volume() == Volume::Ordinary
                }
                (Ask::Status { json }, Command::Status(status)) => *json == status.json,
                (Ask::Graph(ask), Command::Graph(graph)) => {
                    let form = if graph.json { GraphForm::Json } else { form_of(graph.format) };
                    (ask.format, ask.layers, ask.critical_path) == (form, graph.layers, graph.critical_path)
                }
                _ => false,
            };
            assert!(is_same, "{line}");
        }
    }

    fn form_of(format: crate::cli::args::GraphFormat) -> GraphForm {
        use crate::cli::args::GraphFormat;
        match format {
            GraphFormat::Tree => GraphForm::Tree,
            GraphFormat::Dot => GraphForm::Dot,
            GraphFormat::Mermaid => GraphForm::Mermaid,
            GraphFormat::Json => GraphForm::Json,
        }
    }

    #[test]
    fn every_other_word_is_for_the_command_itself() {
        for line in [
            "",
            "check",
            "build task",
            "build --force",
            "build --json",
            "build -v",
            "build -n",
            "build --locked",
            "build --step",
            "build -j0",
            "build -j 0",
            "build -j",
            "build --jobs=3",
            "build --help",
            "build --",
            "build build",
            "status --json --json",
            "status -C",
            "status extra",
            "graph +x",
            "graph --json --format dot",
            "graph --layers --layers",
            "graph --format svg",
            "-C a -C b status",
            "--color sometimes status",
            "--color never --color never status",
            "build -j 1 -j 2",
            "--version",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}

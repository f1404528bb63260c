//! `orca build` where nothing changed: answered from the snapshot, before the command line is parsed, a plan read or a thread
//! pool made. It answers only command lines whose answer is the same whatever they add: everything else, and whatever is
//! not exactly understood, is left to the parser.
#![expect(clippy::disallowed_methods, reason = "the environment and the clock of an answer that engine has no part in")]

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::args::{Args, BuildArgs, ColorChoice, Command, SETTLE_MS, Schedule};
use super::closing::Closing;
use super::progress;
use super::terminal::Terminal;
use crate::plan::LOCK_FILE;
use crate::snapshot::{self, Answer, Changes, Hot, Looking};

/// What of a command line counts here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    directory: Option<PathBuf>,
    color: Option<ColorChoice>,
    jobs: Option<u32>,
    keep_going: bool,
    quiet: bool,
}

/// What a snapshot says.
pub(super) enum Answered {
    /// There is nothing to do, and that is said.
    Done(ExitCode),
    /// This has changed since the last build, and this is asked for.
    Changed(Box<Changed>, Asked),
    /// Nothing is known.
    Nothing,
}

/// What has changed since the last build.
pub(super) struct Changed {
    /// What that left.
    pub hot: Hot,
    /// What differs.
    pub changes: Changes,
}

/// Answers the command line, if it only asks for a build of everything.
pub(super) fn answer() -> Answered {
    let started = Instant::now();
    let Some(asked) = Asked::parse(env::args_os().skip(1)) else { return Answered::Nothing };
    match compare(asked.directory.as_deref()) {
        Some((_, Answer::Clean(mut closing))) => {
            let terminal = Terminal::new(asked.color.unwrap_or(ColorChoice::Auto));
            if asked.quiet {
                closing.replayed.clear();
            }
            tell(&closing, u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX), &terminal);
            Answered::Done(ExitCode::SUCCESS)
        }
        Some((hot, Answer::Changed(changes))) => Answered::Changed(Box::new(Changed { hot, changes }), asked),
        Some((_, Answer::Unknown(_))) | None => Answered::Nothing,
    }
}

/// What has changed in this project since the last build; `None` where that is not known, and where nothing has.
pub(super) fn changed(directory: Option<&Path>) -> Option<Box<Changed>> {
    match compare(directory) {
        Some((hot, Answer::Changed(changes))) => Some(Box::new(Changed { hot, changes })),
        _ => None,
    }
}

/// A project of which nothing has changed since a build that left every task as it should be, and had nothing to say: so there is
/// nothing to say about its plan either.
pub(super) struct Unchanged {
    /// How many tasks the plan has.
    pub tasks: u64,
    /// What the build left.
    pub hot: Hot,
}

/// Whether nothing has changed in this project.
///
/// A lock is left to those who take it in: it may have a word to say that a build has said once.
pub(super) fn unchanged(directory: &Path) -> Option<Unchanged> {
    if directory.join(LOCK_FILE).symlink_metadata().is_ok() {
        return None;
    }
    match compare(Some(directory)) {
        Some((hot, Answer::Clean(closing))) => Some(Unchanged { tasks: closing.cached, hot }),
        _ => None,
    }
}

fn compare(directory: Option<&Path>) -> Option<(Hot, Answer)> {
    let hot = Hot::open(directory.unwrap_or(Path::new("."))).filter(|hot| !hot.is_marked())?;
    let root = match directory {
        Some(directory) => directory.canonicalize(),
        None => env::current_dir(),
    };
    let root = root.ok()?;
    let looking = Looking { root: &root, variable: &|name: &OsStr| env::var_os(name), now_ns: &now_ns };
    let answer = hot.check(&looking);
    Some((hot, answer))
}

/// Says what a build says that finds everything as it should be.
fn tell(closing: &snapshot::Closing, wall_ms: u64, terminal: &Terminal) {
    let mut text = String::new();
    for (task, log) in &closing.replayed {
        text.push_str(&progress::replayed(task, log, terminal.color_err()));
    }
    let line = Closing::nothing_to_do(closing.cached, wall_ms, closing.saved_ms, closing.saved_micro_usd);
    text.push_str(&line.to_line(terminal.color_err()));
    text.push('\n');
    terminal.err(&text);
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

impl Asked {
    /// What the words ask for; `None` if that is anything but a build of everything, or said in a way not known here.
    fn parse(words: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut asked = Self::default();
        let mut is_build = false;
        let mut words = words;
        while let Some(word) = words.next() {
            let text = word.to_str()?;
            match text {
                "build" if !is_build => is_build = true,
                "-k" | "--keep-going" if is_build && !asked.keep_going => asked.keep_going = true,
                "-q" | "--quiet" if is_build && !asked.quiet => asked.quiet = true,
                "-j" | "--jobs" if is_build => asked.limit(words.next()?.to_str()?)?,
                "-C" | "--directory" => asked.enter(words.next()?)?,
                "--color" => asked.paint(words.next()?.to_str()?)?,
                _ => match text.split_once('=') {
                    Some(("--jobs", given)) if is_build => asked.limit(given)?,
                    Some(("--directory", given)) => asked.enter(given.into())?,
                    Some(("--color", given)) => asked.paint(given)?,
                    _ => asked.limit(text.strip_prefix("-j").filter(|_| is_build)?)?,
                },
            }
        }
        is_build.then_some(asked)
    }

    fn enter(&mut self, directory: OsString) -> Option<()> {
        let is_plain = !directory.is_empty() && !directory.as_encoded_bytes().starts_with(b"-");
        (is_plain && self.directory.is_none()).then(|| self.directory = Some(directory.into()))
    }

    fn paint(&mut self, when: &str) -> Option<()> {
        let choice = match when {
            "auto" => ColorChoice::Auto,
            "always" => ColorChoice::Always,
            "never" => ColorChoice::Never,
            _ => return None,
        };
        self.color.is_none().then(|| self.color = Some(choice))
    }

    /// A number of jobs, as the parser takes it.
    fn limit(&mut self, text: &str) -> Option<()> {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = text.parse().ok().filter(|_| is_plain)?;
        let is_good = (1..=100_000).contains(&number);
        (is_good && self.jobs.is_none()).then(|| self.jobs = Some(number))
    }

    /// The same as the parser has it, which takes half a millisecond.
    pub(super) fn into_args(self) -> Args {
        let Self { directory, color, jobs, keep_going, quiet } = self;
        let build = BuildArgs {
            tasks: Vec::new(),
            dry_run: false,
            jobs,
            keep_going,
            force: false,
            locked: false,
            step: false,
            watch: false,
            settle: SETTLE_MS,
            schedule: Schedule::Ready,
            json: false,
            profile: None,
            verbose: false,
            quiet,
        };
        Args { directory, color: color.unwrap_or(ColorChoice::Auto), command: Command::Build(build) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn parse(line: &str) -> Option<Asked> {
        Asked::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_is_understood_here_is_what_the_parser_understands() {
        let lines = [
            "build",
            "build -k",
            "build -j 4",
            "build -j4 --keep-going",
            "build -q",
            "-C x build --quiet -k",
            "build --jobs=7 -C /tmp",
            "-C x build --color never",
            "--color=always build --jobs 100000",
            "--directory=a/b build",
        ];
        for line in lines {
            let asked = parse(line).unwrap_or_else(|| panic!("{line} is understood"));
            let args = Args::try_parse_from(std::iter::once("orca").chain(line.split_whitespace())).expect(line);
            assert_eq!(format!("{args:?}"), format!("{:?}", asked.into_args()), "{line}");
        }
    }

    #[test]
    fn everything_else_is_the_parsers() {
        let lines = [
            "",
            "status",
            "build x",
            "build -n",
            "build --json",
            "build -v",
            "build --force",
            "build --locked",
            "build --step",
            "build --schedule layers",
            "build -j 0",
            "build -j +4",
            "build -j",
            "build -j 4 -j 4",
            "build -k -k",
            "build -q -q",
            "-q build",
            "build build",
            "-k build",
            "build -kj4",
            "build --color red",
            "build -C",
            "build -C -x",
            "build --",
            "build -C a -C b",
            "build --color",
            "build -j 100001",
            "build --jobs=",
            "build -j=4",
            "--help",
        ];
        for line in lines {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}

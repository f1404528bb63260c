//! From what was observed to success or a class of failure. Exit code first, then what is on disk.

use crate::agents::AgentFailure;
use crate::base::{FailureKind, RelPath, counted};
use crate::event::Failure;
use crate::exec::{MadeRepository, Observed, cancelled};
use crate::plan::{Task, Undeclared};
use crate::sandbox::End;

/// Paths named in one failure.
const NAMED_MAX: usize = 20;

/// Why the attempt failed, if it did; and a warning where undeclared files are only dropped.
///
/// `undeclared` are the paths written outside the declaration that git does not ignore, `made` is a repository that an
/// agent made, `told` what its output says of a failure.
#[must_use]
pub(super) fn classify(
    task: &Task,
    observed: &Observed,
    undeclared: &[RelPath],
    made: Option<&MadeRepository>,
    told: Option<&AgentFailure>,
) -> (Option<Failure>, Option<String>) {
    if let Some(failure) = of_end(task, &observed.exit.end, told) {
        return (Some(failure), None);
    }
    if let Some(made) = made {
        return (Some(of_repository(made)), None);
    }
    if !undeclared.is_empty() && task.undeclared == Undeclared::Error {
        let mut details: Vec<String> = undeclared.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        if undeclared.len() > NAMED_MAX {
            details.push(format!("and {} more", undeclared.len() - NAMED_MAX));
        }
        let message =
            "it wrote files it does not declare; name them in `outputs`, `edits` or `scratch`, or in .gitignore";
        return (Some(failure(FailureKind::UndeclaredWrite, message.to_owned(), details)), None);
    }
    if !observed.unfit.is_empty() {
        let message =
            "it left what can be no output: a pipe, a device, a name that is not UTF-8, or a `.git` or `.orca`"
                .to_owned();
        return (Some(failure(FailureKind::UndeclaredWrite, message, observed.unfit.clone())), None);
    }
    if !observed.missing.is_empty() {
        let details = observed.missing.iter().map(|pattern| format!("{pattern} is not there")).collect();
        let message = "it ended well, but did not write all it declares".to_owned();
        return (Some(failure(FailureKind::MissingOutput, message, details)), None);
    }
    let warning = (!undeclared.is_empty() && task.undeclared == Undeclared::Warn).then(|| {
        let shown: Vec<String> = undeclared.iter().take(3).map(|path| format!("`{path}`")).collect();
        format!(
            "`{}` wrote {}, dropped: {}",
            task.name,
            counted(undeclared.len() as u64, "undeclared file"),
            shown.join(", ")
        )
    });
    (None, warning)
}

fn failure(kind: FailureKind, message: String, details: Vec<String>) -> Failure {
    Failure { kind, message, exit_code: None, signal: None, details }
}

/// What an agent is told not to do, and did.
fn of_repository(made: &MadeRepository) -> Failure {
    let message = match &made.subject {
        Some(subject) => format!("it committed to git: {subject}"),
        None => "it made a git repository".to_owned(),
    };
    failure(FailureKind::UndeclaredWrite, message, vec![made.path.to_string()])
}

/// How the process ended, unless the agent's own words explain it better. They count with exit 0, too; of a timeout they
/// do where the agent waited for its service to let it in.
fn of_end(task: &Task, end: &End, told: Option<&AgentFailure>) -> Option<Failure> {
    let waits = |told: &&AgentFailure| matches!(told.kind, FailureKind::RateLimit | FailureKind::Auth);
    let told = match end {
        End::Code(_) | End::Signal(_) => told,
        End::TimedOut => told.filter(waits),
        End::Cancelled | End::OutOfMemory | End::NotStarted(_) => None,
    };
    if let Some(told) = told {
        let (exit_code, signal) = match end {
            End::Code(code) => (Some(*code), None),
            End::Signal(signal) => (None, Some(*signal)),
            _ => (None, None),
        };
        return Some(Failure { exit_code, signal, ..failure(told.kind, told.message.clone(), Vec::new()) });
    }
    let crash = |message: String| failure(FailureKind::Crash, message, Vec::new());
    Some(match end {
        End::Code(0) => return None,
        End::Code(code) => Failure { exit_code: Some(*code), ..crash(format!("exit {code}")) },
        End::Signal(signal) => Failure { signal: Some(*signal), ..crash(format!("ended by signal {signal}")) },
        End::TimedOut => {
            let limit = task.timeout.map_or_else(String::new, |timeout| format!(" of {timeout}"));
            failure(FailureKind::Timeout, format!("it ran into its timeout{limit}"), Vec::new())
        }
        End::Cancelled => cancelled(),
        End::OutOfMemory => failure(FailureKind::Oom, "it was killed for want of memory".to_owned(), Vec::new()),
        End::NotStarted(why) => failure(FailureKind::Spawn, format!("it could not be started: {why}"), Vec::new()),
    })
}

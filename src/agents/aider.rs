//! aider: `--message-file`, in a repository of its own, its answers as text.
//!
//! It exits with 0 whatever its model's service says; what went wrong stands in a line that begins with the name of an
//! exception. It commits by itself unless told not to, and makes files of its own that begin with `.aider`.

use super::claude_code::words;
use super::failure::told;
use super::invocation::{Invocation, Occasion, Prompt, Repository};
use super::report::AgentFailure;
use super::stream::{Reader, Remark, Spending, Tell};
use crate::base::FailureKind;
use crate::context::Runner;
use crate::sandbox::End;

/// Files named on its command line, at most: it adds others that it needs by itself.
const FILES_MAX: usize = 200;

pub(super) fn invocation(runner: &Runner, occasion: &Occasion<'_>) -> Invocation {
    let mut args = words(&[
        "--message-file",
        ".orca/task.md",
        "--yes-always",
        "--no-auto-commits",
        "--no-dirty-commits",
        "--no-gitignore",
        "--no-check-update",
        "--no-show-release-notes",
        "--analytics-disable",
        "--no-pretty",
        "--no-stream",
        "--no-fancy-input",
        "--no-detect-urls",
        "--no-suggest-shell-commands",
        "--no-show-model-warnings",
        "--input-history-file",
        "/dev/null",
        "--chat-history-file",
        "/dev/null",
    ]);
    if let Some(model) = &runner.model {
        args.extend(["--model".to_owned(), model.clone()]);
    }
    for file in occasion.may_change.iter().take(FILES_MAX) {
        args.extend(["--file".to_owned(), file.clone()]);
    }
    let invocation = Invocation::of(runner, "aider", args, &[], Prompt::File);
    Invocation { repository: Repository::Own, litter: &[".aider"], ..invocation }
}

/// Reads its output.
pub(super) struct Output;

impl Reader for Output {
    fn line(&mut self, line: &str, tell: Tell<'_>) {
        let trimmed = line.trim();
        if let Some(path) = trimmed.strip_prefix("Applied edit to ") {
            tell(Remark::Tool(format!("edit {}", super::report::one_line(path, 160))));
            tell(Remark::Recovered);
        } else if let Some(report) = trimmed.strip_prefix("Tokens: ") {
            tell(Remark::Turn);
            tell(Remark::Spent(spending(report)));
            if let Some(cost_micro_usd) = cost_of_all(report) {
                tell(Remark::Cost(cost_micro_usd));
            }
            tell(Remark::Recovered);
        } else if let Some(cost_micro_usd) = cost_of_all(trimmed).filter(|_| trimmed.starts_with("Cost: $")) {
            tell(Remark::Cost(cost_micro_usd));
        } else if let Some(failure) = exception(trimmed) {
            tell(Remark::Line(line.to_owned()));
            tell(Remark::Failed(failure));
        } else {
            tell(Remark::Line(line.to_owned()));
        }
    }

    fn end(&mut self, _: &End, _: Tell<'_>) {}
}

/// `litellm.RateLimitError: ...`, as it prints what its library throws.
fn exception(line: &str) -> Option<AgentFailure> {
    let (name, _) = line.strip_prefix("litellm.")?.split_once(':')?;
    let is_name = name.ends_with("Error") || name == "Timeout";
    if !is_name || !name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return None;
    }
    let failure = told(None, line);
    let kind = match name {
        "AuthenticationError" | "PermissionDeniedError" => FailureKind::Auth,
        // A budget of the account is no limit that passes soon.
        "RateLimitError" | "RouterRateLimitError" if failure.kind != FailureKind::Auth => FailureKind::RateLimit,
        _ => failure.kind,
    };
    let resets = super::resets::resets(&line.to_lowercase()).filter(|_| kind == FailureKind::RateLimit);
    Some(AgentFailure { resets, ..AgentFailure::new(kind, line) })
}

/// `2.5k sent, 1.0k cache write, 4.0k cache hit, 345 received. Cost: ...`.
fn spending(report: &str) -> Spending {
    let counts = report.split(". Cost").next().unwrap_or(report);
    let mut spending = Spending::default();
    for part in counts.split(',') {
        let Some((number, what)) = part.trim().split_once(' ') else { continue };
        let tokens = tokens(number);
        match what.trim_end_matches('.') {
            "sent" => spending.input += tokens,
            "cache hit" => spending.cached += tokens,
            "received" => spending.output += tokens,
            _ => {}
        }
    }
    spending
}

/// `345`, `1.2k`, `12k`, `1.2M`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be positive and bounded")]
fn tokens(text: &str) -> u64 {
    let (digits, unit) = match text.strip_suffix(['k', 'M']) {
        Some(digits) => (digits, if text.ends_with('k') { 1e3 } else { 1e6 }),
        None => (text, 1.0),
    };
    let value = digits.replace(',', "").parse::<f64>().unwrap_or(0.0) * unit;
    if (0.0..1e15).contains(&value) { value.round() as u64 } else { 0 }
}

/// `$0.02 message, $0.05 session.`: what all so far has cost, in millionths of a dollar.
fn cost_of_all(report: &str) -> Option<u64> {
    let (_, costs) = report.split_once("Cost: ")?;
    let session = costs.split(',').find(|cost| cost.contains("session"))?;
    let digits = session.trim().strip_prefix('$')?.split_whitespace().next()?;
    super::json::micro_usd(&serde_json::Value::from(digits.replace(',', "").parse::<f64>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_report_of_tokens_is_read() {
        let spent =
            spending("12k sent, 1.5k cache write, 4.0k cache hit, 345 received. Cost: $0.01 message, $0.02 session.");
        assert_eq!((spent.input, spent.cached, spent.output), (12_000, 4000, 345));
        assert_eq!(cost_of_all("1k sent, 3 received. Cost: $0.01 message, $0.0234 session."), Some(23_400));
        assert_eq!(cost_of_all("1k sent, 3 received."), None);
        assert_eq!([tokens("1.2M"), tokens("x"), tokens("-5"), tokens("inf")], [1_200_000, 0, 0, 0]);
    }

    #[test]
    fn only_exceptions_are_failures() {
        assert_eq!(exception("litellm.AuthenticationError: no").map(|failure| failure.kind), Some(FailureKind::Auth));
        assert_eq!(exception("litellm.Timeout: slow").map(|failure| failure.kind), Some(FailureKind::Crash));
        for line in ["litellm.RateLimitError", "see litellm.RateLimitError: x", "litellm.py: x", "rate limit"] {
            assert_eq!(exception(line), None, "{line}");
        }
    }
}

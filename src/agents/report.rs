//! What an agent's output says of its work: tokens, cost, last words, and how it failed.
//!
//! None of it is believed where orca can look for itself: files are observed, gates judge. It is believed where there is
//! nothing to look at, and where a lie only costs the liar: what it spent, and that it could not go on.

use crate::base::FailureKind;

/// How much of an agent's last words is kept.
pub(super) const SUMMARY_BYTES_MAX: usize = 4 << 10;
/// How much of a failure's message is kept.
pub(super) const MESSAGE_BYTES_MAX: usize = 600;

/// What the output of one attempt says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentReport {
    /// Tokens sent, those read from a cache included.
    pub input_tokens: u64,
    /// Of these, tokens read from a cache.
    pub cached_input_tokens: u64,
    /// Tokens generated, reasoning included.
    pub output_tokens: u64,
    /// What it says it cost, in millionths of a dollar; `None` where it does not say.
    pub cost_micro_usd: Option<u64>,
    /// Answers of the model.
    pub turns: u64,
    /// Uses of tools.
    pub tool_uses: u64,
    /// Its last words, at most 4 KiB.
    pub summary: String,
    /// Why it could not do its work, if its output says so. It counts whatever the exit code is. `None` with an exit
    /// code other than 0 means that the output does not explain it.
    pub failure: Option<AgentFailure>,
}

/// Why an agent could not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentFailure {
    /// The class: `crash`, `rate-limit`, `auth`, `timeout`, `oom`, `spawn`.
    pub kind: FailureKind,
    /// One line for people.
    pub message: String,
    /// When a rate limit ends, where that is said.
    pub resets: Option<Resets>,
}

/// When a rate limit ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resets {
    /// This many milliseconds after it was said.
    After(u64),
    /// At this time, in milliseconds since the Unix epoch.
    At(u64),
    /// When clocks in this zone show this time next.
    Clock {
        /// Minutes since midnight.
        minute_of_day: u16,
        /// An IANA name such as `Europe/Berlin`; `None` is the machine's own zone.
        zone: Option<String>,
    },
}

impl AgentFailure {
    /// A failure with its message bounded to one line.
    pub(super) fn new(kind: FailureKind, message: &str) -> Self {
        Self { kind, message: one_line(message, MESSAGE_BYTES_MAX), resets: None }
    }
}

/// The text on one line of at most so many bytes.
pub(super) fn one_line(text: &str, bytes_max: usize) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() + 1 > bytes_max {
            let room = bytes_max.saturating_sub(line.len() + 1);
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(head(word, room));
            break;
        }
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    line
}

/// The first bytes of a text, at most so many, cut between characters.
pub(super) fn head(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The last bytes of a text, at most so many, cut between characters.
pub(super) fn tail(text: &str, bytes_max: usize) -> &str {
    let mut start = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_fall_between_characters() {
        assert_eq!(head("aé", 2), "a");
        assert_eq!(tail("éa", 2), "a");
        assert_eq!(one_line("a \n b\tc", 100), "a b c");
        assert_eq!(one_line("ééé", 3), "é");
        assert_eq!(one_line("ab cdefgh", 6), "ab cde");
    }
}

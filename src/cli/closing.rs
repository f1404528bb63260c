//! The line that a build ends with.

use crate::base::{counted, format_duration_ms, format_micro_usd};

/// What a good build says that ran nothing, and wrote nothing.
pub(super) const NOTHING_TO_DO: &str = "nothing to do";

/// What a build came to, in numbers.
pub(super) struct Closing {
    /// In a word or three.
    pub word: &'static str,
    /// Whether that is good.
    pub is_good: bool,
    pub ran: u64,
    pub cached: u64,
    /// Files that came out of the cache.
    pub restored: u64,
    pub failed: u64,
    pub skipped: u64,
    pub wall_ms: u64,
    pub spent_micro_usd: u64,
    pub saved_ms: u64,
    pub saved_micro_usd: u64,
}

impl Closing {
    /// Of a build that found everything as it should be.
    pub(super) fn nothing_to_do(cached: u64, wall_ms: u64, saved_ms: u64, saved_micro_usd: u64) -> Self {
        Self {
            word: NOTHING_TO_DO,
            is_good: true,
            ran: 0,
            cached,
            restored: 0,
            failed: 0,
            skipped: 0,
            wall_ms,
            spent_micro_usd: 0,
            saved_ms,
            saved_micro_usd,
        }
    }

    /// The line, without its end.
    pub(super) fn to_line(&self, color: bool) -> String {
        let colour = if self.is_good { "32" } else { "31" };
        let word = if color { format!("\x1b[1;{colour}m{}\x1b[0m", self.word) } else { self.word.to_owned() };
        let mut parts = Vec::new();
        for (count, what) in
            [(self.ran, "ran"), (self.cached, "cached"), (self.failed, "failed"), (self.skipped, "skipped")]
        {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
            if what == "cached" && self.restored > 0 {
                parts.push(format!("{} restored", counted(self.restored, "file")));
            }
        }
        let mut line = format!("{word}: {} in {}", parts.join(", "), format_duration_ms(self.wall_ms));
        if self.spent_micro_usd > 0 {
            line.push_str(&format!(", {} spent", format_micro_usd(self.spent_micro_usd)));
        }
        let time = (self.saved_ms > 0).then(|| format_duration_ms(self.saved_ms));
        let money = (self.saved_micro_usd > 0).then(|| format_micro_usd(self.saved_micro_usd));
        let saved: Vec<String> = time.into_iter().chain(money).collect();
        if !saved.is_empty() {
            line.push_str(&format!(", {} saved", saved.join(" and ")));
        }
        line
    }
}

//! An agent that waits out a rate limit by itself holds a job, and every other task of that agent runs into the same
//! limit. What it prints is read as it comes, so that orca can end it and let all of them wait for the reset instead.

use std::borrow::Cow;

use super::report::Resets;
use super::stream::{LINE_BYTES_MAX, Reader, Remark, reader};
use crate::base::FailureKind;
use crate::plan::AgentPreset;

/// A reset that is nearer is waited for by the agent, which loses nothing of what it has done so far.
const WAIT_MS_MAX: u64 = 60_000;
/// So many refusals in a row, without a time, and it is ended all the same.
const REFUSALS_MAX: u32 = 3;

/// Reads the output of one attempt while it runs.
pub struct Waiting {
    reader: Box<dyn Reader + Send>,
    line: Vec<u8>,
    refusals: u32,
}

impl Waiting {
    /// For an agent of this preset.
    #[must_use]
    pub fn new(preset: AgentPreset) -> Self {
        Self { reader: reader(preset), line: Vec::new(), refusals: 0 }
    }

    /// Takes the next piece of output, printed at `now_ms` since the Unix epoch. Whether all that the agent does from here
    /// on is wait.
    pub fn hear(&mut self, output: &[u8], now_ms: u64) -> bool {
        let mut only_waits = false;
        for piece in output.split_inclusive(|byte| *byte == b'\n') {
            // A line that is too long is no word about limits; its end is found all the same.
            if self.line.len() <= LINE_BYTES_MAX {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                only_waits |= line.len() <= LINE_BYTES_MAX && self.hear_line(&String::from_utf8_lossy(&line), now_ms);
            }
        }
        only_waits
    }

    fn hear_line(&mut self, line: &str, now_ms: u64) -> bool {
        let line: Cow<'_, str> = line.trim_end_matches(['\r', '\n']).into();
        let refusals = &mut self.refusals;
        let mut is_far = false;
        self.reader.line(&line, &mut |remark| match remark {
            Remark::Failed(failure) if failure.kind == FailureKind::RateLimit => {
                *refusals += 1;
                let wait_ms = failure.resets.as_ref().and_then(|resets: &Resets| resets.wait_ms(now_ms));
                is_far = wait_ms.is_some_and(|wait_ms| wait_ms > WAIT_MS_MAX);
            }
            Remark::Recovered | Remark::Turn | Remark::Tool(_) => *refusals = 0,
            _ => {}
        });
        is_far || *refusals >= REFUSALS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(message: &str) -> String {
        format!("timestamp level=ERROR message=\"stream error\" error.error=\"AI_APICallError: {message}\"\n")
    }

    fn heard(pieces: &[&str]) -> Vec<bool> {
        let mut waiting = Waiting::new(AgentPreset::Opencode);
        pieces.iter().map(|piece| waiting.hear(piece.as_bytes(), 0)).collect()
    }

    #[test]
    fn a_far_reset_is_not_waited_for_by_the_agent() {
        let far = refusal("Rate limit reached. Please try again in 600s.");
        assert_eq!(heard(&[&far]), [true]);
        let (start, end) = far.split_at(40);
        assert_eq!(heard(&["{}\n", start, end]), [false, false, true], "whatever the pieces are");
        assert_eq!(heard(&[&refusal("Rate limit reached. Please try again in 20s.")]), [false]);
        assert_eq!(heard(&[&refusal("Internal server error")]), [false]);
    }

    #[test]
    fn nor_is_one_refusal_after_the_other() {
        let near = refusal("Rate limit reached. Please try again in 2s.");
        assert_eq!(heard(&[&near, &near, &near]), [false, false, true]);
        let step = "{\"type\":\"step_start\"}\n";
        assert_eq!(heard(&[&near, &near, step, &near, &near]), [false; 5], "it got on in between");
    }

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let mut waiting = Waiting::new(AgentPreset::Opencode);
        let long = vec![b'x'; 1 << 20];
        for _ in 0..64 {
            assert!(!waiting.hear(&long, 0));
        }
        assert!(waiting.line.capacity() <= 4 * (LINE_BYTES_MAX + long.len()));
        assert!(!waiting.hear(b"\n", 0));
        assert!(waiting.hear(refusal("Rate limit reached. Please try again in 600s.").as_bytes(), 0));
    }
}

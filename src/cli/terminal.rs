//! Standard output and error. A closed pipe ends nothing with a panic: what cannot be written is dropped.
#![expect(clippy::disallowed_methods, reason = "NO_COLOR and COLUMNS are the terminal's")]

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

use super::args::ColorChoice;

/// The two streams, and what they can show.
pub(super) struct Terminal {
    color_out: bool,
    color_err: bool,
    width: usize,
}

impl Terminal {
    pub(super) fn new(color: ColorChoice) -> Self {
        let wanted = |is_terminal: bool| match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        Self {
            color_out: wanted(io::stdout().is_terminal()),
            color_err: wanted(io::stderr().is_terminal()),
            width: columns.filter(|columns| (20..=1000).contains(columns)).unwrap_or(100),
        }
    }

    /// Columns to fill.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Whether standard output takes colours.
    pub(super) fn color_out(&self) -> bool {
        self.color_out
    }

    /// Whether standard error takes colours.
    pub(super) fn color_err(&self) -> bool {
        self.color_err
    }

    /// Whether a person sits at both ends.
    pub(super) fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Writes to standard output.
    pub(super) fn out(&self, text: &str) {
        // Nobody reads any more: there is nobody to tell.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }

    /// Writes a line to standard output.
    pub(super) fn line(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n"));
    }

    /// Writes to standard error.
    pub(super) fn err(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Writes an error message.
    pub(super) fn error(&self, message: &str) {
        let word = if self.color_err { "\x1b[31merror\x1b[0m" } else { "error" };
        self.err(&format!("{word}: {}\n", crate::base::sanitize_terminal(message)));
    }

    pub(super) fn flush(&self) {
        let _ = io::stdout().flush();
    }
}

//! Standard output and error. A closed pipe ends nothing with a panic: nobody reads any more, so there is nobody to
//! tell. Any other way in which standard output cannot be written makes the command fail.
#![expect(clippy::disallowed_methods, reason = "NO_COLOR and COLUMNS are the terminal's")]

use std::cell::Cell;
use std::env;
use std::io::{self, IsTerminal as _, Write as _};

use super::Exit;
use super::args::ColorChoice;

/// The two streams, and what they can show.
pub(super) struct Terminal {
    is_shown: bool,
    color_out: bool,
    color_err: bool,
    width: usize,
    failed: Cell<bool>,
}

impl Terminal {
    pub(super) fn new(color: ColorChoice) -> Self {
        let wanted = |is_terminal: bool| match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        let asked = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let columns = asked.or_else(crate::sys::terminal::columns);
        Self {
            is_shown: io::stdout().is_terminal(),
            color_out: wanted(io::stdout().is_terminal()),
            color_err: wanted(io::stderr().is_terminal()),
            width: columns.filter(|columns| (20..=1000).contains(columns)).unwrap_or(100),
            failed: Cell::new(false),
        }
    }

    /// Columns to fill.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Whether standard output is shown to a person, rather than read by a program.
    pub(super) fn is_shown(&self) -> bool {
        self.is_shown
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
        self.bytes(text.as_bytes());
    }

    /// Writes a line to standard output.
    pub(super) fn line(&self, text: &str) {
        self.bytes(format!("{text}\n").as_bytes());
    }

    /// Writes bytes to standard output.
    pub(super) fn bytes(&self, bytes: &[u8]) {
        self.note(io::stdout().lock().write_all(bytes));
    }

    fn note(&self, written: io::Result<()>) {
        if written.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
            self.failed.set(true);
        }
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

    /// Writes warnings.
    pub(super) fn warn(&self, messages: &[String]) {
        let word = if self.color_err { "\x1b[33mwarning\x1b[0m" } else { "warning" };
        for message in messages {
            self.err(&format!("{word}: {}\n", crate::base::sanitize_terminal(message)));
        }
    }

    /// Writes what is held back; answers how the command ended, now that it is known whether its output was written.
    pub(super) fn close(&self, exit: Exit) -> Exit {
        self.note(io::stdout().flush());
        if self.failed.get() && exit == Exit::Good {
            self.error("standard output cannot be written");
            return Exit::World;
        }
        exit
    }
}

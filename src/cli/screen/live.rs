//! The screen on a real terminal: one thread draws, one reads keys. Both sleep while nothing happens.
#![expect(clippy::disallowed_methods, reason = "frames are kept apart by the clock")]

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::keys::{Key, Keys};
use super::view::{Doing, View};
use crate::engine::now_ms;
use crate::event::EventRecord;
use crate::graph::Graph;
use crate::sys::local::{Until, wait};
use crate::sys::socket::{AsFd as _, UnixStream};
use crate::sys::terminal;

/// The least time from one frame to the next.
const FRAME: Duration = Duration::from_millis(100);
/// How often running tasks are drawn again.
const TICK: Duration = Duration::from_secs(1);
/// How long the thread that draws may take to end.
const TO_END: Duration = Duration::from_millis(500);
/// A size where the terminal does not say one.
const SIZE: (usize, usize) = (24, 80);

/// What a person asks of the watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Request {
    /// Build what is not up to date.
    Rerun,
    /// Build everything.
    Force,
    /// Stop.
    Quit,
    /// Stop, as by a signal; the second time at once.
    Interrupt,
}

/// What both threads share.
struct Shared {
    state: Mutex<Shown>,
    bell: Condvar,
}

struct Shown {
    view: View,
    is_dirty: bool,
    /// Nothing that stands on the screen is what it was taken for.
    is_lost: bool,
    is_over: bool,
}

/// The terminal, taken until this is dropped.
pub(in crate::cli) struct Screen {
    shared: Arc<Shared>,
    drawer: Option<JoinHandle<()>>,
    stop: UnixStream,
}

impl Screen {
    /// Whether there is a person before a terminal that a screen can be drawn on.
    pub(in crate::cli) fn is_possible(term: Option<&str>) -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal() && !matches!(term, None | Some("" | "dumb"))
    }

    /// Takes the terminal. `request` is called by the thread that reads keys.
    pub(in crate::cli) fn open(
        place: &str,
        color: bool,
        request: impl Fn(Request) + Send + 'static,
    ) -> io::Result<Self> {
        let shown = Shown { view: View::new(place, time_of_day), is_dirty: true, is_lost: true, is_over: false };
        let shared = Arc::new(Shared { state: Mutex::new(shown), bell: Condvar::new() });
        let (stop, stopped) = UnixStream::pair()?;
        let resizes = terminal::resizes()?;
        terminal::take()?;
        let (for_drawer, for_keys) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = || -> io::Result<JoinHandle<()>> {
            let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
            named("keys").spawn(move || for_keys.read_keys(&resizes, &stopped, request))?;
            named("screen").spawn(move || for_drawer.draw(color))
        };
        match threads() {
            Ok(drawer) => Ok(Self { shared, drawer: Some(drawer), stop }),
            Err(error) => {
                terminal::give_back();
                Err(error)
            }
        }
    }

    /// Takes one event of a build.
    pub(in crate::cli) fn event(&self, record: &EventRecord) {
        self.shared.change(|view| view.take(record));
    }

    /// Takes a plan.
    pub(in crate::cli) fn plan(&self, graph: Arc<Graph>) {
        self.shared.change(|view| view.take_plan(graph));
    }

    /// What the watcher does now.
    pub(in crate::cli) fn doing(&self, doing: Doing) {
        self.shared.change(|view| view.take_doing(doing, now_ms()));
    }

    /// What is wrong with the plan; nothing is nothing.
    pub(in crate::cli) fn findings(&self, rendered: &str) {
        self.shared.change(|view| view.take_findings(rendered));
    }

    /// Something worth saying.
    pub(in crate::cli) fn notice(&self, is_warning: bool, message: &str) {
        self.shared.change(|view| view.take_notice(is_warning, message));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.bell.notify_all();
        let _ = self.stop.write_all(b".");
        // A terminal that nobody reads holds the thread that draws, and must not hold the end of orca.
        let since = Instant::now();
        if let Some(drawer) = self.drawer.take() {
            while !drawer.is_finished() && since.elapsed() < TO_END {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        terminal::give_back();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        let mut shown = self.lock();
        let changed = change(&mut shown.view);
        // A flood of events rings once for each frame.
        if !std::mem::replace(&mut shown.is_dirty, true) {
            self.bell.notify_all();
        }
        changed
    }

    fn draw(&self, color: bool) {
        let mut before: Vec<String> = Vec::new();
        loop {
            let idle = |shown: &mut Shown| !shown.is_dirty && !shown.is_over;
            let shown = self.lock();
            let mut shown = if shown.view.is_ticking() {
                self.bell
                    .wait_timeout_while(shown, TICK, idle)
                    .map_or_else(|poisoned| poisoned.into_inner().0, |got| got.0)
            } else {
                self.bell.wait_while(shown, idle).unwrap_or_else(PoisonError::into_inner)
            };
            if shown.is_over {
                return;
            }
            shown.is_dirty = false;
            if std::mem::take(&mut shown.is_lost) {
                before.clear();
            }
            let (height, width) = terminal::size().unwrap_or(SIZE);
            let rows = shown.view.rows(height, width, now_ms());
            drop(shown);
            let rows: Vec<String> = rows.iter().map(|row| row.painted(color)).collect();
            if terminal::draw(changes(&before, &rows).as_bytes()).is_err() {
                return;
            }
            before = rows;
            let over = |shown: &mut Shown| !shown.is_over;
            drop(self.bell.wait_timeout_while(self.lock(), FRAME, over));
        }
    }

    fn read_keys(&self, resizes: &UnixStream, stopped: &UnixStream, request: impl Fn(Request)) {
        let (mut keys, stdin) = (Keys::default(), io::stdin());
        let mut chunk = [0; 256];
        loop {
            let files = [
                (stopped.as_fd(), Until::Readable),
                (stdin.as_fd(), Until::Readable),
                (resizes.as_fd(), Until::Readable),
            ];
            let Ok(ready) = wait(&files, None) else { return };
            if ready[0] {
                return;
            }
            if ready[2] {
                while (&*resizes).read(&mut chunk).is_ok_and(|count| count == chunk.len()) {}
                self.lose();
            }
            if !ready[1] {
                continue;
            }
            let pressed = match terminal::read(&mut chunk) {
                Ok(0) | Err(_) => vec![Key::Quit],
                Ok(count) => keys.read(&chunk[..count]),
            };
            for key in pressed {
                if key == Key::Redraw {
                    self.lose();
                }
                if let Some(asked) = self.change(|view| view.press(key)) {
                    request(asked);
                    if asked == Request::Quit {
                        return;
                    }
                }
            }
        }
    }

    /// What stands on the terminal is not known any more.
    fn lose(&self) {
        self.lock().is_lost = true;
        self.change(|_| ());
    }
}

/// The bytes that make a screen of some rows into one of others. Where it has another height, or is new, all is drawn.
fn changes(before: &[String], rows: &[String]) -> String {
    let is_new = before.len() != rows.len();
    let mut out = String::from("\x1b[?2026h");
    if is_new {
        out.push_str("\x1b[2J");
    }
    for (at, row) in rows.iter().enumerate() {
        if is_new || before[at] != *row {
            // Erased first: after a row as wide as the screen the cursor still stands on its last letter.
            out.push_str(&format!("\x1b[{};1H\x1b[2K{row}\x1b[0m", at + 1));
        }
    }
    out.push_str("\x1b[?2026l");
    out
}

/// `14:32:05`, where the user is.
fn time_of_day(ms: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX)).ok();
    at.map_or_else(String::new, |at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_that_differ_are_drawn() {
        let rows = |texts: [&str; 3]| texts.map(str::to_owned).to_vec();
        let drawn = changes(&rows(["a", "b", "c"]), &rows(["a", "x", "c"]));
        assert_eq!(drawn, "\x1b[?2026h\x1b[2;1H\x1b[2Kx\x1b[0m\x1b[?2026l");
        let all = changes(&[], &rows(["a", "b", "c"]));
        assert!(all.contains("\x1b[2J") && ["a", "b", "c"].iter().all(|row| all.contains(row)));
    }
}

//! How wide the terminal is, if there is one; and taking it whole, with the certainty that it is given back.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios};

use super::local::{Until, wait};

/// Columns of the terminal that standard output is.
#[must_use]
pub fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// What the terminal was like before [`take`].
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
/// Whether this process draws on a screen of its own now.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// A screen of its own, no cursor, no wrapping; and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Rows and columns of the terminal that standard output is.
#[must_use]
pub fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((usize::from(size.ws_row), usize::from(size.ws_col)))
}

/// Takes the whole terminal: keys arrive as they are pressed, and what is drawn leaves no trace. [`give_back`] undoes it,
/// and so does a panic.
pub fn take() -> io::Result<()> {
    let before = rustix::termios::tcgetattr(io::stdin())?;
    let mut raw = before.clone();
    raw.make_raw();
    let mut saved = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
    *saved = Some(before);
    drop(saved);
    IS_TAKEN.store(true, Ordering::SeqCst);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            told(panic);
        }));
    });
    draw(ENTER)
}

/// Draws, if the terminal is still taken. May wait for a terminal that does not keep up.
pub fn draw(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() && IS_TAKEN.load(Ordering::SeqCst) {
        match rustix::io::write(io::stdout(), bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                wait(&[(io::stdout().as_fd(), Until::Writable)], Some(Duration::from_millis(100)))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Gives the terminal back as it was. Does nothing where it was not taken, and waits for nobody.
pub fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let is_writable = |ready: Vec<bool>| ready.first() == Some(&true);
    if wait(&[(io::stdout().as_fd(), Until::Writable)], Some(Duration::ZERO)).is_ok_and(is_writable) {
        let _ = rustix::io::write(io::stdout(), LEAVE);
    }
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// A socket that can be read whenever the terminal has changed its size.
pub fn resizes() -> io::Result<UnixStream> {
    let (told, tells) = UnixStream::pair()?;
    told.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGWINCH, tells)?;
    Ok(told)
}

/// Reads what was typed, past every buffer.
pub fn read(bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::io::read(io::stdin(), &mut *bytes) {
            Err(Errno::INTR) => {}
            read => return Ok(read?),
        }
    }
}

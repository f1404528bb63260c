//! What happens in directories, as the kernel tells it: one queue, one watch for each directory, nothing beneath it.
//!
//! The kernel queues an event before the call that caused it returns. So after [`Inotify::read`] has found the queue empty,
//! everything that was done before is known.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Names a watch within its queue.
pub type WatchId = i32;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// To an entry of a watched directory.
    Entry {
        /// The directory's watch.
        watch: WatchId,
        /// The entry.
        name: OsString,
        /// Whether it is a directory.
        is_directory: bool,
    },
    /// To a watched directory itself: it was removed, renamed or touched.
    Directory {
        /// Its watch.
        watch: WatchId,
        /// Whether it is not where it was.
        is_gone: bool,
    },
    /// The watch is no more.
    Ended(WatchId),
    /// The queue was full, and events were lost.
    Overflow,
}

/// Why a directory is not watched.
#[derive(Debug)]
pub enum Refusal {
    /// The kernel has no more watches, or no more memory for them.
    NoneLeft,
    /// There is no such directory, or it may not be read.
    NotThere,
    /// Anything else.
    Other(io::Error),
}

/// A queue of the kernel.
#[derive(Debug)]
pub struct Inotify {
    queue: OwnedFd,
}

impl Inotify {
    /// An empty queue. An error where the user has too many of them already.
    pub fn new() -> io::Result<Self> {
        Ok(Self { queue: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)? })
    }

    /// Watches a directory. One that is watched already keeps its watch, also under another path.
    pub fn add(&self, directory: &Path) -> Result<WatchId, Refusal> {
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW
            | WatchFlags::EXCL_UNLINK;
        inotify::add_watch(&self.queue, directory, flags).map_err(|error| match error {
            Errno::NOSPC | Errno::NOMEM => Refusal::NoneLeft,
            Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP => Refusal::NotThere,
            other => Refusal::Other(other.into()),
        })
    }

    /// Ends a watch; one that is no more is fine.
    pub fn remove(&self, watch: WatchId) {
        // The kernel may have ended it just now.
        let _ = inotify::remove_watch(&self.queue, watch);
    }

    /// Hands over what is queued, until nothing is. Never waits.
    pub fn read(&self, mut take: impl FnMut(Happening)) -> io::Result<()> {
        let mut buffer = vec![MaybeUninit::<u8>::uninit(); 64 << 10];
        let mut reader = Reader::new(&self.queue, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let (watch, what) = (event.wd(), event.events());
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                take(Happening::Overflow);
            } else if what.contains(ReadFlags::IGNORED) {
                take(Happening::Ended(watch));
            } else if let Some(name) = event.file_name() {
                let name = OsStr::from_bytes(name.to_bytes()).to_owned();
                take(Happening::Entry { watch, name, is_directory: what.contains(ReadFlags::ISDIR) });
            } else {
                let gone = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT;
                take(Happening::Directory { watch, is_gone: what.intersects(gone) });
            }
        }
    }

    /// The queue once more, to wait for it elsewhere.
    pub fn waitable(&self) -> io::Result<OwnedFd> {
        self.queue.try_clone()
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

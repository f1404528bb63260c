//! Eyes that look again and again, where the kernel does not tell: every second all that matters is compared with what it
//! was.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::eyes::{Eyes, Happened, Sight};
use crate::engine::Territory;
use crate::sys::beneath::{FileKind, FileStat, list, lstat, name_of, open_root};
use crate::sys::socket::AsFd as _;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// The entries of a directory as they were.
type Entries = BTreeMap<OsString, FileStat>;

/// See the module.
pub struct PollingEyes {
    seen: BTreeMap<PathBuf, Option<Entries>>,
    /// Ends the thread that wakes when it is dropped.
    _life: SyncSender<()>,
}

impl PollingEyes {
    /// Begins to look. `wake` is called every second, on a thread of its own, until it says `false`.
    pub fn open(wake: impl Fn() -> bool + Send + 'static) -> Self {
        let (life, ends) = sync_channel::<()>(1);
        std::thread::spawn(move || while ends.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) && wake() {});
        Self { seen: BTreeMap::new(), _life: life }
    }
}

impl Eyes for PollingEyes {
    fn watch(&mut self, territory: &Territory) -> Sight {
        self.seen.retain(|directory, _| territory.directories.contains_key(directory));
        let mut sight = Sight::default();
        for directory in territory.directories.keys() {
            if !self.seen.contains_key(directory) {
                let entries = entries(directory);
                sight.added.extend(entries.is_some().then(|| directory.clone()));
                self.seen.insert(directory.clone(), entries);
            }
        }
        sight
    }

    fn look(&mut self) -> Happened {
        let mut happened = Happened::default();
        for (directory, before) in &mut self.seen {
            let now = entries(directory);
            if now == *before {
                continue;
            }
            let (Some(old), Some(new)) = (&before, &now) else {
                happened.moved_directories = true;
                happened.paths.insert(directory.clone());
                *before = now;
                continue;
            };
            let names: BTreeSet<&OsString> = old.keys().chain(new.keys()).collect();
            for name in names {
                let (old, new) = (old.get(name), new.get(name));
                let is_dir = |stat: Option<&FileStat>| stat.is_some_and(|stat| stat.kind == FileKind::Directory);
                // What happens in a directory is told of the directory itself.
                if old != new && !(is_dir(old) && is_dir(new)) {
                    happened.moved_directories |= is_dir(old) || is_dir(new);
                    happened.paths.insert(directory.join(name));
                }
            }
            *before = now;
        }
        happened
    }
}

/// What is in a directory; nothing where it cannot be read.
fn entries(directory: &Path) -> Option<Entries> {
    let opened = open_root(directory).ok()?;
    let mut entries = Entries::new();
    for name in list(opened.as_fd()).ok()? {
        let Some(text) = std::str::from_utf8(&name).ok().filter(|name| ![".git", ".orca"].contains(name)) else {
            continue;
        };
        if let Ok(Some(stat)) = lstat(opened.as_fd(), text) {
            entries.insert(name_of(&name).to_owned(), stat);
        }
    }
    Some(entries)
}

//! Where news of files comes from: the kernel, or where that cannot be, looking again and again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::engine::Territory;
use crate::sys::inotify::{Happening, Inotify, Refusal, WatchId};
use crate::sys::socket::{AsFd as _, UnixStream, wait_readable};

/// What happened since the last look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Happened {
    /// Where, as absolute paths. Of something that was there and is not, and the other way round, as well.
    pub paths: BTreeSet<PathBuf>,
    /// Whether directories came, went or were renamed.
    pub moved_directories: bool,
    /// Whether something may have happened anywhere: the kernel's queue was too short.
    pub lost: bool,
}

/// How well a territory can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sight {
    /// Directories that are seen from now on, and were not before. What happened there until now, nobody saw.
    pub added: Vec<PathBuf>,
    /// Why not all that is there can be seen: then other eyes are needed.
    pub blind: Option<String>,
}

/// Eyes on directories.
pub trait Eyes: Send {
    /// Watches the directories of this territory, as far as they are there, and no others.
    fn watch(&mut self, territory: &Territory) -> Sight;
    /// What happened until now: everything that was done to a watched directory before the call is in it. Never waits.
    fn look(&mut self) -> Happened;
}

/// The kernel tells.
pub struct KernelEyes {
    queue: Inotify,
    watches: HashMap<WatchId, PathBuf>,
    directories: BTreeMap<PathBuf, WatchId>,
    looked: SyncSender<()>,
    /// Ends the thread that waits when it is dropped.
    _life: UnixStream,
}

impl KernelEyes {
    /// Opens a queue. `wake` is called, on a thread of its own, when there is something to look at, and once for each look.
    pub fn open(wake: impl Fn() -> bool + Send + 'static) -> io::Result<Self> {
        let queue = Inotify::new()?;
        let waitable = queue.waitable()?;
        let (life, ending) = UnixStream::pair()?;
        let (looked, looks) = sync_channel(1);
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            loop {
                match wait_readable([Some(waitable.as_fd()), Some(ending.as_fd())], None) {
                    Ok([_, true]) | Err(_) => return,
                    Ok([false, false]) => continue,
                    Ok([true, false]) => {}
                }
                // Until it was looked at, there is nothing else to tell.
                if !wake() || looks.recv().is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { queue, watches: HashMap::new(), directories: BTreeMap::new(), looked, _life: life })
    }

    /// Ends the watches at a directory and beneath it: what they are called has changed.
    fn forget(&mut self, directory: &Path) {
        let is_within = |at: &PathBuf| at.starts_with(directory);
        let beneath: Vec<PathBuf> =
            self.directories.range(directory.to_owned()..).map(|(at, _)| at.clone()).take_while(is_within).collect();
        for directory in beneath {
            if let Some(watch) = self.directories.remove(&directory) {
                self.watches.remove(&watch);
                self.queue.remove(watch);
            }
        }
    }
}

impl Eyes for KernelEyes {
    fn watch(&mut self, territory: &Territory) -> Sight {
        let unwanted: Vec<PathBuf> =
            self.directories.keys().filter(|at| !territory.directories.contains_key(*at)).cloned().collect();
        for directory in unwanted {
            if let Some(watch) = self.directories.remove(&directory) {
                self.watches.remove(&watch);
                self.queue.remove(watch);
            }
        }
        let mut sight = Sight::default();
        for directory in territory.directories.keys() {
            if self.directories.contains_key(directory) {
                continue;
            }
            match self.queue.add(directory) {
                Ok(watch) => {
                    // The directory was known by another name, which it has not any more.
                    if let Some(before) = self.watches.insert(watch, directory.clone()) {
                        self.directories.remove(&before);
                    }
                    self.directories.insert(directory.clone(), watch);
                    sight.added.push(directory.clone());
                }
                Err(Refusal::NotThere) => {}
                Err(Refusal::NoneLeft) => {
                    sight.blind = Some("the kernel has no more inotify watches for you".to_owned());
                    break;
                }
                Err(Refusal::Other(error)) => {
                    sight.blind = Some(format!("{} cannot be watched: {error}", directory.display()));
                    break;
                }
            }
        }
        sight
    }

    fn look(&mut self) -> Happened {
        let mut happened = Happened::default();
        let mut gone: Vec<PathBuf> = Vec::new();
        let (watches, directories) = (&mut self.watches, &mut self.directories);
        let read = self.queue.read(|happening| match happening {
            Happening::Overflow => happened.lost = true,
            Happening::Entry { watch, name, is_directory } => {
                let Some(path) = watches.get(&watch).map(|directory| directory.join(name)) else { return };
                happened.moved_directories |= is_directory;
                happened.paths.insert(path);
            }
            Happening::Directory { watch, is_gone } => {
                let Some(path) = watches.get(&watch).filter(|_| is_gone) else { return };
                happened.moved_directories = true;
                gone.push(path.clone());
                happened.paths.insert(path.clone());
            }
            Happening::Ended(watch) => {
                if let Some(path) = watches.remove(&watch) {
                    directories.remove(&path);
                }
            }
        });
        happened.lost |= read.is_err();
        gone.iter().for_each(|directory| self.forget(directory));
        if happened.moved_directories {
            // A directory that was renamed, with all beneath, is called something else; one that is there is seen again.
            let missing = |path: &&PathBuf| !path.symlink_metadata().is_ok_and(|found| found.is_dir());
            let moved: Vec<PathBuf> = happened.paths.iter().filter(missing).cloned().collect();
            moved.iter().for_each(|directory| self.forget(directory));
        }
        // Where nobody waits, nobody needs to be told.
        let _ = self.looked.try_send(());
        happened
    }
}

/// Eyes as they can be had: those of the kernel, else polling ones, with why.
pub(super) fn open(wake: Arc<dyn Fn() -> bool + Send + Sync>) -> (Box<dyn Eyes>, Option<String>) {
    let for_kernel = Arc::clone(&wake);
    match KernelEyes::open(move || for_kernel()) {
        Ok(eyes) => (Box::new(eyes), None),
        Err(error) => {
            let why = format!("the kernel does not tell of files: {error}");
            (Box::new(super::polling::PollingEyes::open(move || wake())), Some(why))
        }
    }
}

//! What lies in a directory, as a value that two trees can be compared by.
#![expect(clippy::disallowed_methods, reason = "reads the trees that tests compare")]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// One entry of a tree.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A directory.
    Directory,
    /// A symbolic link and where it leads.
    Symlink(String),
    /// A file: its permission bits and its content.
    File(u32, Vec<u8>),
    /// A FIFO, socket or device.
    Other,
}

/// Everything beneath a directory, but its `.orca`.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Snapshot(pub(crate) BTreeMap<String, Entry>);

impl Snapshot {
    /// Reads a directory.
    pub(crate) fn of(root: &Path) -> Self {
        let mut entries = BTreeMap::new();
        let mut open = vec![root.to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
                let path = entry.expect("a directory can be read").path();
                let name = path.strip_prefix(root).expect("beneath the root").to_string_lossy().into_owned();
                if name == ".orca" {
                    continue;
                }
                let read = Self::entry(&path);
                if read == Entry::Directory {
                    open.push(path);
                }
                entries.insert(name, read);
            }
        }
        Self(entries)
    }

    /// What differs between this tree and the `other`, one path a line; empty where nothing does.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let paths = self.0.keys().chain(other.0.keys().filter(|path| !self.0.contains_key(*path)));
        let differing = paths.filter(|path| self.0.get(*path) != other.0.get(*path));
        differing.map(|path| format!("{path}: {:?} != {:?}\n", self.0.get(path), other.0.get(path))).collect()
    }

    fn entry(path: &Path) -> Entry {
        let meta = fs::symlink_metadata(path).expect("listed, so there");
        if meta.is_dir() {
            Entry::Directory
        } else if meta.is_symlink() {
            Entry::Symlink(fs::read_link(path).expect("a link can be read").to_string_lossy().into_owned())
        } else if meta.is_file() {
            Entry::File(meta.permissions().mode() & 0o7777, fs::read(path).expect("a file can be read"))
        } else {
            Entry::Other
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("directory"),
            Self::Symlink(target) => write!(f, "link to {target:?}"),
            Self::File(mode, bytes) => {
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
                write!(f, "file {mode:o} {} bytes {text:?}", bytes.len())
            }
            Self::Other => f.write_str("neither file, link nor directory"),
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

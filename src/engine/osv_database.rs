//! OSV databases on disk: a directory of records, flat or in one directory per ecosystem, as the exports of OSV unpack. Each is
//! read once per build, and only where a gate asks for it.
//!
//! ```text
//!  `database` of a gate ── path ── fingerprint (names, sizes, times) ──> the gate's key
//!                             └── records, read in parallel ───────────> Database
//! ```

#![expect(clippy::disallowed_methods, reason = "reads the directory of a database, which is no part of the project")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::host::Host;
use crate::base::{KeyHasher, sanitize_line};
use crate::gates::Database;
use crate::sys::beneath::{self, FileKind, FileStat};

/// Directories within directories that are looked into.
const DEPTH_MAX: usize = 4;
/// Records of one database: all of OSV has fewer.
const RECORDS_MAX: usize = 4_000_000;
/// Bytes of one record; a larger one makes the database unreadable.
const RECORD_BYTES_MAX: u64 = 32 << 20;

type Loaded = Arc<OnceLock<Result<Arc<Database>, String>>>;

/// The databases of a build.
#[derive(Debug, Default)]
pub struct OsvDatabases {
    root: PathBuf,
    home: Option<PathBuf>,
    loaded: Mutex<BTreeMap<PathBuf, Loaded>>,
}

/// A record on disk.
struct Listed {
    name: String,
    path: PathBuf,
    stat: FileStat,
}

impl OsvDatabases {
    /// Databases whose paths are relative to the project at `root`. Nothing is read before one is asked for.
    #[must_use]
    pub fn new(root: &Path, host: &Host) -> Self {
        let home = host.env.get(OsStr::new("HOME")).map(PathBuf::from);
        Self { root: root.to_owned(), home, loaded: Mutex::default() }
    }

    /// The database at a path, as a gate's `database` says it; read on first use.
    ///
    /// # Errors
    /// Where there is none, or not a whole one.
    pub fn get(&self, path: &str) -> Result<Arc<Database>, String> {
        let directory = self.directory(path)?;
        let loaded = {
            let mut all = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(directory.clone()).or_default().clone()
        };
        loaded.get_or_init(|| load(&directory).map(Arc::new).map_err(|why| at(path, &why))).clone()
    }

    /// What changes when the database does, without reading its records.
    ///
    /// # Errors
    /// Where there is none.
    pub fn fingerprint(&self, path: &str) -> Result<String, String> {
        let listed = list(&self.directory(path)?).map_err(|why| at(path, &why))?;
        let mut hasher = KeyHasher::new("orca osv database 1");
        for record in &listed {
            hasher.field("record", record.name.as_bytes());
            hasher.field("size", &record.stat.size_bytes.to_le_bytes());
            hasher.field("time", &record.stat.mtime_ns.to_le_bytes());
            hasher.field("inode", &record.stat.inode.to_le_bytes());
        }
        Ok(hasher.finish().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn directory(&self, path: &str) -> Result<PathBuf, String> {
        match path.strip_prefix("~/") {
            Some(rest) => match &self.home {
                Some(home) => Ok(home.join(rest)),
                None => Err(at(path, "there is no HOME")),
            },
            None => Ok(self.root.join(path)),
        }
    }
}

fn at(path: &str, why: &str) -> String {
    format!("the OSV database `{}`: {why}", sanitize_line(path))
}

fn load(directory: &Path) -> Result<Database, String> {
    let listed = list(directory)?;
    let failed: Mutex<Option<String>> = Mutex::default();
    let files = listed.iter().map_while(|record| match read(&record.path) {
        Ok(bytes) => Some((record.name.clone(), bytes)),
        Err(error) => {
            let why = format!("cannot read `{}`: {error}", sanitize_line(&record.name));
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            None
        }
    });
    let database = Database::parse(files);
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(why) => Err(why),
        None => database,
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(RECORD_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The records beneath a directory: what is called `*.json`, in the order of their names.
fn list(directory: &Path) -> Result<Vec<Listed>, String> {
    let mut listed = Vec::new();
    walk(directory, "", 0, &mut listed)?;
    if listed.is_empty() {
        return Err("it has no records: files that are called `*.json`".to_owned());
    }
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(listed)
}

fn walk(directory: &Path, prefix: &str, depth: usize, listed: &mut Vec<Listed>) -> Result<(), String> {
    let shown = || if prefix.is_empty() { "the directory".to_owned() } else { format!("`{}`", sanitize_line(prefix)) };
    let failed = |error: io::Error| format!("cannot read {}: {error}", shown());
    let opened = fs::File::open(directory).map_err(failed)?;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name() else { continue };
        let full = format!("{prefix}{}", name.to_string_lossy());
        let stat =
            stat(&opened, name, &path).map_err(|error| format!("cannot read `{}`: {error}", sanitize_line(&full)))?;
        if stat.kind == FileKind::Directory && depth < DEPTH_MAX {
            walk(&path, &format!("{full}/"), depth + 1, listed)?;
        } else if stat.kind == FileKind::File && path.extension() == Some(OsStr::new("json")) {
            if listed.len() == RECORDS_MAX {
                return Err(format!("it has more than {RECORDS_MAX} records"));
            }
            listed.push(Listed { name: full, path, stat });
        }
    }
    Ok(())
}

/// What a name of a directory is. Links count for what they lead to: whoever keeps the database made them.
fn stat(directory: &fs::File, name: &OsStr, path: &Path) -> io::Result<FileStat> {
    let stat = name.to_str().map(|name| beneath::lstat(directory.as_fd(), name)).transpose()?.flatten();
    match stat {
        Some(stat) if stat.kind != FileKind::Symlink => Ok(stat),
        _ => beneath::fstat(fs::File::open(path)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> String {
        format!("{{\"id\": \"{id}\", \"affected\": []}}")
    }

    fn databases(root: &Path) -> OsvDatabases {
        OsvDatabases { root: root.to_owned(), home: Some(root.join("home")), loaded: Mutex::default() }
    }

    #[test]
    fn records_are_found_flat_and_by_ecosystem_and_read_once() {
        let root = tempfile::tempdir().expect("a directory");
        let osv = root.path().join("home/osv");
        fs::create_dir_all(osv.join("npm")).expect("made");
        fs::write(osv.join("A.json"), record("A")).expect("written");
        fs::write(osv.join("npm/B.json"), record("B")).expect("written");
        fs::write(osv.join("README"), "no record").expect("written");
        std::fs::write(root.path().join("C.json"), record("C")).expect("written");
        crate::sys::symlink(&root.path().join("C.json"), &osv.join("C.json")).expect("linked");
        let databases = databases(root.path());
        let first = databases.get("~/osv").expect("a database");
        assert_eq!(first.records(), 3);
        fs::write(osv.join("npm/B.json"), "broken").expect("written");
        assert!(Arc::ptr_eq(&first, &databases.get("home/osv").expect("the same")));
    }

    #[test]
    fn its_fingerprint_changes_with_it() {
        let root = tempfile::tempdir().expect("a directory");
        let osv = root.path().join("osv");
        fs::create_dir_all(&osv).expect("made");
        fs::write(osv.join("A.json"), record("A")).expect("written");
        let databases = databases(root.path());
        let print = || databases.fingerprint("osv").expect("a fingerprint");
        let first = print();
        assert_eq!(first, print());
        fs::write(osv.join("notes.txt"), "x").expect("written");
        assert_eq!(first, print(), "only records count");
        fs::write(osv.join("B.json"), record("B")).expect("written");
        let second = print();
        assert_ne!(first, second);
        fs::rename(osv.join("B.json"), osv.join("C.json")).expect("renamed");
        assert_ne!(second, print());
    }

    #[test]
    fn what_is_not_there_or_broken_is_said() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("empty")).expect("made");
        fs::create_dir_all(root.path().join("bad")).expect("made");
        fs::write(root.path().join("bad/A.json"), "{").expect("written");
        fs::write(root.path().join("file"), "").expect("written");
        let databases = databases(root.path());
        for (path, part) in [
            ("nowhere", "`nowhere`: cannot read the directory"),
            ("file", "cannot read the directory"),
            ("empty", "has no records"),
            ("bad", "`A.json` is no OSV record"),
        ] {
            let why = databases.get(path).expect_err("no database");
            assert!(why.contains(part), "{why}");
            assert_eq!(databases.fingerprint(path).is_err(), path != "bad");
        }
        let homeless = OsvDatabases { home: None, ..OsvDatabases::default() };
        assert!(homeless.get("~/osv").is_err_and(|why| why.contains("no HOME")));
    }
}

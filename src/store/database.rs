//! An SQLite file of one known format. What is there and is not that format, another program's file, a newer orca's, or
//! garbage, is set aside under another name with one warning, and a fresh one takes its place.
//!
//! WAL with `synchronous = FULL`: a transaction that was committed is there after a power loss, readers do not wait for
//! the writer, and several processes share the file. Opening and setting aside happen under a lock file, so that two
//! processes never make or move the same database at once.
//!
//! Whoever closes the file last brings its log into it and removes it. That takes four syncs and a third of the time of a build
//! of one task, which may leave it as long as it is short: whoever opens the file next reads it first, as after a kill.
#![expect(clippy::disallowed_methods, reason = "SQLite takes paths; here they are made, checked and moved")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::StoreError;
use crate::sys::beneath;

/// "orca" in ASCII: tells orca's databases from any other SQLite file.
const APPLICATION_ID: i32 = 0x6f72_6361;
/// How long one process waits for another one's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// A log that is longer than this does not stay: to read more of it when the file is opened takes longer than that.
const LOG_BYTES_MAX: u64 = 512 << 10;

/// What a database of orca looks like.
#[derive(Debug)]
pub(super) struct Format {
    /// `PRAGMA user_version`; raised whenever the schema changes.
    pub version: i32,
    /// The tables, as SQL.
    pub schema: &'static str,
}

/// A connection to a database of orca, shared by the threads of this process.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    format: &'static Format,
    read_only: bool,
    open: Mutex<Opened>,
    /// Whether a short log stays when this is closed.
    leaves_log: AtomicBool,
    /// What waits to be written together, in order.
    queued: Mutex<Vec<Queued>>,
    /// Held by whoever writes for all that have queued.
    turn: Mutex<()>,
}

/// What one thread wants written; done again where a transaction has to be.
pub(super) type Work = Arc<dyn Fn(&Connection) -> rusqlite::Result<()> + Send + Sync>;

/// [`Work`] that waits, and where its answer goes.
struct Queued {
    work: Work,
    answer: Arc<Mutex<Option<rusqlite::Result<()>>>>,
}

impl std::fmt::Debug for Queued {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Queued")
    }
}

#[derive(Debug)]
struct Opened {
    connection: Connection,
    /// Device and inode of the file the connection has open.
    identity: Option<(u64, u64)>,
}

/// Why a database could not be used as it is.
enum Unusable {
    /// Not a database of this format: to be set aside.
    Foreign(String),
    /// The system's or SQLite's fault.
    Failed(StoreError),
}

impl Database {
    /// Opens or makes the database. The second value is the warning if something was set aside.
    pub(super) fn open(path: &Path, format: &'static Format) -> Result<(Self, Option<String>), StoreError> {
        let _lock = lock_beside(path)?;
        let (opened, warning) = open_or_replace(path, format)?;
        Ok((Self::of(path, format, opened, false), warning))
    }

    /// Opens the database to look only: writes nothing, not even its shared-memory file where no other process has it
    /// open. `None` if there is none or it is not of this format.
    pub(super) fn open_read_only(path: &Path, format: &'static Format) -> Result<Option<Self>, StoreError> {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("open", path, error)),
        }
        match connect_to_look(path, format) {
            Ok(connection) => Ok(Some(Self::of(path, format, Opened { connection, identity: None }, true))),
            Err(Unusable::Foreign(_)) => Ok(None),
            Err(Unusable::Failed(error)) => Err(error),
        }
    }

    fn of(path: &Path, format: &'static Format, opened: Opened, read_only: bool) -> Self {
        Self {
            path: path.to_owned(),
            format,
            read_only,
            open: Mutex::new(opened),
            leaves_log: AtomicBool::new(false),
            queued: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Opened> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs queries that only read.
    pub(super) fn read<T>(
        &self,
        op: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.lock().connection).map_err(|source| StoreError::database(op, &self.path, source))
    }

    /// Runs one transaction; all of it happens, durably, or nothing.
    pub(super) fn write<T>(
        &self,
        op: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let written = transact(&mut self.lock().connection, work);
        written.map_err(|source| StoreError::database(op, &self.path, source))
    }

    /// As [`Database::write`], all or nothing, but durable only with the next transaction that has to be, or when the log is
    /// brought into the file: for what a power loss may take.
    pub(super) fn write_soon<T>(
        &self,
        op: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut opened = self.lock();
        let connection = &mut opened.connection;
        let mut written =
            connection.pragma_update(None, "synchronous", "NORMAL").and_then(|()| transact(connection, work));
        if let Err(error) = connection.pragma_update(None, "synchronous", "FULL") {
            written = Err(error);
        }
        written.map_err(|source| StoreError::database(op, &self.path, source))
    }

    /// As [`Database::write`], in one transaction with what other threads want written at the same time: whoever's turn it
    /// is writes what all have queued, and pays for one sync. It answers when that is durable. What cannot be
    /// written is not held against the others: then each is written by itself.
    pub(super) fn write_together(&self, op: &'static str, work: Work) -> Result<(), StoreError> {
        let answer = Arc::new(Mutex::new(None));
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).push(Queued { work, answer: Arc::clone(&answer) });
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let take = || answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let failed = |source| StoreError::database(op, &self.path, source);
        if let Some(written) = take() {
            return written.map_err(failed);
        }
        let mut opened = self.lock();
        let all = std::mem::take(&mut *self.queued.lock().unwrap_or_else(PoisonError::into_inner));
        let together =
            transact(&mut opened.connection, |connection| all.iter().try_for_each(|one| (one.work)(connection)));
        for one in all {
            let written = match &together {
                Ok(()) => Ok(()),
                Err(_) => transact(&mut opened.connection, |connection| (one.work)(connection)),
            };
            *one.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
        }
        drop(opened);
        drop(turn);
        take().expect("INVARIANT: what is queued is answered by whoever's turn it is").map_err(failed)
    }

    /// Brings all that was written into the one file, so that its log is empty.
    pub(super) fn empty_log(&self, op: &'static str) -> Result<(), StoreError> {
        self.read(op, |connection| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    /// Leaves the log as it is when this is closed, where it is short; where it has grown long, empties it now.
    pub(super) fn leave_log(&self, op: &'static str) -> Result<(), StoreError> {
        self.leaves_log.store(true, Ordering::Relaxed);
        if self.log_bytes() > LOG_BYTES_MAX { self.empty_log(op) } else { Ok(()) }
    }

    fn log_bytes(&self) -> u64 {
        std::fs::symlink_metadata(sibling(&self.path, "-wal")).map_or(0, |log| log.len())
    }

    /// Sets a database that turned out to be damaged aside and goes on with a fresh one; answers the warning. If another
    /// process has done so already, goes on with that one's.
    pub(super) fn replace_damaged(&self) -> Result<Option<String>, StoreError> {
        if self.read_only {
            return Ok(None);
        }
        let mut opened = self.lock();
        let _lock = lock_beside(&self.path)?;
        let mut warning = None;
        if opened.identity.is_some() && opened.identity == identity_of(&self.path) {
            opened.connection =
                Connection::open_in_memory().map_err(|source| StoreError::database("replace", &self.path, source))?;
            warning = Some(set_aside(&self.path, "is damaged")?);
        }
        let (fresh, another) = open_or_replace(&self.path, self.format)?;
        *opened = fresh;
        Ok(warning.or(another))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // An empty log is removed in any case, so that who looks need not make what belongs to it.
        if self.leaves_log.load(Ordering::Relaxed) && (1..=LOG_BYTES_MAX).contains(&self.log_bytes()) {
            // Where that cannot be said, the log is brought into the file, which only takes longer.
            let _ = self.lock().connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let answer = work(&transaction)?;
    transaction.commit()?;
    Ok(answer)
}

/// Whether SQLite says that the file itself is broken.
pub(super) fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Database { source, .. }
        if matches!(source.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)))
}

fn open_or_replace(path: &Path, format: &'static Format) -> Result<(Opened, Option<String>), StoreError> {
    let mut warning = None;
    loop {
        match connect(path, format) {
            Ok(connection) => return Ok((Opened { connection, identity: identity_of(path) }, warning)),
            Err(Unusable::Foreign(reason)) if warning.is_none() => warning = Some(set_aside(path, &reason)?),
            Err(Unusable::Foreign(reason)) => {
                let source = std::io::Error::other(reason);
                return Err(StoreError::Io { op: "make", path: path.to_owned(), source });
            }
            Err(Unusable::Failed(error)) => return Err(error),
        }
    }
}

fn connect(path: &Path, format: &'static Format) -> Result<Connection, Unusable> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(Unusable::Foreign("is not a regular file".into())),
        _ => {}
    }
    let failed = |source| unusable(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    configure(&connection).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if is_blank(&transaction).map_err(failed)? {
        let stamp = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};", format.version);
        transaction.execute_batch(format.schema).and_then(|()| transaction.execute_batch(&stamp)).map_err(failed)?;
    }
    check_format(&transaction, format, path)?;
    transaction.commit().map_err(failed)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Content read from a damaged or foreign file never runs code of the schema.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn connect_to_look(path: &Path, format: &'static Format) -> Result<Connection, Unusable> {
    let failed = |source| unusable(path, source);
    let mut flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if sibling(path, "-wal").exists() {
        Connection::open_with_flags(path, flags).map_err(failed)?
    } else {
        // Nobody has it open: `immutable` reads the one file and makes no others.
        flags |= OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(immutable_uri(path), flags).map_err(failed)?
    };
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    check_format(&connection, format, path)?;
    Ok(connection)
}

/// `file:` and the path with everything escaped that a URI reads otherwise.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

fn is_blank(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn check_format(connection: &Connection, format: &Format, path: &Path) -> Result<(), Unusable> {
    let number = |pragma: &str| {
        connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0)).map_err(|e| unusable(path, e))
    };
    match (number("application_id")?, number("user_version")?) {
        (APPLICATION_ID, version) if version == format.version => Ok(()),
        (APPLICATION_ID, version) => {
            let known = format.version;
            Err(Unusable::Foreign(format!("has format {version}, and this orca knows format {known}")))
        }
        _ => Err(Unusable::Foreign("is a database of another program".into())),
    }
}

fn unusable(path: &Path, source: rusqlite::Error) -> Unusable {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Unusable::Foreign("is no database".into()),
        Some(ErrorCode::DatabaseCorrupt) => Unusable::Foreign("is damaged".into()),
        _ => Unusable::Failed(StoreError::database("open", path, source)),
    }
}

/// Renames the database and its companions; answers the warning.
fn set_aside(path: &Path, reason: &str) -> Result<String, StoreError> {
    let aside = (1u32..)
        .map(|number| sibling(path, &format!(".set-aside-{number}")))
        .find(|candidate| std::fs::symlink_metadata(candidate).is_err())
        .expect("some number is free");
    std::fs::rename(path, &aside).map_err(|source| StoreError::io("set aside", path, source))?;
    for companion in ["-wal", "-shm", "-journal"] {
        // A log left behind would be replayed into the fresh database.
        match std::fs::rename(sibling(path, companion), sibling(&aside, companion)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("set aside", sibling(path, companion), error));
            }
            _ => {}
        }
    }
    Ok(format!("`{}` {reason}; it was set aside as `{}`, and a fresh one is used", path.display(), aside.display()))
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn identity_of(path: &Path) -> Option<(u64, u64)> {
    let file = File::open(path).ok()?;
    let stat = beneath::fstat(&file).ok()?;
    Some((stat.dev, stat.inode))
}

/// Holds the lock under which the database is opened, made and set aside. It goes away with the file.
fn lock_beside(path: &Path) -> Result<File, StoreError> {
    let lock_path = sibling(path, ".lock");
    let failed = |source| StoreError::io("lock", &lock_path, source);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = beneath::open_root(dir).map_err(failed)?;
    let name = lock_path.file_name().and_then(|name| name.to_str()).expect("databases have plain names");
    let file = beneath::open_lock_file(std::os::fd::AsFd::as_fd(&dir), name).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    static FORMAT: Format = Format { version: 1, schema: "CREATE TABLE numbers (number INTEGER PRIMARY KEY)" };

    /// Lets these numbers be written at the same time; `None` is what cannot be written. Answers what became of each, what
    /// is there then, and how often something was tried.
    fn together(numbers: &[Option<i64>]) -> (Vec<bool>, Vec<i64>, u64) {
        let directory = tempfile::tempdir().expect("a directory");
        let (database, _) = Database::open(&directory.path().join("numbers.db"), &FORMAT).expect("it is made");
        let works = Arc::new(AtomicU64::new(0));
        let answers = std::thread::scope(|scope| {
            // Nobody gets the connection before all have queued.
            let held = database.lock();
            let writers: Vec<_> = numbers
                .iter()
                .map(|number| {
                    let (number, works) = (*number, Arc::clone(&works));
                    let work: Work = Arc::new(move |connection| {
                        works.fetch_add(1, Ordering::Relaxed);
                        let sql = if number.is_some() {
                            "INSERT INTO numbers VALUES (?1)"
                        } else {
                            "INSERT INTO nowhere VALUES (?1)"
                        };
                        connection.execute(sql, [number.unwrap_or(0)]).map(drop)
                    });
                    scope.spawn(|| database.write_together("write", work).is_ok())
                })
                .collect();
            while database.queued.lock().expect("no holder panics").len() < numbers.len() {
                std::thread::yield_now();
            }
            drop(held);
            writers.into_iter().map(|writer| writer.join().expect("it does not panic")).collect()
        });
        let all = |connection: &Connection| -> rusqlite::Result<Vec<i64>> {
            let mut statement = connection.prepare("SELECT number FROM numbers ORDER BY number")?;
            let numbers = statement.query_map([], |row| row.get(0))?;
            numbers.collect()
        };
        let reopened = Connection::open(database.path()).expect("it opens");
        (answers, all(&reopened).expect("it can be read"), works.load(Ordering::Relaxed))
    }

    #[test]
    fn what_is_queued_together_is_written_once_and_each_is_answered() {
        let (answers, written, works) = together(&[Some(1), Some(2), Some(3), Some(4)]);
        assert_eq!((answers, written), (vec![true; 4], vec![1, 2, 3, 4]));
        assert_eq!(works, 4, "one transaction for all");
    }

    #[test]
    fn what_cannot_be_written_is_not_held_against_the_others() {
        let (answers, written, _) = together(&[Some(1), None, Some(3)]);
        assert_eq!((answers, written), (vec![true, false, true], vec![1, 3]));
    }
}

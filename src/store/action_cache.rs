//! What is known already: results by [`ActionKey`] and verdicts by [`GateKey`], in `actions.db`. Every row carries a
//! checksum over its key and body; a row that does not match it, or cannot be read, is taken out and is a miss. A
//! database that SQLite finds damaged is set aside as a whole.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};

use super::database::{Database, Format, Work, is_damage};
use super::warnings::{Trouble, Warnings};
use super::{StoreError, clock};
use crate::base::{ActionKey, GateKey, KeyHasher};
use crate::event::ActionResult;

/// Raised whenever a table changes, or what a body holds.
static FORMAT: Format = Format {
    version: 1,
    schema: "
        CREATE TABLE results  (key BLOB PRIMARY KEY, body BLOB NOT NULL, seal BLOB NOT NULL, used_ms INTEGER NOT NULL)
            WITHOUT ROWID;
        CREATE TABLE verdicts (key BLOB PRIMARY KEY, body BLOB NOT NULL, seal BLOB NOT NULL, used_ms INTEGER NOT NULL)
            WITHOUT ROWID;
    ",
};

/// A row's time of last use is brought up to date when it is older than this.
const TOUCH_AFTER_MS: i64 = 60 * 60 * 1000;

/// The two tables, which look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Results,
    Verdicts,
}

impl Table {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Results => "results",
            Self::Verdicts => "verdicts",
        }
    }
}

/// A row as `gc` and `verify` see it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) table: Table,
    /// 32 bytes, where the row is sound.
    pub(super) key: Vec<u8>,
    /// What the body says; `None` where it is damaged. Verdicts have no result.
    pub(super) result: Option<ActionResult>,
    pub(super) is_sound: bool,
    pub(super) size_bytes: u64,
    pub(super) used_ms: i64,
}

#[derive(Debug)]
pub(super) struct ActionCache {
    database: Option<Database>,
    /// Rows used since the last write, to be dated with the next one.
    used: Mutex<BTreeSet<(Table, [u8; 32])>>,
}

impl ActionCache {
    /// Opens the database; in a cache that may not be written, to look only.
    pub(super) fn open(path: &Path, writable: bool, warnings: &Warnings) -> Result<Self, StoreError> {
        let database = if writable {
            let (database, warning) = Database::open(path, &FORMAT)?;
            if let Some(warning) = warning {
                warnings.say(warning);
            }
            Some(database)
        } else {
            Database::open_read_only(path, &FORMAT).unwrap_or_else(|error| {
                warnings.say(format!("{error}; nothing is taken from it"));
                None
            })
        };
        Ok(Self { database, used: Mutex::default() })
    }

    pub(super) fn result(&self, key: &ActionKey, warnings: &Warnings) -> Result<Option<ActionResult>, StoreError> {
        let Some(body) = self.body(Table::Results, key.as_bytes(), warnings)? else { return Ok(None) };
        match serde_json::from_slice(&body) {
            Ok(result) => Ok(Some(result)),
            Err(_) => self.take_out(Table::Results, key.as_bytes(), warnings).map(|()| None),
        }
    }

    pub(super) fn verdict(&self, key: &GateKey, warnings: &Warnings) -> Result<Option<String>, StoreError> {
        let Some(body) = self.body(Table::Verdicts, key.as_bytes(), warnings)? else { return Ok(None) };
        match String::from_utf8(body) {
            Ok(text) => Ok(Some(text)),
            Err(_) => self.take_out(Table::Verdicts, key.as_bytes(), warnings).map(|()| None),
        }
    }

    pub(super) fn put_results(
        &self,
        results: &[(ActionKey, ActionResult)],
        warnings: &Warnings,
    ) -> Result<(), StoreError> {
        let rows = results
            .iter()
            .map(|(key, result)| (*key.as_bytes(), serde_json::to_vec(result).expect("a result is plain data")))
            .collect();
        self.put(Table::Results, rows, warnings)
    }

    pub(super) fn put_verdicts(&self, verdicts: &[(GateKey, String)], warnings: &Warnings) -> Result<(), StoreError> {
        let rows = verdicts.iter().map(|(key, verdict)| (*key.as_bytes(), verdict.as_bytes().to_vec())).collect();
        self.put(Table::Verdicts, rows, warnings)
    }

    /// Dates the rows that were used. Called when the store closes; nothing is lost without it but their order in gc.
    pub(super) fn flush(&self, warnings: &Warnings) -> Result<(), StoreError> {
        self.put(Table::Results, Vec::new(), warnings)
    }

    /// Every row, damaged ones too.
    pub(super) fn rows(&self, warnings: &Warnings) -> Result<Vec<Row>, StoreError> {
        let rows = self.healing(warnings, |database| {
            database.read("read", |connection| {
                let mut rows = Vec::new();
                for table in [Table::Results, Table::Verdicts] {
                    let sql = format!("SELECT key, body, seal, used_ms FROM {}", table.name());
                    let mut statement = connection.prepare(&sql)?;
                    let mut found = statement.query([])?;
                    while let Some(row) = found.next()? {
                        rows.push(inspect(table, row)?);
                    }
                }
                Ok(rows)
            })
        })?;
        Ok(rows.unwrap_or_default())
    }

    /// Removes rows by table and key; answers how many were there.
    pub(super) fn remove(&self, rows: &[(Table, &[u8])], warnings: &Warnings) -> Result<u64, StoreError> {
        let removed = self.healing(warnings, |database| {
            database.write("remove records from", |connection| {
                let mut removed = 0;
                for (table, key) in rows {
                    removed += delete(connection, *table, key)?;
                }
                Ok(removed)
            })
        })?;
        Ok(removed.unwrap_or(0))
    }

    fn body(&self, table: Table, key: &[u8; 32], warnings: &Warnings) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = format!("SELECT body, seal, used_ms FROM {} WHERE key = ?1", table.name());
        let found = self.healing(warnings, |database| {
            database.read("read", |connection| {
                let mut statement = connection.prepare_cached(&sql)?;
                let row = |row: &rusqlite::Row<'_>| Ok((row.get(0), row.get(1), row.get(2)));
                statement.query_row([key.as_slice()], row).optional()
            })
        })?;
        match found.flatten() {
            None => Ok(None),
            Some((Ok::<Vec<u8>, _>(body), Ok::<Vec<u8>, _>(seal), Ok::<i64, _>(used_ms)))
                if seal == seal_of(table, key, &body) =>
            {
                if clock::now_ms().saturating_sub(used_ms) > TOUCH_AFTER_MS {
                    self.used.lock().unwrap_or_else(PoisonError::into_inner).insert((table, *key));
                }
                Ok(Some(body))
            }
            Some(_) => self.take_out(table, key, warnings).map(|()| None),
        }
    }

    fn put(&self, table: Table, rows: Vec<([u8; 32], Vec<u8>)>, warnings: &Warnings) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if rows.is_empty() && used.is_empty() {
            return Ok(());
        }
        let (now_ms, has_rows) = (clock::now_ms(), !rows.is_empty());
        let work: Work = Arc::new(move |connection| {
            for (key, body) in &rows {
                insert(connection, table, key, body, now_ms)?;
            }
            for (table, key) in &used {
                let sql = format!("UPDATE {} SET used_ms = ?2 WHERE key = ?1", table.name());
                connection.prepare_cached(&sql)?.execute(params![key.as_slice(), now_ms])?;
            }
            Ok(())
        });
        let written = self.healing(warnings, |database| database.write_together("write", Arc::clone(&work)))?;
        if written.is_none() && has_rows {
            let source = std::io::ErrorKind::ReadOnlyFilesystem.into();
            return Err(StoreError::ReadOnly { op: "write", path: "actions.db".into(), source });
        }
        Ok(())
    }

    fn take_out(&self, table: Table, key: &[u8; 32], warnings: &Warnings) -> Result<(), StoreError> {
        let shown = format!("{} {}", table.name(), ActionKey::from_bytes(*key).short());
        warnings.count(Trouble::DamagedRow, shown);
        match self.remove(&[(table, key)], warnings) {
            Err(error) if !error.is_unwritable() => Err(error),
            _ => Ok(()),
        }
    }

    /// See [`Database::leave_log`].
    pub(super) fn leave_log(&self) -> Result<(), StoreError> {
        self.database.as_ref().map_or(Ok(()), |database| database.leave_log("bring the log into"))
    }

    /// Does `work`, and once more on a fresh database where the first turns out to be damaged. `None` where there is no
    /// database, which only a cache that may not be written lacks.
    fn healing<T>(
        &self,
        warnings: &Warnings,
        work: impl Fn(&Database) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let Some(database) = &self.database else { return Ok(None) };
        match work(database) {
            Err(error) if is_damage(&error) => {
                if let Some(warning) = database.replace_damaged()? {
                    warnings.say(warning);
                }
                work(database).map(Some)
            }
            other => other.map(Some),
        }
    }
}

/// Reads a row whatever is in it: a column of the wrong type is damage, not an error.
fn inspect(table: Table, row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let bytes = |column: usize| row.get_ref(column).map(|value| value.as_bytes().unwrap_or_default().to_vec());
    let (key, body, seal): (Vec<u8>, Vec<u8>, Vec<u8>) = (bytes(0)?, bytes(1)?, bytes(2)?);
    let is_sealed = key.len() == 32 && seal == seal_of(table, &key, &body);
    let result: Option<ActionResult> = match table {
        Table::Results if is_sealed => serde_json::from_slice(&body).ok(),
        _ => None,
    };
    let is_sound = is_sealed && (table == Table::Verdicts || result.is_some());
    let used_ms = row.get_ref(3)?.as_i64().unwrap_or(0);
    Ok(Row { table, key, result, is_sound, size_bytes: body.len() as u64, used_ms })
}

fn insert(connection: &Connection, table: Table, key: &[u8; 32], body: &[u8], now_ms: i64) -> rusqlite::Result<()> {
    let sql = format!("INSERT OR REPLACE INTO {} (key, body, seal, used_ms) VALUES (?1, ?2, ?3, ?4)", table.name());
    let seal = seal_of(table, key, body);
    connection.prepare_cached(&sql)?.execute(params![key.as_slice(), body, seal.as_slice(), now_ms]).map(drop)
}

fn delete(connection: &Connection, table: Table, key: &[u8]) -> rusqlite::Result<u64> {
    let sql = format!("DELETE FROM {} WHERE key = ?1", table.name());
    connection.prepare_cached(&sql)?.execute([key]).map(|rows| rows as u64)
}

/// The checksum of a row: binds the body to its key and table, so that a row moved is a row damaged.
fn seal_of(table: Table, key: &[u8], body: &[u8]) -> [u8; 32] {
    let mut hasher = KeyHasher::new("orca cache row v1");
    hasher.field("table", table.name().as_bytes());
    hasher.field("key", key);
    hasher.field("body", body);
    hasher.finish()
}

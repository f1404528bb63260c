//! A database of OSV records in memory, by package.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::advisory::{Advisory, Record, Subject};
use super::package::Ecosystem;
use crate::base::{bounded, counted, sanitize_line};

/// Bytes of one record.
const RECORD_BYTES_MAX: usize = 16 << 20;
/// Records that are told by name where they cannot be read.
const TOLD_MAX: usize = 3;

/// What is known of packages. One value serves all gates of a build.
#[derive(Debug, Default)]
pub struct Database {
    records: usize,
    packages: BTreeMap<Subject, Vec<Advisory>>,
}

impl Database {
    /// Reads records, in parallel: their names, which are told where something is wrong, and their bytes.
    ///
    /// # Errors
    /// Where one of them is no OSV record, or where there is none at all: a database that is not whole would pass what it
    /// should not.
    pub fn parse(files: impl Iterator<Item = (String, Vec<u8>)> + Send) -> Result<Self, String> {
        let read: Vec<Result<Vec<_>, String>> =
            files.par_bridge().map(|(name, bytes)| of_file(&name, &bytes)).collect();
        let records = read.len();
        if records == 0 {
            return Err("the OSV database has no records".to_owned());
        }
        let mut wrong: Vec<&String> = read.iter().filter_map(|one| one.as_ref().err()).collect();
        if !wrong.is_empty() {
            wrong.sort();
            let told: Vec<&str> = wrong.iter().take(TOLD_MAX).map(|why| why.as_str()).collect();
            let more = match wrong.len().saturating_sub(TOLD_MAX) {
                0 => String::new(),
                more => format!("; and {}", counted(more as u64, "more file")),
            };
            return Err(format!("the OSV database cannot be read: {}{more}", told.join("; ")));
        }
        let mut packages: BTreeMap<Subject, Vec<Advisory>> = BTreeMap::new();
        for (package, advisory) in read.into_iter().flatten().flatten() {
            packages.entry(package).or_default().push(advisory);
        }
        // The order of the files is not the order in which they were read.
        packages.values_mut().for_each(|advisories| advisories.sort_by(|one, other| one.id.cmp(&other.id)));
        Ok(Self { records, packages })
    }

    /// How many records it has.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records
    }

    /// What is known of a package, by its name in normal form.
    pub(super) fn of(&self, ecosystem: Ecosystem, name: &str) -> &[Advisory] {
        self.packages.get(&(ecosystem, name.to_owned())).map_or(&[], Vec::as_slice)
    }
}

fn of_file(name: &str, bytes: &[u8]) -> Result<Vec<(Subject, Advisory)>, String> {
    let name = sanitize_line(&bounded(name, 200));
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(format!("`{name}` is too large"));
    }
    // A list would be taken for the fields of a record in their order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(format!("`{name}` is no OSV record: it does not begin with a brace"));
    }
    let record: Record = serde_json::from_slice(bytes)
        .map_err(|error| format!("`{name}` is no OSV record: {}", sanitize_line(&bounded(&error.to_string(), 200))))?;
    Ok(record.advisories())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(id: &str, package: &str) -> (String, Vec<u8>) {
        let affected = json!([{ "package": { "ecosystem": "npm", "name": package }, "versions": ["1.0.0"] }]);
        (format!("{id}.json"), json!({ "id": id, "affected": affected }).to_string().into_bytes())
    }

    #[test]
    fn records_are_found_by_package_in_the_order_of_their_ids() {
        let files = (0..500).rev().map(|nth| record(&format!("X-{nth:03}"), if nth % 2 == 0 { "even" } else { "odd" }));
        let database = Database::parse(files).expect("a database");
        assert_eq!(database.records(), 500);
        let ids: Vec<&str> = database.of(Ecosystem::Npm, "odd").iter().map(|one| one.id.as_str()).collect();
        assert_eq!((ids.len(), ids[0], ids[1], ids[249]), (250, "X-001", "X-003", "X-499"));
        assert!(database.of(Ecosystem::PyPi, "odd").is_empty());
    }

    #[test]
    fn one_that_is_not_whole_is_none() {
        let broken = |bytes: &[u8]| vec![record("X-1", "p"), ("b.json".to_owned(), bytes.to_vec())];
        for bytes in
            [&b""[..], b"{", b"[]", b"[\"X-2\"]", b"{}", b"{\"id\": 3}", b"{\"id\": \"x\", \"affected\": 3}", b"\xff"]
        {
            let why = Database::parse(broken(bytes).into_iter()).expect_err("not whole");
            assert!(why.contains("`b.json` is no OSV record"), "{why}");
        }
        assert!(Database::parse(std::iter::empty()).is_err());
        let many = (0..9).map(|nth| (format!("{nth}.json"), Vec::new()));
        let why = Database::parse(many).expect_err("broken");
        assert!(why.contains("`0.json`") && why.ends_with("; and 6 more files"), "{why}");
    }
}

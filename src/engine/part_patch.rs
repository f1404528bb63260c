//! What a build of a part leaves: what of the snapshot is another now, appended to it.
//!
//! A file that was written so shortly before it was looked at that its next change could leave it looking the same gets a
//! fingerprint that is like nothing. The next build finds it changed, looks at its tasks, and says what it is like then: that
//! is less than waiting here.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;

use super::attempt_log;
use super::builder::Builder;
use super::host::now_ms;
use super::resolve::Resolver;
use super::summary::Summary;
use crate::base::{Entry, RelPath, TaskName};
use crate::event::Outcome;
use crate::snapshot::{self, Closing, FileIx, Fingerprint, Overlay, Part, Patch, TaskPatch, is_racy};
use crate::store::StoreError;
use crate::sys::beneath;

/// Bytes of logs that a snapshot holds.
const REPLAYED_BYTES_MAX: usize = 64 << 10;

/// What a build of a part has to know to say in the end what changed.
pub(super) struct Leaving {
    /// The files that had changed when it began.
    pub changed: BTreeMap<FileIx, RelPath>,
    /// Directories with the same names at another time.
    pub touched: Vec<(u32, Fingerprint)>,
    /// What its tasks make.
    pub outputs: BTreeMap<FileIx, RelPath>,
    /// The same, by task.
    pub outputs_of: BTreeMap<TaskName, BTreeSet<RelPath>>,
    /// Its tasks, with their numbers.
    pub tasks: Vec<(u32, TaskName)>,
    /// The tasks of the whole plan.
    pub count: u64,
    /// What the results of the others had taken, in milliseconds.
    pub saved_ms: u64,
    /// The logs of those of them that have no outputs.
    pub replayed: Vec<(String, String)>,
}

impl Leaving {
    /// Appends to the snapshot what is another now. The error says why it does not: then the mark stays.
    pub(super) fn leave(self, builder: &Builder, done: &Summary, is_complete: bool) -> Result<(), String> {
        let resolver = &builder.resolver;
        if done.notices > 0 {
            return Err("there was something to say that the next build says, too".to_owned());
        }
        if resolver.is_overtaken() {
            return Err("files were changed while the build ran".to_owned());
        }
        let part = self.part(builder, done, is_complete).map_err(|error| error.to_string())?;
        let part = part.ok_or("the files that tasks make are others than before")?;
        snapshot::append(&builder.state, &Patch::Part(part)).map_err(|error| format!("it cannot be written: {error}"))
    }

    fn part(self, builder: &Builder, done: &Summary, is_complete: bool) -> Result<Option<Part>, StoreError> {
        let resolver = &builder.resolver;
        let mut tasks = Vec::with_capacity(self.tasks.len());
        let mut closing =
            Closing { cached: self.count, saved_ms: self.saved_ms, replayed: self.replayed, ..Closing::default() };
        let mut entries: BTreeMap<RelPath, Entry> = BTreeMap::new();
        for (at, name) in &self.tasks {
            let ix = resolver.graph.ix(name).expect("it is in the part");
            let settled = done.settled.get(name);
            let result = resolver.result(ix).filter(|_| settled.is_some_and(|settled| settled.outcome.is_accepted()));
            entries.extend(resolver.source_view(ix).iter().map(|(path, entry)| (path.clone(), entry.clone())));
            let mut patch = TaskPatch { key: None, is_settled: false, saved_ms: 0 };
            if let (Some(result), Some(settled)) = (result, settled) {
                if !result.outputs.keys().eq(self.outputs_of[name].iter()) {
                    return Ok(None);
                }
                entries.extend(result.outputs.iter().map(|(path, entry)| (path.clone(), entry.clone())));
                let of_cache = match settled.outcome {
                    Outcome::Cached { saved_ms, .. } => saved_ms,
                    _ => settled.usage.wall_ms,
                };
                let estimate = resolver.ledger.with_journal(|journal| journal.estimate_ms(name))?.flatten();
                let saved_ms = u32::try_from(estimate.unwrap_or(of_cache)).unwrap_or(u32::MAX);
                patch = TaskPatch { key: settled.key, is_settled: true, saved_ms };
                closing.saved_ms += u64::from(saved_ms);
                if let Some(text) = replayed(resolver, name)? {
                    closing.replayed.push((name.to_string(), text));
                }
            }
            tasks.push((*at, patch));
        }
        closing.replayed.sort();
        if closing.replayed.iter().map(|(_, text)| text.len()).sum::<usize>() > REPLAYED_BYTES_MAX {
            return Ok(None);
        }
        let mut files = Vec::new();
        let of_part: BTreeMap<FileIx, RelPath> = self.changed.into_iter().chain(self.outputs).collect();
        for (file, path) in of_part {
            // What is neither a source nor a result of what was accepted stays as it was known: another.
            if let Some(entry) = entries.get(&path) {
                files.push((file.0, fingerprint(resolver, &path, entry)?));
            }
        }
        resolver.ledger.with_journal(|journal| journal.leave_log())?;
        if let Some(store) = &resolver.store {
            // Where its log cannot be brought into the file, that is done another time.
            let _ = store.leave_log();
        }
        let state = beneath::open_root(&builder.state).map_err(|source| StoreError::Io {
            op: "open",
            path: builder.state.clone(),
            source,
        })?;
        let journal = snapshot::journal(state.as_fd());
        let cold = Overlay::encode(&tasks);
        Ok(Some(Part { is_complete, files, directories: self.touched, journal, closing, cold }))
    }
}

/// What identifies the state in which a file was this; what is like nothing where that is not sure.
fn fingerprint(resolver: &Resolver, path: &RelPath, entry: &Entry) -> Result<Fingerprint, StoreError> {
    if let Some(known) = resolver.stat_cache.fingerprint(path, entry) {
        return Ok(known);
    }
    let now_ns = i64::try_from(now_ms().saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    let before = resolver.root.stat(path)?;
    let found = super::resolve::on_disk(&resolver.stat_cache, &resolver.root, path)?;
    Ok(match before {
        Some(stat) if found.as_ref() == Some(entry) && !is_racy(&stat, now_ns) => match entry {
            Entry::File { .. } => resolver.stat_cache.fingerprint(path, entry).unwrap_or(Fingerprint::NEVER),
            Entry::Symlink { .. } | Entry::EmptyDir if resolver.root.stat(path)? == before => Fingerprint::of(&stat),
            Entry::Symlink { .. } | Entry::EmptyDir => Fingerprint::NEVER,
        },
        _ => Fingerprint::NEVER,
    })
}

/// The log that a build shows again, of a task without outputs.
fn replayed(resolver: &Resolver, name: &TaskName) -> Result<Option<String>, StoreError> {
    let ix = resolver.graph.ix(name).expect("it is in the part");
    if !resolver.task(ix).outputs.is_empty() {
        return Ok(None);
    }
    let Some(log) = resolver.ledger.record(name)?.and_then(|record| record.log) else { return Ok(None) };
    let Some(log) = resolver.store.as_ref().and_then(|store| store.read(&log).ok().flatten()) else { return Ok(None) };
    Ok((!log.is_empty()).then(|| attempt_log::shown(&attempt_log::text(&log, None))))
}

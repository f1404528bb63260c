//! Results that are in the cache and not in the project, restored many at once: what is to be written goes on record in one
//! step for all of them, then all cores write, then all of them are on record as written in one more step. One by one each
//! would wait for two syncs of the journal.
//!
//! Only commands' small results: large ones are restored by the executor, beside what runs, and agents' may meet what a person
//! made of them. A result that is refused here is the executor's, too, which says why.

use super::builder::{Builder, fault};
use super::host::monotonic_ms;
use super::publish::{Publishing, Refused};
use super::resolve::Keyed;
use super::session::EngineError;
use super::standing::Reused;
use crate::base::{Entry, TaskName, counted, parallel};
use crate::event::Event;
use crate::exec::{Fault, Resolved};
use crate::graph::TaskIx;
use crate::store::TaskRecord;

/// How many results are restored together at most.
const TOGETHER_MAX: usize = 512;
/// The most bytes of a result that is restored before anything runs.
const SMALL_BYTES_MAX: u64 = 256 << 10;
/// How often it is told how far it is, in milliseconds.
const TELL_EVERY_MS: u64 = 1_000;

/// A clean task whose result is not all in the project, or not on record.
pub(super) struct Missing {
    pub(super) task: TaskIx,
    pub(super) keyed: Box<Keyed>,
    pub(super) reused: Reused,
}

impl Missing {
    /// Whether it is for this way.
    pub(super) fn is_small(&self, builder: &Builder) -> bool {
        let task = builder.resolver.task(self.task);
        let size_of = |entry: &Entry| if let Entry::File { size_bytes, .. } = entry { *size_bytes } else { 0 };
        !task.is_agent()
            && !task.approval
            && self.reused.drifted.is_empty()
            && self.reused.outputs.values().map(size_of).sum::<u64>() <= SMALL_BYTES_MAX
    }
}

/// The restoring of one build.
pub(super) struct Restoring<'a> {
    builder: &'a Builder,
    is_interrupted: &'a dyn Fn() -> bool,
    files: u64,
    told_ms: u64,
}

impl<'a> Restoring<'a> {
    pub(super) fn new(builder: &'a Builder, is_interrupted: &'a dyn Fn() -> bool) -> Self {
        Self { builder, is_interrupted, files: 0, told_ms: monotonic_ms() }
    }

    /// Restores and accepts; answers for those that are settled with that.
    pub(super) fn restore(&mut self, missing: Vec<Missing>) -> Result<Vec<(TaskIx, Resolved)>, Fault> {
        let mut settled = Vec::with_capacity(missing.len());
        for some in missing.chunks(TOGETHER_MAX) {
            if (self.is_interrupted)() {
                break;
            }
            for (missing, restored) in self.together(some).map_err(fault)? {
                self.files += restored;
                let Missing { task, keyed, reused } = missing;
                settled.push((*task, self.builder.accept_reused(*task, keyed, reused, reused.as_cached(restored))));
            }
            if monotonic_ms() >= self.told_ms + TELL_EVERY_MS {
                self.told_ms = monotonic_ms();
                let message = format!("{} restored from the cache so far", counted(self.files, "file"));
                self.builder.sink.emit(Event::Notice { warning: false, message });
            }
        }
        Ok(settled)
    }

    /// Puts results into the project; answers which, and how many paths were written for each.
    fn together<'m>(&self, missing: &'m [Missing]) -> Result<Vec<(&'m Missing, u64)>, EngineError> {
        let builder = self.builder;
        let publisher = builder.publisher();
        let planned = parallel::map(missing, 0, |one| publisher.plan(one.task, &one.reused.outputs, &[]));
        let (mut in_place, mut begun, mut of_begun) = (Vec::new(), Vec::new(), Vec::new());
        for (one, planned) in missing.iter().zip(planned) {
            match planned {
                Ok(None) => in_place.push(one),
                Ok(Some(publishing)) => {
                    of_begun.push(one);
                    begun.push(publishing);
                }
                Err(refused) => is_executors(refused)?,
            }
        }
        if !begun.is_empty() {
            publisher.begin(&begun)?;
        }
        let record = |one: &Missing| builder.record_of_reused(one.task, &one.keyed, &one.reused, "cached");
        let put = |mut publishing: Publishing<'m>, one: &Missing| {
            publisher.put(&mut publishing, builder.stored())?;
            Ok((publishing, Some(record(one))))
        };
        let written = parallel::map_owned(begun.into_iter().zip(of_begun).collect(), |(publishing, one)| {
            (one, put(publishing, one))
        });
        let (mut restored, mut ended) = (Vec::new(), Vec::new());
        for (one, written) in written {
            match written {
                Ok(written) => {
                    restored.push(one);
                    ended.push(written);
                }
                Err(refused) => is_executors(refused)?,
            }
        }
        let mut settled = Vec::with_capacity(missing.len());
        if !ended.is_empty() {
            for (one, done) in restored.into_iter().zip(publisher.end(ended)?) {
                builder.tell(done.notices);
                settled.push((one, done.written));
            }
        }
        let records: Vec<(TaskName, TaskRecord)> =
            in_place.iter().map(|one| (builder.resolver.name(one.task).clone(), record(one))).collect();
        builder.put_records(&records);
        settled.extend(in_place.into_iter().map(|one| (one, 0)));
        Ok(settled)
    }
}

/// What is refused is resolved by the executor, and said there; only what keeps the whole build from going on is said here.
fn is_executors(refused: Refused) -> Result<(), EngineError> {
    match refused {
        Refused::Conflict(_) | Refused::Lost(_) => Ok(()),
        Refused::World(error) => Err(error),
    }
}

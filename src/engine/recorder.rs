//! The one stream of events of a run: numbered, timed, journaled in batches, passed on to whoever listens.

use std::sync::{Arc, Mutex};

use super::host::now_ms;
use crate::event::{Event, EventRecord, Outcome, RunId, SCHEMA_VERSION, Trace};
use crate::exec::EventSink;

/// Events kept back before they are written together.
const BATCH: usize = 256;
/// The same of events that say that nothing was done: a build that is killed may lose them.
const CACHED_BATCH: usize = 16_384;

/// Whoever wants to see events as they happen.
pub type Listener = Arc<dyn Fn(&EventRecord) + Send + Sync>;
/// Writes a batch to the journal.
pub(super) type Writer = Arc<dyn Fn(&[EventRecord]) + Send + Sync>;

/// Events that are not written yet, and how many of them say that something was done.
#[derive(Default)]
struct Held {
    events: Vec<EventRecord>,
    done: usize,
}

/// Takes the events of one run.
pub(super) struct Recorder {
    run: RunId,
    held: Mutex<Held>,
    writer: Writer,
    listener: Listener,
    trace: Trace,
}

impl Recorder {
    /// A recorder for this run.
    #[must_use]
    pub(super) fn new(run: RunId, writer: Writer, listener: Listener, trace: Trace) -> Self {
        Self { run, held: Mutex::default(), writer, listener, trace }
    }

    /// Writes what is held back.
    pub(super) fn flush(&self) {
        let held = std::mem::take(&mut *self.held.lock().expect("no holder panics"));
        if !held.events.is_empty() {
            (self.writer)(&held.events);
        }
    }
}

impl EventSink for Recorder {
    fn emit(&self, event: Event) {
        let record = EventRecord { v: SCHEMA_VERSION, run: self.run, at_ms: now_ms(), event };
        self.trace.event(&record);
        (self.listener)(&record);
        // Output is kept as a log, not in the journal.
        if matches!(record.event, Event::TaskOutput { .. }) {
            return;
        }
        let mut held = self.held.lock().expect("no holder panics");
        let is_cached =
            matches!(record.event, Event::TaskFinished { outcome: Outcome::Cached { restored: 0, .. }, .. });
        held.done += usize::from(!is_cached);
        held.events.push(record);
        let is_full = held.done >= BATCH || held.events.len() >= CACHED_BATCH;
        let batch = if is_full { std::mem::take(&mut *held) } else { Held::default() };
        drop(held);
        if !batch.events.is_empty() {
            (self.writer)(&batch.events);
        }
    }
}

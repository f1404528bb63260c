//! The one stream of events of a run: numbered, timed, journaled in batches, passed on to whoever listens.

use std::sync::{Arc, Mutex};

use super::host::now_ms;
use crate::event::{Event, EventRecord, RunId, SCHEMA_VERSION, Trace};
use crate::exec::EventSink;

/// Events kept back before they are written together.
const BATCH: usize = 256;

/// Whoever wants to see events as they happen.
pub type Listener = Arc<dyn Fn(&EventRecord) + Send + Sync>;
/// Writes a batch to the journal.
pub(super) type Writer = Arc<dyn Fn(&[EventRecord]) + Send + Sync>;

/// Takes the events of one run.
pub(super) struct Recorder {
    run: RunId,
    held: Mutex<Vec<EventRecord>>,
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
        if !held.is_empty() {
            (self.writer)(&held);
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
        held.push(record);
        let batch = if held.len() >= BATCH { std::mem::take(&mut *held) } else { Vec::new() };
        drop(held);
        if !batch.is_empty() {
            (self.writer)(&batch);
        }
    }
}

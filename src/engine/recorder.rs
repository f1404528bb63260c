//! The one stream of events of a run: numbered, timed, journaled in batches, passed on to whoever listens.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::host::now_ms;
use crate::event::{Event, EventRecord, Outcome, RunId, SCHEMA_VERSION, Trace};
use crate::exec::EventSink;

/// Events kept back before they are written together.
const BATCH: usize = 256;
/// The same of events that say that nothing was done: a build that is killed may lose them.
const CACHED_BATCH: usize = 16_384;
/// Batches that may wait to be written; then whoever has something to tell waits, too.
const WAITING_MAX: usize = 16;

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
    /// To the thread that writes: whoever tells of something is not to wait for the disk. `None` once it is to end.
    batches: Mutex<Option<SyncSender<Vec<EventRecord>>>>,
    writing: Mutex<Option<JoinHandle<()>>>,
    listener: Listener,
    trace: Trace,
}

impl Recorder {
    /// A recorder for this run.
    #[must_use]
    pub(super) fn new(run: RunId, writer: Writer, listener: Listener, trace: Trace) -> Self {
        let (batches, waiting) = sync_channel::<Vec<EventRecord>>(WAITING_MAX);
        let writing = std::thread::spawn(move || waiting.iter().for_each(|batch| writer(&batch)));
        let (batches, writing) = (Mutex::new(Some(batches)), Mutex::new(Some(writing)));
        Self { run, held: Mutex::default(), batches, writing, listener, trace }
    }

    /// Writes what is held back, and waits for it. What is told later is not written any more.
    pub(super) fn flush(&self) {
        self.hand_over(std::mem::take(&mut *self.held.lock().expect("no holder panics")));
        drop(self.batches.lock().expect("no holder panics").take());
        if let Some(writing) = self.writing.lock().expect("no holder panics").take() {
            writing.join().expect("writing events does not panic");
        }
    }

    fn hand_over(&self, batch: Held) {
        if batch.events.is_empty() {
            return;
        }
        if let Some(batches) = &*self.batches.lock().expect("no holder panics") {
            batches.send(batch.events).expect("whoever writes waits for more");
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
        if held.done >= BATCH || held.events.len() >= CACHED_BATCH {
            // While it is held, so that batches stay in order.
            self.hand_over(std::mem::take(&mut *held));
        }
    }
}

//! What a build spends its time on, while it does: spans of the engine and of what it does for each task, samples of the
//! machine, and the facts that give them a meaning. `orca build --profile` writes it down (`docs/profile.md`).
//!
//! A trace is handed to whoever has something to tell, and is off unless somebody wants it: then telling it anything is one
//! comparison. Its clock is monotonic, counts microseconds, and is passed in.

use std::sync::{Arc, Mutex};

use super::{Event, EventRecord};
use crate::base::{Name, TaskName};

/// Spans beyond this many are counted and dropped: some 100,000 tasks that all ran.
const SPANS_MAX: usize = 1_000_000;

/// Takes down what takes how long, where that is wanted.
#[derive(Debug, Clone, Default)]
pub struct Trace(Option<Arc<Recording>>);

#[derive(Debug)]
struct Recording {
    clock_us: fn() -> u64,
    recorded: Mutex<Recorded>,
}

/// All that was told to a trace.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// What took time, in the order in which it ended.
    pub spans: Vec<Span>,
    /// The machine, from time to time.
    pub samples: Vec<Sample>,
    /// The events that say what was built, which agents paused and how tasks ended, each with its time.
    pub events: Vec<(u64, EventRecord)>,
    /// Spans that were dropped.
    pub dropped: u64,
    /// When it ended.
    pub end_us: u64,
}

/// Something that took time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// In a word or two.
    pub what: &'static str,
    /// Whose time it is.
    pub of: Of,
    /// When it began.
    pub from_us: u64,
    /// When it ended.
    pub to_us: u64,
}

/// Whose time a span is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// The engine's, one after the other.
    Engine,
    /// That of looking a task up: its key, and restoring a result that is known.
    Key(TaskName),
    /// One attempt of a task.
    Attempt(AttemptSpan),
    /// A part of an attempt.
    Part(TaskName),
    /// A gate at work, or asked for a verdict that is known.
    Gate {
        /// The task; `None` for a gate of the plan.
        task: Option<TaskName>,
        /// The gate.
        gate: Name,
        /// What it said, if it said anything.
        verdict: Option<&'static str>,
        /// Whether that was known already.
        cached: bool,
    },
}

/// What there is to say of an attempt besides how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptSpan {
    /// The task.
    pub task: TaskName,
    /// From 1.
    pub attempt: u32,
    /// The worker it ran on, from 0.
    pub worker: u32,
    /// When it could have begun.
    pub ready_us: u64,
    /// Its agent; none for a command.
    pub agent: Option<Name>,
}

/// The machine at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When.
    pub at_us: u64,
    /// Memory that can be had without swapping.
    pub available_bytes: u64,
    /// Share of the last ten seconds, in percent, in which some task stalled for memory.
    pub memory_pressure: Option<f32>,
    /// How busy all cores together are, in percent.
    pub cpu_percent: f32,
}

impl Trace {
    /// A trace that is on.
    #[must_use]
    pub fn on(clock_us: fn() -> u64) -> Self {
        Self(Some(Arc::new(Recording { clock_us, recorded: Mutex::default() })))
    }

    /// Whether anything is taken down.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Microseconds of its clock; 0 where it is off.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.0.as_ref().map_or(0, |recording| (recording.clock_us)())
    }

    /// Begins a span; it ends when what is returned is dropped.
    pub fn span(&self, what: &'static str, of: impl FnOnce() -> Of) -> Timing {
        Timing(self.0.as_ref().map(|recording| {
            let from_us = (recording.clock_us)();
            (Arc::clone(recording), Span { what, of: of(), from_us, to_us: from_us })
        }))
    }

    /// Begins a part of an attempt of this task.
    pub fn part(&self, what: &'static str, task: &TaskName) -> Timing {
        self.span(what, || Of::Part(task.clone()))
    }

    /// Phases of the engine, one after the other.
    #[must_use]
    pub fn phases(&self) -> Phases {
        Phases { trace: self.clone(), current: Timing(None) }
    }

    /// A span that is over.
    pub fn over(&self, span: impl FnOnce() -> Span) {
        if let Some(recording) = &self.0 {
            recording.keep(span());
        }
    }

    /// The machine as it is.
    pub fn sample(&self, sample: impl FnOnce(u64) -> Sample) {
        if let Some(recording) = &self.0 {
            let sample = sample((recording.clock_us)());
            recording.recorded.lock().expect("no holder panics").samples.push(sample);
        }
    }

    /// A fact. What has no place in a trace is not kept.
    pub fn event(&self, record: &EventRecord) {
        let is_kept = matches!(
            record.event,
            Event::RunStarted { .. } | Event::Graph { .. } | Event::AgentPaused { .. } | Event::TaskFinished { .. }
        );
        if let Some(recording) = self.0.as_ref().filter(|_| is_kept) {
            let at_us = (recording.clock_us)();
            recording.recorded.lock().expect("no holder panics").events.push((at_us, record.clone()));
        }
    }

    /// All that was told so far, ended now. `None` where it is off.
    #[must_use]
    pub fn take(&self) -> Option<Recorded> {
        let recording = self.0.as_ref()?;
        let mut recorded = std::mem::take(&mut *recording.recorded.lock().expect("no holder panics"));
        recorded.end_us = (recording.clock_us)();
        Some(recorded)
    }
}

impl Recording {
    fn keep(&self, span: Span) {
        let mut recorded = self.recorded.lock().expect("no holder panics");
        // What a task took is never dropped for the sake of its parts.
        if recorded.spans.len() < SPANS_MAX || matches!(span.of, Of::Engine | Of::Attempt(_)) {
            recorded.spans.push(span);
        } else {
            recorded.dropped += 1;
        }
    }
}

/// A span that has begun. It ends when this is dropped.
#[derive(Debug)]
#[must_use = "the span ends when this is dropped"]
pub struct Timing(Option<(Arc<Recording>, Span)>);

impl Timing {
    /// Notes what a gate said.
    pub fn said(&mut self, word: &'static str, known: bool) {
        if let Some((_, Span { of: Of::Gate { verdict, cached, .. }, .. })) = &mut self.0 {
            (*verdict, *cached) = (Some(word), known);
        }
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        if let Some((recording, mut span)) = self.0.take() {
            span.to_us = (recording.clock_us)();
            recording.keep(span);
        }
    }
}

/// Phases of the engine. The last one ends when this is dropped.
#[derive(Debug)]
pub struct Phases {
    trace: Trace,
    current: Timing,
}

impl Phases {
    /// Ends the phase before, and begins this one.
    pub fn next(&mut self, what: &'static str) {
        self.current = Timing(None);
        self.current = self.trace.span(what, || Of::Engine);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A clock that goes on by one each time somebody looks.
    fn ticks() -> u64 {
        static NOW: AtomicU64 = AtomicU64::new(0);
        NOW.fetch_add(1, Ordering::Relaxed)
    }

    #[test]
    fn phases_follow_each_other_and_the_last_one_ends() {
        let trace = Trace::on(ticks);
        let mut phases = trace.phases();
        phases.next("load");
        phases.next("run");
        drop(phases);
        let recorded = trace.take().expect("it is on");
        let told: Vec<&str> = recorded.spans.iter().map(|span| span.what).collect();
        assert_eq!(told, ["load", "run"]);
        let [load, run] = &recorded.spans[..] else { unreachable!("two spans") };
        assert!(load.from_us < load.to_us && load.to_us < run.from_us && run.to_us < recorded.end_us);
    }

    #[test]
    fn nothing_is_asked_for_where_it_is_off() {
        let trace = Trace::default();
        let asked = || -> Of { panic!("nobody wants to know") };
        drop(trace.span("x", asked));
        trace.sample(|_| panic!("nobody wants to know"));
        assert!(trace.take().is_none() && trace.now_us() == 0);
    }
}

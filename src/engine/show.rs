//! The complete task as an agent gets it, as far as it is known before a build: `orca show`.

use serde_json::Value;

use super::look::{Look, Seen};
use crate::base::{Entry, TaskName, Tree};
use crate::context::{document_sections, task_json, task_markdown};
use crate::graph::TaskIx;

/// A complete task, and its size.
#[derive(Debug)]
pub struct Shown {
    /// As `.orca/task.md`.
    pub markdown: String,
    /// The parts of it: heading and length.
    pub sections: Vec<(String, usize)>,
    /// As `.orca/task.json`; its `key` is null where it has none yet.
    pub json: Value,
    /// How many files it sees.
    pub files: usize,
    /// How long they are together.
    pub size_bytes: u64,
    /// Tasks whose results belong to it and are not there.
    pub absent: Vec<TaskName>,
}

impl Look {
    /// The complete task; without what tasks that have to run first would bring.
    #[must_use]
    pub fn show(&self, ix: TaskIx) -> Shown {
        let task = self.resolver.task(ix);
        let context = match self.seen(ix) {
            Seen::Known(keyed, _) | Seen::Impossible(keyed, _) => keyed.context.as_ref().clone(),
            Seen::Waits(_) | Seen::Hopeless(_) => match self.resolver.context(ix, &[]) {
                Ok((context, _)) => context,
                Err(_) => self.resolver.context_of_outputs(ix).0,
            },
        };
        let key = match self.seen(ix) {
            Seen::Known(keyed, _) | Seen::Impossible(keyed, _) => Some(keyed.key.to_hex()),
            Seen::Waits(_) | Seen::Hopeless(_) => None,
        };
        let telling = self.resolver.telling(ix, &context);
        let (sections, mut json) = telling.with(None, |told| {
            let json = task_json(&context, task, key.as_deref().unwrap_or_default(), told);
            (document_sections(&context, task, told), json)
        });
        if key.is_none() {
            json["key"] = Value::Null;
        }
        Shown {
            markdown: telling.with(None, |told| task_markdown(&context, task, told)),
            sections: sections.into_iter().map(|section| (section.title, section.text.len())).collect(),
            json,
            files: context.view.len(),
            size_bytes: size_of(&context.view),
            absent: self.resolver.absent(ix).map(|dep| self.name(dep).clone()).collect(),
        }
    }
}

fn size_of(view: &Tree) -> u64 {
    let size = |entry: &Entry| match entry {
        Entry::File { size_bytes, .. } => *size_bytes,
        Entry::Symlink { .. } | Entry::EmptyDir => 0,
    };
    view.values().map(size).sum()
}

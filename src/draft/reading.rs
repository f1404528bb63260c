//! What a plan was read as, before anything is decided: tasks, groups of them, and prose. All formats meet here.

use std::collections::BTreeMap;

/// What a plan was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A `tasks.md` of GitHub's Spec Kit: `- [ ] T001 [P] ...` under phases.
    SpecKit,
    /// Any other Markdown.
    Markdown,
    /// A `tasks.json` of Task Master.
    TaskMaster,
}

impl Format {
    /// For people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::SpecKit => "Spec Kit",
            Self::Markdown => "Markdown",
            Self::TaskMaster => "Task Master",
        }
    }
}

/// A plan as read. Lines count from 0 here.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) format: Format,
    /// What the plan calls itself.
    pub(super) title: Option<String>,
    /// Texts for `[context]`, by their key.
    pub(super) context: BTreeMap<&'static str, String>,
    pub(super) groups: Vec<Group>,
    pub(super) items: Vec<Item>,
    /// Edges that a part of the plan of its own tells, such as "T014 depends on T012".
    pub(super) told: Vec<Told>,
    /// Commands that judge the whole, not one task.
    pub(super) commands: Vec<String>,
    /// What was understood in part.
    pub(super) notes: Vec<(usize, String)>,
    /// Why lines have no place, where there is more to say than that.
    pub(super) why: BTreeMap<usize, &'static str>,
    /// What has no place and is no line of a text: line, words, why.
    pub(super) unplaced: Vec<(usize, String, &'static str)>,
}

impl Reading {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            title: None,
            context: BTreeMap::new(),
            groups: Vec::new(),
            items: Vec::new(),
            told: Vec::new(),
            commands: Vec::new(),
            notes: Vec::new(),
            why: BTreeMap::new(),
            unplaced: Vec::new(),
        }
    }

    /// Adds a text to `[context]`, after what is there.
    pub(super) fn add_context(&mut self, key: &'static str, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let entry = self.context.entry(key).or_default();
        if !entry.is_empty() {
            entry.push('\n');
        }
        entry.push_str(text);
    }
}

/// Tasks that stand together: a phase, a heading, a task with subtasks.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) parent: Option<usize>,
    pub(super) title: String,
    /// What it says about all its tasks, the title first.
    pub(super) text: String,
    /// The lines that the text is from.
    pub(super) lines: Vec<usize>,
    /// Whether it is one of a sequence, and waits for the one before.
    pub(super) phase: bool,
    /// What it can be called in a dependency.
    pub(super) aliases: Vec<String>,
    /// What it says it waits for.
    pub(super) needs: Option<Vec<Need>>,
}

/// Whether a task is still to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    Open,
    /// Not any more; the plan's word for it.
    Closed(String),
}

impl Status {
    /// What the plan's word for a state means; none where it is not known.
    pub(super) fn of(word: &str) -> Option<Self> {
        let first = word.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').next().unwrap_or_default();
        Some(match (first, word) {
            ("done" | "complete" | "completed" | "finished" | "merged" | "closed" | "shipped", _) => {
                Status::Closed("done".to_owned())
            }
            ("cancelled" | "canceled" | "dropped" | "skipped" | "obsolete" | "deferred" | "superseded", _) => {
                Status::Closed(first.to_owned())
            }
            (
                "" | "pending" | "open" | "todo" | "planned" | "ready" | "new" | "in-progress" | "in_progress"
                | "blocked" | "started",
                _,
            )
            | ("not", "not started" | "not done")
            | ("in", "in progress" | "in review")
            | ("to", "to do")
            | ("review", _) => Status::Open,
            _ => return None,
        })
    }
}

/// What a dependency names, and the line that does.
#[derive(Debug, Clone)]
pub(super) struct Need {
    pub(super) text: String,
    pub(super) line: usize,
}

/// An edge told outside of the tasks.
#[derive(Debug)]
pub(super) struct Told {
    /// The item that waits.
    pub(super) item: usize,
    /// What it waits for.
    pub(super) dep: usize,
    pub(super) line: usize,
    /// The words of that line.
    pub(super) text: String,
}

/// One task as the plan has it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: Option<String>,
    pub(super) title: String,
    /// The prompt.
    pub(super) text: String,
    pub(super) line: usize,
    /// The line after its last.
    pub(super) end: usize,
    pub(super) group: Option<usize>,
    pub(super) parallel: bool,
    pub(super) status: Status,
    pub(super) aliases: Vec<String>,
    pub(super) fields: Fields,
    pub(super) tags: Vec<String>,
}

/// What the lines of a task say in a form that a plan has keys for.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// What it waits for; none where it does not say.
    pub(super) needs: Option<Vec<Need>>,
    /// What waits for it.
    pub(super) blocks: Vec<Need>,
    pub(super) acceptance: Vec<String>,
    /// The line that introduces the criteria, where that is not in the prompt.
    pub(super) acceptance_label: Vec<(usize, String)>,
    pub(super) mentions: Vec<Mention>,
    pub(super) commands: Vec<String>,
    /// The plan's word for its state, where a line gives one.
    pub(super) status: Option<(usize, String)>,
    /// Lines that are in `acceptance` and have no place in the prompt.
    pub(super) moved: Vec<usize>,
}

/// A file that a task names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) path: String,
    pub(super) role: Role,
    pub(super) line: usize,
    /// Whether a field lists it; else it stands in prose.
    pub(super) is_listed: bool,
}

/// What a task does with a file, as far as its words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Makes it.
    Create,
    /// Changes it.
    Modify,
    /// Makes or changes it.
    Touch,
    /// Looks at it.
    Read,
}

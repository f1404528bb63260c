//! What the scripted model answers: for every task a conversation, turn by turn, and the troubles on its way.
//!
//! A script speaks of files and commands, not of tools: which tool of the agent does it is found in the request.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// One answer of the model. All but [`Turn::Say`] end in a tool call, after which the agent asks again.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// Makes a file, or replaces all of it.
    Write {
        /// Relative to the agent's directory.
        path: String,
        /// What it holds.
        text: String,
    },
    /// Replaces one text of a file, which occurs once. Whole lines, so that a patch can say the same.
    Edit {
        /// Relative to the agent's directory.
        path: String,
        /// Lines that are there, with the last line's end.
        old: String,
        /// Lines that take their place.
        new: String,
    },
    /// Runs a command of the shell.
    Shell(String),
    /// Says something, and is done.
    Say(String),
}

impl Turn {
    /// Makes a file.
    pub(crate) fn write(path: &str, text: &str) -> Self {
        Self::Write { path: path.to_owned(), text: text.to_owned() }
    }

    /// Changes a file.
    pub(crate) fn edit(path: &str, old: &str, new: &str) -> Self {
        Self::Edit { path: path.to_owned(), old: old.to_owned(), new: new.to_owned() }
    }

    /// Runs a command.
    pub(crate) fn shell(command: &str) -> Self {
        Self::Shell(command.to_owned())
    }

    /// Ends the conversation.
    pub(crate) fn say(text: &str) -> Self {
        Self::Say(text.to_owned())
    }
}

/// What the service does instead of answering, or in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// 429 as interfaces for programs answer it, with `retry-after` and the seconds in the text where they are known.
    RateLimit {
        /// Seconds until requests are taken again.
        reset_s: Option<u64>,
    },
    /// 429 of a subscription that is used up: the body names the time at which it can go on.
    UsageLimit {
        /// Seconds until then.
        reset_s: u64,
    },
    /// Any other status, with the error that services send with it.
    Status(u16),
    /// A stream that begins and never goes on.
    Hang,
    /// A stream that breaks off, as where a connection is lost.
    Cut,
}

/// A time in which every request is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// It begins with this request, counted from one over all tasks.
    pub(crate) from_request: usize,
    /// And ends so long afterwards.
    pub(crate) lasts: Duration,
}

/// What the model knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    conversations: BTreeMap<String, Vec<Vec<Turn>>>,
    troubles: BTreeMap<String, Vec<(RangeInclusive<usize>, Trouble)>>,
    window: Option<Window>,
}

impl Script {
    /// A model that knows nothing.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What happens when it is asked for `task`. Said again for the same task, it is the conversation after that one: a
    /// second attempt. The last one is repeated.
    pub(crate) fn task(mut self, task: &str, turns: impl IntoIterator<Item = Turn>) -> Self {
        self.conversations.entry(task.to_owned()).or_default().push(turns.into_iter().collect());
        self
    }

    /// What happens when it is asked for `task`, in place of all that was said of it before.
    pub(crate) fn instead(mut self, task: &str, turns: impl IntoIterator<Item = Turn>) -> Self {
        self.conversations.insert(task.to_owned(), vec![turns.into_iter().collect()]);
        self
    }

    /// Troubles with these requests for `task`, counted from one.
    pub(crate) fn trouble(mut self, task: &str, requests: RangeInclusive<usize>, trouble: Trouble) -> Self {
        self.troubles.entry(task.to_owned()).or_default().push((requests, trouble));
        self
    }

    /// From this request on, counted over all tasks, everything is refused for a while with 429 and the time left.
    pub(crate) fn rate_limited(mut self, from_request: usize, lasts: Duration) -> Self {
        self.window = Some(Window { from_request, lasts });
        self
    }

    /// The turn of a conversation, if the script goes that far.
    pub(super) fn turn(&self, task: &str, conversation: usize, turn: usize) -> Option<&Turn> {
        let conversations = self.conversations.get(task)?;
        conversations.get(conversation).or(conversations.last())?.get(turn)
    }

    /// The trouble with a request for a task.
    pub(super) fn trouble_at(&self, task: &str, request: usize) -> Option<Trouble> {
        let troubles = self.troubles.get(task)?;
        troubles.iter().find(|(requests, _)| requests.contains(&request)).map(|(_, trouble)| *trouble)
    }

    /// The time in which everything is refused.
    pub(super) fn window(&self) -> Option<Window> {
        self.window
    }
}

//! What goes over the wire: one hello, one question, one answer. `docs/serve.md` lays it out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The version of all of this. There is no other that is understood.
pub const FORM: u32 = 1;
/// The socket's name in `.orca`.
pub const SOCKET: &str = "watch.sock";
/// Bytes of a frame, without its length.
pub(super) const FRAME_SIZE_MAX: usize = 4096;
/// Bytes of a body.
pub(super) const BODY_SIZE_MAX: u64 = 256 << 20;

/// What the server says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`FORM`].
    pub v: u32,
    /// Version and program.
    pub orca: String,
    /// The project's directory.
    pub project: String,
    /// Questions answered so far with more than "ask yourself".
    pub answered: u64,
}

/// What a client wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Digest of its environment.
    pub environment: String,
    /// What.
    pub ask: Ask,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Ask {
    /// `orca build`: is there something to do?
    Build,
    /// `orca status`.
    Status {
        /// `--json`.
        json: bool,
    },
    /// `orca graph`.
    Graph(GraphAsk),
}

/// How a graph is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphAsk {
    /// As what.
    pub format: GraphForm,
    /// `--layers`.
    pub layers: bool,
    /// `--critical-path`.
    pub critical_path: bool,
    /// Columns to fill.
    pub width: usize,
}

/// What a graph is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GraphForm {
    /// Text.
    Tree,
    /// For Graphviz.
    Dot,
    /// For Mermaid.
    Mermaid,
    /// For programs.
    Json,
}

/// What the server says to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Ask yourself.
    Decline {
        /// Why, for whoever looks into it.
        why: String,
    },
    /// A build would find nothing to do. The body is JSON: `[[task, log], ...]`, what it would show again.
    NothingToDo {
        /// Tasks.
        cached: u64,
        /// What they had taken.
        saved_ms: u64,
        /// What they had cost.
        saved_micro_usd: u64,
        /// Bytes of the body.
        body: u64,
    },
    /// The body is what the command prints. It exits with 0.
    Printed {
        /// Bytes of the body.
        body: u64,
    },
}

impl Answer {
    pub(super) fn body_size(&self) -> u64 {
        match self {
            Self::Decline { .. } => 0,
            Self::NothingToDo { body, .. } | Self::Printed { body } => *body,
        }
    }
}

/// An answer with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What is said.
    pub answer: Answer,
    /// What follows, shared by all who read it.
    pub body: Arc<[u8]>,
}

impl Reply {
    /// Ask yourself.
    #[must_use]
    pub fn decline(why: &str) -> Self {
        Self { answer: Answer::Decline { why: why.to_owned() }, body: Arc::default() }
    }
}

/// A value as a frame. Ours are always short enough.
pub(super) fn frame(value: &impl Serialize) -> Arc<[u8]> {
    let text = serde_json::to_vec(value).expect("what is sent is plain data");
    let length = u32::try_from(text.len()).expect("frames are short");
    length.to_le_bytes().into_iter().chain(text).collect()
}

/// What the beginning of some bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed<T> {
    /// More has to come.
    Partial,
    /// A frame.
    Whole(T),
    /// Nothing that is understood.
    Garbage,
}

/// Reads one frame, and nothing after it.
pub(super) fn framed<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Framed<T> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Framed::Partial };
    let length = u32::from_le_bytes(*length) as usize;
    if length > FRAME_SIZE_MAX {
        return Framed::Garbage;
    }
    match rest.get(..length) {
        None => Framed::Partial,
        Some(text) => serde_json::from_slice(text).map_or(Framed::Garbage, Framed::Whole),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question() -> Question {
        let graph = GraphAsk { format: GraphForm::Tree, layers: true, critical_path: false, width: 80 };
        Question { environment: "e".repeat(64), ask: Ask::Graph(graph) }
    }

    #[test]
    fn what_is_framed_comes_back_and_no_part_of_it_does() {
        let bytes = frame(&question());
        assert_eq!(framed::<Question>(&bytes), Framed::Whole(question()));
        assert!((0..bytes.len()).all(|end| framed::<Question>(&bytes[..end]) == Framed::Partial));
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_is_read() {
        assert_eq!(framed::<Question>(&u32::MAX.to_le_bytes()), Framed::Garbage);
        assert_eq!(framed::<Question>(&[1, 16, 0, 0]), Framed::Garbage);
        assert_eq!(framed::<Question>(&[0, 16, 0, 0]), Framed::Partial);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = framed::<Question>(&bytes);
            let _ = framed::<Hello>(&bytes);
            let _ = framed::<Answer>(&bytes);
        }
    }
}

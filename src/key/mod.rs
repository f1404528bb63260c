//! Keys: one walk over the complete task, two writers, so that the digest and its explanation cannot differ.
//!
//! | in the key | not in the key |
//! |---|---|
//! | format version | the task's name, description, tags |
//! | argv, or goal, background texts, acceptance, tests | comments, order and layout of the plan |
//! | agent kind, program, arguments, model, variables | agent secrets, fallback |
//! | declared and passed variables, set or unset | the rest of the environment, locale, TZ, umask |
//! | declared tools by content, toolchains by definition and by what is installed | where they lie |
//! | sandbox mode and network | jobs, retries, timeouts, resources, pools, log options |
//! | every file of the view: path, kind, exec bit, content | mtime, owner, other mode bits, where the project lies |
//! | declared output and edit patterns | gates (they have keys of their own), scratch |
//! | of prompts: what the tasks in `deps` did to which files | what their agents said, were asked, and are called |
//!
//! *(n2 `hash.rs`: one traversal; cargo `fingerprint/mod.rs`: the table.)*

mod describe;
mod description;
mod gate_key;

pub use describe::{KeyWriter, action_key, describe};
pub use description::{Change, Description};
pub use gate_key::{GateSurroundings, gate_key};

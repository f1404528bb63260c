//! Running one command so that it sees only what it may, and nothing of it is left when it has ended.
//!
//! Whatever isolates the files, the shape is the same. A thread of orca's own supervises each attempt; the child it
//! starts is orca's binary again (the *shim*), which becomes the guardian of the task's processes:
//!
//! ```text
//! run (async) --wake--> supervisor (thread) ==control socket==> guardian (shim) --> the task's command
//!      ^------- output ------'   ^------- log pipe ------------------------------------'  and its tree
//! ```
//!
//! | backend | guardian | files | network |
//! |---|---|---|---|
//! | bubblewrap | first process of a pid namespace | its own mount tree | its own namespace |
//! | Landlock, namespaces | first process of a pid namespace | Landlock | its own namespace |
//! | Landlock alone | subreaper outside the confinement | Landlock | seccomp and Landlock |
//! | none | subreaper | everything | everything |
//!
//! INVARIANT: the supervisor's end of the control socket closes when orca dies, however it dies, and the guardian
//! then kills the tree. Where there is a pid namespace the kernel does, should the guardian be killed itself.
//!
//! This module decides nothing about plans: it is told what to show, and shows nothing else.

mod backend;
mod bounded_log;
mod bubblewrap;
mod guardian;
mod identity;
mod launch;
mod pool;
mod protocol;
mod room;
mod shim;
mod spec;
mod supervise;
mod system_view;
mod toolchain;

pub use backend::{Backend, DetectOptions, Sandbox};
pub use identity::{toolchain_identity, toolchain_witnesses};
pub use launch::{CancelLevel, End, Exit, Launch, Measure, SandboxError, Stdin};
pub use shim::shim_main;
pub use toolchain::{TOOLCHAIN_PRESETS, ToolchainView, resolve_tool, toolchain};

//! What a task's accepted result put into the project, as its dependents and the fold see it.

use std::sync::Arc;

use crate::base::{Changes, Tree};
use crate::graph::TaskIx;

/// An accepted result.
#[derive(Debug, Clone, Default)]
pub struct Produced {
    /// Its outputs.
    pub outputs: Arc<Tree>,
    /// What it changed in place.
    pub edits: Arc<Changes>,
    /// The tasks that no edge of the plan names, and on top of whose changes it was made.
    pub on_top_of: Arc<Vec<TaskIx>>,
}

impl Produced {
    /// A result without edits.
    #[must_use]
    pub fn outputs(outputs: Arc<Tree>) -> Self {
        Self { outputs, ..Self::default() }
    }
}

//! What was measured.

use crate::sandbox::Measure;

/// What one run of the command took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    /// Wall time in microseconds.
    pub wall_us: u64,
    /// User and system time of the whole process tree in microseconds.
    pub cpu_us: u64,
    /// The most memory that the whole process tree held at once, in bytes; 0 where it was not watched.
    pub memory_bytes: u64,
}

impl From<Measure> for Run {
    fn from(measure: Measure) -> Self {
        let Measure { wall_us, cpu_us, memory_bytes } = measure;
        Self { wall_us, cpu_us, memory_bytes }
    }
}

/// A command that did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// How it ended: `exit 1`.
    pub how: String,
    /// The last lines of its output.
    pub log: String,
    /// Whether it ran at all.
    pub has_run: bool,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// Every run was good; in order.
    Runs(Vec<Run>),
    /// One was not.
    Failed(Broken),
    /// It was not measured, and why.
    Absent(String),
}

/// What was measured of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The base. The runs of both sides belong together: the first of one was made beside the first of the other.
    pub base: Side,
    /// The result.
    pub result: Side,
    /// The size of all files that the result brings.
    pub output_size_bytes: u64,
}

//! How fast results are searched: 10,000 files, about 100 MB of made-up source text, through the checks that read every
//! byte, on one thread and on four, and beside what else searches text for many patterns at once.
//!
//! `cargo bench --bench scan` prints medians of interleaved rounds. The peers: ripgrep where it is on PATH (or `RIPGREP`
//! names it), with every keyword of the check as a fixed string, and with 120 regular expressions; the automaton and the
//! regex set that ripgrep is made of, in this process; gitleaks where it is on PATH. A peer that is not there is named.
//! `cargo bench --bench scan -- PATH...` searches directories instead, and prints what was found.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files, measures time and prints it"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orca::base::{RelPath, Tree};
use orca::gates::{ChangedFile, CheckContext, Content, Judged, Options, check};
use orca::plan::{Check, Level};
use rayon::prelude::*;

const FILES: usize = 10_000;
const ROUNDS: usize = 7;
const THREADS: [usize; 2] = [1, 4];

//! One path has one owner: outputs of two tasks that could be the same file are refused.
//!
//! Paths are compared as written and with upper case folded, since `a.txt` and `A.txt` are one file on some machines.

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::{Finding, NodeId, Pattern};
use crate::plan::Task;

use super::outputs::{COMPARISONS_MAX, Effort, Output, OutputIndex};

/// How many overlaps are told one by one.
pub const OVERLAPS_MAX: usize = 100;

/// Findings for every pair of tasks whose outputs overlap: one for each pair, [`OVERLAPS_MAX`] at most.
/// `as_written` holds the outputs of these tasks, which are numbered by name.
pub(super) fn check(tasks: &[&Arc<Task>], as_written: &OutputIndex) -> Vec<Finding> {
    let is_lower = as_written.iter().all(|(_, output)| is_lower(output.pattern.as_str()));
    let folded = (!is_lower).then(|| folded_index(tasks));
    let index = folded.as_ref().unwrap_or(as_written);
    let mut pairs: HashSet<(u32, u32)> = HashSet::new();
    let mut overlaps: Vec<[(u32, u32); 2]> = Vec::new();
    let mut effort = Effort::new();
    for (position, output) in index.iter() {
        index.meeting(&output.pattern, &mut effort, |other_position, other| {
            let pair = (output.task.min(other.task), output.task.max(other.task));
            if other_position > position && other.task != output.task && pairs.insert(pair) {
                let mut both = [place(output), place(other)];
                both.sort_unstable();
                overlaps.push(both);
            }
            overlaps.len() <= OVERLAPS_MAX
        });
        if effort.is_spent() {
            let (task, at) = place(output);
            return vec![too_broad(tasks[task as usize], at)];
        }
        if overlaps.len() > OVERLAPS_MAX {
            break;
        }
    }
    let more = overlaps.len() > OVERLAPS_MAX;
    overlaps.truncate(OVERLAPS_MAX);
    overlaps.sort_unstable();
    let mut findings: Vec<Finding> = overlaps.into_iter().map(|[left, right]| finding(tasks, left, right)).collect();
    if more && let Some(help) = findings.last_mut().and_then(|last| last.help.as_mut()) {
        help.push_str(&format!("\n(there are more overlaps; {OVERLAPS_MAX} are told at a time)"));
    }
    findings
}

fn too_broad(task: &Task, at: u32) -> Finding {
    let message = format!("the wildcards of this plan are too broad: more than {COMPARISONS_MAX} pairs to compare");
    let node = task.node.child("outputs").element(at as usize);
    let label = format!("the limit is passed at this output of `{}`", task.name);
    Finding::error("orca::plan::too_broad", message, node, label)
        .help("begin outputs with a directory of their own, such as `out/name/**`")
}

fn place(output: &Output) -> (u32, u32) {
    (output.task, output.at)
}

/// The index of all outputs with their case folded.
fn folded_index(tasks: &[&Arc<Task>]) -> OutputIndex {
    let outputs = (0u32..).zip(tasks).flat_map(|(task, declared)| {
        let adding = (0u32..).zip(declared.outputs.iter()).filter(|(_, pattern)| !pattern.excludes());
        adding.map(move |(at, pattern)| (task, at, folded(pattern)))
    });
    OutputIndex::new(outputs)
}

/// Whether a text is its own lower case. May say no where it is.
fn is_lower(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
}

/// The pattern in lower case. A class such as `[Z-a]` does not survive that, and such a pattern stays as it is.
fn folded(pattern: &Pattern) -> Pattern {
    if is_lower(pattern.as_str()) {
        return pattern.clone();
    }
    let lower = pattern.as_str().to_lowercase();
    Pattern::new(&lower).unwrap_or_else(|_| pattern.clone())
}

fn finding(tasks: &[&Arc<Task>], left: (u32, u32), right: (u32, u32)) -> Finding {
    let output = |(task, at): (u32, u32)| -> (&Task, &Pattern, NodeId) {
        let task = tasks[task as usize];
        let pattern = task.outputs.iter().nth(at as usize).expect("the index holds the plan's outputs");
        (task, pattern, task.node.child("outputs").element(at as usize))
    };
    let ((left, left_pattern, left_node), (right, right_pattern, right_node)) = (output(left), output(right));
    let case_only = !left_pattern.may_intersect(right_pattern);
    let message = match case_only {
        true => format!("`{}` and `{}` write paths that differ in case only", left.name, right.name),
        false if left_pattern == right_pattern => {
            format!("`{}` and `{}` both write `{left_pattern}`", left.name, right.name)
        }
        false => format!("the outputs of `{}` and `{}` overlap", left.name, right.name),
    };
    Finding::error(
        "orca::plan::overlapping_outputs",
        message,
        right_node,
        format!("`{}` writes `{right_pattern}`", right.name),
    )
    .and(left_node, format!("`{}` writes `{left_pattern}`", left.name))
    .help("one path has one owner: give one of the two another path, or let one task write both")
}

//! What a plan says of files that is not so: inputs that are not there, or that no task can be given.
#![expect(clippy::disallowed_methods, reason = "looks for what was meant beside what is not there")]

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;

use super::scan::{Obstacle, Scanned, link_on_the_way, obstacle};
use crate::base::{Finding, NodeId, Pattern, PatternSet, RelPath, parallel};
use crate::plan::{ContextText, Plan};

/// Says what of the plan's inputs is not as it says. `provided` says whether a pattern is covered by what tasks write;
/// `whole`, whether the gates of the plan are to judge all there is.
#[must_use]
pub(super) fn input_findings(
    root: &Path,
    plan: &Plan,
    scanned: &Scanned,
    whole: bool,
    provided: impl Fn(&Pattern) -> bool + Sync,
) -> Vec<Finding> {
    let is_answered = |pattern: &Pattern| match pattern.literal_path() {
        Some(path) => scanned.index.literal.contains_key(path) || provided(pattern),
        None => provided(pattern) || scanned.index.has_match(pattern),
    };
    let meets_unnameable = |pattern: &Pattern| scanned.unnameable.iter().any(|path| pattern.matches(path));
    let of_tasks =
        plan.tasks.values().flat_map(|task| [(&task.inputs, &task.node, "inputs"), (&task.edits, &task.node, "edits")]);
    let of_gates = plan.gate_defs.values().map(|gate| (&gate.inputs, &gate.node, "inputs"));
    let sets: Vec<(&PatternSet, &NodeId, &str)> = of_tasks.chain(of_gates).collect();
    // Nearly all are as they say; only the others are worth words.
    let is_odd = |set: &PatternSet| {
        let mut adding = set.iter().filter(|pattern| !pattern.excludes());
        adding.any(|pattern| meets_unnameable(pattern) || !is_answered(pattern))
    };
    let odd: Vec<_> = match sets.len() {
        0..parallel::ITEMS_MIN => sets.into_iter().filter(|(set, _, _)| is_odd(set)).collect(),
        _ => sets.into_par_iter().filter(|(set, _, _)| is_odd(set)).collect(),
    };
    let mut findings = Vec::new();
    let mut unmatched: BTreeSet<&RelPath> = scanned.unnameable.iter().collect();
    for (patterns, node, key) in odd {
        for (position, pattern) in patterns.iter().enumerate().filter(|(_, pattern)| !pattern.excludes()) {
            let place = node.child(key).element(position);
            for path in scanned.unnameable.iter().filter(|path| pattern.matches(path) && patterns.matches(path)) {
                if unmatched.remove(path) {
                    findings.push(bad_file_name(path, place.clone()));
                }
            }
            if !is_answered(pattern) {
                findings.push(unanswered(root, pattern, place));
            }
        }
    }
    if whole {
        let place = NodeId::root(crate::base::FileId(0)).child("plan").child("gates");
        findings.extend(unmatched.into_iter().map(|path| bad_file_name(path, place.clone())));
    }
    for entry in plan.context.entries.values() {
        if let ContextText::File { path, node } = entry
            && (obstacle(root, path).is_some() || !path.beneath(root).is_file())
        {
            findings.push(unusable(root, path, node.clone()));
        }
    }
    findings
}

/// What there is to say of a pattern that neither files nor outputs of tasks answer.
fn unanswered(root: &Path, pattern: &Pattern, place: NodeId) -> Finding {
    match pattern.literal_path() {
        Some(path) => unusable(root, path, place),
        None => empty_glob(root, pattern, place),
    }
}

fn empty_glob(root: &Path, pattern: &Pattern, place: NodeId) -> Finding {
    let base = RelPath::from_disk(&pattern.base()).ok();
    let help = match base.and_then(|base| link_on_the_way(root, &base)) {
        Some(link) => format!("`{link}` is a symbolic link; wildcards do not walk through links"),
        None => "check the spelling; files that .gitignore names are not matched by wildcards".to_owned(),
    };
    let message = format!("`{pattern}` matches no file");
    Finding::warning("orca::plan::empty_glob", message, place, "nothing matches this").help(help)
}

/// What keeps a path from being an input.
fn unusable(root: &Path, path: &RelPath, place: NodeId) -> Finding {
    match obstacle(root, path) {
        Some(Obstacle::Link(link)) => Finding::error(
            "orca::plan::through_link",
            format!("`{path}` leads through the symbolic link `{link}`"),
            place,
            "behind a link",
        )
        .help(format!("name the files where they are; the link itself, `{link}`, may be an input")),
        Some(Obstacle::NotAFile) => Finding::error(
            "orca::plan::not_a_file",
            format!("`{path}` is a device, FIFO or socket"),
            place,
            "not a file",
        )
        .help("inputs are files, directories and symbolic links"),
        None => missing_input(root, path, place),
    }
}

fn bad_file_name(path: &RelPath, place: NodeId) -> Finding {
    let mut excluding = path.as_str().replace('\u{fffd}', "*");
    while excluding.contains("**") {
        excluding = excluding.replace("**", "*");
    }
    let message = format!("the name of `{path}` is not UTF-8 text: no task can be given this file");
    Finding::error("orca::plan::bad_file_name", message, place, "matches it")
        .help(format!("rename the file, or leave it out with \"!{excluding}\""))
}

fn missing_input(root: &Path, path: &RelPath, place: NodeId) -> Finding {
    let finding = Finding::error(
        "orca::plan::missing_input",
        format!("`{path}` does not exist, and no task writes it"),
        place,
        "no such file",
    );
    match near_sibling(root, path) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!("create `{path}`, or name it in the outputs of the task that writes it")),
    }
}

fn near_sibling(root: &Path, path: &RelPath) -> Option<String> {
    let parent = path.parent();
    let directory = parent.as_ref().map_or_else(|| root.to_owned(), |parent| parent.beneath(root));
    let names: Vec<String> = std::fs::read_dir(directory)
        .ok()?
        .take(10_000)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let near = crate::base::nearest(path.file_name(), names.iter().map(String::as_str))?;
    Some(parent.map_or_else(|| near.to_owned(), |parent| format!("{parent}/{near}")))
}

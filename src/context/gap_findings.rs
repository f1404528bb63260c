//! What agents' tasks lack, as findings: where to type what.
//!
//! What all tasks of a template lack is said once, at the template; what a text says too much is said where it says so.

use std::collections::{BTreeMap, BTreeSet};

use super::gaps::Gap;
use crate::base::{Finding, Name, NodeId, TaskName};
use crate::plan::{Document, Plan, declared, mention, origin, table};

/// The findings for what these tasks lack, in the order of the plan's text.
#[must_use]
pub fn gap_findings(plan: &Plan, documents: &[Document], gaps: &BTreeMap<TaskName, Vec<Gap>>) -> Vec<Finding> {
    let homes: BTreeMap<&TaskName, NodeId> = gaps
        .keys()
        .filter_map(|name| {
            let own = &plan.tasks.get(name)?.node;
            Some((name, origin(documents, own, "prompt").unwrap_or_else(|| own.clone())))
        })
        .collect();
    let mut same_home: BTreeMap<&NodeId, usize> = BTreeMap::new();
    for home in homes.values() {
        *same_home.entry(home).or_default() += 1;
    }
    let mut lacking: BTreeMap<(&NodeId, &Gap), usize> = BTreeMap::new();
    for (name, gaps) in gaps {
        for gap in gaps {
            *lacking.entry((&homes[name], gap)).or_default() += 1;
        }
    }
    let mut groups: BTreeMap<(Place, &Gap), Vec<&TaskName>> = BTreeMap::new();
    for (name, gaps) in gaps {
        let home = &homes[name];
        let own = &plan.tasks[name].node;
        for gap in gaps {
            let is_shared = lacking[&(home, gap)] == same_home[home];
            let table = if is_shared { home } else { own };
            groups.entry((Place::of(documents, own, home, table, gap), gap)).or_default().push(name);
        }
    }
    let of_group = |((place, gap), tasks): ((Place, &Gap), Vec<&TaskName>)| {
        let own = &plan.tasks[tasks[0]].node;
        let finding = finding(plan, place.node, gap, &tasks);
        if place.table == *own { finding } else { finding.and(own.as_key(), "this task") }
    };
    let mut findings: Vec<Finding> = groups.into_iter().map(of_group).collect();
    let position = |finding: &Finding| {
        let node = &finding.labels[0].node;
        let document = documents.iter().find(|document| document.file == node.file);
        (node.file, document.map_or(0, |document| document.span(node).start))
    };
    findings.sort_by_key(position);
    findings
}

/// That nothing tells agents what the project is; `first` is a task of an agent.
#[must_use]
pub fn no_background(documents: &[Document], first: &NodeId) -> Finding {
    let place = declared(documents, "context", "background").or_else(|| table(documents, "context"));
    let message = "nothing tells agents what the project is";
    Finding::warning("orca::task::no_background", message, place.unwrap_or_else(|| first.as_key()), "no background")
        .help("add [context] with background = \"What it is, who uses it, what is being done to it.\"")
}

/// Where a gap is to be filled.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The table to change.
    table: NodeId,
    /// The word of the prompt, the key that is there and empty, or the table that lacks the key.
    node: NodeId,
}

impl Place {
    /// `home` is the table that holds the prompt, `lacking` the one that a missing key would go to.
    fn of(documents: &[Document], own: &NodeId, home: &NodeId, lacking: &NodeId, gap: &Gap) -> Self {
        let prompt = home.child("prompt");
        let key = match gap {
            Gap::Goal => return Self { table: home.clone(), node: prompt },
            Gap::Tool { name, .. } => return Self { table: home.clone(), node: mention(documents, &prompt, name) },
            Gap::Unseen { path, .. } | Gap::Unknown { path } => {
                return Self { table: home.clone(), node: mention(documents, &prompt, path.as_str()) };
            }
            Gap::Inputs => "inputs",
            Gap::Outputs => "outputs",
            Gap::Acceptance => "acceptance",
            Gap::Gates | Gap::Tests => "gates",
        };
        match origin(documents, own, key) {
            Some(table) => Self { node: table.child(key), table },
            None => Self { table: lacking.clone(), node: lacking.as_key() },
        }
    }
}

fn finding(plan: &Plan, node: NodeId, gap: &Gap, tasks: &[&TaskName]) -> Finding {
    let who = subject(tasks);
    match gap {
        Gap::Goal => {
            let message = format!("{who} hardly says what to do");
            Finding::warning("orca::task::no_goal", message, node, "fewer than three words")
                .help("say what shall be there in the end, and where: \"Write the login page in src/login.html.\"")
        }
        Gap::Inputs => Finding::warning("orca::task::no_inputs", format!("{who} sees no file"), node, "no `inputs`")
            .help("add inputs = [\"src/**\"] with the files it needs to know, or deps = [\"...\"]"),
        Gap::Outputs => {
            let message = format!("{who} may write no file");
            Finding::warning("orca::task::no_outputs", message, node, "neither `outputs` nor `edits`")
                .help("add outputs = [\"...\"] with the files it makes, or edits = [\"...\"] with those it changes")
        }
        Gap::Acceptance => {
            let message = format!("nothing says when {who} is done");
            Finding::warning("orca::task::no_acceptance", message, node, "no `acceptance`")
                .help("add acceptance = [\"...\"], each a fact that somebody could check")
        }
        Gap::Gates => {
            let message = format!("only what judges every agent judges what {who} brings: nothing runs it");
            Finding::warning("orca::task::no_gates", message, node, "no gate of its own").help(gate_help(plan))
        }
        Gap::Tests => {
            let message = format!("no test judges what {who} brings");
            Finding::advice("orca::task::no_tests", message, node, "no test").help(
                "add a gate with run = \"...\" that runs tests, or \
                 tdd = { tests = [\"tests/test_x.py\"], run = \"pytest -q tests/test_x.py\" }",
            )
        }
        Gap::Tool { name, toolchain } => {
            let message = format!("{who} is told of `{name}`, and does not declare it");
            let finding = Finding::advice("orca::task::undeclared_tool", message, node, "not declared");
            finding.help(match toolchain {
                Some(toolchain) => format!("add \"{toolchain}\" to `toolchains`, or \"{name}\" to `tools`"),
                None => format!("add \"{name}\" to `tools`"),
            })
        }
        Gap::Unseen { path, writer } => {
            let message = format!("{who} is told of `{path}`, and does not see it");
            let finding = Finding::warning("orca::task::unseen_file", message, node, "not among its files");
            finding.help(match writer {
                Some(writer) => format!("add \"{writer}\" to `deps`, or \"{path}\" to `inputs`"),
                None => format!("add \"{path}\" to `inputs`, or to `edits` if it may change it"),
            })
        }
        Gap::Unknown { path } => {
            let message = format!("{who} is told of `{path}`, which is not there, and which no task writes");
            Finding::advice("orca::task::unknown_file", message, node, "no such file")
                .help(format!("check the spelling, or add \"{path}\" to `outputs` if the task writes it"))
        }
    }
}

/// The tasks in words: by their stems, the first and how many more.
fn subject(tasks: &[&TaskName]) -> String {
    let stems: BTreeSet<&str> = tasks.iter().map(|task| task.stem()).collect();
    let first = stems.first().expect("a group has a task");
    match stems.len() {
        1 => format!("`{first}`"),
        2 => format!("`{first}` (and another task)"),
        many => format!("`{first}` (and {} other tasks)", many - 1),
    }
}

fn gate_help(plan: &Plan) -> String {
    const NAMED_MAX: usize = 3;
    let comes_by_itself = |name: &&Name| ["integrity", "scope", "security", "review", "tdd"].contains(&name.as_str());
    let is_of_plan = |name: &&Name| plan.gates.contains(name);
    let own = plan.gate_defs.keys().filter(|name| !comes_by_itself(name) && !is_of_plan(name));
    let known: Vec<String> = own.take(NAMED_MAX).map(|name| format!("\"{name}\"")).collect();
    match &known[..] {
        [] => "declare [gates.tests] with run = \"...\", and add gates = [\"tests\"]".to_owned(),
        known => format!("add gates = [...] with {}", known.join(", ")),
    }
}

//! What no result may touch, beyond what orca knows by itself: the plan, and what the gates judge with. Plain data, filled in
//! by whoever judges, so that it can be part of a gate's key.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::{PatternSet, RelPath};
use crate::plan::{Check, GateDef, GateKind, Plan};

/// Programs that run the script they are given.
const INTERPRETERS: [&str; 16] = [
    "sh", "bash", "dash", "zsh", "ksh", "python", "python3", "node", "deno", "bun", "ruby", "perl", "php", "env",
    "source", ".",
];
/// Words of a shell before a command.
const OPENERS: [&str; 12] = ["if", "then", "else", "elif", "while", "until", "do", "time", "exec", "command", "!", "{"];
/// Files that one command may name: more is no command that a person wrote.
const PROGRAMS_MAX: usize = 1_000;

/// Files that judge, or say what is judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Protected {
    /// The plan's files.
    pub plan: BTreeSet<RelPath>,
    /// What the plan's `include` covers: a file made there would be the plan's.
    pub includes: PatternSet,
    /// `plan.protected`.
    pub declared: PatternSet,
    /// `inputs` of the gates that judge the result, each with its own exclusions.
    pub inputs: Vec<PatternSet>,
    /// Programs and scripts that the commands of these gates run, where they are files of the project.
    pub programs: BTreeSet<RelPath>,
    /// Where these gates write their reports: a result that brings one would be believed. Names and wildcards.
    pub reports: PatternSet,
}

impl Protected {
    /// What a plan and the gates that judge one result protect.
    #[must_use]
    pub fn of(plan: &Plan, gates: &[GateDef]) -> Self {
        let mut protected = Self {
            plan: plan.files.iter().cloned().collect(),
            includes: plan.includes.clone(),
            declared: plan.protected.clone(),
            ..Self::default()
        };
        let (mut reports, mut tests) = (Vec::new(), Vec::new());
        for gate in gates {
            if gate.inputs.iter().next().is_some() {
                protected.inputs.push(gate.inputs.clone());
            }
            let words = |value: &serde_json::Value| serde_json::from_value::<Vec<String>>(value.clone()).ok();
            let commands = ["command", "suite"].iter().filter_map(|key| words(gate.options.get(*key)?));
            let run = match &gate.kind {
                GateKind::Run(argv) => Some(argv.clone()),
                _ => None,
            };
            for argv in run.into_iter().chain(commands) {
                protected.programs.extend(programs(&argv));
            }
            for line in gate.options.get("lint").and_then(words).into_iter().flatten() {
                protected.programs.extend(programs_of_shell(&line));
            }
            if gate.kind == GateKind::Check(Check::Tdd) {
                tests.push(crate::gates::Options::new(&gate.options).patterns("files"));
            }
            let places = ["report", "coverage"].iter().filter_map(|key| gate.options.get(*key)?.as_str());
            reports.extend(places.filter_map(|text| crate::base::Pattern::new(text).ok()));
        }
        protected.reports = PatternSet::new(reports);
        // Tests that are declared to be written are the task's work, also where a command names them.
        protected.programs.retain(|path| !tests.iter().any(|tests| tests.matches(path)));
        protected
    }
}

impl Protected {
    /// In which of these ways a path is protected: a part of a gate's key, so that only what matters for a result is in it.
    #[must_use]
    pub fn ways(&self, path: &RelPath) -> Vec<&'static str> {
        let is_plan = self.plan.iter().any(|file| file.is_within(path));
        let ways = [
            (is_plan || self.includes.matches(path), "plan"),
            (self.declared.matches(path), "declared"),
            (self.inputs.iter().any(|inputs| inputs.matches(path)), "input"),
            (self.programs.contains(path), "program"),
            (self.reports.matches(path), "report"),
        ];
        ways.into_iter().filter(|(is_so, _)| *is_so).map(|(_, way)| way).collect()
    }
}

/// The files that a command runs: its program, and the script where the program is an interpreter.
fn programs(argv: &[String]) -> Vec<RelPath> {
    match argv {
        [shell, flag, script, ..] if is_shell(shell) && flag.starts_with('-') && flag.ends_with('c') => {
            programs_of_shell(script)
        }
        _ => simple(argv.iter().map(String::as_str)),
    }
}

fn is_shell(program: &str) -> bool {
    matches!(program.rsplit('/').next(), Some("sh" | "bash" | "dash" | "zsh" | "ksh"))
}

/// The same for a line of shell, each of its commands by itself. What is quoted or put together is not looked into.
fn programs_of_shell(script: &str) -> Vec<RelPath> {
    let commands = script.split([';', '&', '|', '\n', '(', ')', '`']);
    let quotes: &[char] = &['"', '\''];
    commands
        .flat_map(|command| simple(command.split_whitespace().map(|word| word.trim_matches(quotes))))
        .take(PROGRAMS_MAX)
        .collect()
}

fn simple<'w>(words: impl Iterator<Item = &'w str>) -> Vec<RelPath> {
    let is_setting = |word: &&str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    };
    let mut files = Vec::new();
    for word in words.skip_while(|word| is_setting(word) || OPENERS.contains(word)) {
        let name = word.rsplit('/').next().unwrap_or(word);
        let is_interpreter = INTERPRETERS.contains(&name) || name.starts_with("python3.");
        if word.starts_with('-') || is_setting(&word) || word == "run" && !files.is_empty() {
            continue;
        }
        files.extend(RelPath::new(word).ok());
        if !is_interpreter {
            break;
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_and_its_gates_say_what_is_protected() {
        let text = "[plan]\nprotected = ['LICENSE']\n[gates.a]\nrun = './check.sh'\nreport = 'out.xml'\ninputs = ['golden/**']\n\
                    [gates.b]\ncheck = 'schema'\nschema = 's.json'\nfiles = ['x']\n[gates.c]\ncheck = 'review'\nlint = ['sh lint.sh']\n\
                    [tasks.t]\nrun = 'x'\n";
        let path = |text: &str| RelPath::new(text).expect("a path");
        let (document, _) = crate::plan::parse(crate::base::FileId(0), path("orca.toml"), text.into());
        let (plan, findings) = crate::plan::lower(&[document]);
        assert_eq!(findings, []);
        let gates: Vec<GateDef> = plan.gate_defs.values().cloned().collect();
        let protected = Protected::of(&plan, &gates);
        assert!(protected.plan.contains(&path("orca.toml")) && protected.declared.matches(&path("LICENSE")));
        assert!(protected.programs.contains(&path("check.sh")) && protected.programs.contains(&path("lint.sh")));
        assert!(protected.reports.matches(&path("out.xml")));
        for own in ["golden/1", "s.json"] {
            assert!(protected.inputs.iter().any(|inputs| inputs.matches(&path(own))), "{own}");
        }
    }

    #[test]
    fn the_files_that_a_command_runs_are_told_from_its_arguments() {
        let table: [(&[&str], &[&str]); 6] = [
            (&["./check.sh", "src"], &["check.sh"]),
            (&["/usr/bin/python3", "-B", "tools/check.py", "x.py"], &["tools/check.py"]),
            (
                &["/bin/sh", "-c", "CI=1 sh ci/test.sh && python -m pytest tests | ./tools/fold 'a b'"],
                &["ci/test.sh", "pytest", "python", "sh", "tools/fold"],
            ),
            (&["cargo", "test"], &["cargo"]),
            (&["/bin/sh", "-c", "if ./ok; then exec bin/judge; fi"], &["bin/judge", "fi", "ok"]),
            (&[], &[]),
        ];
        for (argv, expected) in table {
            let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
            let found: BTreeSet<RelPath> = programs(&argv).into_iter().collect();
            let found: Vec<&str> = found.iter().map(RelPath::as_str).collect();
            assert_eq!(found, expected, "{argv:?}");
        }
    }
}

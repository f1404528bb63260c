//! How well the built-in checks tell good results from bad ones: precision and recall over the corpus in `fixtures/gates`.
//! Recall is the share of bad cases that the rule they are for has found; precision is the share of rules reported that
//! were right. `cargo test --test gates_corpus -- --nocapture` prints the table that stands in `docs/gates.md`.

mod corpus;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use corpus::{Expected, cases, judge, rules};
use orca::plan::word;

/// Rules reported rightly, wrongly, and not reported.
#[derive(Default, Clone, Copy)]
struct Score {
    cases: usize,
    right: usize,
    wrong: usize,
    missed: usize,
}

impl Score {
    fn row(&self, name: &str) -> String {
        let percent = |part: usize, whole: usize| match whole {
            0 => "-".to_owned(),
            _ => format!("{:.1} %", 100.0 * part as f64 / whole as f64),
        };
        let precision = percent(self.right, self.right + self.wrong);
        let recall = percent(self.right, self.right + self.missed);
        format!("| {name} | {} | {precision} | {recall} |", self.cases)
    }
}

#[test]
fn precision_and_recall_are_as_documented() {
    let (mut by_check, mut all) = (BTreeMap::<String, Score>::new(), Score::default());
    let mut wrong = String::new();
    for (check, path, case) in cases() {
        let found = rules(&judge(check, &case));
        let group = match case.rule.split_once('/') {
            Some((group, _)) => group.to_owned(),
            None => panic!("{}: `{}` is no rule of {}", path.display(), case.rule, word(check)),
        };
        for score in [by_check.entry(group).or_default(), &mut all] {
            let is_hit = found.contains(&case.rule);
            let others = found.iter().filter(|rule| **rule != case.rule).count();
            score.cases += 1;
            match case.expect {
                Expected::Bad => {
                    score.right += usize::from(is_hit);
                    score.missed += usize::from(!is_hit);
                    score.wrong += others;
                }
                Expected::Good => score.wrong += found.len(),
            }
        }
        let is_right = match case.expect {
            Expected::Bad => found.len() == 1 && found.contains(&case.rule),
            Expected::Good => found.is_empty(),
        };
        if !is_right {
            let file = path.file_name().expect("a file").to_string_lossy().into_owned();
            let _ = writeln!(wrong, "{file}: {:?} {}: {}: found {found:?}", case.expect, case.rule, case.name);
        }
    }
    let mut table = "| rules | cases | precision | recall |\n|---|---|---|---|\n".to_owned();
    for (name, score) in &by_check {
        let _ = writeln!(table, "{}", score.row(name));
    }
    let _ = writeln!(table, "{}", all.row("all"));
    println!("{table}\n{wrong}");
    let page = include_str!("../docs/gates.md");
    assert!(page.contains(table.trim_end()), "docs/gates.md has another table than\n{table}\n{wrong}");
}

#[test]
fn rules_of_files_and_of_what_is_left_behind_have_cases() {
    use orca::gates::{files, integrity, review, schema, scope};
    let all = [integrity::RULES, scope::RULES, schema::RULES, files::RULES, review::RULES].concat();
    let cases = cases();
    for rule in all {
        let count = |expected| {
            let of_rule = |(_, _, case): &&(orca::plan::Check, std::path::PathBuf, corpus::Case)| {
                case.rule == *rule && case.expect == expected
            };
            cases.iter().filter(of_rule).count()
        };
        let (bad, good) = (count(Expected::Bad), count(Expected::Good));
        assert!(bad >= 2 && good >= 2, "{rule}: {bad} bad cases, {good} good ones");
    }
}

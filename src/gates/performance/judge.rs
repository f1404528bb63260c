//! From measurements to findings: what is certain fails, what is not is told with its numbers.

use super::bootstrap::{Interval, median, median_interval};
use super::limits::Limits;
use super::measured::{Broken, Measured, Run, Side};
use crate::base::{Severity, counted, format_size};
use crate::event::GateFinding;
use crate::gates::part::Part;

/// The name of the part.
const NAME: &str = "performance";

/// What follows from the measurements of a result.
#[must_use]
pub fn performance(measured: &Measured, limits: &Limits) -> Part {
    let mut said = Said::default();
    let (result, base) = match (&measured.result, &measured.base) {
        (Side::Failed(result), Side::Failed(base)) if !result.has_run && !base.has_run => {
            return Part::broke(NAME, format!("the command could not be run: {}", result.how));
        }
        (Side::Absent(why), _) => {
            said.size(measured, limits);
            if limits.output_size_bytes_max.is_none() {
                return Part::skipped(NAME, why.clone());
            }
            return said.part();
        }
        (Side::Failed(broken), base) => {
            said.command_failed(broken, matches!(base, Side::Failed(_)));
            said.size(measured, limits);
            return said.part();
        }
        (Side::Runs(result), base) => (result, base),
    };
    match base {
        Side::Runs(base) => said.regression(base, result, limits),
        Side::Failed(broken) => said.without_base(format!("the command fails on the base ({})", broken.how)),
        Side::Absent(why) => said.without_base(why.clone()),
    }
    said.budgets(result, limits);
    said.size(measured, limits);
    match base {
        Side::Runs(_) => said.part(),
        _ if limits.has_budgets() || limits.output_size_bytes_max.is_some() => said.part(),
        _ => Part::skipped(NAME, format!("{}, and there is no budget to judge by", said.notes.join(", "))),
    }
}

/// Word of the rule, what it is, what is allowed, how to read and to write it.
type Budget = (&'static str, &'static str, Option<u64>, fn(&Run) -> u64, fn(f64) -> String);

/// What is found, and what is said of it in any case.
#[derive(Default)]
struct Said {
    findings: Vec<GateFinding>,
    notes: Vec<String>,
}

impl Said {
    fn part(self) -> Part {
        Part::judged(NAME, self.findings).note(self.notes.join(", "))
    }

    fn find(&mut self, rule: &str, severity: Severity, message: String, help: &str) {
        self.findings.push(GateFinding::new(format!("{NAME}/{rule}"), severity, message).help(help));
    }

    fn without_base(&mut self, why: String) {
        self.notes.push(format!("{why}: only budgets are judged"));
    }

    fn command_failed(&mut self, broken: &Broken, also_on_base: bool) {
        let too = if also_on_base { ", and on the base as well" } else { "" };
        let last = broken.log.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.map(|line| format!(": {}", line.trim())).unwrap_or_default();
        let message = format!("the measuring command fails on the result ({}){too}{last}", broken.how);
        self.find("command-failed", Severity::Error, message, "make the command that is measured work");
        self.notes.push(format!("nothing was measured: {}", broken.how));
    }

    fn regression(&mut self, base: &[Run], result: &[Run], limits: &Limits) {
        let ratios: Vec<f64> = base
            .iter()
            .zip(result)
            .map(|(base, result)| f64_of(result.wall_us.max(1)) / f64_of(base.wall_us.max(1)))
            .collect();
        let (ratio, interval) = (median(&ratios), median_interval(&ratios));
        let walls = [result, base].map(|runs| format_us(median(&numbers(runs, |run| run.wall_us))));
        let numbers = format!(
            "{ratio:.2}x of base, {}, {}, wall {}/{}",
            bounds(interval, |ratio| format!("{ratio:.2}")),
            counted(ratios.len() as u64, "pair"),
            walls[0],
            walls[1],
        );
        let allowed = 1.0 + f64::from(limits.max_regression) / 100.0;
        if interval.low > allowed && interval.is_sure {
            let message = format!("slower than the base by more than {} %: {numbers}", limits.max_regression);
            let help = "make the result as fast as it was, or raise `max_regression` if that is what it takes";
            self.find("regression", Severity::Error, message, help);
        } else if interval.high > allowed {
            let message =
                format!("whether it is slower by more than {} % cannot be told: {numbers}", limits.max_regression);
            self.find("too-noisy", Severity::Warning, message, more_runs(interval));
        }
        self.notes.push(numbers);
    }

    fn budgets(&mut self, result: &[Run], limits: &Limits) {
        let budgets: [Budget; 3] = [
            ("wall", "wall time", limits.wall_us_max, |run| run.wall_us, format_us),
            ("cpu", "CPU time", limits.cpu_us_max, |run| run.cpu_us, format_us),
            ("memory", "memory", limits.memory_bytes_max, |run| run.memory_bytes, format_bytes),
        ];
        for (word, what, budget, of, format) in budgets {
            let Some(budget) = budget else { continue };
            let all = numbers(result, of);
            let (taken, interval) = (median(&all), median_interval(&all));
            let numbers =
                format!("{what} {} of {}, {}", format(taken), format(f64_of(budget)), bounds(interval, format));
            if interval.low > f64_of(budget) {
                let message = format!("over the budget: {numbers}");
                self.find(&format!("over-budget-{word}"), Severity::Error, message, "it has to take less");
            } else if interval.high > f64_of(budget) {
                let message = format!("whether it is over the budget cannot be told: {numbers}");
                self.find("too-noisy", Severity::Warning, message, more_runs(interval));
            }
            self.notes.push(numbers);
        }
    }

    fn size(&mut self, measured: &Measured, limits: &Limits) {
        let Some(budget) = limits.output_size_bytes_max else { return };
        let numbers =
            format!("files of the result {} of {}", format_size(measured.output_size_bytes), format_size(budget));
        if measured.output_size_bytes > budget {
            let message = format!("over the budget: {numbers}");
            self.find("over-budget-size", Severity::Error, message, "make the files smaller, or leave some out");
        }
        self.notes.push(numbers);
    }
}

/// What to do about noise.
fn more_runs(interval: Interval) -> &'static str {
    match interval.is_sure {
        true => "raise `runs`, or measure something that takes longer",
        false => "fewer than 6 runs are too few to be 95 % sure: raise `runs`",
    }
}

fn bounds(interval: Interval, format: impl Fn(f64) -> String) -> String {
    let word = if interval.is_sure { "95 % CI" } else { "all between" };
    format!("{word} {} to {}", format(interval.low), format(interval.high))
}

fn numbers(runs: &[Run], of: impl Fn(&Run) -> u64) -> Vec<f64> {
    runs.iter().map(|run| f64_of(of(run))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "times and sizes have fewer than 53 bits, or may be rounded")]
fn f64_of(number: u64) -> f64 {
    number as f64
}

fn format_us(us: f64) -> String {
    match us {
        ..1_000.0 => format!("{us:.0}us"),
        ..100_000.0 => format!("{:.1}ms", us / 1e3),
        ..1_000_000.0 => format!("{:.0}ms", us / 1e3),
        _ => format!("{:.2}s", us / 1e6),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a size")]
fn format_bytes(bytes: f64) -> String {
    format_size(bytes as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::gates::{Options, PartStatus};

    fn runs(ms: &[u64]) -> Side {
        Side::Runs(ms.iter().map(|ms| Run { wall_us: ms * 1000, cpu_us: ms * 1000, memory_bytes: 1 << 20 }).collect())
    }

    fn judged(base: Side, result: Side, options: serde_json::Value) -> Part {
        let options: BTreeMap<String, serde_json::Value> = serde_json::from_value(options).expect("an object");
        let measured = Measured { base, result, output_size_bytes: 2000 };
        performance(&measured, &Limits::of(Options::new(&options)))
    }

    fn broken(has_run: bool) -> Side {
        Side::Failed(Broken { how: "exit 3".to_owned(), log: "one\nno such bench\n".to_owned(), has_run })
    }

    #[test]
    fn the_note_has_the_numbers() {
        let part = judged(runs(&[900; 10]), runs(&[1200; 10]), json!({}));
        assert_eq!(part.note.as_deref(), Some("1.33x of base, 95 % CI 1.33 to 1.33, 10 pairs, wall 1.20s/900ms"));
        assert_eq!(part.findings[0].rule, "performance/regression");
        let few = judged(runs(&[900; 2]), runs(&[1200; 2]), json!({ "budget": 1000, "memory_max": 1 << 20 }));
        let rules: Vec<&str> = few.findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(rules, ["performance/too-noisy", "performance/over-budget-wall"]);
        assert!(few.note.expect("there").ends_with("memory 1 MiB of 1 MiB, all between 1 MiB to 1 MiB"));
    }

    #[test]
    fn a_command_that_fails_is_judged_by_where() {
        let good = || runs(&[100; 6]);
        let on_result = judged(good(), broken(true), json!({}));
        assert_eq!(on_result.findings[0].rule, "performance/command-failed");
        assert!(on_result.findings[0].message.ends_with("(exit 3): no such bench"), "{:?}", on_result.findings[0]);
        let on_base = judged(broken(true), good(), json!({ "budget": 50 }));
        assert_eq!(on_base.findings[0].rule, "performance/over-budget-wall");
        assert!(on_base.note.expect("there").starts_with("the command fails on the base (exit 3): only budgets"));
        let nothing = judged(broken(true), good(), json!({}));
        assert!(matches!(nothing.status, PartStatus::Skipped(_)), "{nothing:?}");
        let nowhere = judged(broken(false), broken(false), json!({}));
        assert!(matches!(nowhere.status, PartStatus::Broke(_)), "{nowhere:?}");
        let both = judged(broken(true), broken(true), json!({}));
        assert!(both.findings[0].message.contains("on the base as well"));
    }

    #[test]
    fn sizes_need_no_command() {
        let none = || Side::Absent("there is no `command` to measure".to_owned());
        let part = judged(none(), none(), json!({ "output_size_max": 1999 }));
        assert_eq!(part.findings[0].rule, "performance/over-budget-size");
        let part = judged(none(), none(), json!({ "output_size_max": 2000 }));
        assert_eq!((part.findings.len(), part.status), (0, PartStatus::Judged));
        assert!(matches!(judged(none(), none(), json!({})).status, PartStatus::Skipped(_)));
    }
}

//! Linters that write text: a remark a line, as compilers write it, and the listings of rustc and eslint.

use std::sync::LazyLock;

use regex::Regex;

use super::{REMARKS_MAX, Remark, severity_of};
use crate::base::Severity;

/// A longer line is no remark.
const LINE_BYTES_MAX: usize = 10_000;

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("the expression is one")
}

/// `src/a.py:3:5: F401 message`, `a.c:3: warning: message [rule]`.
static UNIX: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^([^\s:\d][^:]*|\d+[^\s:\d][^:]*):(\d{1,9})(?::(\d{1,9}))?(?:-\d+)?:? +(\S.*)$"));
/// `src/a.ts(3,5): error TS2322: message`.
static TSC: LazyLock<Regex> = LazyLock::new(|| expression(r"^([^\s(][^(]*)\((\d{1,9}),(\d{1,9})\): +(\S.*)$"));
/// `  3:5  error  message  rule`, beneath the name of the file.
static LISTED: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^ +(\d{1,9}):(\d{1,9}) +(error|warning|info) +(\S.*?)(?:  +(\S+))?$"));
/// `warning: message`, `error[E0308]: message`.
static HEAD: LazyLock<Regex> =
    LazyLock::new(|| expression(r"^(error|warning|note|help)(?:\[([A-Za-z0-9_:]+)\])?: (\S.*)$"));
/// `  --> src/a.rs:3:5`.
static ARROW: LazyLock<Regex> = LazyLock::new(|| expression(r"^ *--> ([^:]+):(\d{1,9}):(\d{1,9})$"));
/// How bad it is, before the message.
static SEVERITY: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^(fatal error|error|warning|warn|note|info|style|convention|refactor|hint|suggestion)\b:? *(?:([A-Z]{1,5}\d{2,6}):? +)?",
    )
});
/// The rule before the message, or in brackets behind it.
static CODE: LazyLock<Regex> = LazyLock::new(|| expression(r"^([A-Z]{1,5}\d{2,6}):? +"));
static BRACKETED: LazyLock<Regex> =
    LazyLock::new(|| expression(r" +[\[(]((?:Error|Warning)/)?([A-Za-z0-9@][\w@/.:-]*)[\])]$"));

/// The remarks in a text.
pub(super) fn remarks(output: &str) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut file: Option<&str> = None;
    let mut head: Option<(Severity, Option<String>, String)> = None;
    for line in output.lines() {
        if remarks.len() >= REMARKS_MAX {
            break;
        }
        if line.len() > LINE_BYTES_MAX {
            continue;
        }
        if let Some(found) = ARROW.captures(line) {
            let (severity, rule, message) = head.take().unwrap_or((Severity::Error, None, "see the linter".to_owned()));
            remarks.push(remark((&found[1], &found[2], Some(&found[3])), severity, rule, message));
        } else if let Some(found) = HEAD.captures(line) {
            let rule = found.get(2).map(|rule| rule.as_str().to_owned());
            head = Some((severity_of(&found[1]), rule, found[3].to_owned()));
        } else if let (Some(found), Some(file)) = (LISTED.captures(line), file) {
            let rule = found.get(5).map(|rule| rule.as_str().to_owned());
            let place = (file, &found[1], Some(&found[2]));
            remarks.push(remark(place, severity_of(&found[3]), rule, found[4].to_owned()));
        } else if let Some(found) = UNIX.captures(line) {
            remarks.push(of_line((&found[1], &found[2], found.get(3).map(|column| column.as_str())), &found[4]));
        } else if let Some(found) = TSC.captures(line) {
            remarks.push(of_line((&found[1], &found[2], Some(&found[3])), &found[4]));
        } else if line.trim().is_empty() {
            file = None;
        } else if !line.starts_with(' ') && line.contains(['/', '.']) {
            file = Some(line);
        }
    }
    remarks
}

fn of_line(place: (&str, &str, Option<&str>), said: &str) -> Remark {
    let (mut severity, mut rule, mut message) = (None, None, said);
    if let Some(found) = SEVERITY.captures(message) {
        severity = Some(found[1].to_owned());
        rule = found.get(2).map(|code| code.as_str().to_owned());
        message = &message[found[0].len()..];
    }
    if let Some(found) = CODE.captures(message).filter(|_| rule.is_none()) {
        rule = Some(found[1].to_owned());
        message = &message[found[0].len()..];
    }
    if let Some(found) = BRACKETED.captures(message).filter(|_| rule.is_none()) {
        severity = severity.or_else(|| found.get(1).map(|word| word.as_str().trim_end_matches('/').to_owned()));
        rule = Some(found[2].to_owned());
        message = &message[..message.len() - found[0].len()];
    }
    let severity = severity_of(severity.as_deref().unwrap_or_default());
    remark(place, severity, rule, message.to_owned())
}

fn remark(
    (file, line, column): (&str, &str, Option<&str>),
    severity: Severity,
    rule: Option<String>,
    message: String,
) -> Remark {
    let column = column.and_then(|column| column.parse().ok()).filter(|column| *column > 0);
    Remark { file: file.to_owned(), line: line.parse().unwrap_or(0), column, end_line: None, severity, rule, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_read_as_linters_write_them() {
        let table = [
            (
                "src/a.py:3:5: F401 `os` is not used",
                ("src/a.py", 3, Some(5), Severity::Error, Some("F401"), "`os` is not used"),
            ),
            (
                "a.c:7: warning: x is unused [-Wunused]",
                ("a.c", 7, None, Severity::Warning, None, "x is unused [-Wunused]"),
            ),
            ("a.py:7: error: Bad type  [arg-type]", ("a.py", 7, None, Severity::Error, Some("arg-type"), "Bad type")),
            (
                "/t/a.js:1:2: No eval. [Warning/no-eval]",
                ("/t/a.js", 1, Some(2), Severity::Warning, Some("no-eval"), "No eval."),
            ),
            (
                "s.sh:4:1: note: Quote this. [SC2086]",
                ("s.sh", 4, Some(1), Severity::Advice, Some("SC2086"), "Quote this."),
            ),
            ("src/a.ts(3,5): error TS2322: No.", ("src/a.ts", 3, Some(5), Severity::Error, Some("TS2322"), "No.")),
            (
                "src/a.ts\n  3:5  warning  Too  long  max-len\n",
                ("src/a.ts", 3, Some(5), Severity::Warning, Some("max-len"), "Too  long"),
            ),
            (
                "warning[x]: unused\n  --> src/a.rs:2:9\n   |\n",
                ("src/a.rs", 2, Some(9), Severity::Warning, Some("x"), "unused"),
            ),
        ];
        for (output, (file, line, column, severity, rule, message)) in table {
            let found = remarks(output);
            let expected = Remark {
                file: file.to_owned(),
                line,
                column,
                end_line: None,
                severity,
                rule: rule.map(str::to_owned),
                message: message.to_owned(),
            };
            assert_eq!(found, [expected], "{output}");
        }
        for output in ["", "All checks passed!\n", "12:30:01 started\n", "found 3 errors in 2 files: see a.log\n"] {
            assert_eq!(remarks(output), [], "{output}");
        }
    }
}

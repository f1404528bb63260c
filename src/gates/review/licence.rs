//! `review/licence-header`: new source files begin with the text that the gate asks for, in a comment, and no file loses it.
//!
//! Words count, not layout: comment marks, blanks and ends of lines do not. `{year}` in the text stands for a year, or a
//! range of years.

use super::kinds::{is_code, is_generated};
use crate::base::Severity;
use crate::event::GateFinding;
use crate::gates::judged::{ChangedFile, Content};

/// Lines that may stand before the header: an interpreter, an encoding, an opening tag.
const LINES_BEFORE_MAX: usize = 3;
/// Lines that are looked at.
const LINES_MAX: usize = 400;

/// What is found in one file.
pub(super) fn licence_header(change: &ChangedFile, header: &str) -> Option<GateFinding> {
    let text = change.after.text().filter(|_| is_code(&change.path))?;
    if text.trim().is_empty() || is_generated(&change.path, text) || begins_with(text, header) {
        return None;
    }
    let is_new = matches!(change.before, Content::Absent);
    let had_it = change.before.text().is_some_and(|before| begins_with(before, header));
    let verb = match (is_new, had_it) {
        (true, _) => "does not begin",
        (false, true) => "does not begin any more",
        (false, false) => return None,
    };
    let message = format!("`{}` {verb} with the licence header", change.path);
    let first: String = header.lines().next().unwrap_or_default().chars().take(100).collect();
    let finding = GateFinding::new("review/licence-header", Severity::Error, message).at(&change.path);
    let finding = GateFinding { line: Some(1), ..finding };
    Some(finding.help(format!("begin the file with a comment: {}", crate::base::sanitize_line(&first))))
}

fn begins_with(text: &str, header: &str) -> bool {
    let wanted: Vec<String> = words(header.lines());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.lines().take(LINES_MAX).collect();
    let may_start = (0..=LINES_BEFORE_MAX.min(lines.len()))
        .take_while(|start| lines[..*start].iter().all(|line| may_come_before(line)));
    may_start.into_iter().any(|start| {
        let rest = &lines[start..];
        let is_comment = rest.iter().find(|line| !line.trim().is_empty()).is_some_and(|line| !bare(line).1);
        let found = words(rest.iter().copied());
        is_comment && found.len() >= wanted.len() && wanted.iter().zip(&found).all(|(one, other)| is_same(one, other))
    })
}

fn may_come_before(line: &str) -> bool {
    let line = line.trim();
    line.is_empty()
        || line.starts_with("#!")
        || line.starts_with("<?")
        || line.starts_with('#') && line.contains("coding")
}

fn words<'t>(lines: impl Iterator<Item = &'t str>) -> Vec<String> {
    lines.flat_map(|line| bare(line).0.split_whitespace()).map(str::to_owned).collect()
}

/// A line without the marks of a comment, and whether it had none.
fn bare(line: &str) -> (&str, bool) {
    let line = line.trim();
    let marks: &[char] = &['/', '*', '#', '-', ';', '<', '!', '%', '"', '\'', '{', '('];
    let inner = line.trim_start_matches(marks);
    let is_placeholder = line.starts_with("{year}");
    let inner = if is_placeholder { line } else { inner };
    (inner.trim_end_matches(['*', '/', '-', '>']).trim(), inner.len() == line.len())
}

fn is_same(wanted: &str, found: &str) -> bool {
    let Some((before, after)) = wanted.split_once("{year}") else { return wanted == found };
    let Some(year) = found.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else { return false };
    !year.is_empty()
        && year.split(['-', ',', '–']).all(|part| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_and_layout_does_not() {
        let header = "Copyright {year} Example\nSPDX-License-Identifier: MIT";
        let good = [
            "// Copyright 2026 Example\n// SPDX-License-Identifier: MIT\n\nfn a() {}\n",
            "#!/bin/sh\n# Copyright 2024-2026 Example\n# SPDX-License-Identifier: MIT\n",
            "/*\n * Copyright 2026 Example\n * SPDX-License-Identifier: MIT\n */\n",
            "<!-- Copyright 2026 Example SPDX-License-Identifier: MIT -->\n<a/>\n",
            "\u{feff}\n-- Copyright 2026 Example\n-- SPDX-License-Identifier: MIT\n",
        ];
        for text in good {
            assert!(begins_with(text, header), "{text}");
        }
        let bad = [
            "fn a() {}\n// Copyright 2026 Example\n// SPDX-License-Identifier: MIT\n",
            "// Copyright Example\n// SPDX-License-Identifier: MIT\n",
            "Copyright 2026 Example\nSPDX-License-Identifier: MIT\n",
            "// Copyright 2026 Example\n",
            "",
        ];
        for text in bad {
            assert!(!begins_with(text, header), "{text}");
        }
    }
}

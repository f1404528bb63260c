//! Words that introduce a field: `**Files:**`, `- Depends on: T1`, `#### Acceptance criteria`; and headings by their words.

/// What a field is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Files,
    Creates,
    Modifies,
    Reads,
    Tests,
    Run,
    Depends,
    Blocks,
    Acceptance,
    Status,
}

const LABELS: [(Label, &[&str]); 10] = [
    (
        Label::Files,
        &[
            "files",
            "file",
            "file(s)",
            "file path",
            "file paths",
            "affected files",
            "key files",
            "target files",
            "location",
            "path",
            "paths",
        ],
    ),
    (
        Label::Creates,
        &[
            "create",
            "creates",
            "created",
            "new file",
            "new files",
            "files to create",
            "created files",
            "outputs",
            "output",
            "produces",
        ],
    ),
    (
        Label::Modifies,
        &[
            "modify",
            "modifies",
            "modified",
            "edit",
            "edits",
            "update",
            "updates",
            "change",
            "changes",
            "files to modify",
            "files to edit",
            "files to change",
            "modified files",
            "touches",
        ],
    ),
    (
        Label::Reads,
        &["read", "reads", "inputs", "input", "reference", "references", "files to read", "context files", "see"],
    ),
    (Label::Tests, &["test", "tests", "test file", "test files", "testing"]),
    (
        Label::Run,
        &[
            "run",
            "verify",
            "verification",
            "verify with",
            "validate",
            "validation",
            "check",
            "command",
            "commands",
            "test command",
            "test commands",
            "how to test",
            "test strategy",
        ],
    ),
    (
        Label::Depends,
        &[
            "depends on",
            "depends",
            "depends_on",
            "dependencies",
            "dependency",
            "deps",
            "blocked by",
            "after",
            "prerequisite",
            "prerequisites",
            "prereqs",
            "needs",
            "waits for",
            "wait for",
        ],
    ),
    (Label::Blocks, &["blocks", "unblocks", "required by", "needed by"]),
    (
        Label::Acceptance,
        &[
            "acceptance criteria",
            "acceptance criterion",
            "acceptance",
            "success criteria",
            "done when",
            "definition of done",
            "exit criteria",
            "criteria",
        ],
    ),
    (Label::Status, &["status", "state"]),
];

/// The label that a line begins with, and what follows it.
pub(super) fn label(line: &str) -> Option<(Label, &str)> {
    let text = after_markers(line);
    let is_heading = line.trim_start().starts_with('#');
    let (name, rest) = match text.split_once([':', '：']) {
        Some((name, rest)) => (name, rest),
        None if is_heading || is_bold(text) => (text, ""),
        None => return None,
    };
    let name = plain(name);
    let known = |(label, names): &(Label, &[&str])| names.contains(&&*name).then_some(*label);
    let found = LABELS.iter().find_map(known)?;
    Some((found, rest.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_'))))
}

/// A line without quote marks, heading signs, the sign or number of a list, and a check box.
pub(super) fn after_markers(line: &str) -> &str {
    let mut text = line.trim();
    while let Some(rest) = text.strip_prefix('>') {
        text = rest.trim_start();
    }
    text = text.trim_start_matches('#').trim_start();
    text = after_bullet(text).unwrap_or(text);
    check_box(text).map_or(text, |(_, rest)| rest)
}

/// What follows the sign or number of a list, where the line begins with one.
pub(super) fn after_bullet(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let rest = match text.strip_prefix(['-', '*', '+', '•']) {
        Some(rest) => rest,
        None => numbered(text)?.1,
    };
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| rest.trim_start())
}

/// `12. rest` or `12) rest`: the number, and what follows the sign.
pub(super) fn numbered(text: &str) -> Option<(&str, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let rest = text[digits..].strip_prefix(['.', ')'])?;
    ((1..=9).contains(&digits)).then_some((&text[..digits], rest))
}

/// `[ ] rest`: the sign in the box, and what follows it.
pub(super) fn check_box(text: &str) -> Option<(char, &str)> {
    let mut chars = text.strip_prefix('[')?.chars();
    let (sign, rest) = match chars.next()? {
        ']' => (' ', chars.as_str()),
        sign => (sign, chars.as_str().strip_prefix(']')?),
    };
    // A star after the box marks what is optional.
    let rest = rest.strip_prefix('*').unwrap_or(rest);
    let is_box = " xX-~!/>?✓✔✅".contains(sign) && (rest.is_empty() || rest.starts_with([' ', '\t']));
    is_box.then(|| (sign, rest.trim_start()))
}

fn is_bold(text: &str) -> bool {
    let inner = text.strip_prefix("**").or_else(|| text.strip_prefix("__"));
    inner.and_then(|inner| inner.strip_suffix("**").or_else(|| inner.strip_suffix("__"))).is_some()
}

/// Words without emphasis, in lower case, with single blanks.
pub(super) fn plain(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !matches!(c, '*' | '_' | '`' | '~')).collect();
    let kept = if text.contains("depends_on") { text.replace(['*', '`'], "") } else { kept };
    kept.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a heading is about that holds no tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    /// For `[context]`, under this key.
    Context(&'static str),
    /// What must be true in the end.
    Criteria,
    /// Who waits for whom.
    Dependencies,
    /// How to read the plan: nothing for an agent.
    Legend,
    Other,
}

const TOPICS: [(Topic, &[&str]); 9] = [
    (
        Topic::Criteria,
        &[
            "acceptance",
            "success criteria",
            "success metrics",
            "definition of done",
            "done when",
            "exit criteria",
            "checklist",
        ],
    ),
    (Topic::Dependencies, &["dependenc", "execution order", "parallel"]),
    (Topic::Legend, &["format", "table of contents", "contents", "legend", "status key"]),
    (
        Topic::Context("architecture"),
        &[
            "architecture",
            "design",
            "tech stack",
            "technology",
            "technical",
            "structure",
            "path conventions",
            "data model",
        ],
    ),
    (
        Topic::Context("requirements"),
        &["requirement", "constraint", "non-goal", "out of scope", "scope", "assumption", "risks"],
    ),
    (
        Topic::Context("guidance"),
        &["convention", "guideline", "guidance", "notes", "style", "principle", "best practice", "rules"],
    ),
    (Topic::Context("environment"), &["environment", "prerequisite", "tooling", "toolchain"]),
    (
        Topic::Context("background"),
        &[
            "overview",
            "introduction",
            "background",
            "goal",
            "summary",
            "context",
            "objective",
            "purpose",
            "description",
            "motivation",
            "problem",
            "about",
        ],
    ),
    (Topic::Other, &[]),
];

/// What the words of a heading say.
pub(super) fn topic(heading: &str) -> Topic {
    let words = plain(heading);
    let words = words.trim_start_matches(|c: char| !c.is_alphabetic());
    let begins = |(_, keys): &&(Topic, &[&str])| keys.iter().any(|key| words.starts_with(key));
    let has = |key: &&str| words.len() < 40 && words.contains(&format!(" {key}"));
    let ends = |(topic, keys): &&(Topic, &[&str])| *topic != Topic::Legend && keys.iter().any(has);
    let found = TOPICS.iter().find(begins).or_else(|| TOPICS.iter().find(ends));
    found.map_or(Topic::Other, |(topic, _)| *topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_in_all_their_clothes() {
        let table = [
            ("**Files:** `a.py`", Some((Label::Files, "`a.py`"))),
            ("- **Depends on**: T1, T2", Some((Label::Depends, "T1, T2"))),
            ("#### Acceptance Criteria", Some((Label::Acceptance, ""))),
            ("**Acceptance criteria**", Some((Label::Acceptance, ""))),
            ("  * Create: `x`", Some((Label::Creates, "`x`"))),
            ("Run: `cargo test`", Some((Label::Run, "`cargo test`"))),
            ("- [ ] Status: done", Some((Label::Status, "done"))),
            ("depends_on: [1.0]", Some((Label::Depends, "[1.0]"))),
            ("Create the file", None),
            ("**Goal:** x", None),
        ];
        for (line, expected) in table {
            assert_eq!(label(line), expected, "{line}");
        }
    }

    #[test]
    fn check_boxes_are_no_links() {
        assert_eq!(check_box("[ ] a"), Some((' ', "a")));
        assert_eq!(check_box("[X] a"), Some(('X', "a")));
        assert_eq!(check_box("[] a"), Some((' ', "a")));
        assert_eq!(check_box("[x](a)"), None);
        assert_eq!(check_box("[P] a"), None);
    }

    #[test]
    fn headings_have_topics() {
        let table = [
            ("Overview", Topic::Context("background")),
            ("2. Technical Design", Topic::Context("architecture")),
            ("✅ Success Criteria", Topic::Criteria),
            ("Dependencies & Execution Order", Topic::Dependencies),
            ("Format: `[ID] [P?]`", Topic::Legend),
            ("Implementation", Topic::Other),
            ("3. Update Transformation Agents", Topic::Other),
        ];
        for (heading, expected) in table {
            assert_eq!(topic(heading), expected, "{heading}");
        }
    }
}

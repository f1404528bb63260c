//! Paths and patterns as plans write them: relative to their file, kept inside the project, out of what is orca's.

use super::document::Place;
use super::reader::{Reader, quoted, shown};
use super::values::Text;
use crate::base::{Finding, PathError, Pattern, PatternError, PatternSet, RelPath, TaskName};

/// What orca writes about results, in the project's root: it changes with every one of them, and is about them.
pub const LOCK_FILE: &str = "orca.lock";

/// What a path is for, which decides what it may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Read only: may name plan files, may exclude.
    Input,
    /// Written as a whole.
    Output,
    /// Changed in place.
    Edit,
    /// Kept between runs.
    Scratch,
}

impl Use {
    fn writes(self) -> bool {
        self != Self::Input
    }
    fn key(self) -> &'static str {
        match self {
            Self::Input => "inputs",
            Self::Output => "outputs",
            Self::Edit => "edits",
            Self::Scratch => "scratch",
        }
    }
}

/// The patterns of a list; what is wrong is reported and left out.
pub(super) fn patterns(list: Option<&Vec<Text>>, usage: Use, reader: &mut Reader<'_>) -> PatternSet {
    let mut patterns = Vec::new();
    for text in list.into_iter().flatten() {
        patterns.extend(pattern(text, usage, reader));
    }
    PatternSet::new(patterns)
}

/// The literal paths of a list; a wildcard is reported.
pub(super) fn literals(list: Option<&Vec<Text>>, usage: Use, reader: &mut Reader<'_>) -> Vec<RelPath> {
    let mut paths = Vec::new();
    for text in list.into_iter().flatten() {
        paths.extend(literal(text, usage, reader));
    }
    paths.sort();
    paths.dedup();
    paths
}

/// A path without wildcards.
pub(super) fn literal(text: &Text, usage: Use, reader: &mut Reader<'_>) -> Option<RelPath> {
    let pattern = pattern(text, usage, reader)?;
    let literal = pattern.as_literal().filter(|_| !pattern.excludes());
    if literal.is_none() {
        let node = reader.id(text.at);
        let message = format!("{} is a wildcard where a path is expected", quoted(&text.value));
        reader.report(Finding::error("orca::plan::bad_pattern", message, node, "not a path"));
    }
    literal
}

/// One pattern, if it is one; what is wrong with it is reported.
pub(super) fn pattern(text: &Text, usage: Use, reader: &mut Reader<'_>) -> Option<Pattern> {
    let (sign, body) = match text.value.strip_prefix('!') {
        Some(body) => ("!", body),
        None => ("", &*text.value),
    };
    if !sign.is_empty() && usage != Use::Input {
        let message = format!("{} takes away, which only `inputs` can", quoted(&text.value));
        let help = format!("name in `{}` exactly what is meant", usage.key());
        let node = reader.id(text.at);
        reader.report(Finding::error("orca::plan::misplaced_exclusion", message, node, "starts with `!`").help(help));
        return None;
    }
    let is_at_root = !reader.document(text.at).path.as_str().contains('/');
    let pattern = match is_at_root && sign.is_empty() && !body.starts_with(['.', '/']) && !body.is_empty() {
        true => reader.pattern(body),
        false => join(reader.document(text.at).path.parent(), body)
            .map_err(PatternError::from)
            .and_then(|joined| reader.pattern(&format!("{sign}{joined}"))),
    };
    match pattern {
        Ok(pattern) => check_place(&pattern, text, usage, reader).then_some(pattern),
        Err(error) => {
            report_bad(text, &error, reader);
            None
        }
    }
}

/// The text relative to the project: leading `.` and `..` are resolved against the plan file's directory.
pub(super) fn join(directory: Option<RelPath>, text: &str) -> Result<String, PathError> {
    if text.starts_with('/') {
        return Err(PathError::Absolute);
    }
    let mut above: Vec<&str> = directory.iter().flat_map(|directory| directory.as_str().split('/')).collect();
    let mut rest = text;
    loop {
        let (head, tail) = rest.split_once('/').unwrap_or((rest, ""));
        match head {
            ".." => {
                above.pop().ok_or(PathError::Escapes)?;
            }
            "." => {}
            _ => break,
        }
        rest = tail;
    }
    if text.is_empty() {
        return Err(PathError::Empty);
    }
    above.push(rest);
    Ok(above.join("/"))
}

fn report_bad(text: &Text, error: &PatternError, reader: &mut Reader<'_>) {
    let node = reader.id(text.at);
    let shown_text = quoted(&text.value);
    reader.report(match error {
        PatternError::Path(PathError::Escapes | PathError::Absolute) => {
            let message = format!("{shown_text} leads out of the project");
            Finding::error("orca::plan::path_outside", message, node, "outside")
                .help("name files by paths inside the project, relative to the plan file")
        }
        PatternError::Path(error) => {
            Finding::error("orca::plan::bad_path", format!("{shown_text} is no path: {error}"), node, "not a path")
        }
        error => {
            let message = format!("{shown_text} is no pattern: {error}");
            Finding::error("orca::plan::bad_pattern", message, node, "not a pattern")
                .help("`*` and `?` stay in one directory, `**` spans them, `[a-z]` is a class, `{a,b}` a choice")
        }
    });
}

/// Whether the pattern keeps out of `.git` and `.orca`, and a written one out of the plan's own files.
fn check_place(pattern: &Pattern, text: &Text, usage: Use, reader: &mut Reader<'_>) -> bool {
    let reserved =
        pattern.as_str().split('/').find(|part| [".git", ".orca"].iter().any(|name| part.eq_ignore_ascii_case(name)));
    if let Some(part) = reserved {
        let message = format!("{} enters `{}`, which belongs to no task", quoted(&text.value), shown(part));
        let node = reader.id(text.at);
        reader.report(Finding::error("orca::plan::reserved_path", message, node, "reserved"));
        return false;
    }
    let names_lock = match pattern.literal_path() {
        Some(path) => path
            .as_str()
            .strip_prefix(LOCK_FILE)
            .is_some_and(|rest| rest.is_empty() || usage.writes() && rest.starts_with('/')),
        None => usage == Use::Output && RelPath::new(LOCK_FILE).is_ok_and(|lock| pattern.matches(&lock)),
    };
    if names_lock && !pattern.excludes() {
        let message =
            format!("{} names `{LOCK_FILE}`, which is orca's: no task sees it or writes it", quoted(&text.value));
        let node = reader.id(text.at);
        let help = format!("take it out of `{}`", usage.key());
        reader.report(Finding::error("orca::plan::lock_file", message, node, "the lock").help(help));
        return false;
    }
    if !usage.writes() {
        return true;
    }
    let hit = match pattern.literal_path() {
        Some(path) => reader.plan_file_meeting(path),
        None if usage == Use::Output => {
            reader.documents().iter().map(|d| &d.path).find(|path| pattern.matches(path)).map(RelPath::as_str)
        }
        None => None,
    };
    if let Some(file) = hit {
        let message = format!("{} covers the plan file `{file}`, which no task may write", quoted(&text.value));
        let node = reader.id(text.at);
        let help = format!("take it out of `{}`", usage.key());
        reader.report(Finding::error("orca::plan::plan_file", message, node, "the plan itself").help(help));
        return false;
    }
    true
}

/// Reports inputs that are the task's own outputs: they are no source, so the task would never see them. A wildcard may
/// cover both. `read` is what the inputs say.
pub(super) fn check_own_outputs(
    inputs: Option<&Vec<Text>>,
    read: &PatternSet,
    outputs: &PatternSet,
    task: &TaskName,
    reader: &mut Reader<'_>,
) {
    let is_own = |input: &Pattern, output: &Pattern| match input.literal_path() {
        Some(path) => output.matches(path),
        None => output.as_str() == input.as_str(),
    };
    let mut adding = read.iter().filter(|input| !input.excludes());
    if !adding.any(|input| outputs.iter().any(|output| is_own(input, output))) {
        return;
    }
    for text in inputs.into_iter().flatten().filter(|text| !text.value.starts_with('!')) {
        let joined = join(reader.document(text.at).path.parent(), &text.value).unwrap_or_default();
        let Ok(input) = Pattern::new(&joined) else { continue };
        if !outputs.iter().any(|output| is_own(&input, output)) {
            continue;
        }
        let message =
            format!("{} is an output of the task `{task}` itself, which begins without it", quoted(&text.value));
        let finding = Finding::error("orca::plan::own_output", message, reader.id(text.at), "never there");
        reader
            .report(finding.help("take it out of `inputs`; a file that is changed in place belongs in `edits` alone"));
    }
}

/// Reports declared files that lie in the task's scratch directories.
pub(super) fn check_scratch(
    scratch: &[RelPath],
    declared: [Option<&Vec<Text>>; 3],
    task: Place,
    reader: &mut Reader<'_>,
) {
    if scratch.is_empty() {
        return;
    }
    for text in declared.into_iter().flatten().flatten().filter(|text| !text.value.starts_with('!')) {
        let joined = join(reader.document(text.at).path.parent(), &text.value).unwrap_or_default();
        let base = Pattern::new(&joined).ok().and_then(|pattern| RelPath::new(&pattern.base()).ok());
        let Some(clash) = base.and_then(|base| scratch.iter().find(|scratch| base.is_within(scratch))) else {
            continue;
        };
        let message = format!("{} lies in the scratch directory `{clash}`", quoted(&text.value));
        let finding = Finding::error("orca::plan::scratch_overlap", message, reader.id(text.at), "declared here")
            .help("scratch is neither read nor published: keep declared files out of it");
        let declared = reader.child(task, "scratch").map(|place| reader.key_id(place));
        reader.report(match declared {
            Some(key) => finding.and(key, "scratch declared here"),
            None => finding,
        });
    }
}

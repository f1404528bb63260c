//! The names a plan declares, and the resolving of names that it uses.

use std::collections::BTreeMap;

use super::document::Place;
use super::reader::{Reader, shown};
use super::values::Text;
use crate::base::{Finding, Name};

/// What a name can be the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Task,
    Gate,
    Agent,
    Pool,
    Toolchain,
    Template,
}

/// Toolchains that need no table.
pub(super) const TOOLCHAIN_PRESETS: [&str; 5] = ["rust", "python", "node", "go", "java"];

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Gate => "gate",
            Self::Agent => "agent",
            Self::Pool => "pool",
            Self::Toolchain => "toolchain",
            Self::Template => "template",
        }
    }

    /// The table of the plan that declares such names.
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Task => "tasks",
            Self::Gate => "gates",
            Self::Agent => "agents",
            Self::Pool => "pools",
            Self::Toolchain => "toolchains",
            Self::Template => "templates",
        }
    }

    fn unknown_code(self) -> &'static str {
        match self {
            Self::Task => "orca::plan::unknown_task",
            Self::Gate => "orca::plan::unknown_gate",
            Self::Agent => "orca::plan::unknown_agent",
            Self::Pool => "orca::plan::unknown_pool",
            Self::Toolchain => "orca::plan::unknown_toolchain",
            Self::Template => "orca::plan::unknown_template",
        }
    }

    fn presets(self) -> &'static [&'static str] {
        if self == Self::Toolchain { &TOOLCHAIN_PRESETS } else { &[] }
    }
}

/// The names of one kind, with where each was declared: also those whose definition is wrong.
#[derive(Debug)]
pub(super) struct Names {
    kind: Kind,
    declared: BTreeMap<String, Place>,
}

impl Names {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, declared: BTreeMap::new() }
    }

    /// Adds a name; `false` and a finding where another file has it already.
    pub(super) fn declare(&mut self, name: &str, place: Place, reader: &mut Reader<'_>) -> bool {
        let Some(first) = self.declared.get(name).copied() else {
            self.declared.insert(name.to_owned(), place);
            return true;
        };
        let word = self.kind.word();
        let code = if self.kind == Kind::Task { "orca::plan::duplicate_task" } else { "orca::plan::duplicate_name" };
        let message = format!("the {word} `{}` is declared twice", shown(name));
        let (here, there) = (reader.key_id(place), reader.key_id(first));
        let finding = Finding::error(code, message, here, "declared again here").and(there, "first declared here");
        reader.report(finding.help(format!("rename one of them; all files of a plan share their {word} names")));
        false
    }

    pub(super) fn get(&self, name: &str) -> Option<Place> {
        self.declared.get(name).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Place)> {
        self.declared.iter().map(|(name, place)| (&**name, *place))
    }

    /// The name as a checked name, if it is declared or a preset; else nothing and a finding.
    pub(super) fn resolve(&self, text: &Text, reader: &mut Reader<'_>) -> Option<Name> {
        if self.declared.contains_key(&text.value) || self.kind.presets().contains(&&*text.value) {
            return Name::new(&text.value).ok();
        }
        self.report_unknown(text, reader);
        None
    }

    /// As [`Names::resolve`] for a list.
    pub(super) fn resolve_all(&self, list: Option<&Vec<Text>>, reader: &mut Reader<'_>) -> Vec<Name> {
        let mut names: Vec<Name> = Vec::new();
        for text in list.into_iter().flatten() {
            if let Some(name) = self.resolve(text, reader)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    pub(super) fn report_unknown(&self, text: &Text, reader: &mut Reader<'_>) {
        let word = self.kind.word();
        let known = || self.declared.keys().map(String::as_str).chain(self.kind.presets().iter().copied());
        let help = match reader.suggest(&text.value, known()) {
            Some(near) => format!("did you mean `{}`?", shown(near)),
            None if known().next().is_none() => format!("the plan declares no {word}; add [{word}s.NAME]"),
            None => format!("known {word}s: {}", listed(known())),
        };
        let node = reader.id(text.at);
        let message = format!("there is no {word} `{}`", shown(&text.value));
        reader.report(Finding::error(self.kind.unknown_code(), message, node, "unknown").help(help));
    }
}

/// Some names and how many more there are.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN_MAX: usize = 8;
    let names: Vec<&str> = names.collect();
    let mut text = names.iter().take(SHOWN_MAX).map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", names.len() - SHOWN_MAX));
    }
    text
}

/// The key as a name; nothing and a finding if it is unsafe as a file name, branch or URL.
pub(super) fn checked_name(place: Place, reader: &mut Reader<'_>) -> Option<Name> {
    match Name::new(reader.key(place)) {
        Ok(name) => Some(name),
        Err(error) => {
            report_bad_name(reader.key(place), &error.to_string(), place, reader);
            None
        }
    }
}

fn report_bad_name(text: &str, error: &str, place: Place, reader: &mut Reader<'_>) {
    let node = reader.key_id(place);
    let finding =
        Finding::error("orca::plan::bad_name", format!("`{}` is no name: {error}", shown(text)), node, "not a name");
    let safe = safe_name(text);
    reader.report(match safe.is_empty() {
        true => finding,
        false => finding.help(format!("for example `{safe}`")),
    });
}

/// What is left of a text when everything unsafe is replaced.
pub(super) fn safe_name(text: &str) -> String {
    let safe: String =
        text.chars().take(60).map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    safe.trim_matches('-').to_owned()
}

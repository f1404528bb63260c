//! Templates: chains of inheritance, the parameters a chain wants, and what a template's text may mention.

use std::collections::BTreeMap;

use super::document::{Document, Place, Value};
use super::format::RawTask;
use super::names::{Kind, Names, checked_name};
use super::reader::{Reader, Strings, shown};
use super::scope::{check_template, is_template};
use super::values::{Params, Read, Text};
use crate::base::Finding;

/// All templates of a plan, checked once where they are written.
pub(super) struct Templates {
    pub(super) names: Names,
    chains: BTreeMap<String, Chain>,
}

/// A template with all that it inherits.
#[derive(Debug, Clone, Default)]
pub(super) struct Chain {
    /// The tables, the template's own first.
    pub(super) tables: Vec<Place>,
    /// Parameters of the whole chain, with where each is named.
    pub(super) params: BTreeMap<String, Place>,
}

/// What one template says about itself.
struct Header {
    at: Place,
    parent: Option<Text>,
    params: Vec<Text>,
}

impl Templates {
    /// Reads and checks every template.
    pub(super) fn new(declared: &[Place], reader: &mut Reader<'_>) -> Self {
        let mut names = Names::new(Kind::Template);
        let mut headers = BTreeMap::new();
        for at in declared {
            let name = reader.key(*at);
            if names.declare(name, *at, reader) {
                checked_name(*at, reader);
                headers.insert(name.to_owned(), header(*at, reader));
            }
        }
        let chains: BTreeMap<String, Chain> =
            headers.keys().filter_map(|name| Some((name.clone(), chain(name, &headers, &names, reader)?))).collect();
        for (name, header) in &headers {
            if let Some(chain) = chains.get(name) {
                check_texts(header.at, chain, reader);
            }
        }
        Self { names, chains }
    }

    /// The chain that begins with the template a task names; nothing where it is unknown or leads in a circle.
    pub(super) fn chain(&self, text: &Text, reader: &mut Reader<'_>) -> Option<&Chain> {
        if self.names.get(&text.value).is_none() {
            self.names.report_unknown(text, reader);
        }
        self.chains.get(&text.value)
    }
}

fn header(at: Place, reader: &mut Reader<'_>) -> Header {
    reader.strings = Strings::Opaque;
    let raw = RawTask::read(at, reader);
    reader.strings = Strings::Plain;
    let (parent, params) = raw.map(|raw| (raw.template, raw.params)).unwrap_or_default();
    let params = match params {
        Some(Params::Names(_, names)) => names.into_iter().filter(|name| is_parameter(name, reader)).collect(),
        Some(Params::Values(at, _)) => {
            let help = "params = [\"path\"]; tasks give the values".to_owned();
            reader.wrong_type(at, "an array of names in a template", Some(help));
            Vec::new()
        }
        None => Vec::new(),
    };
    Header { at, parent, params }
}

fn is_parameter(text: &Text, reader: &mut Reader<'_>) -> bool {
    let name = &text.value;
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_word = name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_taken =
        ["matrix", "task", "loop", "range", "true", "false", "none", "not", "and", "or", "in", "is", "if", "else"];
    if starts_well && is_word && !is_taken.contains(&&**name) {
        return true;
    }
    let node = reader.id(text.at);
    let message = format!("`{}` cannot be the name of a parameter", shown(name));
    let finding = Finding::error("orca::plan::bad_name", message, node, "not a name");
    reader.report(finding.help("a parameter has letters, digits and `_`, and is no word of the template language"));
    false
}

/// Follows `template` from one template to the next.
fn chain(start: &str, headers: &BTreeMap<String, Header>, names: &Names, reader: &mut Reader<'_>) -> Option<Chain> {
    const DEPTH_MAX: usize = 64;
    let mut chain = Chain::default();
    let mut way: Vec<&str> = Vec::new();
    let mut name = start;
    loop {
        let (key, header) = headers.get_key_value(name)?;
        if way.contains(&&**key) || way.len() >= DEPTH_MAX {
            report_circle(&way, name, start, headers, reader);
            return None;
        }
        way.push(key);
        chain.tables.push(header.at);
        for param in &header.params {
            chain.params.entry(param.value.clone()).or_insert(param.at);
        }
        match &header.parent {
            None => return Some(chain),
            Some(parent) if names.get(&parent.value).is_none() => {
                names.report_unknown(parent, reader);
                return None;
            }
            Some(parent) => name = &parent.value,
        }
    }
}

/// Reports a circle once: from the template in it that comes first by name.
fn report_circle(way: &[&str], again: &str, start: &str, headers: &BTreeMap<String, Header>, reader: &mut Reader<'_>) {
    const SHOWN_MAX: usize = 12;
    let Some(begin) = way.iter().position(|name| *name == again) else {
        let node = reader.key_id(headers[start].at);
        let message = format!("the template `{}` inherits through more than 64 others", shown(start));
        reader.report(Finding::error("orca::plan::template_cycle", message, node, "too deep"));
        return;
    };
    let circle = &way[begin..];
    if circle.iter().min() != Some(&start) {
        return;
    }
    let shown_way: Vec<String> = circle.iter().chain([&again]).take(SHOWN_MAX).map(|name| shown(name)).collect();
    let message = format!("templates inherit in a circle: {}", shown_way.join(" -> "));
    let nodes: Vec<_> =
        circle.iter().filter_map(|name| headers[*name].parent.as_ref()).map(|parent| reader.id(parent.at)).collect();
    let mut nodes = nodes.into_iter().take(SHOWN_MAX);
    let Some(first) = nodes.next() else { return };
    let finding = Finding::error("orca::plan::template_cycle", message, first, "inherits");
    let finding = nodes.fold(finding, |finding, node| finding.and(node, "inherits"));
    reader.report(finding.help("remove `template` from one of them"));
}

/// Checks every string of a template: its syntax, and that it mentions only what a task can give.
fn check_texts(table: Place, chain: &Chain, reader: &mut Reader<'_>) {
    let mut known: Vec<&str> = chain.params.keys().map(String::as_str).collect();
    known.extend(["task", "matrix"]);
    let document = reader.document(table);
    let mut open = vec![table.index];
    while let Some(index) = open.pop() {
        match &document.node(index).value {
            Value::String(held) if is_template(document.held(held)) && !names_or_template(document, index, table) => {
                check_template(document.held(held), Place { index, ..table }, &known, reader);
            }
            Value::Array(children) | Value::Table(children) => open.extend(children.clone()),
            _ => {}
        }
    }
}

/// Whether a string is one that is never rendered: `template`, `params`, `matrix`.
fn names_or_template(document: &Document, mut index: u32, table: Place) -> bool {
    while document.node(index).parent != table.index {
        index = document.node(index).parent;
    }
    ["template", "params", "matrix"].iter().any(|key| document.child(table.index, key) == Some(index))
}

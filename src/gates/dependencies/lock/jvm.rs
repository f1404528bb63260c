//! Java's: `gradle.lockfile`, and what a `pom.xml` says letter by letter. What a parent, an import or a range would bring is not
//! known from the file alone.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};

use super::number;
use crate::base::{bounded, sanitize_line};
use crate::gates::dependencies::package::{Ecosystem, Package};
use crate::gates::locate::LineIndex;

/// Nodes of one `pom.xml`.
const NODES_MAX: u32 = 200_000;
/// Properties that stand for others.
const NESTED_MAX: usize = 8;

pub(super) fn gradle(text: &str) -> Result<Vec<Package>, String> {
    let mut packages = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("empty=") {
            continue;
        }
        let parts: Vec<&str> = line.split('=').next().unwrap_or_default().split(':').collect();
        let [group, artifact, version] = parts.as_slice() else {
            return Err(format!("line {}: it is not `group:artifact:version=...`", nth + 1));
        };
        packages.push(Package::new(Ecosystem::Maven, &format!("{group}:{artifact}"), version, number(nth)));
    }
    Ok(packages)
}

pub(super) fn pom(text: &str) -> Result<Vec<Package>, String> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| sanitize_line(&bounded(&error.to_string(), 300)))?;
    let project = document.root_element();
    let properties = properties(project);
    let index = LineIndex::new(text);
    let dependencies = project.descendants().filter(|node| {
        let parent = node.parent().map(|parent| parent.tag_name().name());
        let name = node.tag_name().name();
        name == "dependency" && parent == Some("dependencies") || name == "plugin" && parent == Some("plugins")
    });
    let package = |node: Node<'_, '_>| {
        let of = |name| child(node, name).and_then(|text| resolved(text, &properties));
        let default = (node.tag_name().name() == "plugin").then(|| "org.apache.maven.plugins".to_owned());
        let (group, artifact, version) = (of("groupId").or(default)?, of("artifactId")?, of("version")?);
        // A range is settled when the project is built.
        let is_range = version.contains(['[', '(', ',']);
        let line = index.position(node.range().start).0;
        (!is_range).then(|| Package::new(Ecosystem::Maven, &format!("{group}:{artifact}"), &version, line))
    };
    Ok(dependencies.filter_map(package).collect())
}

fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let found = node.children().find(|child| child.tag_name().name() == name)?;
    found.text().map(str::trim).filter(|text| !text.is_empty())
}

fn properties<'a>(project: Node<'a, '_>) -> BTreeMap<String, &'a str> {
    let mut known = BTreeMap::new();
    for name in ["version", "groupId"] {
        if let Some(text) = child(project, name) {
            known.insert(format!("project.{name}"), text);
        }
    }
    let table = project.children().find(|node| node.tag_name().name() == "properties");
    for node in table.iter().flat_map(|table| table.children()).filter(Node::is_element) {
        if let Some(text) = node.text() {
            known.insert(node.tag_name().name().to_owned(), text.trim());
        }
    }
    known
}

/// A text with its property put in; `None` where it is not known here.
fn resolved(text: &str, properties: &BTreeMap<String, &str>) -> Option<String> {
    let mut text = text;
    for _ in 0..NESTED_MAX {
        match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => text = properties.get(name)?,
            None => break,
        }
    }
    (!text.contains("${")).then(|| text.to_owned())
}

//! What names from elsewhere are called in full: `from os import system as run` makes `run` be `os.system`.

use tree_sitter::Node;

use super::rule::unquoted;
use super::value::Scopes;

/// Names that one import brings.
const NAMES_MAX: usize = 100;

/// Learns the names that an import brings.
pub(super) fn aliases(scopes: &mut Scopes<'_>, node: Node<'_>) {
    match node.kind() {
        "import_from_statement" => {
            let module = node.child_by_field_name("module_name").map_or("", |name| scopes.source(name)).to_owned();
            for name in children(node, "name") {
                learn(scopes, name, &format!("{module}."));
            }
        }
        // Python's and JavaScript's are called the same.
        "import_statement" => match node.child_by_field_name("source") {
            Some(source) => clause(scopes, node, source),
            None => {
                for name in children(node, "name") {
                    learn(scopes, name, "");
                }
            }
        },
        "import_spec" => {
            let (Some(name), Some(path)) = (node.child_by_field_name("name"), node.child_by_field_name("path")) else {
                return;
            };
            let path = unquoted(scopes.source(path)).unwrap_or_default();
            let package = path.rsplit('/').next().unwrap_or_default().to_owned();
            scopes.aliases.insert(scopes.source(name).to_owned(), package);
        }
        _ => {}
    }
}

/// `import a.b as c`, or one of `from x import a as b`.
fn learn(scopes: &mut Scopes<'_>, name: Node<'_>, start: &str) {
    let (full, short) = match (name.child_by_field_name("name"), name.child_by_field_name("alias")) {
        (Some(full), Some(short)) => (scopes.source(full), scopes.source(short)),
        _ => (scopes.source(name), scopes.source(name)),
    };
    let full = format!("{start}{full}");
    // Those of these modules are known by their last words.
    let short_start = [
        "Crypto.Cipher.",
        "Cryptodome.Cipher.",
        "cryptography.hazmat.primitives.ciphers.",
        "sqlalchemy.",
        "flask.",
        "pathlib.",
    ];
    let full = short_start.iter().find_map(|start| full.strip_prefix(start)).unwrap_or(&full).to_owned();
    if full != short {
        scopes.aliases.insert(short.to_owned(), full);
    }
}

/// `import a, { b as c } from "d"` and `import * as a from "d"`.
fn clause(scopes: &mut Scopes<'_>, node: Node<'_>, source: Node<'_>) {
    let module = module(scopes.source(source));
    let mut open: Vec<Node<'_>> = Vec::new();
    let mut cursor = node.walk();
    open.extend(node.named_children(&mut cursor).filter(|child| child.kind() == "import_clause"));
    let mut left = NAMES_MAX;
    while let Some(node) = open.pop().filter(|_| left > 0) {
        left -= 1;
        match node.kind() {
            "import_clause" | "named_imports" | "namespace_import" => {
                let mut cursor = node.walk();
                open.extend(node.named_children(&mut cursor).take(NAMES_MAX));
            }
            "import_specifier" => {
                let name = node.child_by_field_name("name");
                let short = node.child_by_field_name("alias").or(name);
                if let (Some(name), Some(short)) = (name, short) {
                    let full = format!("{module}.{}", scopes.source(name));
                    scopes.aliases.insert(scopes.source(short).to_owned(), full);
                }
            }
            "identifier" => {
                scopes.aliases.insert(scopes.source(node).to_owned(), module.clone());
            }
            _ => {}
        }
    }
}

/// `const { exec: run } = require("child_process")`, `const cp = require(...)` and `const run = promisify(exec)`.
pub(super) fn required(scopes: &mut Scopes<'_>, left: Node<'_>, right: Node<'_>) {
    if right.kind() != "call_expression" {
        return;
    }
    let callee = right.child_by_field_name("function").map_or("", |callee| scopes.source(callee));
    let argument = right.child_by_field_name("arguments").and_then(|list| list.named_child(0));
    let Some(argument) = argument else { return };
    let full = match callee {
        "require" => module(scopes.source(argument)),
        "promisify" | "util.promisify" => match scopes.path(argument) {
            Some(path) => path,
            None => return,
        },
        _ => return,
    };
    if left.kind() == "identifier" {
        scopes.aliases.insert(scopes.source(left).to_owned(), full);
        return;
    }
    let mut cursor = left.walk();
    for part in left.named_children(&mut cursor).take(NAMES_MAX) {
        let (name, short) = match part.kind() {
            "shorthand_property_identifier_pattern" => (part, part),
            "pair_pattern" => match (part.child_by_field_name("key"), part.child_by_field_name("value")) {
                (Some(key), Some(value)) => (key, value),
                _ => continue,
            },
            _ => continue,
        };
        let full = format!("{full}.{}", scopes.source(name));
        scopes.aliases.insert(scopes.source(short).to_owned(), full);
    }
}

fn module(quoted: &str) -> String {
    let name = unquoted(quoted).unwrap_or_default();
    name.strip_prefix("node:").unwrap_or(name).to_owned()
}

fn children<'t>(node: Node<'t>, field: &str) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.children_by_field_name(field, &mut cursor).take(NAMES_MAX).collect()
}

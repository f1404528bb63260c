//! `orca schema` and `orca.toml.example` say the same: the example is valid, and shows every key there is.

use std::collections::BTreeSet;

use orca::base::{FileId, RelPath};
use orca::graph::Graph;
use orca::plan::{json_schema, lower, parse};
use serde_json::Value;

const EXAMPLE: &str = include_str!("../orca.toml.example");

fn example() -> Value {
    let table: toml::Table = toml::from_str(EXAMPLE).expect("the example is TOML");
    serde_json::to_value(table).expect("TOML without dates is JSON")
}

#[test]
fn the_example_has_no_finding() {
    let path = RelPath::new("orca.toml").expect("a path");
    let (document, syntax) = parse(FileId(0), path, EXAMPLE.into());
    assert_eq!(syntax, []);
    let (plan, findings) = lower(&[document]);
    assert_eq!(findings, []);
    assert_eq!(Graph::build(&plan).1, []);
    assert!(plan.tasks.len() >= 5);
}

#[test]
fn the_example_satisfies_the_schema() {
    let validator = jsonschema::validator_for(&json_schema()).expect("the schema is a schema");
    let errors: Vec<String> =
        validator.iter_errors(&example()).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_schema_refuses_what_orca_refuses() {
    let validator = jsonschema::validator_for(&json_schema()).expect("the schema is a schema");
    let table = [
        "[tasks.a]\nrum = 'x'",
        "[tasks.a]\nrun = 5",
        "[tasks.a]\nrun = 'x'\ninputs = 'x'",
        "[tasks.a]\nrun = 'x'\nsandbox = 'maybe'",
        "[tasks.a]\nrun = 'x'\nretry = { attempts = 0 }",
        "[tasks.a]\nrun = 'x'\ntimeout = 20",
        "[limits]\njobs = 0",
        "[limits]\njobs = 'many'",
        "[limits]\ncost_usd_max = -1",
        "[context]\na = { path = 'x' }",
        "tasks = []",
        "[agents.a]\npreset = 'gpt'",
    ];
    for text in table {
        let path = RelPath::new("orca.toml").expect("a path");
        let (document, _) = parse(FileId(0), path, text.into());
        let (_, findings) = lower(&[document]);
        assert!(findings.iter().any(|finding| finding.code != "orca::plan::no_tasks"), "orca takes {text}");
        let value: toml::Table = toml::from_str(text).expect("TOML");
        let value = serde_json::to_value(value).expect("JSON");
        assert!(!validator.is_valid(&value), "the schema takes {text}");
    }
}

/// Follows `$ref`s of a schema.
fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => resolved(root, root.pointer(&reference[1..]).expect("a reference leads somewhere")),
        None => schema,
    }
}

/// The schemas of tables with fixed keys that a value meets, with its keys.
fn seen(root: &Value, schema: &Value, value: &Value, keys: &mut BTreeSet<(String, String)>) {
    let name = schema.get("$ref").and_then(Value::as_str).unwrap_or("#").to_owned();
    let schema = resolved(root, schema);
    for alternative in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        seen(root, alternative, value, keys);
    }
    if let (Some(items), Some(elements)) = (schema.get("items"), value.as_array()) {
        elements.iter().for_each(|element| seen(root, items, element, keys));
    }
    for (key, child) in value.as_object().into_iter().flatten() {
        if let Some(property) = schema.get("properties").and_then(|properties| properties.get(key)) {
            keys.insert((name.clone(), key.clone()));
            seen(root, property, child, keys);
        } else if let Some(entry) = schema.get("additionalProperties").filter(|entry| entry.is_object()) {
            seen(root, entry, child, keys);
        }
    }
}

#[test]
fn every_key_of_the_schema_occurs_in_the_example() {
    let root = json_schema();
    let mut shown = BTreeSet::new();
    seen(&root, &root, &example(), &mut shown);
    let definitions = root["$defs"].as_object().expect("definitions");
    let named = definitions.iter().map(|(name, schema)| (format!("#/$defs/{name}"), schema));
    let mut all = BTreeSet::new();
    for (name, schema) in named.chain([("#".to_owned(), &root)]) {
        for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 5), "{name} {key}: described");
            all.insert((name.clone(), key.clone()));
        }
    }
    assert!(all.len() > 80, "the walk found the keys: {}", all.len());
    let missing: Vec<_> = all.difference(&shown).collect();
    assert!(missing.is_empty(), "not in orca.toml.example: {missing:?}");
}

/// The words that a schema allows somewhere.
fn words_of<'s>(schema: &'s Value, words: &mut BTreeSet<&'s str>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| words_of(item, words)),
        Value::Object(entries) => {
            words.extend(entries.get("const").and_then(Value::as_str).filter(|word| *word != "auto"));
            let listed = entries.get("enum").and_then(Value::as_array);
            words.extend(listed.into_iter().flatten().filter_map(Value::as_str));
            entries.values().for_each(|value| words_of(value, words));
        }
        _ => {}
    }
}

#[test]
fn every_key_of_the_schema_occurs_on_the_page_of_the_plan() {
    let page = include_str!("../docs/plan.md");
    let quoted: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    let root = json_schema();
    let definitions = root["$defs"].as_object().expect("definitions");
    let tables = definitions.values().chain([&root]);
    let keys = tables.flat_map(|table| table.get("properties").and_then(Value::as_object)).flat_map(|keys| keys.keys());
    let missing: BTreeSet<&String> = keys.filter(|key| !quoted.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/plan.md: {missing:?}");
    let mut words = BTreeSet::new();
    words_of(&root, &mut words);
    assert!(words.contains("missing-output") && words.contains("discard"), "{words:?}");
    let missing: BTreeSet<&&str> = words.iter().filter(|word| !quoted.contains(*word)).collect();
    assert!(missing.is_empty(), "not in docs/plan.md: {missing:?}");
}

#[test]
fn defaults_are_stated_where_they_are_looked_for() {
    let default = orca::plan::Retry::default();
    let words: Vec<String> = default.on.iter().map(|kind| serde_json::to_string(kind).expect("a word")).collect();
    let list = format!("[{}]", words.join(", "));
    assert!(include_str!("../docs/plan.md").contains(&format!("| `{list}` |")), "{list}");
    assert!(EXAMPLE.contains(&format!("on = {list}")), "{list}");
    let schema = json_schema().to_string();
    for text in ["Default: crash, timeout, rate-limit and gate.", "Default: 256MiB.", "Default: 16MiB."] {
        assert!(schema.contains(text), "{text}");
    }
}

//! The check `schema`: a schema that cannot judge is broken and never green, nothing is fetched, and findings stand where the
//! value does.
#![expect(clippy::disallowed_methods, reason = "a file that must not be read is written")]

use std::collections::BTreeMap;

use orca::base::{BlobDigest, Entry, RelPath, Tree};
use orca::gates::{ChangedFile, CheckContext, Content, Judged, Options, Part, PartStatus, Protected, check};
use orca::plan::{Check, Level};
use serde_json::json;

/// Judges `data` in a new file `name` by the schema that the base has.
fn judge(schema: Option<&str>, name: &str, data: &str) -> Part {
    let entry = |text: &str| {
        let (digest, size_bytes) = (BlobDigest::of(text.as_bytes()), text.len() as u64);
        Entry::File { digest, size_bytes, executable: false }
    };
    let path = |text: &str| RelPath::new(text).expect("a path");
    let base: Tree = schema.iter().map(|text| (path("s.json"), entry(text))).collect();
    let mut result = base.clone();
    result.insert(path(name), entry(data));
    let after = Content::File { bytes: data.as_bytes().into(), executable: false };
    let read = |file: &RelPath| schema.filter(|_| file.as_str() == "s.json").map(|text| text.as_bytes().into());
    let protected = Protected::default();
    let changed = vec![ChangedFile::new(path(name), Content::Absent, after)];
    let judged = Judged { task: None, base: &base, result: &result, changed, protected: &protected, read: &read };
    let options = BTreeMap::from([("schema".to_owned(), json!("s.json")), ("files".to_owned(), json!([name]))]);
    let context = CheckContext { options: Options::new(&options), level: Level::Standard, database: None };
    check(Check::Schema, &judged, &context).remove(0)
}

#[test]
fn a_schema_that_cannot_judge_is_broken() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("other.json");
    std::fs::write(&file, "true").expect("written");
    let local = format!("{{ \"$ref\": \"file://{}\" }}", file.display());
    let table = [
        (None, "not there"),
        (Some("{ nope"), "cannot be read"),
        (Some("{ \"type\": 5 }"), "is none"),
        (Some("{ \"$ref\": \"http://127.0.0.1:9/x.json\" }"), "127.0.0.1"),
        (Some(local.as_str()), "other.json"),
        (Some("{ \"pattern\": \"(?=a)b\" }"), "is none"),
    ];
    for (schema, expected) in table {
        let part = judge(schema, "a.json", "{}");
        match &part.status {
            PartStatus::Broke(why) => assert!(why.contains(expected), "{schema:?}: {why}"),
            other => panic!("{schema:?}: {other:?}"),
        }
    }
}

#[test]
fn findings_stand_where_the_value_does() {
    let schema = r#"{ "properties": { "a": { "items": { "type": "integer" } }, "7": { "type": "null" } } }"#;
    let table = [
        ("a.json", "{\n  \"a\": [1,\n    2.5, 3],\n  \"7\": 1\n}\n", vec![(4, 8), (3, 5)]),
        ("a.toml", "x = 1\na = [\n  1,\n  'b',\n]\n", vec![(4, 3)]),
        ("a.jsonl", "{ \"a\": [1] }\n{ \"a\": [\"é\", 2.5] }\n", vec![(2, 9), (2, 14)]),
    ];
    for (name, data, expected) in table {
        let part = judge(Some(schema), name, data);
        let mut places: Vec<_> =
            part.findings.iter().map(|one| (one.line.expect("a line"), one.column.expect("a column"))).collect();
        places.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(places, expected, "{name}: {:#?}", part.findings);
    }
}

#[test]
fn hostile_data_comes_back() {
    let schema = r##"{ "items": { "pattern": "^(a+)+$" }, "$defs": { "n": { "items": { "$ref": "#/$defs/n" } } }, "allOf": [{ "$ref": "#/$defs/n" }] }"##;
    let deep = "[".repeat(100_000);
    let slow = format!("[\"{}b\"]", "a".repeat(100_000));
    let many = format!("[{}1]", "\"b\",".repeat(100_000));
    for data in [deep, slow, many, "[".repeat(100) + &"]".repeat(100), "\0".to_owned(), String::new()] {
        let part = judge(Some(schema), "a.json", &data);
        assert!(part.findings.len() <= 20, "{}", part.findings.len());
        let _ = judge(Some(schema), "a.jsonl", &data);
        let _ = judge(Some(schema), "a.toml", &data);
    }
}

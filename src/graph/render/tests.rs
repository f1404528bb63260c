//! What the pictures look like, and that hostile texts stay texts.

use crate::base::TaskName;
use crate::plan::EdgeChange;

use super::*;
use crate::graph::sketch::{override_edge, plan};
use crate::graph::{Graph, TaskState};

const HOSTILE: &str = "\"];evil[label=\"x\\\" --> <script>\x1b[31m\nend|{`#quot;`}";

fn drawn(options: Options, draw: impl Fn(&Picture<'_>) -> String) -> String {
    let mut plan = plan(&[
        "gen: out src/schema.py; tags back",
        "app: in src/**; deps tool; out app",
        "docs",
        "tool",
        "test[3.12]: deps app docs",
    ]);
    override_edge(&mut plan, EdgeChange::Drop, "test[3.12]", "docs", HOSTILE);
    override_edge(&mut plan, EdgeChange::Add, "app", "docs", "they share a port");
    let (graph, findings) = Graph::build(&plan);
    assert_eq!(findings, []);
    let analysis = graph.analysis(|ix| 1000 + u64::from(ix.0));
    let selected = graph.tasks().collect();
    let named = |text: &str| TaskName::new(text).expect("a name");
    let state = |ix| match graph.name(ix).as_str() {
        "gen" => TaskState::Clean,
        "app" => TaskState::Dirty { because: "src/schema.py changed".to_owned() },
        "docs" => TaskState::Failed { because: HOSTILE.to_owned() },
        "tool" => TaskState::NeverRun,
        _ => TaskState::WaitsOn(named("app")),
    };
    draw(&Picture::new(&graph, &analysis, &selected, &state, &|_| Vec::new(), options))
}

#[test]
fn the_tree() {
    let text = drawn(Options { width: 76, ..Options::default() }, tree);
    let expected = r#"layer 1 (3 tasks)
  ✗ docs        failed     "];evil[label="x\" --> <script>\u{1b}[31m\nend|{…
  ✓ gen         clean
  ○ tool        never-run
layer 2 (1 task)
  ● app         dirty      <- +docs, ~gen, tool  src/schema.py changed
layer 3 (1 task)
  … test[3.12]  waits      <- app  depends on what `app` brings
edges from files and overrides (2)
  +docs <- app  added: they share a port
  ~gen <- app  reads src/**: src/schema.py
edges that are not there (1)
  -docs <- test[3.12]  dropped: "];evil[label="x\" --> <script>\u{1b}[31m\n…
5 tasks in 3 layers, at most 3 in one; 5.01s one by one, 3.01s at best (1.67
  x)
parallel share 30 %: beside a task 1.2 others of any layer can run, on
  average
"#;
    assert_eq!(text, expected);
}

#[test]
fn the_tree_of_layers_and_of_the_critical_path() {
    let layers = drawn(Options { layers: true, ..Options::default() }, tree);
    assert!(layers.starts_with("layer 1 (3 tasks): docs gen tool\nlayer 2 (1 task): app\n"), "{layers}");
    let path = drawn(Options { critical_path: true, ..Options::default() }, tree);
    let expected = "critical path (3 tasks)\n  ○ tool  1.00s  never-run\n  ● app  1.00s  dirty\n";
    assert!(path.starts_with(expected), "{path}");
}

#[test]
fn dot_keeps_hostile_texts_in_their_quotes() {
    let text = drawn(Options { critical_path: true, ..Options::default() }, dot);
    assert!(
        text.contains("t3 [label=\"app\", tooltip=\"dirty: src/schema.py changed\", fillcolor=\"#fff0c2\", color=")
    );
    assert!(text.contains("t1 -> t3 [style=dashed, label=\"reads src/**: src/schema.py\"];"), "{text}");
    assert!(text.contains("t2 -> t3 [style=solid, color=\"#c00000\", penwidth=2];"), "{text}");
    for line in text.lines() {
        let outside = outside_quotes(line);
        assert!(!outside.contains("evil") && !outside.contains("script"), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

/// What of a DOT line is not within a quoted string. Panics where a string does not end.
fn outside_quotes(line: &str) -> String {
    let mut outside = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c != '"' {
            outside.push(c);
            continue;
        }
        loop {
            match chars.next().expect("a string ends on its line") {
                '"' => break,
                '\\' => _ = chars.next(),
                _ => {}
            }
        }
    }
    outside
}

#[test]
fn mermaid_keeps_hostile_texts_in_their_quotes() {
    let text = drawn(Options { critical_path: true, ..Options::default() }, mermaid);
    assert!(text.starts_with("flowchart LR\n  subgraph layer0[\"layer 1\"]\n    t0[\"docs\"]:::failed\n"), "{text}");
    assert!(text.contains("t4[\"test#91;3.12#93;\"]:::waits"));
    assert!(text.contains("t1 -.->|\"reads src#47;#42;#42;#58; src#47;schema.py\"| t3"), "{text}");
    assert!(text.contains("  style t2,t3,t4 stroke:#c00000"), "{text}");
    for line in text.lines() {
        assert!(!line.contains("<script") && !line.contains("x\\"), "{line}");
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn json_says_everything_as_it_is() {
    let text = drawn(Options::default(), |picture| json(picture).to_string());
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["v"], 1);
    assert_eq!(value["tasks"][0]["because"], HOSTILE);
    assert_eq!(value["tasks"][1]["tags"][0], "back");
    assert_eq!(value["tasks"][3]["layer"], 1);
    assert_eq!(value["edges"][1]["kind"], "inferred");
    assert_eq!(value["edges"][1]["input"], "src/**");
    assert_eq!(value["dropped"][0]["reason"], HOSTILE);
    assert_eq!(value["analysis"]["critical_path"], serde_json::json!(["tool", "app", "test[3.12]"]));
}

#[test]
fn only_what_is_selected_is_drawn() {
    let (graph, _) = Graph::build(&plan(&["a", "b: deps a", "c: deps b"]));
    let analysis = graph.analysis(|_| 1);
    let selected = graph.select(&["b".to_owned(), "c".to_owned()]).expect("tasks");
    let unknown = |_| TaskState::Unknown;
    let picture = Picture::new(&graph, &analysis, &selected, &unknown, &|_| Vec::new(), Options::default());
    let text = tree(&picture);
    assert!(text.starts_with("layer 2 (1 task)\n  · b  unknown\nlayer 3 (1 task)\n  · c  unknown    <- b\n"), "{text}");
    assert!(!dot(&picture).contains("t0"));
}

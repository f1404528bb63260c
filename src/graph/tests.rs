//! What a graph says of small plans, and how it bears large ones.

use std::time::{Duration, Instant};

use crate::base::{Finding, RelPath, Severity, TaskName};
use crate::plan::{EdgeChange, Plan};

use super::sketch::{override_edge, plan};
use super::{DropCause, EdgeKind, Graph, TaskIx};

fn ix(graph: &Graph, name: &str) -> TaskIx {
    graph.ix(&TaskName::new(name).expect("a name")).expect("a task of the plan")
}

fn names(graph: &Graph, tasks: impl IntoIterator<Item = TaskIx>) -> Vec<String> {
    tasks.into_iter().map(|ix| graph.name(ix).to_string()).collect()
}

/// The graph of a plan that has nothing to complain about.
fn sound(lines: &[&str]) -> Graph {
    let (graph, findings) = Graph::build(&plan(lines));
    assert_eq!(findings, []);
    graph
}

fn findings(lines: &[&str]) -> Vec<Finding> {
    Graph::build(&plan(lines)).1
}

fn places(finding: &Finding) -> Vec<String> {
    finding.labels.iter().map(|label| label.node.to_string()).collect()
}

#[test]
fn plan_order_is_topological_then_by_name() {
    let graph = sound(&["a: deps z", "b", "z", "m: deps a"]);
    assert_eq!(names(&graph, graph.tasks()), ["b", "z", "a", "m"]);
    let layers: Vec<Vec<String>> = graph.layers().into_iter().map(|layer| names(&graph, layer)).collect();
    assert_eq!(layers, [vec!["b", "z"], vec!["a"], vec!["m"]]);
    assert_eq!(names(&graph, graph.dependents(ix(&graph, "z")).iter().copied()), ["a"]);
    assert_eq!(graph.edge(ix(&graph, "a"), ix(&graph, "z")), &EdgeKind::Declared);
}

#[test]
fn a_file_that_another_task_writes_makes_an_edge() {
    let graph =
        sound(&["gen: out src/schema.py", "use: in src/**; out x", "fix: edits src/schema.py", "off: in docs/**"]);
    let inferred = graph.edge(ix(&graph, "use"), ix(&graph, "gen"));
    assert_eq!(inferred, &EdgeKind::Inferred { input: "src/**".into(), output: "src/schema.py".into() });
    assert_eq!(names(&graph, graph.dependents(ix(&graph, "gen")).iter().copied()), ["fix", "use"]);
    assert_eq!(graph.deps(ix(&graph, "off")), []);
}

#[test]
fn exclusions_and_own_outputs_make_no_edge() {
    let graph = sound(&[
        "gen: out src/gen/*.c",
        "one: out src/one.c",
        "use: in src/** !src/gen/** !src/one.c; out src/own.c",
        "dir: out built",
        "reads-dir: in built/x",
    ]);
    assert_eq!(graph.deps(ix(&graph, "use")), []);
    assert_eq!(names(&graph, graph.deps(ix(&graph, "reads-dir")).iter().copied()), ["dir"]);
}

#[test]
fn overrides_add_and_drop_with_their_reason() {
    let mut plan = plan(&["a: deps b", "b", "c"]);
    override_edge(&mut plan, EdgeChange::Drop, "a", "b", "not really");
    override_edge(&mut plan, EdgeChange::Add, "c", "b", "the port");
    let (graph, findings) = Graph::build(&plan);
    assert_eq!(findings, []);
    assert_eq!(graph.deps(ix(&graph, "a")), []);
    assert_eq!(graph.edge(ix(&graph, "c"), ix(&graph, "b")), &EdgeKind::Added { reason: "the port".into() });
    let dropped = &graph.dropped()[0];
    assert_eq!((dropped.task, dropped.dep), (ix(&graph, "a"), ix(&graph, "b")));
    assert_eq!(dropped.cause, DropCause::Override { reason: "not really".into() });
}

#[test]
fn an_override_that_changes_nothing_is_a_warning() {
    let mut plan = plan(&["a: deps b", "b", "c"]);
    for (change, task, dep) in [
        (EdgeChange::Drop, "a", "c"),
        (EdgeChange::Add, "a", "b"),
        (EdgeChange::Add, "a", "a"),
        (EdgeChange::Add, "c", "a"),
        (EdgeChange::Add, "c", "a"),
        (EdgeChange::Drop, "a", "b"),
        (EdgeChange::Drop, "a", "b"),
    ] {
        override_edge(&mut plan, change, task, dep, "why");
    }
    let (_, findings) = Graph::build(&plan);
    assert_eq!(findings.len(), 5);
    assert!(findings.iter().all(|f| f.code == "orca::plan::useless_override" && f.severity == Severity::Warning));
}

#[test]
fn an_override_of_many_instances_is_useful_if_it_is_for_one() {
    let mut plan = plan(&["t[a]: deps x", "t[b]", "x"]);
    override_edge(&mut plan, EdgeChange::Add, "t[a]", "x", "why");
    override_edge(&mut plan, EdgeChange::Add, "t[b]", "x", "why");
    plan.overrides[1].node = plan.overrides[0].node.clone();
    assert_eq!(Graph::build(&plan).1, []);
    plan.overrides.remove(1);
    assert_eq!(Graph::build(&plan).1.len(), 1);
}

#[test]
fn dropping_an_edge_opens_a_circle() {
    let mut plan = plan(&["a: deps b", "b: deps a"]);
    override_edge(&mut plan, EdgeChange::Drop, "b", "a", "later");
    assert_eq!(Graph::build(&plan).1, []);
}

#[test]
fn a_circle_is_told_in_order_with_the_place_of_every_edge() {
    let (graph, findings) = Graph::build(&plan(&["a: deps b", "b: in made", "c: out made; deps a", "d: deps c"]));
    let [finding] = &findings[..] else { panic!("one finding: {findings:?}") };
    assert_eq!(finding.code, "orca::plan::cycle");
    assert_eq!(finding.message, "tasks wait for each other in a circle: a -> b -> c -> a");
    assert_eq!(places(finding), ["tasks.a.deps[b]", "tasks.b.inputs[0]", "tasks.c.deps[a]"]);
    assert!(finding.labels[1].text.contains("`b` reads `made`, and `c` writes `made`"));
    assert!(finding.help.as_ref().is_some_and(|help| help.contains("\"!made\"")), "{:?}", finding.help);
    assert_eq!(graph.len(), 4);
    assert!(graph.dropped().iter().all(|edge| edge.cause == DropCause::Cycle));
}

#[test]
fn of_each_component_the_shortest_circle_is_told() {
    let findings = findings(&[
        "a: deps b",
        "b: deps c",
        "c: deps d",
        "d: deps a c2",
        "c2: deps b",
        "x: deps y",
        "y: deps x z",
        "z: deps x",
    ]);
    let told: Vec<&str> = findings.iter().map(|f| f.message.rsplit(": ").next().expect("a path")).collect();
    assert_eq!(told, ["a -> b -> c -> d -> a", "x -> y -> x"]);
}

#[test]
fn an_input_that_covers_everything_closes_a_circle_and_says_so() {
    let findings = findings(&["all: in **; out a", "late: deps all; out late.txt"]);
    let [finding] = &findings[..] else { panic!("one finding: {findings:?}") };
    assert!(finding.labels[0].text.contains("`all` reads `**`, and `late` writes `late.txt`"), "{finding:?}");
    assert!(finding.help.as_ref().is_some_and(|help| help.contains("\"!late.txt\"")));
}

#[test]
fn outputs_have_one_owner() {
    for (left, right) in [
        ("a/b", "a/b"),
        ("a/b", "./a//b"),
        ("a", "a/b/c"),
        ("a.txt", "A.txt"),
        ("Src/x", "src/x/y"),
        ("src/*.c", "src/x.c"),
        ("src/*.C", "src/x.c"),
        ("src/**", "src/a/*.c"),
        ("a*", "*b"),
        ("**", "x"),
    ] {
        let findings = findings(&[&format!("p: out {left}"), &format!("q: out z {right}")]);
        let [finding] = &findings[..] else { panic!("{left} {right}: {findings:?}") };
        assert_eq!(finding.code, "orca::plan::overlapping_outputs");
        assert_eq!(places(finding), ["tasks.q.outputs[1]", "tasks.p.outputs[0]"]);
    }
    sound(&["p: out a/b a/**", "q: out ab a-b/c", "r: out *.c", "s: out *.h"]);
}

#[test]
fn the_owner_of_a_path() {
    let graph = sound(&["dir: out built", "wild: out src/*.gen.c !src/x.gen.c", "file: out a.txt"]);
    let owner = |path: &str| graph.owner(&RelPath::new(path).expect("a path")).map(|ix| graph.name(ix).to_string());
    let table = [
        ("built/a/b", Some("dir")),
        ("builtin", None),
        ("src/y.gen.c", Some("wild")),
        ("src/x.gen.c", None),
        ("a.txt", Some("file")),
        ("A.txt", None),
    ];
    for (path, expected) in table {
        assert_eq!(owner(path).as_deref(), expected, "{path}");
    }
}

#[test]
fn selectors() {
    let graph = sound(&["a", "b[x]: deps a; tags back", "b[y]: deps a", "test-c: deps b[x]; tags back", "test-d"]);
    let select = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        graph.select(&words).map(|tasks| names(&graph, tasks)).map_err(|error| error.to_string())
    };
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["a", "b[x]", "b[y]", "test-c", "test-d"]),
        (&["b"], &["b[x]", "b[y]"]),
        (&["b[x]"], &["b[x]"]),
        (&["tag:back"], &["b[x]", "test-c"]),
        (&["test-*", "a"], &["a", "test-c", "test-d"]),
        (&["+test-c"], &["a", "b[x]", "test-c"]),
        (&["b[x]+"], &["b[x]", "test-c"]),
        (&["+b[x]+"], &["a", "b[x]", "test-c"]),
        (&["a+"], &["a", "b[x]", "b[y]", "test-c"]),
    ];
    for (words, expected) in table {
        let sorted = select(words).map(|mut names| {
            names.sort();
            names
        });
        assert_eq!(sorted, Ok(expected.iter().map(|s| (*s).to_owned()).collect()), "{words:?}");
    }
    let errors = [
        ("test-x", "there is no task `test-x`; did you mean `test-c`?"),
        ("tag:bac", "no task has the tag `bac`; did you mean `back`?"),
        ("zzz*", "no task matches `zzz*`"),
        ("+", "`+` names no task"),
    ];
    for (word, expected) in errors {
        assert_eq!(select(&[word]), Err(expected.to_owned()));
    }
    assert!(select(&["\x1b[31m"]).is_err_and(|error| !error.contains('\x1b')));
}

#[test]
fn the_numbers_of_eight_tasks_in_three_layers() {
    let graph = sound(&["a", "b", "c", "d: deps a b", "e: deps b c", "f: deps c", "g: deps d e", "h: deps e f"]);
    let analysis = graph.analysis(|_| 1000);
    assert_eq!((analysis.layers, analysis.width, analysis.total_ms, analysis.critical_ms), (3, 3, 8000, 3000));
    assert!((analysis.ideal_speed_up - 8.0 / 3.0).abs() < 1e-9);
    assert_eq!(names(&graph, analysis.critical_path), ["a", "d", "g"]);
    // Of 28 pairs, these wait: 5 between neighbours of layer 1 and 2, 4 of layer 2 and 3, and g on a, b, c; h on b, c.
    let parallel = analysis.parallel.expect("small");
    assert!((parallel.share - 14.0 / 28.0).abs() < 1e-9, "{parallel:?}");
    assert!((parallel.beside - 3.5).abs() < 1e-9);
}

#[test]
fn an_empty_plan_has_an_empty_graph() {
    let graph = sound(&[]);
    let analysis = graph.analysis(|_| 1);
    assert_eq!((analysis.layers, analysis.critical_ms, analysis.critical_path.len()), (0, 0, 0));
    assert_eq!(graph.select(&[]), Ok(Default::default()));
}

#[test]
fn pairs_are_counted_right_across_blocks() {
    let lines: Vec<String> = (0..2500)
        .map(|at| if at == 0 { "t0000".to_owned() } else { format!("t{at:04}: deps t{:04}", (at - 1) / 2) })
        .collect();
    let graph = sound(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let ancestors: u64 = graph.tasks().map(|ix| graph.with_deps(&[ix].into()).len() as u64 - 1).sum();
    let pairs = 2500 * 2499 / 2;
    let share = graph.analysis(|_| 1).parallel.expect("small").share;
    assert!((share - (pairs - ancestors) as f64 / pairs as f64).abs() < 1e-12);
}

#[test]
fn only_what_edges_are_made_of_changes_a_graph() {
    let before = Graph::build(&plan(&["a: deps b", "b"])).0;
    let mut changed = plan(&["a: deps b", "b"]);
    let task = changed.tasks.values_mut().next().expect("a task");
    std::sync::Arc::make_mut(task).description = Some("another".to_owned());
    assert_eq!(Graph::build(&changed).0, before);
    assert_ne!(Graph::build(&plan(&["a", "b"])).0, before);
}

/// Ten thousand tasks here, a hundred thousand in a release build. Limits of time leave room for a busy machine: what
/// takes the square of this many steps passes none of them.
fn large() -> usize {
    if cfg!(debug_assertions) { 10_000 } else { 100_000 }
}

fn timed<T>(what: &str, limit: Duration, work: impl FnOnce() -> T) -> T {
    #[expect(clippy::disallowed_methods, reason = "a test may take the time")]
    let start = Instant::now();
    let value = work();
    let took = start.elapsed();
    println!("{what}: {took:?}");
    assert!(took < limit, "{what} took {took:?}");
    value
}

fn wide_plan(tasks: usize) -> Plan {
    let lines: Vec<String> = (0..tasks)
        .map(|at| {
            let dep = |back: usize| at.checked_sub(back).map(|dep| format!("out/t{dep}.o")).unwrap_or_default();
            format!("t{at}: in src/f{at}.c {} {}; out out/t{at}.o", dep(7), dep(100))
        })
        .collect();
    plan(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn large_plans_build_quickly() {
    let plan = wide_plan(large());
    let (graph, findings) = timed("graph", Duration::from_secs(20), || Graph::build(&plan));
    assert_eq!(findings, []);
    assert_eq!(graph.edge_count(), 2 * large() - 107);
    let analysis = timed("analysis", Duration::from_secs(20), || graph.analysis(|_| 10));
    assert!(analysis.parallel.is_some());
}

#[test]
fn a_wildcard_per_task_in_one_directory_is_no_square() {
    let tasks = large() / 2;
    let lines: Vec<String> = (0..tasks).map(|at| format!("t{at:06}: out reports/t{at:06}-*.xml")).collect();
    let plan = plan(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let (_, findings) = timed("wildcards", Duration::from_secs(20), || Graph::build(&plan));
    assert_eq!(findings, []);
}

#[test]
fn a_chain_of_fifty_thousand_overflows_no_stack() {
    let chain = |circle: bool| {
        let lines: Vec<String> = (0..50_000)
            .map(|at| match at {
                0 if circle => "t00000: deps t49999".to_owned(),
                0 => "t00000".to_owned(),
                at => format!("t{at:05}: deps t{:05}", at - 1),
            })
            .collect();
        plan(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (graph, findings) = Graph::build(&chain(false));
    assert_eq!(findings, []);
    assert_eq!(graph.layers().len(), 50_000);
    assert_eq!(graph.analysis(|_| 1).critical_path.len(), 50_000);
    assert_eq!(graph.with_deps(&[TaskIx(49_999)].into()).len(), 50_000);

    let (graph, findings) = Graph::build(&chain(true));
    let [finding] = &findings[..] else { panic!("one finding") };
    assert!(finding.message.len() < 1000 && finding.message.contains("more"), "{}", finding.message);
    assert_eq!(graph.len(), 50_000);
}

#[test]
fn everything_reading_everything_ends_in_a_bounded_error() {
    let lines: Vec<String> = (0..5000).map(|at| format!("t{at}: in **; out out/{at}")).collect();
    let plan = plan(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let (_, findings) = Graph::build(&plan);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&"orca::plan::too_broad"), "{codes:?}");
    assert!(findings.len() < 200);
}

#[test]
fn wildcards_that_all_must_be_compared_end_in_a_bounded_error() {
    let lines: Vec<String> = (0..3000).map(|at| format!("t{at}: out **/x{at}")).collect();
    let plan = plan(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let (_, findings) = Graph::build(&plan);
    let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["orca::plan::too_broad"]);
}

#[test]
fn many_circles_and_overlaps_are_told_up_to_a_bound_that_is_told_too() {
    let circles: Vec<String> =
        (0..600).map(|at| format!("t{at:03}: deps t{:03}", if at % 3 == 2 { at - 2 } else { at + 1 })).collect();
    let findings = findings(&circles.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(findings.len(), 100);
    assert!(findings[0].message.ends_with("t000 -> t001 -> t002 -> t000"));
    assert!(findings[99].help.as_ref().is_some_and(|help| help.contains("100 more groups")));

    let overlaps: Vec<String> = (0..200).map(|at| format!("t{at}: out same")).collect();
    let findings = self::findings(&overlaps.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(findings.len(), 100);
    assert!(findings[99].help.as_ref().is_some_and(|help| help.contains("there are more overlaps")));
}

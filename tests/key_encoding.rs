//! The key as a function: every field of a complete task changes it, no two lists of fields encode alike, and the
//! explanation names just what differs.

use std::collections::BTreeMap;
use std::sync::Arc;

use orca::base::{BlobDigest, Change, Changes, Entry, Name, Pattern, PatternSet, RelPath, TaskName, Tree};
use orca::context::{Definition, Dependency, Runner, TaskContext, ToolIdentity, Toolchain, Work};
use orca::key::{Description, action_key};
use orca::plan::{AgentPreset, SandboxMode, Tdd};
use proptest::prelude::*;

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("a path")
}

fn file(text: &str, executable: bool) -> Entry {
    Entry::File { digest: BlobDigest::of(text.as_bytes()), size_bytes: text.len() as u64, executable }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn command() -> TaskContext {
    TaskContext {
        definition: Arc::new(Definition {
            task: TaskName::new("t").expect("a name"),
            work: Work::Run(vec!["cc".into(), "-c".into(), "a.c".into()]),
            env: map(&[("A", "1")]),
            pass_env: BTreeMap::from([("P".to_owned(), None)]),
            tools: BTreeMap::from([("cc".to_owned(), ToolIdentity::Found(BlobDigest::of(b"cc")))]),
            toolchains: BTreeMap::new(),
            sandbox: SandboxMode::Auto,
            network: false,
            outputs: PatternSet::new(vec![Pattern::new("a.o").expect("a pattern")]),
            edits: PatternSet::default(),
        }),
        view: Tree::from([(path("a.c"), file("int a;", false)), (path("l"), Entry::Symlink { target: "a.c".into() })]),
        dependencies: Vec::new(),
    }
}

fn definition(context: &mut TaskContext) -> &mut Definition {
    Arc::make_mut(&mut context.definition)
}

fn prompt() -> TaskContext {
    let mut context = command();
    definition(&mut context).work = Work::Prompt {
        runner: Box::new(Runner {
            preset: AgentPreset::Command,
            command: vec!["agent".into()],
            args: vec![],
            model: None,
            env: BTreeMap::new(),
        }),
        goal: "write a.o".into(),
        background: map(&[("background", "b")]),
        acceptance: vec!["it links".into()],
        tdd: None,
    };
    context
}

fn toolchain() -> Toolchain {
    Toolchain { def: None, identity: BlobDigest::of(b"1.90") }
}

/// A change and the section of the key in which it shows.
type Mutation = (&'static str, Box<dyn Fn(&mut TaskContext)>);

fn of_any() -> Vec<Mutation> {
    fn at(section: &'static str, change: impl Fn(&mut TaskContext) + 'static) -> Mutation {
        (section, Box::new(change))
    }
    vec![
        at("env", |c| drop(definition(c).env.insert("A".into(), "2".into()))),
        at("env", |c| drop(definition(c).env.insert("B".into(), "".into()))),
        at("pass_env", |c| drop(definition(c).pass_env.insert("P".into(), Some("".into())))),
        at("pass_env", |c| drop(definition(c).pass_env.insert("P".into(), Some("not set".into())))),
        at("tool", |c| {
            definition(c).tools.insert("cc".into(), ToolIdentity::Missing);
        }),
        at("tool", |c| {
            definition(c).tools.insert("ld".into(), ToolIdentity::Found(BlobDigest::of(b"cc")));
        }),
        at("toolchain", |c| drop(definition(c).toolchains.insert(Name::new("rust").expect("a name"), toolchain()))),
        at("policy", |c| definition(c).sandbox = SandboxMode::None),
        at("policy", |c| definition(c).sandbox = SandboxMode::Required),
        at("policy", |c| definition(c).network = true),
        at("output", |c| definition(c).outputs = PatternSet::default()),
        at("edit", |c| definition(c).edits = definition(c).outputs.clone()),
        at("file", |c| drop(c.view.insert(path("a.c"), file("int a;", true)))),
        at("file", |c| drop(c.view.insert(path("a.c"), file("int b;", false)))),
        at("file", |c| drop(c.view.insert(path("b.c"), file("int a;", false)))),
        at("file", |c| drop(c.view.insert(path("l"), Entry::Symlink { target: "./a.c".into() }))),
        at("file", |c| drop(c.view.insert(path("d"), Entry::EmptyDir))),
        at("file", |c| drop(c.view.remove(&path("l")))),
    ]
}

fn of_commands() -> Vec<Mutation> {
    fn argv(words: &'static [&'static str]) -> Mutation {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        ("argv", Box::new(move |c| definition(c).work = Work::Run(words.clone())))
    }
    vec![argv(&["cc", "-ca.c"]), argv(&["cc", "-c", "a.c", ""]), argv(&["cc", "a.c", "-c"]), argv(&["cc -c a.c"])]
}

fn of_prompts() -> Vec<Mutation> {
    fn edit(section: &'static str, change: impl Fn(&mut Work) + 'static) -> Mutation {
        (section, Box::new(move |c| change(&mut definition(c).work)))
    }
    macro_rules! field {
        ($section:literal, $name:ident => $change:expr) => {
            edit($section, |work| {
                if let Work::Prompt { $name, .. } = work {
                    $change;
                }
            })
        };
    }
    vec![
        field!("prompt", goal => goal.push(' ')),
        field!("context", background => drop(background.insert("background".into(), "c".into()))),
        field!("context", background => drop(background.insert("guidance".into(), "".into()))),
        field!("acceptance", acceptance => acceptance.push(String::new())),
        field!("agent", runner => runner.preset = AgentPreset::Codex),
        field!("agent", runner => runner.model = Some(String::new())),
        field!("agent command", runner => runner.command.push("x".into())),
        field!("agent argument", runner => runner.args.push("x".into())),
        field!("agent env", runner => drop(runner.env.insert("X".into(), "".into()))),
        field!("test", tdd => *tdd = Some(Tdd { tests: vec![], run: vec![], suite: None, report: None, coverage: None, coverage_min: None })),
        did(&[("one", "lib/x", None, Some("x"))]),
        did(&[("one", "lib/y", None, Some("x"))]),
        did(&[("one", "lib/x", None, Some("y"))]),
        did(&[("one", "lib/x", Some("w"), Some("x"))]),
        did(&[("one", "lib/x", Some("x"), None)]),
        did(&[("one", "lib/x", Some("w"), Some("x")), ("two", "lib/x", Some("x"), Some("y"))]),
        did(&[("one", "lib/x", Some("w"), Some("y")), ("two", "lib/x", Some("x"), Some("x"))]),
    ]
}

/// What dependencies did: task, path, the text before and after.
type Did<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>);

fn dependencies(did: &[Did<'_>]) -> Vec<Dependency> {
    let entry = |text: Option<&str>| text.map(|text| file(text, false));
    let change = |(task, at, base, result): &Did<'_>| Dependency {
        task: TaskName::new(task).expect("a name"),
        is_agent: true,
        changes: Changes::from([(path(at), Change { base: entry(*base), result: entry(*result) })]),
    };
    did.iter().map(change).collect()
}

fn did(did: &[Did<'_>]) -> Mutation {
    let dependencies = dependencies(did);
    ("dependency", Box::new(move |c| c.dependencies.clone_from(&dependencies)))
}

#[track_caller]
fn every_mutation_shows(base: &TaskContext, mutations: Vec<Mutation>) {
    let mut seen = BTreeMap::from([(action_key(base), usize::MAX)]);
    for (number, (section, change)) in mutations.iter().enumerate() {
        let mut changed = base.clone();
        change(&mut changed);
        if let Some(other) = seen.insert(action_key(&changed), number) {
            panic!("mutation {number} ({section}) has the key of {other}");
        }
        let differences = Description::of(&changed).changes_since(&Description::of(base));
        assert!(!differences.is_empty(), "mutation {number} ({section}) is not explained");
        assert!(differences.iter().all(|change| change.section.starts_with(section)), "{number}: {differences:?}");
    }
}

#[test]
fn everything_declared_is_in_the_key_and_explained() {
    every_mutation_shows(&command(), of_any().into_iter().chain(of_commands()).collect());
    every_mutation_shows(&prompt(), of_any().into_iter().chain(of_prompts()).collect());
}

#[test]
fn the_name_and_the_order_of_outputs_are_not() {
    let base = command();
    let mut other = base.clone();
    definition(&mut other).task = TaskName::new("u").expect("a name");
    assert_eq!(action_key(&base), action_key(&other));
    let both = |a, b| PatternSet::new(vec![Pattern::new(a).expect("a pattern"), Pattern::new(b).expect("a pattern")]);
    let (mut left, mut right) = (base.clone(), base);
    definition(&mut left).outputs = both("x", "y");
    definition(&mut right).outputs = both("y", "x");
    assert_eq!(action_key(&left), action_key(&right));
}

/// Who brought a file, and in which order, is words; so is whatever is told but not part of the context at all.
#[test]
fn of_dependencies_only_the_files_are() {
    let with = |did: &[Did<'_>]| TaskContext { dependencies: dependencies(did), ..prompt() };
    let left =
        with(&[("one", "a", None, Some("1")), ("two", "b", None, Some("2")), ("two", "a", Some("1"), Some("3"))]);
    let mut right = with(&[("x", "a", Some("1"), Some("3")), ("y", "a", None, Some("1")), ("z", "b", None, Some("2"))]);
    assert_eq!(action_key(&left), action_key(&right));
    right.dependencies[0].is_agent = false;
    assert_eq!(action_key(&left), action_key(&right));
}

/// The format is versioned: a key that changes without a new version would mistake old results for new ones.
#[test]
fn the_encoding_is_pinned() {
    assert_eq!(action_key(&command()).short(), "c61deee75305");
    assert_eq!(action_key(&prompt()).short(), "cc33ef54c78f");
}

fn arbitrary_context() -> impl Strategy<Value = TaskContext> {
    let words = prop::collection::vec("[ab=\\n ]{0,3}", 0..4);
    let vars = prop::collection::btree_map("[AB]{1,2}", "[ab=]{0,2}", 0..3);
    let files = prop::collection::btree_map("[ab]{1,2}(/[ab])?", ("[xy]?", any::<bool>()), 0..4);
    (words, vars, files).prop_map(|(argv, env, files)| {
        let mut context = command();
        definition(&mut context).work = Work::Run(argv);
        definition(&mut context).env = env;
        context.view =
            files.into_iter().map(|(name, (text, executable))| (path(&name), file(&text, executable))).collect();
        context
    })
}

proptest! {
    #[test]
    fn keys_are_equal_just_when_tasks_are(left in arbitrary_context(), right in arbitrary_context()) {
        prop_assert_eq!(action_key(&left) == action_key(&right), left == right);
        let explained = Description::of(&left).changes_since(&Description::of(&right));
        prop_assert_eq!(explained.is_empty(), left == right);
    }

    #[test]
    fn a_description_survives_being_written_down(context in arbitrary_context()) {
        let description = Description::of(&context);
        prop_assert_eq!(Description::from_text(&description.to_text()), Some(description));
    }
}

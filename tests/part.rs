//! A build of a part of the plan comes to what a build of the whole comes to.
//!
//! The same project twice, with caches of their own. The same happens to both, but one of them loses its snapshot before every
//! build, so that it always looks at the whole plan. Trees, what is on record, what `orca status` says and the numbers of the
//! closing event must be the same. `ORCA_WALK_SEEDS` and `ORCA_WALK_STEPS` make it longer.
#![expect(clippy::disallowed_methods, reason = "real files of real projects")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use orca::event::Event;
use orca::store::Journal;
use support::{Build, Project, wait_until_nothing_runs, walk_all};

/// Numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound
    }
}

const TASKS: usize = 14;

/// Tasks in three layers: literal inputs, wildcards, outputs of others, a matrix, a template, a task that is only its log, and one
/// that fails where its source says so.
fn plan(dice: &mut Dice) -> String {
    let mut plan = String::from(
        "# [tasks.not_a_task]\n[templates.joined]\nparams = [\"of\"]\nrun = \"cat src/{{ of }}.txt > out/{{ task }}; echo [tasks.t0]\"\n\
         inputs = [\"src/{{ of }}.txt\"]\noutputs = [\"out/{{ task }}\"]\nsandbox = \"none\"\n",
    );
    for task in 0..TASKS {
        let earlier: BTreeSet<usize> =
            (0..2).map(|_| dice.below(task.max(1))).filter(|dep| *dep < task / 4 * 4).collect();
        let mut inputs: BTreeSet<String> = BTreeSet::from([format!("src/{task}.txt")]);
        inputs.extend(earlier.iter().map(|dep| format!("out/t{dep}")));
        if dice.below(4) == 0 {
            inputs.insert("many/**".to_owned());
        }
        let deps: Vec<String> = earlier.iter().filter(|_| dice.below(2) == 0).map(|dep| format!("t{dep}")).collect();
        let list: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let cat = "{ grep -q BAD src/$N.txt && exit 1; cat $(find src out many -type f | sort) | cksum; } > out/t$N"
            .replace("$N", &task.to_string());
        let _ = write!(
            plan,
            "[tasks.t{task}]\nrun = '''\n# [tasks.t{}]\n{cat}\n'''\ninputs = {list:?}\ndeps = {deps:?}\noutputs = [\"out/t{task}\"]\n\
             sandbox = \"none\"\n[tasks.t{task}.env]\nNUMBER = \"{task}\"\n",
            task + 1
        );
    }
    let last = TASKS - 1;
    let _ = write!(
        plan,
        "[tasks.joined]\ntemplate = \"joined\"\nparams = {{ of = \"0\" }}\n\
         [tasks.each]\nrun = \"cat out/t{last} src/1.txt > out/each-{{{{ matrix.x }}}}; echo {{{{ matrix.x }}}}\"\n\
         matrix = {{ x = [\"a\", \"b\"] }}\ninputs = [\"src/1.txt\", \"out/t{last}\"]\noutputs = [\"out/each-{{{{ matrix.x }}}}\"]\nsandbox = \"none\"\n\
         [tasks.check]\nrun = \"cat src/2.txt out/each-a\"\ninputs = [\"src/2.txt\"]\ndeps = [\"each\"]\nsandbox = \"none\"\n"
    );
    plan
}

/// A project that is built in part, and its twin that never is.
struct Twins {
    part: Project,
    whole: Project,
    trace: Vec<String>,
    parts: usize,
}

impl Twins {
    fn new(plan: &str) -> Self {
        let project = || {
            let project = Project::new(plan);
            for task in 0..TASKS {
                project.write(&format!("src/{task}.txt"), format!("source {task}\n"));
            }
            project.write("many/a.txt", "a\n").write("many/deep/b.txt", "b\n").write("out/.keep", "");
            project.trust();
            project
        };
        Self { part: project(), whole: project(), trace: Vec::new(), parts: 0 }
    }

    fn both(&mut self, what: String, act: impl Fn(&Project)) {
        self.trace.push(what);
        act(&self.part);
        act(&self.whole);
    }

    fn step(&mut self, dice: &mut Dice) {
        let source = format!("src/{}.txt", dice.below(TASKS));
        let output = format!("out/t{}", dice.below(TASKS));
        let salt = dice.below(1_000_000);
        match dice.below(14) {
            0..5 => self.both(format!("edit {source}"), |project| {
                project.write(&source, format!("{salt}\n"));
            }),
            5 => self.both(format!("make {source} fail"), |project| {
                project.write(&source, "BAD\n");
            }),
            6 => self.both("mend all".to_owned(), |project| {
                for task in 0..TASKS {
                    if project.read(&format!("src/{task}.txt")).contains("BAD") {
                        project.write(&format!("src/{task}.txt"), "mended\n");
                    }
                }
            }),
            7 => self.both(format!("delete {output}"), |project| {
                if project.exists(&output) {
                    project.remove(&output);
                }
            }),
            8 => self.both(format!("write over {output}"), |project| {
                project.write(&output, "a person's\n");
            }),
            9 => self.both(format!("touch {source}"), |project| {
                project.write(&source, project.read(&source));
            }),
            10 => self.both("edit what a wildcard reads".to_owned(), |project| {
                project.write("many/deep/b.txt", format!("{salt}\n"));
            }),
            11 => self.both("a new file where a wildcard looks".to_owned(), |project| {
                project.write(&format!("many/{salt}.txt"), "new\n");
            }),
            12 => self.both("a comment in the plan".to_owned(), |project| {
                project.append("orca.toml", "# more\n");
            }),
            _ => {
                self.trace.push(format!("kill a build, after an edit of {source}"));
                self.part.write(&source, format!("{salt}\n"));
                self.whole.write(&source, format!("{salt}\n"));
                let build = self.part.spawn(["build"]);
                std::thread::sleep(Duration::from_millis(dice.below(120) as u64));
                build.kill();
                wait_until_nothing_runs(self.part.root());
                // Where it got as far as to the end, there is nothing left to do; the twin does it without being killed.
                let _ = self.whole_build();
                let _ = self.part.build_args(["-k"]);
            }
        }
    }

    fn whole_build(&self) -> Build {
        let _ = fs::remove_file(self.whole.path(".orca/snapshot"));
        self.whole.build_args(["-k"])
    }

    fn check(&mut self) {
        let (part, whole) = (self.part.build_args(["-k"]), self.whole_build());
        let is_part = part.events.iter().any(|event| matches!(event, Event::Untouched { .. }));
        self.trace.push(format!("build: {}", if is_part { "a part" } else { "the whole" }));
        self.parts += usize::from(is_part);
        let numbers = |build: &Build| match build.events.last() {
            Some(Event::RunFinished { ok, ran, cached, failed, skipped, .. }) => {
                (*ok, *ran, *cached, *failed, *skipped)
            }
            other => panic!("it ended with {other:?}: {}", build.output.transcript()),
        };
        let transcript = || format!("{}\n{}", part.output.transcript(), whole.output.transcript());
        assert_eq!(part.tasks_run(), whole.tasks_run(), "{}", transcript());
        assert_eq!(numbers(&part), numbers(&whole), "{}", transcript());
        assert_eq!(part.output.status.code(), whole.output.status.code());
        let shown = |build: &Build| match build.events.first() {
            Some(Event::RunStarted { tasks, layers, .. }) => (*tasks, *layers),
            other => panic!("it began with {other:?}"),
        };
        assert_eq!(shown(&part), shown(&whole));
        assert_eq!(self.part.tree(), self.whole.tree(), "{}", transcript());
        assert_eq!(status(&self.part), status(&self.whole));
        assert_eq!(record(&self.part), record(&self.whole));
    }
}

/// What `orca status` says, but for runs and their times.
fn status(project: &Project) -> serde_json::Value {
    let said = project.orca(["status", "--json"]);
    let mut said: serde_json::Value = serde_json::from_str(&said.stdout).expect("it is JSON");
    said["last_run"] = serde_json::Value::Null;
    said
}

/// What is on record: of each task its key, whether that is accepted, and the paths that are its own.
fn record(project: &Project) -> BTreeMap<String, (String, bool, BTreeSet<String>)> {
    let journal = Journal::open_readonly(&project.path(".orca")).expect("it can be read").expect("there is one");
    let mut all = BTreeMap::new();
    for (name, task) in journal.tasks().expect("it can be read") {
        all.insert(name.to_string(), (task.key.to_hex(), task.accepted, BTreeSet::new()));
    }
    for (path, published) in journal.published().expect("it can be read") {
        assert!(!published.pending, "{path} is pending");
        all.entry(published.task.to_string()).or_default().2.insert(path.to_string());
    }
    all
}

#[test]
fn a_part_comes_to_what_the_whole_comes_to() {
    walk_all(2, 4, 14, |seed, steps| {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let plan = plan(&mut dice);
        let mut twins = Twins::new(&plan);
        let walked = catch_unwind(AssertUnwindSafe(|| {
            twins.check();
            for _ in 0..steps {
                for _ in 0..=dice.below(2) {
                    twins.step(&mut dice);
                }
                twins.check();
            }
            twins.both("mend all".to_owned(), |project| {
                for task in 0..TASKS {
                    project.write(&format!("src/{task}.txt"), format!("the last {task}\n"));
                }
            });
            twins.check();
            let clean = twins.part.clean_room(["out"]);
            clean.write("out/.keep", "");
            clean.trust().build();
            assert_eq!(twins.part.tree(), clean.tree(), "it is not what a clean build comes to");
            assert!(twins.parts as u64 * 4 >= steps, "only {} of {steps} builds were of a part", twins.parts);
        }));
        walked.map_err(|panic| {
            let said = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned());
            format!("seed {seed}:\n{}\n{said}\nplan:\n{plan}", twins.trace.join("\n"))
        })
    });
}

const THREE: &str = r#"
[tasks.a]
run = "cat a.txt > out/a"
inputs = ["a.txt"]
outputs = ["out/a"]
sandbox = "none"

[tasks.b]
run = "head -1 b.txt out/a > out/b"
inputs = ["b.txt", "out/a"]
outputs = ["out/b"]
sandbox = "none"

[tasks.c]
run = "cat c.txt; cat c.txt > out/c"
inputs = ["c.txt"]
outputs = ["out/c"]
sandbox = "none"

[tasks.test]
run = "echo tested; cat out/c"
inputs = ["out/c"]
sandbox = "none"
"#;

fn three() -> Project {
    let project = Project::new(THREE);
    project.write("a.txt", "a\n").write("b.txt", "b\n").write("c.txt", "c\n").write("out/.keep", "");
    project.trust();
    // What was written within milliseconds of a build may change unseen, so it would leave no snapshot.
    std::thread::sleep(std::time::Duration::from_millis(30));
    project.build().ran(["a", "b", "c", "test"]);
    project
}

#[track_caller]
fn untouched(build: &Build) -> u64 {
    let told = build.events.iter().find_map(|event| match event {
        Event::Untouched { tasks, .. } => Some(*tasks),
        _ => None,
    });
    told.unwrap_or_else(|| panic!("the whole plan was built: {}", build.output.transcript()))
}

#[test]
fn the_closing_line_counts_every_task() {
    let project = three();
    project.write("b.txt", "b2\n");
    let said = project.orca(["build"]).exits(0).stderr.clone();
    assert!(said.contains("done: 1 ran, 3 cached in"), "{said}");
    // The log of a task that is nothing but its log is shown again, as it is when the whole plan is built.
    assert!(said.contains("cached test") && said.contains("tested"), "{said}");
    project.write("b.txt", "b3\n");
    let build = project.build();
    build.ran(["b"]).cached(["test", "a", "c"]);
    assert_eq!(untouched(&build), 2);
    let report = project.orca(["report"]).exits(0).stdout.clone();
    assert!(report.contains("2 more tasks cached: nothing that they depend on changed"), "{report}");
    let json = project.orca(["report", "--json"]).exits(0).stdout.clone();
    assert!(json.contains("\"untouched\":2"), "{json}");
}

#[test]
fn a_part_cuts_off_early() {
    let project = three();
    project.write("a.txt", "a\nmore\n");
    let build = project.build();
    // b reads all of a, so it runs; what it puts out is what it was.
    build.ran(["a", "b"]);
    assert_eq!(untouched(&build) + 1, 2);
    project.write("c.txt", "c\n");
    let build = project.build();
    build.ran([]).cached(["c", "test", "a", "b"]);
    assert_eq!(untouched(&build), 2);
}

#[test]
fn a_part_removes_nothing_of_tasks_that_it_did_not_load() {
    let project = three();
    project.write("c.txt", "c2\n");
    let build = project.build();
    build.ran(["c", "test"]);
    assert_eq!(untouched(&build), 2);
    assert_eq!(project.read("out/b"), "==> b.txt <==\nb\n\n==> out/a <==\na\n");
    let record = record(&project);
    assert!(record["a"].1 && record["a"].2.contains("out/a"), "{record:?}");
    project.build().ran([]);
    project.orca(["status"]).exits(0);
}

#[test]
fn what_was_deleted_is_restored_by_a_part() {
    let project = three();
    project.remove("out/b");
    let build = project.build();
    build.ran([]);
    assert_eq!(untouched(&build), 2);
    assert!(project.exists("out/b"));
    project.write("out/a", "a person's\n");
    project.build_args([]);
    assert_eq!(project.read("out/a"), "a\n");
}

#[test]
fn what_the_only_task_of_a_part_made_is_in_the_cache() {
    let project = three();
    for edit in 0..5 {
        project.write("b.txt", format!("b{edit}\n"));
        let build = project.build();
        build.ran(["b"]);
        assert_eq!(untouched(&build), 2);
        let made = project.read("out/b");
        project.remove("out/b");
        project.build().ran([]);
        assert_eq!(project.read("out/b"), made);
    }
}

#[test]
fn a_red_task_keeps_its_part_open() {
    let project = three();
    project.replace("orca.toml", "cat a.txt > out/a", "grep -v BAD a.txt > out/a").build();
    project.write("a.txt", "BAD\n");
    let red = project.build_red();
    red.failed(["a"]).skipped(["b"]);
    assert_eq!(untouched(&red), 1);
    // Nothing changed, and still there is something to do.
    let red = project.build_red();
    red.failed(["a"]);
    assert_eq!(untouched(&red), 1);
    project.write("a.txt", "good\n");
    let green = project.build();
    green.ran(["a", "b"]);
    assert_eq!(untouched(&green), 1);
    project.write("c.txt", "c3\n");
    project.build().ran(["c", "test"]);
}

#[test]
fn what_a_part_cannot_do_the_whole_does() {
    let project = three();
    let is_whole = |build: &Build| !build.events.iter().any(|event| matches!(event, Event::Untouched { .. }));
    assert!(is_whole(project.append("orca.toml", "# words\n").build().ran([])));
    project.remove("a.txt");
    project.orca(["build"]).exits(3);
    project.write("a.txt", "a\n");
    assert!(is_whole(project.build().ran([])));
    project.write("b.txt", "b4\n");
    // What is asked for by name, or forced, is not what the snapshot is about.
    assert!(is_whole(project.build_args(["b"]).green().ran(["b"])));
    assert!(is_whole(project.build_args(["--force"]).green().ran(["a", "b", "c", "test"])));
}

/// How long the journal's log is.
fn log_bytes(project: &Project) -> u64 {
    fs::metadata(project.path(".orca/journal.db-wal")).map_or(0, |log| log.len())
}

fn runs(project: &Project) -> usize {
    let journal = Journal::open_readonly(&project.path(".orca")).expect("it can be read").expect("there is one");
    journal.runs(1_000).expect("they can be read").len()
}

#[test]
fn a_part_leaves_a_log_that_whoever_looks_reads_and_leaves_as_it_is() {
    let project = three();
    assert_eq!(log_bytes(&project), 0, "a build of the whole leaves none");
    project.write("c.txt", "c2\n");
    assert_eq!(untouched(&project.build()), 2);
    // What was written by it is too young to be known by its stat data; then it is looked at once more.
    std::thread::sleep(Duration::from_millis(30));
    project.orca(["build"]).exits(0);
    let known = runs(&project);
    let log = fs::read(project.path(".orca/journal.db-wal")).expect("a log");
    let file = fs::read(project.path(".orca/journal.db")).expect("a journal");
    assert!(!log.is_empty());
    project.orca(["status"]).exits(0).prints(["4 clean"]);
    project.orca(["explain", "c"]).exits(0).prints(["c is clean"]);
    assert!(project.orca(["build"]).exits(0).stderr.contains("nothing to do"));
    assert_eq!(runs(&project), known, "the snapshot answered");
    assert_eq!(fs::read(project.path(".orca/journal.db-wal")).expect("a log"), log);
    assert_eq!(fs::read(project.path(".orca/journal.db")).expect("a journal"), file);
    // What another orca writes is another log.
    let other = Journal::open(&project.path(".orca")).expect("it opens");
    other.begin_run(&["test".to_owned()], 1).expect("it can be written");
    project.orca(["build"]).exits(0);
    assert_eq!(runs(&project), known + 2, "and the snapshot does not answer");
}

#[test]
fn the_log_of_parts_stays_short() {
    const LOG_BYTES_MAX: u64 = 512 << 10;
    let project = three();
    let (mut longest, mut emptied) = (0, 0);
    for edit in 0..30 {
        let before = log_bytes(&project);
        project.write("c.txt", format!("{edit}\n"));
        let build = project.build();
        build.ran(["c", "test"]);
        assert_eq!(untouched(&build), 2);
        longest = log_bytes(&project).max(longest);
        emptied += usize::from(log_bytes(&project) < before);
    }
    assert!((1..=LOG_BYTES_MAX).contains(&longest), "{longest}");
    assert!(emptied > 0, "thirty builds write more than that");
    project.build_args(["--force"]).green();
    assert!(!project.exists(".orca/journal.db-wal"), "a build of the whole leaves none");
}

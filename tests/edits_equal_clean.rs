//! Guarantee 1 for edits: whatever happened to a project, its tree is what a clean build with an empty cache makes of the
//! same base sources, with what a person made of edited files since merged in; and a second build runs nothing.
//!
//! A random walk. The test keeps the base sources itself. `ORCA_WALK_SEEDS` and `ORCA_WALK_STEPS` make it longer,
//! `ORCA_WALK_SEED` walks one seed alone; the seed of a walk that fails is printed.
#![expect(
    clippy::disallowed_methods,
    reason = "reads how long to walk from the environment, and kills at real instants"
)]

#[path = "walk/random.rs"]
mod random;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use orca::base::TaskName;
use orca::store::Journal;
use random::Random;
use support::hands::{edits_with, plan, without_sandbox};
use support::{Build, Entry, Project, Snapshot, wait_until_nothing_runs, walk_all};

/// Walks at a time.
const THREADS: u64 = 4;
/// Lines of an edited file.
const LINES: usize = 40;
/// The line that a person edits.
const OF_PERSON: usize = 38;

/// What an agent does, to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Doing {
    /// Makes one line its own; each task has another line.
    Line(u64),
    /// Adds its name to a line that many add to: who is first is there first.
    Shared(u64),
    /// Makes a new file.
    Create(u64),
    /// Removes a file that others may edit.
    Delete,
    /// Makes a file executable.
    Mode,
    /// An output that says what it sees of an edited file and of a source; nothing is edited.
    Report(u64),
}

#[derive(Debug, Clone)]
struct Task {
    number: usize,
    name: String,
    doing: Doing,
    file: String,
    deps: Vec<String>,
    /// A command instead of an agent.
    is_command: bool,
}

impl Task {
    fn toml(&self) -> String {
        let Self { number, name, doing, file, deps, .. } = self;
        // A pattern, so that the plan is valid also where the file is gone.
        let pattern = format!("'[{}]{}'", &file[..1], &file[1..]);
        let guarded = |line: String| format!("if [ -e {file} ]; then {line}; fi");
        let line = match doing {
            Doing::Line(word) => guarded(format!("sed -i 's/^l{number:02} .*/l{number:02} {name} {word}/' {file}")),
            Doing::Shared(word) => guarded(format!("sed -i 's/^l00 .*/&+{name}-{word}/' {file}")),
            Doing::Create(word) => format!("echo {name} {word} > {file}"),
            Doing::Delete => format!("rm -f {file}"),
            Doing::Mode => guarded(format!("chmod +x {file}")),
            Doing::Report(word) => format!("echo {word} > out-{name}; cat {file} r*.txt >> out-{name}"),
        };
        let more = format!("deps = {deps:?}");
        match doing {
            Doing::Report(_) => format!(
                "[tasks.{name}]\nprompt = '''\n$ {line}\n'''\ninputs = [{pattern}, 'r*.txt']\noutputs = ['out-{name}']\n{more}\n\n"
            ),
            _ if self.is_command => {
                format!(
                    "[tasks.{name}]\nrun = \"\"\"{}\"\"\"\nedits = [{pattern}]\n{more}\n\n",
                    line.replace('\\', "\\\\")
                )
            }
            _ => edits_with(name, &pattern, &line, &more),
        }
    }

    fn random(random: &mut Random, number: usize, others: &[Self]) -> Self {
        let name = format!("{}{number}", random.pick(&["a", "m", "z"]));
        let word = random.next() % 100;
        let file = |of: &str, random: &mut Random| format!("{of}{}.txt", random.below(3));
        let (doing, file) = match random.below(12) {
            0..4 => (Doing::Line(word), file("e", random)),
            4..6 => (Doing::Shared(word), file("e", random)),
            6 => (Doing::Line(word), file("x", random)),
            7 => (Doing::Delete, file("x", random)),
            8 => (Doing::Create(word), format!("new-{}.txt", random.below(2))),
            9 => (Doing::Mode, file("e", random)),
            _ => (Doing::Report(word), file("e", random)),
        };
        let mut deps = Vec::new();
        if let Some(dep) = random.pick_any(others).filter(|_| random.once_in(3)) {
            deps.push(dep.name);
        }
        let is_command = random.once_in(4);
        Self { number, name, doing, file, deps, is_command }
    }
}

/// A project in the middle of its life, and what is known of it.
struct Life {
    random: Random,
    /// The sources as no agent changed them.
    base: BTreeMap<String, String>,
    modes: BTreeSet<String>,
    tasks: Vec<Task>,
    /// Tasks that left the plan, and whose part in files that others changed stays.
    ghosts: Vec<Task>,
    /// Tasks that were taken out and may come back.
    former: Vec<Task>,
    /// Files in which a person changed a line since, with what it says now.
    drift: BTreeMap<String, String>,
    next: usize,
    here: Project,
    trace: Vec<String>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let text = |name: &str| (0..LINES).fold(String::new(), |text, line| text + &format!("l{line:02} {name}\n"));
        let mut base = BTreeMap::new();
        for name in ["e0.txt", "e1.txt", "e2.txt", "x0.txt", "x1.txt", "x2.txt"] {
            base.insert(name.to_owned(), text(name));
        }
        for name in ["r0.txt", "r1.txt"] {
            base.insert(name.to_owned(), format!("source {name}\n"));
        }
        let mut tasks: Vec<Task> = Vec::new();
        let mut next = 1;
        for _ in 0..5 + random.below(4) {
            tasks.push(Task::random(&mut random, next * 2, &tasks));
            next += 1;
        }
        let (modes, here) = (BTreeSet::new(), Project::empty());
        let (ghosts, former, drift, trace) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
        let mut life = Self { random, base, modes, tasks, ghosts, former, drift, next, here, trace };
        life.here = life.fresh(&[]);
        life
    }

    fn plan_of<'t>(tasks: impl Iterator<Item = &'t Task>) -> String {
        plan(&tasks.fold(String::new(), |text, task| text + &task.toml()))
    }

    /// A project of the base sources, with the plan and the tasks that left it.
    fn fresh(&self, ghosts: &[Task]) -> Project {
        let mut project = Project::empty();
        without_sandbox(&mut project);
        self.put_sources(&project);
        project.write("orca.toml", Self::plan_of(self.tasks.iter().chain(ghosts)));
        project
    }

    fn put_sources(&self, project: &Project) {
        for (path, text) in &self.base {
            project.write(path, text).chmod(path, if self.modes.contains(path) { 0o755 } else { 0o644 });
        }
    }

    fn put_plan(&self) {
        self.here.write("orca.toml", Self::plan_of(self.tasks.iter()));
    }

    fn say(&mut self, what: impl Into<String>) {
        self.trace.push(what.into());
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..4 => self.edit_a_prompt(),
            4..6 => self.add_a_task(),
            6..8 => self.remove_a_task(),
            8 => self.put_a_task_back(),
            9..11 => self.edit_a_source(),
            11..14 => self.drift(),
            14 => {
                self.say("delete the cache");
                let _gone = std::fs::remove_dir_all(self.here.cache());
            }
            15..18 => {
                self.edit_a_prompt();
                self.kill_a_build();
                if self.random.once_in(2) {
                    self.drift();
                }
            }
            18 => {
                self.edit_a_prompt();
                self.edit_a_prompt();
                self.build_a_part();
            }
            _ => self.move_on(),
        }
    }

    fn edit_a_prompt(&mut self) {
        let at = self.random.below(self.tasks.len());
        let new = self.random.next() % 100;
        let task = &mut self.tasks[at];
        match &mut task.doing {
            Doing::Line(word) | Doing::Shared(word) | Doing::Create(word) | Doing::Report(word) => *word = new,
            Doing::Delete | Doing::Mode => return,
        }
        let what = format!("{} does {:?} to {}", task.name, task.doing, task.file);
        self.say(what);
        self.put_plan();
    }

    fn add_a_task(&mut self) {
        if self.tasks.len() > 9 || self.next * 2 > OF_PERSON - 4 {
            return;
        }
        let task = Task::random(&mut self.random, self.next * 2, &self.tasks);
        self.next += 1;
        self.say(format!("add {task:?}"));
        self.tasks.push(task);
        self.put_plan();
    }

    /// What a task changed alone is source from now on; where others changed the file as well, its part stays.
    fn remove_a_task(&mut self) {
        let is_free = |task: &&Task| !self.tasks.iter().any(|other| other.deps.contains(&task.name));
        let free: Vec<Task> = self.tasks.iter().filter(is_free).cloned().collect();
        if free.len() < 2 {
            return;
        }
        let task = self.random.pick(&free).clone();
        let changes = Journal::open(&self.here.path(".orca")).expect("built").changes().expect("it can be read");
        let path = orca::base::RelPath::new(&task.file).expect("a plain path");
        let changes_it = |name: &str| {
            let name = TaskName::new(name).expect("a plain name");
            changes.get(&name).is_some_and(|changes| changes.contains_key(&path))
        };
        let others: Vec<&Task> = self.tasks.iter().filter(|other| other.name != task.name).collect();
        let is_shared = others.iter().any(|other| changes_it(&other.name));
        // Where the order of two decides, one that left would be at another place in a clean build.
        if is_shared && !matches!(task.doing, Doing::Line(_)) || matches!(task.doing, Doing::Report(_)) {
            return;
        }
        let with_ghosts = changes_it(&task.name) || self.ghosts.iter().any(|ghost| ghost.file == task.file);
        if changes_it(&task.name) && is_shared {
            self.ghosts.push(task.clone());
        } else if !is_shared && with_ghosts && changes_it(&task.name) {
            self.adopt(&task.file);
        }
        self.say(format!("remove {}, shared: {is_shared}", task.name));
        self.tasks.retain(|other| other.name != task.name);
        self.former.push(task);
        self.put_plan();
    }

    /// Makes what lies there the base.
    fn adopt(&mut self, file: &str) {
        self.drift.remove(file);
        self.ghosts.retain(|ghost| ghost.file != file);
        self.base.remove(file);
        self.modes.remove(file);
        if self.here.exists(file) {
            self.base.insert(file.to_owned(), self.here.read(file));
            if let Some(Entry::File(mode, _)) = self.here.tree().0.get(file)
                && mode & 0o100 != 0
            {
                self.modes.insert(file.to_owned());
            }
        }
    }

    fn put_a_task_back(&mut self) {
        let Some(mut task) = self.random.pick_any(&self.former) else { return };
        self.former.retain(|former| former.name != task.name);
        self.ghosts.retain(|ghost| ghost.name != task.name);
        task.deps.retain(|dep| self.tasks.iter().any(|other| other.name == *dep));
        self.say(format!("put {} back", task.name));
        self.tasks.push(task);
        self.put_plan();
    }

    fn edit_a_source(&mut self) {
        let path = format!("r{}.txt", self.random.below(2));
        let text = format!("source {}\n", self.random.next() % 1000);
        self.say(format!("edit {path}: {text:?}"));
        self.here.write(&path, &text);
        self.base.insert(path, text);
    }

    /// A person edits a file that agents changed: in a place that no agent does, or takes that back.
    fn drift(&mut self) {
        let journal = Journal::open(&self.here.path(".orca")).expect("built");
        let edited: Vec<String> = journal.edited().expect("it can be read").keys().map(ToString::to_string).collect();
        let files: Vec<String> = edited.into_iter().filter(|path| path.starts_with('e')).collect();
        let Some(path) = self.random.pick_any(&files).filter(|path| self.here.exists(path)) else { return };
        let word = if self.random.once_in(3) { path.clone() } else { format!("person {}", self.random.next() % 100) };
        self.say(format!("a person edits {path}: {word}"));
        let text = with_line(&self.here.read(&path), &word);
        self.here.write(&path, text);
        let in_base = with_line(&self.base[&path], &word) == self.base[&path];
        match in_base {
            true => self.drift.remove(&path),
            false => self.drift.insert(path, word),
        };
    }

    fn kill_a_build(&mut self) {
        let after = Duration::from_millis(self.random.next() % 220);
        self.say(format!("kill -9 of a build after {after:?}"));
        let build = self.here.spawn(["build", "-k"]);
        std::thread::sleep(after);
        build.kill();
        wait_until_nothing_runs(self.here.root());
    }

    fn build_a_part(&mut self) {
        let name = self.random.pick(&self.tasks).name.clone();
        self.say(format!("build just {name}"));
        let part = self.here.orca(["build", &name]);
        assert!(matches!(part.status.code(), Some(0 | 1)), "{}", part.transcript());
    }

    /// Goes on in a second checkout of the base sources, which shares the cache with the first.
    fn move_on(&mut self) {
        self.say("go on in a second checkout");
        let next = self.here.checkout([]);
        for entry in std::fs::read_dir(next.root()).expect("it was just made") {
            next.remove(entry.expect("it can be read").file_name().to_str().expect("a plain name"));
        }
        let mut next = next;
        without_sandbox(&mut next);
        self.put_sources(&next);
        self.here = next;
        self.ghosts.clear();
        self.drift.clear();
        self.put_plan();
    }

    /// Builds here and in a fresh project, and compares.
    fn check(&mut self) {
        let jobs = *self.random.pick(&["1", "8"]);
        let built = self.here.build_args(["-k", "-j", jobs]);
        let fresh = self.fresh(&self.ghosts);
        let clean = fresh.build_args(["-k", "-j", "8"]);
        assert_eq!(
            built.output.status.code(),
            clean.output.status.code(),
            "{}\n\nclean: {}",
            built.output.transcript(),
            clean.output.transcript()
        );
        assert_eq!(built.output.status.code(), Some(0), "{}", built.output.transcript());
        self.compare(&fresh, &built);
        let again = self.here.build_args(["-k"]);
        assert!(again.tasks_run().is_empty(), "the second build ran something\n{}", again.output.transcript());
        self.compare(&fresh, &again);
        for directory in ["staging", "exchange", "replaced"] {
            let left = std::fs::read_dir(self.here.path(".orca").join(directory)).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{directory}\n{}", built.output.transcript());
        }
    }

    fn compare(&self, fresh: &Project, built: &Build) {
        let (mut here, mut there) = (self.here.tree(), fresh.tree());
        for tree in [&mut here, &mut there] {
            // The lock says who left the plan and what was merged before, which a clean build does not know.
            tree.0.retain(|path, _| path != "orca.toml" && path != "orca.lock");
        }
        for (path, word) in &self.drift {
            let Some(Entry::File(_, bytes)) = there.0.get_mut(path) else { panic!("{path} is a file") };
            *bytes = with_line(&String::from_utf8_lossy(bytes), word).into_bytes();
        }
        let Snapshot(entries) = &here;
        assert!(!entries.is_empty());
        let difference = here.difference(&there);
        assert!(difference.is_empty(), "{}\nhere != clean:\n{difference}", built.output.transcript());
    }
}

/// The text with another line of a person's.
fn with_line(text: &str, word: &str) -> String {
    let start = format!("l{OF_PERSON} ");
    text.lines().fold(String::new(), |mut all, line| {
        let _ = match line.starts_with(&start) {
            true => writeln!(all, "{start}{word}"),
            false => writeln!(all, "{line}"),
        };
        all
    })
}

fn walk(seed: u64, steps: u64) -> Result<(), String> {
    let mut life = Life::new(seed);
    let walked = catch_unwind(AssertUnwindSafe(|| {
        life.check();
        for step in 0..steps {
            life.say(format!("-- step {step}"));
            life.step();
            life.check();
        }
    }));
    walked.map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned());
        format!(
            "ORCA_WALK_SEED={seed}:\n{}\n{said}\nplan:\n{}\nghosts: {:?}\ndrift: {:?}",
            life.trace.join("\n"),
            Life::plan_of(life.tasks.iter()),
            life.ghosts,
            life.drift
        )
    })
}

#[test]
fn edits_over_time_equal_a_clean_build() {
    walk_all(THREADS, 8, 10, walk);
}

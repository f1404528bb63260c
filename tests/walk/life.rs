//! What happens to a project: edits, lies, accidents, and builds that do not end. Each step says what it did.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "does to real files what people and accidents do")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::tasks::output;
use super::{Kind, Model, Random, Source, Task};
use crate::support::Project;

/// A project in the middle of its life.
pub(crate) struct Life {
    pub(crate) random: Random,
    pub(crate) model: Model,
    pub(crate) here: Project,
    /// What happened, newest last.
    pub(crate) trace: Vec<String>,
    /// Files that a person put beside outputs: they stay.
    pub(crate) planted: BTreeSet<String>,
    /// Whether the last build left no task red: then what is on disk is all there is to remember.
    pub(crate) is_green: bool,
    plans: Vec<Vec<Task>>,
}

impl Life {
    /// Begins with a project that was never built.
    pub(crate) fn new(seed: u64, prepare: impl Fn(&mut Project)) -> Self {
        let mut random = Random::new(seed);
        let model = Model::random(&mut random);
        let mut here = Project::empty();
        prepare(&mut here);
        model.put_all(&mut here);
        let plans = vec![model.tasks.clone()];
        Self { random, model, here, trace: Vec::new(), planted: BTreeSet::new(), is_green: false, plans }
    }

    /// Lets one thing happen, or a few that may happen between two builds.
    pub(crate) fn step(&mut self) {
        match self.random.below(20) {
            0..8 => {
                for _ in 0..=self.random.below(3) {
                    self.change_source();
                }
            }
            8..12 => self.change_plan(),
            12..16 => self.damage_output(),
            16 if self.is_green && self.random.once_in(2) => {
                self.say("delete .orca");
                self.here.remove(".orca");
            }
            16 => self.damage_cache(),
            17 => self.kill_a_build(),
            18 => {
                self.change_source();
                self.kill_a_build();
                self.change_plan();
            }
            _ => {
                self.change_source();
                self.build_a_part();
                self.change_plan();
            }
        }
    }

    fn say(&mut self, what: impl Into<String>) {
        self.trace.push(what.into());
    }

    // Sources.

    fn change_source(&mut self) {
        match self.random.below(10) {
            0..2 => self.edit(),
            2 => self.edit_behind_the_clock(),
            3 => self.lie_about_time(),
            4 => self.add(),
            5 => self.delete(),
            6 => self.rename(),
            7 => self.chmod(),
            8 => self.retarget(),
            _ => self.change_kind(),
        }
    }

    fn files(&self) -> Vec<String> {
        let is_file = |source: &Source| matches!(source, Source::File { .. });
        self.model.sources.iter().filter(|(_, source)| is_file(source)).map(|(path, _)| path.clone()).collect()
    }

    /// Those that may go away without the plan becoming invalid.
    fn spare(&self) -> Vec<String> {
        self.model.sources.keys().filter(|path| !path.ends_with("keep.txt") && *path != "orca.notes").cloned().collect()
    }

    fn set_text(&mut self, path: &str, new: &str) {
        if let Some(Source::File { text, .. }) = self.model.sources.get_mut(path) {
            new.clone_into(text);
        }
    }

    fn edit(&mut self) {
        let files = self.files();
        let path = self.random.pick(&files).clone();
        let word = if self.random.once_in(8) { "BAD" } else { "good" };
        let text = format!("{word} {}\n", self.random.next() % 10_000);
        self.say(format!("edit {path}: {text:?}"));
        self.set_text(&path, &text);
        self.model.put(&self.here, &path);
    }

    /// The same size, in place, and the time put back to what it was.
    fn edit_behind_the_clock(&mut self) {
        let files = self.files();
        let path = self.random.pick(&files).clone();
        let Some(Source::File { text, .. }) = self.model.sources.get(&path) else { return };
        let flipped: String = text
            .chars()
            .map(|c| if c.is_ascii_digit() { char::from(b'0' + (c as u8 - b'0' + 1) % 10) } else { c })
            .collect();
        let new = if flipped == *text { text.replace('s', "z") } else { flipped };
        self.say(format!("same-size edit of {path} with its time put back: {new:?}"));
        let file = self.here.path(&path);
        let before = fs::metadata(&file).unwrap().modified().unwrap();
        let mut open = File::options().write(true).open(&file).unwrap();
        open.write_all(new.as_bytes()).unwrap();
        open.set_modified(before).unwrap();
        self.set_text(&path, &new);
    }

    fn lie_about_time(&mut self) {
        let files = self.files();
        let path = self.random.pick(&files).clone();
        let by = Duration::from_secs(self.random.next() % 1_000_000);
        let future = self.random.once_in(2);
        let time = if future { SystemTime::now() + by } else { SystemTime::now() - by };
        self.say(format!("touch {path}, {by:?} {}", if future { "ahead" } else { "ago" }));
        File::options().write(true).open(self.here.path(&path)).unwrap().set_modified(time).unwrap();
    }

    fn add(&mut self) {
        let number = self.model.fresh();
        let directory = *self.random.pick(&["s/a", "s/b", "s/b/deep", "s/a/x-dir"]);
        let path =
            format!("{directory}/{}{number}.{}", self.random.pick(&["x", "f"]), self.random.pick(&["txt", "md"]));
        self.say(format!("add {path}"));
        self.model.sources.insert(path.clone(), Source::text(format!("new {number}\n")));
        self.model.put(&self.here, &path);
    }

    fn delete(&mut self) {
        let spare = self.spare();
        let Some(path) = self.random.pick_any(&spare) else { return };
        self.say(format!("delete {path}"));
        self.model.sources.remove(&path);
        self.model.put(&self.here, &path);
        self.tidy(&path);
    }

    fn rename(&mut self) {
        let spare = self.spare();
        let Some(path) = self.random.pick_any(&spare) else { return };
        let number = self.model.fresh();
        let to = format!("s/{}/r{number}.txt", self.random.pick(&["a", "b"]));
        self.say(format!("rename {path} to {to}"));
        let source = self.model.sources.remove(&path).expect("it was listed");
        self.model.sources.insert(to.clone(), source);
        self.here.rename(&path, &to);
        self.tidy(&path);
    }

    /// Removes the directories that are empty now, as git does; the model knows no empty ones.
    fn tidy(&self, path: &str) {
        for parent in Path::new(path).ancestors().skip(1) {
            if parent.as_os_str().is_empty() || fs::remove_dir(self.here.root().join(parent)).is_err() {
                return;
            }
        }
    }

    fn chmod(&mut self) {
        let files = self.files();
        let path = self.random.pick(&files).clone();
        let Some(Source::File { is_executable, .. }) = self.model.sources.get_mut(&path) else { return };
        *is_executable = !*is_executable;
        let mode = if *is_executable { 0o755 } else { 0o644 };
        self.say(format!("chmod {mode:o} {path}"));
        self.here.chmod(&path, mode);
    }

    fn retarget(&mut self) {
        let links: Vec<String> =
            self.spare().into_iter().filter(|path| matches!(self.model.sources[path], Source::Link(_))).collect();
        let path = self.random.pick_any(&links).unwrap_or_else(|| format!("s/b/link{}", self.model.fresh()));
        let target = self.random.pick(&["keep.txt", "../a/keep.txt", "nowhere", "../../orca.notes"]).to_string();
        self.say(format!("link {path} to {target}"));
        self.model.sources.insert(path.clone(), Source::Link(target));
        self.model.put(&self.here, &path);
    }

    /// A file becomes a link, a link a file.
    fn change_kind(&mut self) {
        let spare = self.spare();
        let Some(path) = self.random.pick_any(&spare) else { return };
        let new = match &self.model.sources[&path] {
            Source::File { .. } => Source::Link("keep.txt".to_owned()),
            Source::Link(_) => Source::text("was a link\n"),
        };
        self.say(format!("{path} becomes {new:?}"));
        self.model.sources.insert(path.clone(), new);
        self.model.put(&self.here, &path);
    }

    // The plan.

    fn change_plan(&mut self) {
        let tasks = self.model.tasks.len();
        let at = self.random.below(tasks);
        match self.random.below(12) {
            0 => {
                self.say("add a task");
                self.model.add_task(&mut self.random);
            }
            1 if tasks > 6 => {
                self.say(format!("remove task {}", self.model.tasks[at].name));
                self.model.remove_task(at);
            }
            2 => {
                let to = format!("n{}", self.model.fresh());
                self.say(format!("rename task {} to {to}", self.model.tasks[at].name));
                self.model.rename_task(at, &to);
            }
            3 => {
                self.say(format!("change the body of {}", self.model.tasks[at].name));
                self.model.tasks[at].salt += 1;
            }
            4 => self.move_an_output(at),
            5 => self.swap_outputs(),
            6 => {
                self.say(format!("other inputs for {}", self.model.tasks[at].name));
                let (before, rest) = self.model.tasks.split_at_mut(at);
                rest[0].take_inputs(&mut self.random, before);
            }
            7 => {
                let task = &mut self.model.tasks[at];
                task.is_gated = !task.is_gated;
                self.trace.push(format!("{} is gated: {}", task.name, task.is_gated));
            }
            8 => {
                self.model.walk = format!("walk {}", self.random.below(3));
                self.say(format!("WALK={}", self.model.walk));
                self.here.set_env("WALK", self.model.walk.clone());
            }
            9 => {
                self.say("a comment");
                self.model.comment += 1;
            }
            10 => {
                self.say("an earlier plan is back");
                self.model.tasks = self.random.pick(&self.plans).clone();
            }
            _ => self.make_a_source_an_output(),
        }
        self.model.put_plan(&self.here);
    }

    fn move_an_output(&mut self, at: usize) {
        let Task { kind, name, .. } = self.model.tasks[at].clone();
        // Generated sources are for tasks that see none.
        let to =
            output(&mut self.random, if kind == Kind::Count { Kind::Listing } else { kind }, &format!("{name}-moved"));
        self.say(format!("{name} writes {to}"));
        self.model.move_output(at, &to);
    }

    /// Two tasks write what the other wrote.
    fn swap_outputs(&mut self) {
        let swappable =
            |task: &Task| !matches!(task.kind, Kind::Check | Kind::Copy) && !task.output.starts_with("s/gen");
        let of: Vec<usize> = (0..self.model.tasks.len()).filter(|at| swappable(&self.model.tasks[*at])).collect();
        let (Some(one), Some(other)) = (self.random.pick_any(&of), self.random.pick_any(&of)) else { return };
        self.say(format!("{} and {} swap outputs", self.model.tasks[one].name, self.model.tasks[other].name));
        let first = self.model.tasks[one].output.clone();
        self.model.tasks[one].output = std::mem::replace(&mut self.model.tasks[other].output, first);
    }

    /// What was a source file is what a task writes now.
    fn make_a_source_an_output(&mut self) {
        let spare: Vec<String> = self.spare().into_iter().filter(|path| path.starts_with("s/a/x")).collect();
        let counts: Vec<usize> =
            (0..self.model.tasks.len()).filter(|at| self.model.tasks[*at].output.starts_with("s/gen")).collect();
        let (Some(path), Some(at)) = (self.random.pick_any(&spare), self.random.pick_any(&counts)) else { return };
        self.say(format!("{} writes {path}, which was a source", self.model.tasks[at].name));
        self.model.sources.remove(&path);
        self.model.tasks[at].output = path;
    }

    // Outputs.

    fn damage_output(&mut self) {
        for _ in 0..=self.random.below(2) {
            let tasks = self.model.damageable();
            let Some(task) = self.random.pick_any(&tasks) else { return };
            let path = self.here.path(&task.output);
            if fs::symlink_metadata(&path).is_err() {
                continue;
            }
            match self.random.below(9) {
                0..2 => {
                    self.say(format!("delete output {}", task.output));
                    self.here.remove(&task.output);
                }
                2 => self.damage_inside(&task),
                3 => {
                    self.say(format!("a directory in place of {}", task.output));
                    self.here.remove(&task.output);
                    fs::create_dir(&path).unwrap();
                    match task.kind {
                        // Where a directory belongs, one with something else in it is none the worse.
                        Kind::Copy => self.plant(&task),
                        _ => drop(self.here.write(&format!("{}/sub/precious", task.output), "a person's\n")),
                    }
                }
                4 => {
                    self.say(format!("a link to a directory in place of {}", task.output));
                    self.here.remove(&task.output);
                    symlink(self.here.path("s/a"), &path).unwrap();
                }
                5 => {
                    self.say(format!("a file in place of {}", task.output));
                    self.here.remove(&task.output);
                    fs::write(&path, "a person's\n").unwrap();
                }
                6 => {
                    self.say(format!("a dangling link in place of {}", task.output));
                    self.here.remove(&task.output);
                    symlink("nowhere", &path).unwrap();
                }
                7 => {
                    self.say(format!("touch {}", task.output));
                    let is_file = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
                    if is_file {
                        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now()).unwrap();
                    }
                }
                _ => self.plant(&task),
            }
            self.planted.retain(|path| self.here.exists(path));
        }
    }

    /// Damages one file of an output: other bytes of the same size, more, none, another mode.
    fn damage_inside(&mut self, task: &Task) {
        let files = files_beneath(&self.here.path(&task.output));
        let Some(path) = self.random.pick_any(&files) else { return };
        self.say(format!("damage {} of {}", path.display(), task.output));
        match self.random.below(4) {
            0 => flip_a_byte(&path, &mut self.random),
            1 => File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap(),
            2 => File::options().write(true).open(&path).unwrap().set_len(0).unwrap(),
            _ => {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode ^ 0o111)).unwrap();
            }
        }
    }

    /// A file of a person's in a directory that a task writes.
    fn plant(&mut self, task: &Task) {
        let directory = self.here.path(&task.output);
        if task.kind != Kind::Copy || !fs::symlink_metadata(&directory).is_ok_and(|meta| meta.is_dir()) {
            return;
        }
        let path = format!("{}/planted", task.output);
        self.say(format!("plant {path}"));
        self.here.write(&path, "a person's\n");
        self.planted.insert(path);
    }

    // The cache, and builds.

    fn damage_cache(&mut self) {
        let cache = self.here.cache();
        if self.random.once_in(3) {
            self.say("delete the cache");
            let _ = fs::remove_dir_all(&cache);
        } else {
            let blobs = files_beneath(&cache.join("cas"));
            self.say(format!("damage some of {} blobs", blobs.len()));
            for blob in blobs {
                match self.random.below(6) {
                    0 => flip_a_byte(&blob, &mut self.random),
                    1 => fs::remove_file(&blob).unwrap(),
                    2 => File::options().write(true).open(&blob).unwrap().set_len(1).unwrap(),
                    _ => {}
                }
            }
        }
        self.damage_output();
    }

    fn kill_a_build(&mut self) {
        let after = Duration::from_millis(self.random.next() % 250);
        self.say(format!("kill -9 of a build after {after:?}"));
        let build = self.here.spawn(["build", "-k"]);
        std::thread::sleep(after);
        build.kill();
    }

    fn build_a_part(&mut self) {
        let name = self.random.pick(&self.model.tasks).name.clone();
        self.say(format!("build just {name}"));
        let part = self.here.orca(["build", &name]);
        assert!(matches!(part.status.code(), Some(0 | 1 | 3)), "{}", part.transcript());
    }

    /// Goes on in a fresh checkout of the sources that shares the cache, perhaps while the first is built for a last
    /// time.
    pub(crate) fn move_on(&mut self, prepare: impl Fn(&mut Project)) {
        self.say("go on in a second checkout");
        let mut next = self.here.checkout([]);
        for entry in fs::read_dir(next.root()).unwrap() {
            next.remove(entry.unwrap().file_name().to_str().unwrap());
        }
        prepare(&mut next);
        self.model.put_all(&mut next);
        let last = std::mem::replace(&mut self.here, next);
        if self.random.once_in(2) {
            self.say("both are built at the same time");
            last.remove(".orca");
            let builds = [last.spawn(["build", "-k"]), self.here.spawn(["build", "-k"])];
            let [first, second] = builds.map(|build| build.wait());
            assert_eq!(first.status.code(), second.status.code(), "{}\n{}", first.transcript(), second.transcript());
        }
    }

    /// Takes the planted files away, after it was seen that they are still there.
    pub(crate) fn collect_planted(&mut self) {
        for path in std::mem::take(&mut self.planted) {
            if self.here.exists(&path) {
                self.here.remove(&path);
            }
        }
    }

    /// Notes that the plan as it is can be built.
    pub(crate) fn remember_plan(&mut self) {
        self.plans.push(self.model.tasks.clone());
    }
}

fn files_beneath(path: &Path) -> Vec<PathBuf> {
    let Ok(meta) = fs::symlink_metadata(path) else { return Vec::new() };
    if meta.is_file() {
        return vec![path.to_owned()];
    }
    if !meta.is_dir() {
        return Vec::new();
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.iter().flat_map(|entry| files_beneath(entry)).collect()
}

fn flip_a_byte(path: &Path, random: &mut Random) {
    let mut file = File::options().read(true).write(true).open(path).unwrap();
    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
    if length == 0 {
        return;
    }
    let at = SeekFrom::Start(random.below(length) as u64);
    let mut byte = [0];
    file.seek(at).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(at).unwrap();
    file.write_all(&[byte[0] ^ 0x20]).unwrap();
}

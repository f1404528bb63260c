//! The graph that every peer builds: about as deep as it is wide, two deps and three sources of 1 KiB each, and bodies
//! of `cat ... | cksum`, so that what is measured is the tool and not the work.

use std::fs;
use std::path::Path;

/// Sources of each task.
const SOURCES: usize = 3;
/// Bytes of a source, about.
const SOURCE_BYTES: usize = 1024;

/// Where the files of a task lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `src/7-0` and `out/7`.
    Flat,
    /// A directory for each task, as tools for packages want it: `p/7/s0` and `p/7/o`.
    Packages,
}

/// A layered graph of this many tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Graph {
    /// How many tasks there are.
    pub(crate) tasks: usize,
    /// Where their files lie.
    pub(crate) layout: Layout,
}

/// One task of it.
#[derive(Debug)]
pub(crate) struct Task {
    /// Its number.
    pub(crate) number: usize,
    /// The tasks that it reads the outputs of.
    pub(crate) deps: Vec<usize>,
    /// All files that it reads, its sources first.
    pub(crate) inputs: Vec<String>,
    /// The file that it writes.
    pub(crate) output: String,
}

impl Task {
    /// Its body, for a shell in the root.
    pub(crate) fn command(&self) -> String {
        format!("cat {} | cksum > {}", self.inputs.join(" "), self.output)
    }

    /// Its source files.
    pub(crate) fn sources(&self) -> &[String] {
        &self.inputs[..SOURCES]
    }
}

impl Graph {
    /// The tasks, each after those that it reads.
    pub(crate) fn tasks(self) -> impl Iterator<Item = Task> {
        (0..self.tasks).map(move |number| self.task(number))
    }

    /// One of them.
    pub(crate) fn task(self, number: usize) -> Task {
        let width = self.tasks.isqrt().max(1);
        let deps = match number.checked_sub(width) {
            None => Vec::new(),
            Some(above) => vec![above, above / width * width + (above + 1) % width],
        };
        let sources = (0..SOURCES).map(|source| self.source(number, source));
        let inputs = sources.chain(deps.iter().map(|dep| self.output(*dep))).collect();
        Task { number, deps, inputs, output: self.output(number) }
    }

    fn source(self, task: usize, source: usize) -> String {
        match self.layout {
            Layout::Flat => format!("src/{task}-{source}"),
            Layout::Packages => format!("p/{task}/s{source}"),
        }
    }

    fn output(self, task: usize) -> String {
        match self.layout {
            Layout::Flat => format!("out/{task}"),
            Layout::Packages => format!("p/{task}/o"),
        }
    }

    /// Writes all sources beneath a directory.
    pub(crate) fn write_sources(self, root: &Path) {
        for task in 0..self.tasks {
            (0..SOURCES).for_each(|source| self.write(root, task, source, 0));
        }
        self.make_directories(root);
    }

    /// Makes the directories that outputs go to.
    pub(crate) fn make_directories(self, root: &Path) {
        fs::create_dir_all(root.join("out")).expect("a directory");
    }

    /// Writes the first source of a task anew; another `round` is another content of the same size.
    pub(crate) fn edit(self, root: &Path, task: usize, round: usize) {
        self.write(root, task, 0, round);
    }

    fn write(self, root: &Path, task: usize, source: usize, round: usize) {
        let line = format!("{task} {source} {round:06}\n");
        let path = root.join(self.source(task, source));
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        fs::write(path, line.repeat(SOURCE_BYTES / line.len())).expect("a file");
    }

    /// Sets the time of the first source of a task, and nothing else.
    pub(crate) fn touch(self, root: &Path, task: usize) {
        let file = fs::File::options().append(true).open(root.join(self.source(task, 0))).expect("a source");
        file.set_modified(std::time::SystemTime::now()).expect("a time can be set");
    }

    /// Removes all outputs.
    pub(crate) fn remove_outputs(self, root: &Path) {
        for task in 0..self.tasks {
            let _ = fs::remove_file(root.join(self.output(task)));
        }
    }

    /// What a task has written.
    pub(crate) fn read_output(self, root: &Path, task: usize) -> Option<String> {
        fs::read_to_string(root.join(self.output(task))).ok()
    }
}

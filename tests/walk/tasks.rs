//! The tasks of the walk: small bodies that write down everything they can see, so that one file too many, one too few,
//! a wrong mode or a stale link shows in an output.

use std::fmt::Write;

use super::Random;

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Writes down its whole view: names, kinds, modes, link targets, contents.
    Listing,
    /// Counts the files it sees; often the same after a change, so what follows is cut off.
    Count,
    /// Copies its view into a directory, beside an empty directory, an empty file and a dangling link.
    Copy,
    /// Has no output; red where a file says BAD.
    Check,
    /// An agent that writes its prompt.
    Agent,
}

/// One task of the plan.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) salt: u64,
    pub(crate) inputs: Vec<String>,
    pub(crate) output: String,
    pub(crate) deps: Vec<String>,
    pub(crate) is_gated: bool,
    pub(crate) passes_env: bool,
}

/// Writes the view to a file outside of it, so that the output is not part of what it describes.
const LIST: &str = "{ find . -path ./.orca -prune -o ! -name . -printf '%y %m %p %l\\n' | LC_ALL=C sort; \
    find . -path ./.orca -prune -o -type f -exec cksum {} + | LC_ALL=C sort; } > \"$TMPDIR/view\"";

/// The agent: writes its prompt where the prompt says, but for the parts that are not in its key: what the task is
/// called, what is said of its dependencies, and which gates judge it. (The rules at its end go with them.)
pub(crate) const AGENT: &str = r#"
[agents.echo]
preset = "command"
command = ["sh", "-c", """
cat > "$TMPDIR/prompt"
out=$(sed -n 's/^WRITE //p' "$TMPDIR/prompt")
sed -e '/^# Task:/d' -e '/^## Gates/,$d' -e '/^## Rules/,$d' -e '/^## What its dep/,/^## E/d' "$TMPDIR/prompt" > "$out"
"""]

[gates.good]
run = "! grep -rqs BAD ."
"#;

impl Task {
    /// The path it owns, if it has outputs.
    pub(crate) fn owns(&self) -> Option<&str> {
        (self.kind != Kind::Check).then_some(self.output.as_str())
    }

    /// Whether `path` is its output, lies beneath it, or is a directory on the way to it.
    pub(crate) fn concerns(&self, path: &str) -> bool {
        let within = |path: &str, directory: &str| {
            path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.owns().is_some_and(|output| within(path, output) || within(output, path))
    }

    /// Its table.
    pub(crate) fn toml(&self, out: &mut String) {
        let Self { name, kind, salt, output, .. } = self;
        let _ = writeln!(out, "\n[tasks.{name}]");
        let body = match kind {
            Kind::Listing => format!("{LIST}; echo {salt} $WALK >> \"$TMPDIR/view\"; cp \"$TMPDIR/view\" {output}"),
            Kind::Count => {
                format!("n=$(find . -path ./.orca -prune -o -type f -print | wc -l); echo $n {} > {output}", salt % 2)
            }
            Kind::Copy => format!(
                "mkdir -p \"$TMPDIR/c/empty\"; cp -RP . \"$TMPDIR/c/all\"; rm -rf \"$TMPDIR/c/all/{output}\"; \
                 : > \"$TMPDIR/c/nothing\"; chmod {} \"$TMPDIR/c/nothing\"; ln -s nowhere/{salt} \"$TMPDIR/c/dangling\"; \
                 rm -rf {output}; cp -RP \"$TMPDIR/c\" {output}",
                if salt % 2 == 0 { "755" } else { "644" },
            ),
            Kind::Check => format!("! grep -rq BAD . && echo {salt}"),
            Kind::Agent => String::new(),
        };
        let _ = match kind {
            Kind::Agent => writeln!(out, "prompt = '''\nWRITE {output}\nsalt {salt}\n'''\nagent = \"echo\""),
            _ => writeln!(out, "run = '''{body}'''"),
        };
        let _ = writeln!(out, "inputs = {:?}\ndeps = {:?}", self.inputs, self.deps);
        if let Some(output) = self.owns() {
            let _ = writeln!(out, "outputs = [{output:?}]");
        }
        if self.is_gated {
            let _ = writeln!(out, "gates = [\"good\"]");
        }
        if self.passes_env {
            let _ = writeln!(out, "pass_env = [\"WALK\"]");
        }
    }

    /// A task that may wait for any of those `before` it.
    pub(crate) fn random(random: &mut Random, number: usize, before: &[Task]) -> Self {
        let kind = *random.pick(&[
            Kind::Listing,
            Kind::Listing,
            Kind::Listing,
            Kind::Count,
            Kind::Count,
            Kind::Copy,
            Kind::Check,
            Kind::Agent,
        ]);
        let name = format!("{}{number}", ["t", "a", "z", "m"][random.below(4)]);
        let mut task = Self {
            output: output(random, kind, &name),
            name,
            kind,
            salt: random.next() % 1000,
            inputs: Vec::new(),
            deps: Vec::new(),
            is_gated: random.once_in(5),
            passes_env: kind == Kind::Listing && random.once_in(3),
        };
        task.take_inputs(random, before);
        task
    }

    /// Chooses what it sees: sources, and what tasks `before` it write.
    pub(crate) fn take_inputs(&mut self, random: &mut Random, before: &[Task]) {
        let is_generated_source = self.output.starts_with("s/gen");
        let literals = ["s/a/keep.txt", "s/b/keep.txt", "orca.notes"];
        let wide = ["s/a/*", "s/b/**", "s/**/*.txt", "s/a", "s/b/*.txt", "s/**", "s/[ab]/*", "s/*", "orca.notes"];
        self.inputs = (0..=random.below(2))
            .map(|_| *random.pick(if is_generated_source { &literals[..] } else { &wide[..] }))
            .map(str::to_owned)
            .collect();
        self.deps.clear();
        if random.once_in(4) && !is_generated_source {
            self.inputs.push("!s/a/x*".to_owned());
        }
        if is_generated_source || self.kind == Kind::Copy {
            return;
        }
        for _ in 0..random.below(3) {
            let Some(other) = random.pick_any(before) else { return };
            match other.owns() {
                Some(output) if random.once_in(2) && other.kind == Kind::Copy => {
                    self.inputs.push(format!("{output}/**"));
                }
                Some(output) if random.once_in(2) => self.inputs.push(output.to_owned()),
                _ => self.deps.push(other.name.clone()),
            }
        }
        self.deps.sort();
        self.deps.dedup();
    }
}

/// A fresh path for the output of a task.
pub(crate) fn output(random: &mut Random, kind: Kind, name: &str) -> String {
    match (kind, random.below(5)) {
        (Kind::Copy, _) => format!("{name}.d"),
        (Kind::Count, 0..2) => format!("s/gen/{name}.txt"),
        (_, 0) => format!("deep/{name}/er/{name}.txt"),
        (_, 1) => format!("{name}.txt"),
        _ => format!("out/{name}.txt"),
    }
}

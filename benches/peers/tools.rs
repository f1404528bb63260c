//! The peers: for each the files that describe the graph to it, its command line, and what it has to forget for a cold build.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::graph::{Graph, Layout};
use super::measure::Run;

/// A tool, set up in a directory of its own.
pub(crate) struct Peer {
    /// What it is called in the tables.
    pub(crate) name: &'static str,
    /// The graph, laid out as the tool wants it.
    pub(crate) graph: Graph,
    /// How it builds everything.
    pub(crate) build: Run,
    /// What is run once before the first build, and after everything was forgotten.
    pub(crate) prepare: Option<Run>,
    /// What is run in the end, for tools that leave a process behind.
    pub(crate) end: Option<Run>,
    /// What it knows of earlier builds, beneath its directory.
    forgets: &'static [&'static str],
    /// Whether only cold builds are of interest.
    pub(crate) only_cold: bool,
}

impl Peer {
    /// Makes the next build a cold one.
    pub(crate) fn forget(&self) {
        self.graph.remove_outputs(&self.build.directory);
        for path in self.forgets {
            let path = self.build.directory.join(path);
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
        self.prepare();
    }

    /// Does what comes before the first build.
    pub(crate) fn prepare(&self) {
        if let Some(run) = &self.prepare {
            assert!(run.measure(600).is_some(), "{}: {:?} fails", self.name, run.argv);
        }
    }
}

/// Where peers are made, and with how many jobs they run.
pub(crate) struct Yard {
    /// Holds a directory for each peer.
    pub(crate) root: PathBuf,
    /// How many tasks the graph has.
    pub(crate) tasks: usize,
    /// Jobs at a time.
    pub(crate) jobs: usize,
}

impl Yard {
    /// The peer of this name; `Err` says why there is none.
    pub(crate) fn peer(&self, name: &'static str) -> Result<Peer, String> {
        let layout = if name == "turbo" { Layout::Packages } else { Layout::Flat };
        let graph = Graph { tasks: self.tasks, layout };
        let program = match name {
            "orca" | "orca, isolated" => env!("CARGO_BIN_EXE_orca").to_owned(),
            _ => found(name)?,
        };
        let directory = self.root.join(name.replace(", ", "-"));
        graph.write_sources(&directory);
        let build = Run { argv: vec![program], directory, env: Vec::new() };
        let peer =
            Peer { name, graph, build, prepare: None, end: None, forgets: &[], only_cold: name == "orca, isolated" };
        match name {
            "orca" => Ok(self.orca(peer, "none")),
            "orca, isolated" => Ok(self.orca(peer, "auto")),
            "ninja" | "n2" => Ok(ninja(peer)),
            "make" => Ok(make(peer, self.jobs)),
            "tup" => Ok(tup(peer)),
            "task" => Ok(go_task(peer, self.jobs)),
            "turbo" => Ok(turbo(peer, self.jobs)),
            "moon" => Ok(moon(peer, self.jobs)),
            "nx" => nx(peer, self.jobs),
            _ => Err("it is not known".to_owned()),
        }
    }

    fn orca(&self, mut peer: Peer, sandbox: &str) -> Peer {
        let mut plan = String::new();
        for task in peer.graph.tasks() {
            let (number, command, inputs, output) = (task.number, task.command(), &task.inputs, &task.output);
            let _ = write!(
                plan,
                "[tasks.t{number}]\nrun = \"{command}\"\ninputs = {inputs:?}\noutputs = [\"{output}\"]\nsandbox = \"{sandbox}\"\n"
            );
        }
        peer.write("orca.toml", plan);
        let own = |name: &str| peer.build.directory.join(".outside").join(name).display().to_string();
        peer.build.env = vec![("ORCA_CACHE_DIR".into(), own("cache")), ("XDG_STATE_HOME".into(), own("state"))];
        peer.prepare = Some(peer.command(&["trust", "--yes"]));
        peer.build.argv.push("build".to_owned());
        peer.forgets = &[".orca", ".outside"];
        peer
    }
}

impl Peer {
    fn write(&self, name: &str, text: String) {
        let path = self.build.directory.join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn write_json(&self, name: &str, value: &Value) {
        self.write(name, value.to_string());
    }

    /// The tool with other arguments.
    fn command(&self, args: &[&str]) -> Run {
        let program = self.build.argv[0].clone();
        let argv = std::iter::once(program).chain(args.iter().map(ToString::to_string)).collect();
        Run { argv, ..self.build.clone() }
    }

    fn with_args(mut self, args: &[&str]) -> Self {
        self.build = self.command(args);
        self
    }
}

fn ninja(peer: Peer) -> Peer {
    let mut plan = String::from("rule r\n  command = $c\n");
    for task in peer.graph.tasks() {
        let _ = write!(plan, "build {}: r {}\n  c = {}\n", task.output, task.inputs.join(" "), task.command());
    }
    peer.write("build.ninja", plan);
    Peer { forgets: &[".ninja_log", ".ninja_deps", ".n2_db"], ..peer }
}

fn make(peer: Peer, jobs: usize) -> Peer {
    let all: Vec<String> = peer.graph.tasks().map(|task| task.output).collect();
    let mut plan = format!("all: {}\n", all.join(" "));
    for task in peer.graph.tasks() {
        let _ = write!(plan, "{}: {}\n\t{}\n", task.output, task.inputs.join(" "), task.command());
    }
    peer.write("Makefile", plan);
    peer.with_args(&["-r", &format!("-j{jobs}")])
}

fn tup(peer: Peer) -> Peer {
    let mut plan = String::new();
    for task in peer.graph.tasks() {
        let _ = writeln!(plan, ": {} |> {} |> {}", task.inputs.join(" "), task.command(), task.output);
    }
    peer.write("Tupfile", plan);
    Peer { forgets: &[".tup"], prepare: Some(peer.command(&["init"])), ..peer }
}

fn go_task(peer: Peer, jobs: usize) -> Peer {
    let mut tasks = serde_json::Map::new();
    let names: Vec<String> = peer.graph.tasks().map(|task| format!("t{}", task.number)).collect();
    tasks.insert("default".to_owned(), json!({ "deps": names }));
    for task in peer.graph.tasks() {
        let deps: Vec<String> = task.deps.iter().map(|dep| format!("t{dep}")).collect();
        let body = json!({
            "deps": deps, "sources": task.inputs, "generates": [task.output], "cmds": [task.command()], "run": "once",
        });
        tasks.insert(format!("t{}", task.number), body);
    }
    // YAML is a superset of JSON.
    peer.write_json("Taskfile.yml", &json!({ "version": "3", "tasks": tasks }));
    Peer { forgets: &[".task"], ..peer.with_args(&["--concurrency", &jobs.to_string()]) }
}

fn turbo(peer: Peer, jobs: usize) -> Peer {
    let root = json!({ "name": "root", "private": true, "packageManager": "npm@10.0.0", "workspaces": ["p/*"] });
    peer.write_json("package.json", &root);
    let build = json!({ "dependsOn": ["^build"], "inputs": ["s*"], "outputs": ["o"] });
    peer.write_json("turbo.json", &json!({ "tasks": { "build": build } }));
    let mut locked = serde_json::Map::new();
    locked.insert(String::new(), root);
    for task in peer.graph.tasks() {
        let inside = |path: &String| path.replacen("p/", "../", 1);
        let inputs: Vec<String> = task.inputs.iter().map(inside).collect();
        let deps: serde_json::Map<String, Value> =
            task.deps.iter().map(|dep| (format!("t{dep}"), json!("1.0.0"))).collect();
        let command = format!("cat {} | cksum > o", inputs.join(" "));
        let package = json!({
            "name": format!("t{}", task.number), "version": "1.0.0", "scripts": { "build": command }, "dependencies": deps,
        });
        peer.write_json(&format!("p/{}/package.json", task.number), &package);
        let path = format!("p/{}", task.number);
        locked.insert(format!("node_modules/t{}", task.number), json!({ "resolved": path, "link": true }));
        locked.insert(path, json!({ "name": format!("t{}", task.number), "version": "1.0.0", "dependencies": deps }));
    }
    peer.write_json(
        "package-lock.json",
        &json!({ "name": "root", "lockfileVersion": 3, "requires": true, "packages": locked }),
    );
    peer.write(".gitignore", ".turbo\nnode_modules\n".to_owned());
    let mut peer = peer.with_args(&["run", "build", "--concurrency", &jobs.to_string()]);
    peer.build.env.push(("TURBO_TELEMETRY_DISABLED".to_owned(), "1".to_owned()));
    Peer { forgets: &[".turbo", "node_modules"], ..peer }
}

fn moon(peer: Peer, jobs: usize) -> Peer {
    peer.write_json(".moon/workspace.yml", &json!({ "projects": { "all": "." } }));
    let mut tasks = serde_json::Map::new();
    for task in peer.graph.tasks() {
        let deps: Vec<String> = task.deps.iter().map(|dep| format!("~:t{dep}")).collect();
        let body = json!({ "script": task.command(), "deps": deps, "inputs": task.inputs, "outputs": [task.output] });
        tasks.insert(format!("t{}", task.number), body);
    }
    let all: Vec<String> = peer.graph.tasks().map(|task| format!("~:t{}", task.number)).collect();
    tasks.insert("everything".to_owned(), json!({ "command": "noop", "deps": all }));
    peer.write_json("moon.yml", &json!({ "tasks": tasks }));
    let mut peer = peer.with_args(&["run", "all:everything", "--concurrency", &jobs.to_string()]);
    peer.build.env.push(("MOON_TELEMETRY".to_owned(), "false".to_owned()));
    Peer { forgets: &[".moon/cache"], ..peer }
}

fn nx(peer: Peer, jobs: usize) -> Result<Peer, String> {
    // The workspace wants the package beside it, and the program is a link into that.
    let program = fs::canonicalize(&peer.build.argv[0]).map_err(|error| error.to_string())?;
    let modules = program.ancestors().find(|path| path.ends_with("node_modules")).ok_or("it is in no node_modules")?;
    let _ = symlink(modules, peer.build.directory.join("node_modules"));
    peer.write_json("nx.json", &json!({ "neverConnectToCloud": true, "analytics": false }));
    peer.write_json("package.json", &json!({ "name": "root", "private": true }));
    let mut targets = serde_json::Map::new();
    for task in peer.graph.tasks() {
        let deps: Vec<String> = task.deps.iter().map(|dep| format!("t{dep}")).collect();
        // What other tasks write is hashed when they have run, but only if it is asked for in this way.
        let sources = task.sources().iter().map(|source| json!(format!("{{workspaceRoot}}/{source}")));
        let inputs: Vec<Value> = sources.chain([json!({ "dependentTasksOutputFiles": "**/*" })]).collect();
        let body = json!({
            "command": task.command(), "dependsOn": deps, "inputs": inputs, "cache": true,
            "outputs": [format!("{{workspaceRoot}}/{}", task.output)],
        });
        targets.insert(format!("t{}", task.number), body);
    }
    let all: Vec<String> = peer.graph.tasks().map(|task| format!("t{}", task.number)).collect();
    targets.insert("everything".to_owned(), json!({ "executor": "nx:noop", "dependsOn": all }));
    peer.write_json("project.json", &json!({ "name": "all", "targets": targets }));
    let mut peer = peer.with_args(&["run", "all:everything", "--parallel", &jobs.to_string()]);
    peer.build.env.push(("NX_TUI".to_owned(), "false".to_owned()));
    let end = peer.command(&["daemon", "--stop"]);
    Ok(Peer { forgets: &[".nx/cache", ".nx/workspace-data"], end: Some(end), ..peer })
}

/// The program of a peer: what `<NAME>_BIN` says, or the first on PATH.
fn found(name: &str) -> Result<String, String> {
    let variable = format!("{}_BIN", name.to_uppercase());
    if let Some(program) = std::env::var_os(&variable) {
        return Ok(program.to_string_lossy().into_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| is_file(program));
    let found = found.ok_or_else(|| format!("it is not installed (neither on PATH nor named by {variable})"))?;
    Ok(found.display().to_string())
}

fn is_file(path: &Path) -> bool {
    path.is_file()
}

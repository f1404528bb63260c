//! From the tables of tasks to [`Task`]s: matrices are expanded, templates applied, names and paths resolved.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::definitions::report_both_bodies;
use super::document::Place;
use super::environment::{is_text, texts, variable_names, variables};
use super::format::{RawResources, RawRetry, RawTask, RawTdd};
use super::model::{Body, Plan, Resources, Retry, Task, Tdd};
use super::names::{Kind, Names, checked_name};
use super::paths::{Use, check_own_outputs, check_scratch, literals, pattern, patterns};
use super::reader::{Reader, Strings, shown};
use super::scope::Scope;
use super::table::Table;
use super::templates::{Chain, Templates};
use super::values::{Map, Params, Read, Text};
use crate::base::{Finding, Name, TaskName};

/// Instances of matrices in one plan.
const INSTANCES_MAX: usize = 10_000;
/// The most threads that read tasks.
const THREADS_MAX: usize = 8;

/// Everything a task can refer to.
pub(super) struct Registry {
    pub(super) agents: Names,
    pub(super) gates: Names,
    pub(super) pools: Names,
    pub(super) toolchains: Names,
    pub(super) templates: Templates,
}

/// One declared task before its body is read: its name, its template, its instances.
struct Stem {
    at: Place,
    chain: Option<Chain>,
    /// Names and values of the instances; one without values where there is no matrix.
    instances: Vec<(TaskName, BTreeMap<String, String>)>,
    has_matrix: bool,
}

/// The names of tasks: as declared, and as instances.
pub(super) struct TaskNames {
    pub(super) declared: Names,
    instances: HashMap<String, Vec<TaskName>>,
    /// Those of a matrix.
    is_instance: HashSet<String>,
}

impl TaskNames {
    /// The tasks a name stands for: itself, or all instances of a matrix. `None` and a finding: nobody.
    pub(super) fn resolve(&self, text: &Text, reader: &mut Reader<'_>) -> Option<Vec<TaskName>> {
        if let Some(instances) = self.instances.get(&text.value) {
            return Some(instances.clone());
        }
        if self.is_instance.contains(&text.value) {
            return TaskName::new(&text.value).ok().map(|name| vec![name]);
        }
        if self.declared.get(&text.value).is_some() {
            return Some(Vec::new());
        }
        let stem = text.value.split('[').next().unwrap_or_default();
        match self.instances.get(stem).filter(|_| stem != text.value) {
            Some(instances) => self.report_unknown_instance(text, stem, instances, reader),
            None => self.declared.report_unknown(text, reader),
        }
        None
    }

    fn report_unknown_instance(&self, text: &Text, stem: &str, instances: &[TaskName], reader: &mut Reader<'_>) {
        let message = format!("the task `{stem}` has no instance `{}`", shown(&text.value));
        let known: Vec<&str> = instances.iter().take(8).map(TaskName::as_str).collect();
        let help = match reader.suggest(&text.value, instances.iter().map(TaskName::as_str)) {
            Some(near) => format!("did you mean `{near}`? `{stem}` stands for all of them"),
            None => format!("its instances: {}", known.join(", ")),
        };
        let node = reader.id(text.at);
        let finding = Finding::error("orca::plan::unknown_task", message, node, "unknown").help(help);
        reader.report(match self.declared.get(stem) {
            Some(place) => finding.and(reader.key_id(place), "declared here"),
            None => finding,
        });
    }
}

/// Reads all tasks into the plan.
pub(super) fn lower_tasks(
    declared: &[Place],
    registry: &Registry,
    plan: &mut Plan,
    reader: &mut Reader<'_>,
) -> TaskNames {
    let mut names = Names::new(Kind::Task);
    let mut stems = Vec::new();
    let mut room = INSTANCES_MAX;
    for at in declared {
        if !names.declare(reader.key(*at), *at, reader) {
            continue;
        }
        if let Some(name) = checked_name(*at, reader) {
            stems.push(stem(&name, *at, registry, &mut room, reader));
        }
    }
    report_twins(&names, reader);
    let instances: HashMap<String, Vec<TaskName>> = stems
        .iter()
        .map(|stem| (reader.key(stem.at).to_owned(), stem.instances.iter().map(|(name, _)| name.clone()).collect()))
        .collect();
    let of_matrices = stems.iter().filter(|stem| stem.has_matrix).flat_map(|stem| &stem.instances);
    let is_instance = of_matrices.map(|(name, _)| name.as_str().to_owned()).collect();
    let names = TaskNames { declared: names, instances, is_instance };
    let all: Vec<Instance<'_>> = stems
        .iter()
        .flat_map(|stem| stem.instances.iter().map(move |(name, values)| Instance { name, values, stem }))
        .collect();
    let lowered = lower_all(&all, &names, registry, reader);
    // All at once: one by one, each would look for its place.
    plan.tasks = lowered.into_iter().map(|task| (task.name.clone(), task)).collect();
    names
}

/// One task to be read.
struct Instance<'s> {
    name: &'s TaskName,
    values: &'s BTreeMap<String, String>,
    stem: &'s Stem,
}

/// How many tasks are read at a time by one thread.
const BATCH: usize = 512;

/// The tasks of a batch, read.
type Batch = Vec<Arc<Task>>;

/// Reads tasks, on several threads where they are many. Every batch has a reader of its own, which can tell whether anything is
/// wrong; if so the batch is read again by the one that all share, in its turn, so that findings are the same on any machine.
///
/// These are plain threads: a worker of a pool might meanwhile take on something that waits for the plan.
fn lower_all(all: &[Instance<'_>], names: &TaskNames, registry: &Registry, reader: &mut Reader<'_>) -> Vec<Arc<Task>> {
    let read = |batch: &[Instance<'_>], reader: &mut Reader<'_>| -> Batch {
        batch.iter().filter_map(|one| task(one, names, registry, reader)).map(Arc::new).collect()
    };
    let batches: Vec<(&[Instance<'_>], OnceLock<Batch>)> =
        all.chunks(BATCH).map(|batch| (batch, OnceLock::new())).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(batches.len());
    if threads > 1 {
        let (next, forked) = (AtomicUsize::new(0), &*reader);
        let work = || {
            while let Some((batch, done)) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut reader = forked.fork();
                let tasks = read(batch, &mut reader);
                if reader.count() == 0 {
                    done.set(tasks).expect("every batch is read once");
                }
            }
        };
        std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    }
    let mut tasks = Vec::with_capacity(all.len());
    for (batch, done) in batches {
        tasks.extend(done.into_inner().unwrap_or_else(|| read(batch, reader)));
    }
    tasks
}

/// Names that a file system without case would take for one.
fn report_twins(names: &Names, reader: &mut Reader<'_>) {
    // Lower case letters of ASCII have no twins but themselves.
    if !names.iter().any(|(name, _)| name.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii())) {
        return;
    }
    let mut folded: BTreeMap<String, Place> = BTreeMap::new();
    for (name, place) in names.iter() {
        let Some(twin) = folded.insert(name.to_lowercase(), place) else { continue };
        let in_order = |place: &Place| (place.file, reader.document(*place).span(&reader.key_id(*place)).start);
        let (first, second) = if in_order(&twin) < in_order(&place) { (twin, place) } else { (place, twin) };
        let shown_name = |place: Place| shown(reader.key(place));
        let message = format!("the tasks `{}` and `{}` differ only in case", shown_name(first), shown_name(second));
        let (here, there) = (reader.key_id(second), reader.key_id(first));
        let finding = Finding::error("orca::plan::case_twin", message, here, "this task").and(there, "its twin");
        reader.report(finding.help("rename one of them: some file systems take the two for one"));
    }
}

fn stem(name: &Name, at: Place, registry: &Registry, room: &mut usize, reader: &mut Reader<'_>) -> Stem {
    let template = reader.child(at, "template").and_then(|place| Text::read(place, reader));
    let chain = template.as_ref().and_then(|text| registry.templates.chain(text, reader)).cloned();
    let tables = [at].into_iter().chain(chain.iter().flat_map(|chain| chain.tables.clone()));
    let matrix = tables.filter_map(|table| reader.child(table, "matrix")).next();
    let plain = TaskName::new(name.as_str()).expect("a name is a task's name");
    let instances = match matrix {
        None => Some(vec![(plain, BTreeMap::new())]),
        Some(place) => instances(name, place, room, reader),
    };
    let lost_template = template.is_some() && chain.is_none();
    let instances = instances.filter(|_| !lost_template).unwrap_or_default();
    Stem { at, chain, instances, has_matrix: matrix.is_some() }
}

/// Every combination of a matrix's values; nothing where the matrix is wrong.
fn instances(
    name: &Name,
    place: Place,
    room: &mut usize,
    reader: &mut Reader<'_>,
) -> Option<Vec<(TaskName, BTreeMap<String, String>)>> {
    let before = reader.count();
    let axes = Map::<Vec<super::values::At<super::values::Scalar>>>::read(place, reader)?;
    let bad = |at: Place, message: String, reader: &mut Reader<'_>| {
        let node = reader.id(at);
        reader.report(Finding::error("orca::plan::bad_matrix", message, node, "here"));
    };
    if axes.0.is_empty() {
        bad(place, format!("the matrix of `{name}` has no axes"), reader);
    }
    for (key, values) in &axes.0 {
        if let Err(error) = Name::new(reader.key(*key)) {
            bad(*key, format!("`{}` cannot be an axis: {error}", shown(reader.key(*key))), reader);
        }
        if values.is_empty() {
            bad(*key, format!("the axis `{}` has no values", shown(reader.key(*key))), reader);
        }
        let mut seen = BTreeSet::new();
        for value in values {
            let text = &value.value.0;
            if let Err(error) = TaskName::check_matrix_value(text) {
                bad(value.at, format!("`{}` cannot be a value of a matrix: {error}", shown(text)), reader);
            } else if !seen.insert(text) {
                bad(value.at, format!("`{text}` is in this axis twice"), reader);
            }
        }
    }
    let total = axes.0.iter().fold(1usize, |total, (_, values)| total.saturating_mul(values.len()));
    if total > *room {
        let message =
            format!("the matrix of `{name}` makes {total} tasks; a plan has at most {INSTANCES_MAX} instances");
        let node = reader.key_id(place);
        reader.report(Finding::error("orca::plan::matrix_too_large", message, node, "too many combinations"));
    }
    if reader.count() > before {
        return None;
    }
    *room -= total;
    let mut instances = Vec::with_capacity(total);
    for number in 0..total {
        let values = combination(&axes, number, reader);
        let in_order = axes.0.iter().map(|(key, _)| values[reader.key(*key)].as_str());
        match TaskName::instance(name.as_str(), in_order) {
            Ok(instance) => instances.push((instance, values)),
            Err(error) => {
                bad(place, format!("an instance of `{name}` has no possible name: {error}"), reader);
                return None;
            }
        }
    }
    Some(instances)
}

/// The values of one instance: its number, read as digits of mixed base, the last axis fastest.
fn combination(
    axes: &Map<Vec<super::values::At<super::values::Scalar>>>,
    mut number: usize,
    reader: &Reader<'_>,
) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (key, axis) in axes.0.iter().rev() {
        values.insert(reader.key(*key).to_owned(), axis[number % axis.len()].value.0.clone());
        number /= axis.len();
    }
    values
}

/// What the strings of one instance mean; `None` and findings where parameters do not fit.
fn strings(
    stem: &Stem,
    name: &TaskName,
    values: &BTreeMap<String, String>,
    reader: &mut Reader<'_>,
) -> Option<Strings> {
    let params_at = reader.child(stem.at, "params");
    if stem.chain.is_none() {
        if let Some(place) = params_at {
            let message = format!("the task `{}` has `params` and no `template`", name.stem());
            let node = reader.key_id(place);
            let finding = Finding::error("orca::plan::unknown_parameter", message, node, "for no template");
            reader.report(finding.help("add template = \"...\" or remove `params`"));
        }
        if !stem.has_matrix {
            return Some(Strings::Plain);
        }
    }
    let mut scope = Scope::new(stem.at);
    scope.set("task", name.stem());
    if stem.has_matrix {
        scope.set_members("matrix", values);
        reader.strings = Strings::Rendered(Arc::new(scope.clone()));
    }
    let given = stem.chain.as_ref().and(params_at).and_then(|place| Params::read(place, reader));
    reader.strings = Strings::Plain;
    let Some(chain) = &stem.chain else { return Some(Strings::Rendered(Arc::new(scope))) };
    let given = match given {
        Some(Params::Values(_, values)) => values.0,
        Some(Params::Names(at, _)) => {
            reader.wrong_type(at, "a table of values", Some("params = { path = \"/login\" }".to_owned()));
            return None;
        }
        None if params_at.is_some() => return None,
        None => Vec::new(),
    };
    for (key, value) in &given {
        if chain.params.contains_key(reader.key(*key)) {
            scope.set(reader.key(*key), &value.value.0);
        } else {
            report_unknown_parameter(*key, chain, reader);
        }
    }
    let mut is_complete = true;
    for (param, declared_at) in &chain.params {
        if params_at.and_then(|place| reader.child(place, param)).is_none() {
            is_complete = false;
            let message = format!("the task `{}` gives no value for the parameter `{}`", name.stem(), shown(param));
            let node = params_at.or_else(|| reader.child(stem.at, "template")).unwrap_or(stem.at);
            let finding = Finding::error("orca::plan::missing_parameter", message, reader.id(node), "value missing");
            let finding = finding.and(reader.id(*declared_at), "the parameter");
            reader.report(finding.help(format!("params = {{ {} = \"...\" }}", shown(param))));
        }
    }
    (is_complete && given.len() >= chain.params.len()).then(|| Strings::Rendered(Arc::new(scope)))
}

fn report_unknown_parameter(key: Place, chain: &Chain, reader: &mut Reader<'_>) {
    let name = reader.key(key);
    let help = match reader.suggest(name, chain.params.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if chain.params.is_empty() => "the template has no parameters".to_owned(),
        None => format!("its parameters: {}", chain.params.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
    };
    let message = format!("the template has no parameter `{}`", shown(name));
    let node = reader.key_id(key);
    reader.report(Finding::error("orca::plan::unknown_parameter", message, node, "unknown").help(help));
}

/// The task's own table over those of its template.
fn merged(stem: &Stem, strings: Strings, reader: &mut Reader<'_>) -> Option<RawTask> {
    reader.strings = strings;
    let mut raw = RawTask::read(stem.at, reader);
    for table in stem.chain.iter().flat_map(|chain| &chain.tables) {
        let base = RawTask::read(*table, reader);
        raw = match (raw, base) {
            (Some(raw), Some(mut base)) => {
                let env = inherit(raw.env.clone(), base.env.take(), reader);
                let mut raw = raw.or(base);
                raw.env = env;
                Some(raw)
            }
            (raw, _) => raw,
        };
    }
    reader.strings = Strings::Plain;
    raw
}

/// Variables are inherited one by one; every other key as a whole.
fn inherit(own: Option<Map<Text>>, base: Option<Map<Text>>, reader: &Reader<'_>) -> Option<Map<Text>> {
    let (Some(own), Some(base)) = (&own, &base) else { return own.or(base) };
    let is_own = |key: &Place| own.0.iter().any(|(known, _)| reader.key(*known) == reader.key(*key));
    let inherited = base.0.iter().filter(|(key, _)| !is_own(key));
    Some(Map(own.0.iter().chain(inherited).cloned().collect()))
}

fn task(
    Instance { name, values, stem }: &Instance<'_>,
    names: &TaskNames,
    registry: &Registry,
    reader: &mut Reader<'_>,
) -> Option<Task> {
    let strings = strings(stem, name, values, reader)?;
    let raw = merged(stem, strings, reader)?;
    let body = body(&raw, name, stem.at, registry, reader);
    let outputs = patterns(raw.outputs.as_ref(), Use::Output, reader);
    let scratch = literals(raw.scratch.as_ref(), Use::Scratch, reader);
    let inputs = patterns(raw.inputs.as_ref(), Use::Input, reader);
    check_own_outputs(raw.inputs.as_ref(), &inputs, &outputs, name, reader);
    check_scratch(&scratch, [raw.inputs.as_ref(), raw.outputs.as_ref(), raw.edits.as_ref()], stem.at, reader);
    Some(Task {
        name: (*name).clone(),
        description: raw.description.as_ref().map(|text| text.value.clone()),
        inputs,
        edits: patterns(raw.edits.as_ref(), Use::Edit, reader),
        deps: deps(raw.deps.as_ref(), name, names, reader),
        gates: registry.gates.resolve_all(raw.gates.as_ref(), reader),
        acceptance: texts(raw.acceptance.as_ref(), reader),
        level: raw.level.as_ref().map(|level| level.value),
        may_change: patterns(raw.may_change.as_ref(), Use::Input, reader),
        tdd: raw.tdd.as_ref().and_then(|tdd| self::tdd(tdd, reader)),
        env: variables(raw.env.as_ref(), reader),
        pass_env: variable_names(raw.pass_env.as_ref(), reader),
        tools: texts(raw.tools.as_ref(), reader),
        toolchains: registry.toolchains.resolve_all(raw.toolchains.as_ref(), reader),
        timeout: raw.timeout.as_ref().map(|timeout| timeout.value),
        retry: raw.retry.as_ref().map(retry).unwrap_or_default(),
        resources: raw.resources.as_ref().map(|raw| resources(raw, registry, reader)).unwrap_or_default(),
        cost_micro_usd_max: raw.cost_usd_max.as_ref().map(|cost| cost.value.0),
        sandbox: raw.sandbox.as_ref().map(|mode| mode.value).unwrap_or_default(),
        network: raw.network.as_ref().is_some_and(|network| network.value),
        undeclared: raw.undeclared.as_ref().map(|mode| mode.value).unwrap_or_default(),
        approval: raw.approval.as_ref().is_some_and(|approval| approval.value),
        tags: tags(raw.tags.as_ref(), reader),
        node: reader.id(stem.at),
        body: body?,
        outputs,
        scratch,
    })
}

fn body(raw: &RawTask, name: &TaskName, key: Place, registry: &Registry, reader: &mut Reader<'_>) -> Option<Body> {
    match (&raw.run, &raw.prompt) {
        (Some(run), Some(prompt)) => {
            report_both_bodies(&format!("the task `{name}`"), ("run", run.at), ("prompt", prompt.at), reader);
            None
        }
        (None, None) => {
            if !raw.is_broken() {
                let message = format!("the task `{name}` does nothing");
                let node = reader.key_id(key);
                let finding = Finding::error("orca::plan::missing_body", message, node, "neither `run` nor `prompt`");
                reader.report(finding.help("add run = \"...\" (a command) or prompt = \"...\" (for an agent)"));
            }
            None
        }
        (Some(run), None) => {
            if let Some(agent) = &raw.agent {
                let message = format!("the task `{name}` runs a command and names an agent");
                let finding =
                    Finding::error("orca::plan::both_bodies", message, reader.key_id(agent.at), "for a prompt");
                let finding = finding.and(reader.key_id(run.at), "the command");
                reader.report(finding.help("remove `agent`, or give a `prompt` instead of `run`"));
            }
            Some(Body::Run(run.argv.clone()))
        }
        (None, Some(prompt)) => {
            let agent = agent(raw, name, prompt, registry, reader);
            let text = is_text(prompt, reader).then(|| prompt.value.clone());
            Some(Body::Prompt { text: text?, agent: agent? })
        }
    }
}

/// The agent a prompt goes to: the one named, else the only one.
fn agent(raw: &RawTask, name: &TaskName, prompt: &Text, registry: &Registry, reader: &mut Reader<'_>) -> Option<Name> {
    if let Some(agent) = &raw.agent {
        return registry.agents.resolve(agent, reader);
    }
    const NAMED_MAX: usize = 8;
    let declared: Vec<String> =
        registry.agents.iter().map(|(agent, _)| format!("\"{}\"", shown(agent))).take(NAMED_MAX).collect();
    match registry.agents.iter().map(|(agent, _)| agent).collect::<Vec<_>>()[..] {
        [only] => return Name::new(only).ok(),
        _ if raw.is_broken() && reader.child(raw.at(), "agent").is_some() => return None,
        _ => {}
    }
    let message = format!("the task `{name}` has a prompt and does not say for which agent");
    let node = reader.key_id(prompt.at);
    let finding = Finding::error("orca::plan::missing_agent", message, node, "for whom?");
    reader.report(finding.help(match &declared[..] {
        [] => "declare one: [agents.NAME] with preset = \"command\" and command = \"...\"".to_owned(),
        // Which one is meant only the author knows.
        several => format!("add agent = ... with one of {}", several.join(", ")),
    }));
    None
}

fn deps(list: Option<&Vec<Text>>, name: &TaskName, names: &TaskNames, reader: &mut Reader<'_>) -> Vec<TaskName> {
    let mut deps = BTreeSet::new();
    let mut listed: BTreeMap<&str, Place> = BTreeMap::new();
    for text in list.into_iter().flatten() {
        if let Some(first) = listed.insert(&text.value, text.at) {
            let message = format!("the task `{name}` names `{}` twice in its `deps`", shown(&text.value));
            let finding = Finding::warning("orca::plan::duplicate_dep", message, reader.id(text.at), "again")
                .and(reader.id(first), "named here");
            reader.report(finding.help("remove one, or name the task that was meant"));
            continue;
        }
        let found = names.resolve(text, reader).unwrap_or_default();
        if found.contains(name) || text.value == name.stem() {
            let node = reader.id(text.at);
            let message = format!("the task `{name}` waits for itself");
            let finding = Finding::error("orca::plan::self_dependency", message, node, "the task itself");
            reader.report(finding.help(format!("remove \"{}\" from its `deps`", shown(&text.value))));
        } else {
            deps.extend(found);
        }
    }
    deps.into_iter().collect()
}

fn tdd(raw: &RawTdd, reader: &mut Reader<'_>) -> Option<Tdd> {
    let tests = patterns(raw.tests.as_ref(), Use::Input, reader);
    let (Some(run), false) = (&raw.run, tests.is_empty()) else {
        if !raw.is_broken() {
            let missing = if raw.run.is_none() { "run" } else { "tests" };
            let node = reader.key_id(raw.at());
            let message = format!("`tdd` has no `{missing}`");
            let finding = Finding::error("orca::plan::missing_key", message, node, "incomplete");
            reader.report(finding.help("tdd = { tests = [\"tests/test_x.py\"], run = \"pytest -q tests/test_x.py\" }"));
        }
        return None;
    };
    let mut text = |text: &Option<Text>| {
        let text = text.as_ref()?;
        pattern(text, Use::Input, reader).map(|_| text.value.clone())
    };
    Some(Tdd {
        tests: tests.iter().cloned().collect(),
        run: run.argv.clone(),
        suite: raw.suite.as_ref().map(|suite| suite.argv.clone()),
        report: text(&raw.report),
        coverage: text(&raw.coverage),
        coverage_min: raw.coverage_min.as_ref().map(|percent| percent.value.0),
    })
}

fn retry(raw: &RawRetry) -> Retry {
    let mut retry = Retry::default();
    if let Some(attempts) = &raw.attempts {
        retry.attempts = attempts.value.0;
    }
    if let Some(on) = &raw.on {
        retry.on = on.iter().map(|kind| kind.value).collect();
        retry.on.sort();
        retry.on.dedup();
    }
    retry
}

fn resources(raw: &RawResources, registry: &Registry, reader: &mut Reader<'_>) -> Resources {
    Resources {
        cpu: raw.cpu.as_ref().map_or(1, |cpu| cpu.value.0),
        memory: raw.memory.as_ref().map(|memory| memory.value),
        pools: registry.pools.resolve_all(raw.pools.as_ref(), reader),
    }
}

fn tags(list: Option<&Vec<Text>>, reader: &mut Reader<'_>) -> Vec<Name> {
    let mut tags = BTreeSet::new();
    for text in list.into_iter().flatten() {
        match Name::new(&text.value) {
            Ok(tag) => {
                tags.insert(tag);
            }
            Err(error) => {
                let node = reader.id(text.at);
                let message = format!("`{}` cannot be a tag: {error}", shown(&text.value));
                reader.report(Finding::error("orca::plan::bad_name", message, node, "not a name"));
            }
        }
    }
    tags.into_iter().collect()
}

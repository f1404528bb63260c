//! Integration: what a result changed, put together with what others changed, and placed in the project.
//! `docs/integration.md` says what counts and draws the states; this is that page as code.
//!
//! Nothing is written before all paths of a task are known to merge, and nothing is written over what a person saved in
//! the meantime: then the path is planned anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::builder::Builder;
use super::merging::{Clash, Combined, FILE_BYTES_MAX, Folded, lost};
use super::resolve::{Keyed, Resolver};
use super::session::EngineError;
use super::standing::Reused;
use crate::base::{Change, Changes, Entry, FailureKind, RelPath, TaskName, Tree};
use crate::event::Failure;
use crate::graph::{Graph, TaskIx};
use crate::merge::Conflict;
use crate::store::{Acceptance, Listed, Placing, Provenance, Root, TaskRecord, Written};
use crate::sys::beneath::FileKind;

/// How often paths are planned anew because somebody wrote them at the last moment.
const PLANS_MAX: u32 = 8;

/// What can be done with a result now.
pub(super) enum Integration {
    /// It is in the project; this many paths were written.
    Done(u64),
    /// This task, which is earlier and may change a path of it, is not settled.
    Waits(TaskIx),
    /// It cannot be merged with what these earlier tasks changed.
    Meets(BTreeSet<TaskIx>, String),
    /// It cannot be put into the project.
    Refused(Failure),
}

/// What is to be written for one task.
#[derive(Default)]
struct Plan {
    placing: BTreeMap<RelPath, Provenance>,
    /// Paths that only their record changes of.
    settled: BTreeMap<RelPath, Option<Provenance>>,
    written: BTreeMap<RelPath, Written>,
    /// Tasks that are red in this run, and whose earlier changes of these paths go.
    dropped: BTreeMap<TaskIx, BTreeSet<RelPath>>,
    /// Whether a later task is to place some of the paths, with this one's changes in them.
    leaves_some: bool,
}

/// A change that is accepted, and that a later task places with its own.
pub(super) struct Left {
    keyed: Keyed,
    edits: Arc<Changes>,
    record: TaskRecord,
}

enum Planned {
    Plan(Plan),
    Not(Integration),
}

impl Builder {
    /// Whether a result could be put into the project now: [`Integration::Done`] with nothing done yet.
    pub(super) fn can_integrate(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        reused: &Reused,
    ) -> Result<Integration, EngineError> {
        let _one_at_a_time = self.integrating.lock().expect("no holder panics");
        Ok(match self.plan(task, keyed, &reused.edits, &self.concerned(task, &reused.edits))? {
            Planned::Plan(_) => Integration::Done(0),
            Planned::Not(why) => why,
        })
    }

    /// Puts a result into the project, if it is its turn.
    pub(super) fn integrate(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        edits: &Arc<Changes>,
        record: &dyn Fn() -> TaskRecord,
    ) -> Result<Integration, EngineError> {
        let _one_at_a_time = self.integrating.lock().expect("no holder panics");
        self.integrate_alone(task, keyed, edits, record)
    }

    fn integrate_alone(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        edits: &Arc<Changes>,
        record: &dyn Fn() -> TaskRecord,
    ) -> Result<Integration, EngineError> {
        let name = self.resolver.name(task);
        let mut recorded = false;
        let mut written = 0;
        // What the record says before the first round counts in all of them: a path that is not placed yet must not be
        // forgotten because its change is not on record any more.
        let concerned = self.concerned(task, edits);
        for _ in 0..PLANS_MAX {
            let plan = match self.plan(task, keyed, edits, &concerned)? {
                Planned::Plan(plan) => plan,
                Planned::Not(why) => return Ok(why),
            };
            if plan.leaves_some {
                let left = Left { keyed: keyed.clone(), edits: Arc::clone(edits), record: record() };
                self.left.lock().expect("no holder panics").insert(task, left);
            }
            let known = self.resolver.ledger.task(name);
            let is_on_record = known.is_some_and(|known| known.accepted && known.key == keyed.key)
                && self.resolver.ledger.changes_by(name) == *edits;
            if plan.placing.is_empty() && plan.settled.is_empty() && (recorded || is_on_record) {
                return Ok(Integration::Done(written));
            }
            self.commit(task, edits, &record(), &plan)?;
            recorded = true;
            let placed = self.place_all(&plan.placing)?;
            written += placed.len() as u64;
            if placed.len() == plan.placing.len() {
                return Ok(Integration::Done(written));
            }
        }
        let message = "somebody else writes the files that it changed, all the time";
        Ok(Integration::Refused(conflict(message.to_owned(), Vec::new())))
    }

    /// Places what was left to later tasks that are red now, or never came to run: what is accepted is in the project,
    /// whoever else is not. Called when no task runs any more.
    pub(super) fn place_left(&self) -> Result<(), EngineError> {
        let _one_at_a_time = self.integrating.lock().expect("no holder panics");
        self.settled.lock().expect("no holder panics").extend(&self.selected);
        let left = std::mem::take(&mut *self.left.lock().expect("no holder panics"));
        for (task, Left { keyed, edits, record }) in left {
            let said = match self.integrate_alone(task, &keyed, &edits, &|| record.clone())? {
                Integration::Done(_) => continue,
                Integration::Refused(failure) => [vec![failure.message], failure.details].concat().join("\n"),
                Integration::Waits(on) => format!("`{}` is not settled", self.resolver.name(on)),
                Integration::Meets(_, hunks) => hunks,
            };
            self.notice(true, format!("what `{}` changed is not in the project: {said}", self.resolver.name(task)));
        }
        Ok(())
    }

    /// The paths that a result concerns: what it changes, what the task changed before, and what lies there though nobody
    /// on record changed it.
    fn concerned(&self, task: TaskIx, edits: &Changes) -> BTreeSet<RelPath> {
        let ledger = &self.resolver.ledger;
        let recorded = ledger.changes_by(self.resolver.name(task));
        let nobodys = ledger.edited().into_keys().filter(|path| ledger.changes_at(path).is_empty());
        edits.keys().chain(recorded.keys()).cloned().chain(nobodys).collect()
    }

    fn plan(
        &self,
        task: TaskIx,
        keyed: &Keyed,
        edits: &Changes,
        concerned: &BTreeSet<RelPath>,
    ) -> Result<Planned, EngineError> {
        let resolver = &self.resolver;
        let name = resolver.name(task);
        let before = resolver.editors_before(task, &keyed.on_top_of);
        let mut plan = Plan::default();
        let (mut met, mut hunks) = (BTreeSet::new(), Vec::new());
        for (path, change) in edits {
            if let Some(owner) = resolver.graph.owner(path).filter(|owner| !self.is_above(task, *owner)) {
                return Ok(Planned::Not(Integration::Refused(owned_by_another(path, resolver.name(owner)))));
            }
            let mut editors = resolver.graph.editors(path);
            path.ancestors().for_each(|above| editors.extend(resolver.graph.editors(&above)));
            let earlier: Vec<TaskIx> = editors.range(..task).copied().collect();
            let open = |ix: &&TaskIx| !before.contains(ix) && self.is_open(**ix);
            if let Some(open) = earlier.iter().find(open) {
                return Ok(Planned::Not(Integration::Waits(*open)));
            }
            if let Some(clash) = self.meets(path, change, task, &earlier)? {
                let has_part = |ix: &&TaskIx| !self.is_red(**ix) && self.effective(**ix, path).is_some();
                let others: BTreeSet<TaskIx> =
                    earlier.iter().filter(|ix| !before.contains(ix)).filter(has_part).copied().collect();
                let names: Vec<String> = others.iter().map(|ix| format!("`{}`", resolver.name(*ix))).collect();
                let text = clash.to_text(path.as_str(), &names.join(", "), &format!("`{name}`"));
                if others.is_empty() {
                    return Ok(Planned::Not(Integration::Refused(conflict(text, Vec::new()))));
                }
                met.extend(others);
                hunks.push(text);
            }
            let present = change.result.is_some();
            for (other, at) in
                earlier.iter().filter(|_| present).filter_map(|ix| Some((*ix, self.beside(*ix, path, edits)?)))
            {
                if !before.contains(&other) && !self.is_red(other) {
                    let other_name = resolver.name(other);
                    hunks.push(format!("`{name}` makes `{path}`, and `{other_name}` makes `{at}`: both cannot be"));
                    met.insert(other);
                }
            }
        }
        if met.iter().any(|other| !self.selected.contains(other)) {
            let names: Vec<&str> = met.iter().chain([&task]).map(|ix| resolver.name(*ix).as_str()).collect();
            let message = "it clashes with tasks that are not part of this build".to_owned();
            let advice = format!("build them together: orca build {}", names.join(" "));
            hunks.push(advice);
            return Ok(Planned::Not(Integration::Refused(conflict(message, hunks))));
        }
        if !met.is_empty() {
            return Ok(Planned::Not(Integration::Meets(met, hunks.join("\n"))));
        }
        for path in concerned {
            if let Some(why) = self.plan_path(task, path, edits.get(path), &mut plan)? {
                return Ok(Planned::Not(why));
            }
        }
        let made = |(path, provenance): (&RelPath, &Provenance)| {
            let pending = provenance.pending.as_ref()?;
            (pending.before.is_none() && pending.after.is_some()).then(|| path.clone())
        };
        for path in plan.placing.iter().filter_map(made).collect::<Vec<_>>() {
            if let Some(obstacle) = self.obstacle(&path, &plan)? {
                let message =
                    format!("`{obstacle}` is in the way of `{path}`; nothing was written, the result is kept");
                let advice = vec![format!("move `{obstacle}` away, then build again")];
                return Ok(Planned::Not(Integration::Refused(conflict(message, advice))));
            }
        }
        Ok(Planned::Plan(plan))
    }

    /// What another task makes above or beneath a path, where a file cannot be beside it; unless `edits` remove that.
    fn beside(&self, other: TaskIx, path: &RelPath, edits: &Changes) -> Option<RelPath> {
        let changes = match self.resolver.result(other) {
            Some(produced) => Arc::clone(&produced.edits),
            None => self.resolver.ledger.changes_by(self.resolver.name(other)),
        };
        let is_in_the_way = |at: &RelPath| at != path && (at.is_within(path) || path.is_within(at));
        let stays = |at: &RelPath| edits.get(at).is_none_or(|change| change.result.is_some());
        let mut made = changes.iter().filter(|(_, change)| change.result.is_some());
        made.find(|(at, _)| is_in_the_way(at) && stays(at)).map(|(at, _)| at.clone())
    }

    /// What of the project is where a path, or a directory above it, has to be; what this plan removes is not.
    fn obstacle(&self, path: &RelPath, plan: &Plan) -> Result<Option<RelPath>, EngineError> {
        let goes = |at: &RelPath| {
            let pending = plan.placing.get(at).and_then(|provenance| provenance.pending.as_ref());
            pending.is_some_and(|pending| pending.after.is_none())
        };
        for above in path.ancestors().filter(|above| !goes(above)) {
            if self.project.stat(&above)?.is_some_and(|stat| stat.kind != FileKind::Directory) {
                return Ok(Some(above));
            }
        }
        let is_entry = |kind: FileKind| matches!(kind, FileKind::File | FileKind::Symlink);
        let blocked = match self.project.stat(path)? {
            Some(stat) if stat.kind == FileKind::Directory => {
                // A directory goes with the last file in it.
                let stays = |listed: &Listed| listed.stat.kind != FileKind::Directory || listed.is_empty_dir;
                let beneath = self.project.list(Some(path), &|_| false)?.entries;
                beneath.into_iter().filter(stays).map(|listed| listed.path).find(|at| !goes(at))
            }
            Some(stat) => (!is_entry(stat.kind)).then(|| path.clone()),
            None => None,
        };
        Ok(blocked)
    }

    /// Whether the change clashes with what earlier tasks made of the path.
    fn meets(
        &self,
        path: &RelPath,
        change: &Change,
        task: TaskIx,
        earlier: &[TaskIx],
    ) -> Result<Option<Conflict>, EngineError> {
        let mut changes = self.changes_of(path, earlier.iter().copied());
        changes.retain(|(turn, _)| *turn < Turn::of(task));
        changes.push((Turn::of(task), change.clone()));
        match self.fold_what_fits(path, &mut changes)?.0 {
            Folded::Entry(_) => Ok(None),
            Folded::Clash(Clash { with, conflict }) if with == task => Ok(Some(conflict)),
            // Of the earlier ones, one is not built in this run, and does not fit any more: not this task's.
            // And what is lost is said when the path is planned.
            Folded::Clash(_) | Folded::Lost => Ok(None),
        }
    }

    /// Folds changes. What tasks had changed in an earlier run, and are red in this one, stays in where it fits, and is
    /// taken out of `changes` where it does not; answers whose that is.
    fn fold_what_fits(
        &self,
        path: &RelPath,
        changes: &mut Vec<(Turn, Change)>,
    ) -> Result<(Folded, BTreeSet<TaskIx>), EngineError> {
        let fold = |changes: &[(Turn, Change)]| {
            self.resolver.fold(path, changes.iter().map(|(turn, change)| (turn.task(), change)))
        };
        let (of_red, mut fitting): (Vec<_>, Vec<_>) = changes.drain(..).partition(|(turn, _)| self.is_red(turn.task()));
        let mut folded = fold(&fitting)?;
        let mut misfits = BTreeSet::new();
        for (turn, change) in of_red {
            let mut with = fitting.clone();
            with.insert(with.partition_point(|(other, _)| *other < turn), (turn, change));
            match fold(&with)? {
                Folded::Clash(_) => drop(misfits.insert(turn.task())),
                other => (folded, fitting) = (other, with),
            }
        }
        *changes = fitting;
        Ok((folded, misfits))
    }

    /// Plans one path. `Some` says why the task cannot be integrated at all.
    fn plan_path(
        &self,
        task: TaskIx,
        path: &RelPath,
        change: Option<&Change>,
        plan: &mut Plan,
    ) -> Result<Option<Integration>, EngineError> {
        let resolver = &self.resolver;
        let mut editors: BTreeSet<TaskIx> = self.changers_of(path);
        editors.remove(&task);
        let later_is_open = |ix: &TaskIx| *ix > task && self.is_open(*ix) && self.effective(*ix, path).is_some();
        if editors.iter().any(later_is_open) {
            // It places the path when its turn comes, with this task's change in it.
            if change != resolver.ledger.changes_by(resolver.name(task)).get(path) {
                let found = resolver.on_disk(path)?;
                let written = resolver.written(self.run, resolver.name(task), path, found.clone(), found)?;
                plan.written.insert(path.clone(), written);
            }
            plan.leaves_some = true;
            return Ok(None);
        }
        let mut changes = self.changes_of(path, editors.into_iter());
        changes.extend(change.map(|change| (Turn::of(task), change.clone())));
        changes.sort_by_key(|(turn, _)| *turn);
        let (folded, misfits) = self.fold_what_fits(path, &mut changes)?;
        for misfit in misfits {
            plan.dropped.entry(misfit).or_default().insert(path.clone());
        }
        let fold = match folded {
            Folded::Entry(entry) => entry,
            Folded::Lost => return Ok(Some(Integration::Refused(conflict(lost(path), Vec::new())))),
            Folded::Clash(Clash { with, conflict: clash }) if with == LEFT => {
                let hunk = clash.to_text(path.as_str(), "the others", "a task that is not in the plan any more");
                let message = format!("it clashes with what tasks changed in `{path}` that left the plan");
                let advice = format!("`orca rebase {path}` makes the present version the base");
                return Ok(Some(Integration::Refused(conflict(message, vec![hunk, advice]))));
            }
            Folded::Clash(Clash { with, conflict: clash }) => {
                let (this, other) = (resolver.name(task), resolver.name(with));
                let hunk = clash.to_text(path.as_str(), &format!("`{this}`"), &format!("`{other}`"));
                let message = format!("it clashes with what `{other}` changed in `{path}`");
                let advice = format!("build both: orca build {this} {other}");
                return Ok(Some(Integration::Refused(conflict(message, vec![hunk, advice]))));
            }
        };
        let known = resolver.ledger.provenance(path).map(|known| Provenance { pending: None, ..known });
        let base = match changes.first() {
            Some((_, first)) => first.base.clone(),
            None => known.as_ref().and_then(|known| known.base.clone()),
        };
        let fold = if changes.is_empty() { base.clone() } else { fold };
        let placed = known.as_ref().map_or_else(|| base.clone(), |known| known.placed.clone());
        let (found, after) = match self.with_what_lies_there(path, placed.as_ref(), fold.as_ref())? {
            (found, Combined::Entry(after)) => (found, after),
            (_, Combined::Lost) => return Ok(Some(Integration::Refused(conflict(lost(path), Vec::new())))),
            (_, Combined::Clash(clash)) => {
                let name = resolver.name(task);
                let hunk = clash.to_text(path.as_str(), "you", &format!("`{name}`"));
                return Ok(Some(Integration::Refused(with_a_person(path, name, hunk, known.is_some()))));
            }
        };
        let is_edited = !changes.is_empty();
        let now = Provenance { base, placed: fold.clone(), pending: None };
        if after == found {
            let wanted = is_edited.then_some(now);
            if wanted != known || change != resolver.ledger.changes_by(resolver.name(task)).get(path) {
                let written = resolver.written(self.run, resolver.name(task), path, found.clone(), found)?;
                plan.written.insert(path.clone(), written);
            }
            if wanted != known {
                plan.settled.insert(path.clone(), wanted);
            }
            return Ok(None);
        }
        let written = resolver.written(self.run, resolver.name(task), path, found.clone(), after.clone())?;
        plan.written.insert(path.clone(), written);
        let pending = Placing { before: found, after, placed: fold };
        let before = known.unwrap_or_else(|| Provenance { base: now.base.clone(), placed, pending: None });
        plan.placing.insert(path.clone(), Provenance { base: now.base, pending: Some(pending), ..before });
        Ok(None)
    }

    /// What lies at a path, and what it and a new fold come to. A person may save it at any time: what counts is what lies
    /// there when its content is read.
    fn with_what_lies_there(
        &self,
        path: &RelPath,
        placed: Option<&Entry>,
        fold: Option<&Entry>,
    ) -> Result<(Option<Entry>, Combined), EngineError> {
        let resolver = &self.resolver;
        let combine = |found: Option<Entry>| {
            let versions = [placed, found.as_ref(), fold];
            resolver.merging.combine(resolver.contents(), path, versions).map(|combined| (found, combined))
        };
        let first = combine(resolver.on_disk(path)?)?;
        if !matches!(first, (Some(Entry::File { .. }), Combined::Lost)) {
            return Ok(first);
        }
        resolver.stat_cache.forget(path);
        let Some(stat) = self.project.stat(path)?.filter(|stat| stat.kind == FileKind::File) else {
            return combine(resolver.on_disk(path)?);
        };
        let bytes = match self.project.read(path, FILE_BYTES_MAX) {
            Err(error) if error.is_absence() => return combine(None),
            other => other?,
        };
        let digest = resolver.kept.as_ref().expect("a build keeps what it needs").put_bytes(&bytes)?;
        combine(Some(Entry::File { digest, size_bytes: bytes.len() as u64, executable: stat.is_executable() }))
    }

    /// Puts the acceptance on record, and the contents that it refers to where they are kept.
    fn commit(&self, task: TaskIx, edits: &Arc<Changes>, record: &TaskRecord, plan: &Plan) -> Result<(), EngineError> {
        let resolver = &self.resolver;
        let name = resolver.name(task);
        let kept = resolver.kept.as_ref().expect("a build keeps what it needs");
        let on_disk: Tree = plan
            .placing
            .iter()
            .filter_map(|(path, provenance)| Some((path.clone(), provenance.pending.as_ref()?.before.clone()?)))
            .filter(|(_, entry)| !kept.has_entry(entry))
            .collect();
        // Where it is not that any more, it is planned anew.
        resolver.keep_found(&self.project, &on_disk)?;
        let wanted = plan.placing.iter().filter_map(|(path, known)| Some((path, known.pending.as_ref()?)));
        let wanted = wanted.flat_map(|(path, placing)| [(path, &placing.after), (path, &placing.placed)]);
        let changed = edits.iter().flat_map(|(path, change)| [(path, &change.base), (path, &change.result)]);
        for (path, entry) in wanted.chain(changed).filter_map(|(path, entry)| Some((path, entry.as_ref()?))) {
            resolver.keep(path, entry)?;
        }
        let acceptance = Acceptance {
            task: (name, record),
            changes: edits,
            placing: &plan.placing,
            written: &plan.written,
            run: self.run,
        };
        resolver.ledger.with_journal(|journal| {
            journal.accept_changes(&acceptance)?;
            journal.settle(&plan.settled)
        })?;
        resolver.ledger.note_changes(name, Arc::clone(edits));
        let pending = plan.placing.iter().map(|(path, provenance)| (path.clone(), Some(provenance.clone())));
        resolver.ledger.note_provenance(&pending.chain(plan.settled.clone()).collect());
        for (dropped, paths) in &plan.dropped {
            self.drop_changes(*dropped, paths)?;
        }
        Ok(())
    }

    /// Takes out of the record what a red task had changed, where that does not fit any more.
    fn drop_changes(&self, task: TaskIx, paths: &BTreeSet<RelPath>) -> Result<(), EngineError> {
        let ledger = &self.resolver.ledger;
        let name = self.resolver.name(task);
        let mut left = ledger.changes_by(name).as_ref().clone();
        left.retain(|path, _| !paths.contains(path));
        ledger.with_journal(|journal| journal.leave_changes(name, &left))?;
        ledger.note_changes(name, Arc::new(left));
        for path in paths {
            self.notice(
                true,
                format!("what `{name}` had changed in `{path}` does not fit any more; it is not in there"),
            );
        }
        Ok(())
    }

    /// Whether a task of this build may still change what it changes.
    pub(super) fn is_open(&self, task: TaskIx) -> bool {
        self.selected.contains(&task) && !self.settled.lock().expect("no holder panics").contains(&task)
    }

    /// Whether a task of this build came to an end without a result: red, or skipped.
    fn is_red(&self, task: TaskIx) -> bool {
        self.selected.contains(&task) && !self.is_open(task) && self.resolver.result(task).is_none()
    }

    /// Whether `above` is a task that this one waits for.
    fn is_above(&self, task: TaskIx, above: TaskIx) -> bool {
        self.resolver.graph.with_deps(&[task].into()).contains(&above)
    }

    /// What a task changes of a path, as far as it is known: by its accepted result, else by what is on record.
    fn effective(&self, task: TaskIx, path: &RelPath) -> Option<Change> {
        match self.resolver.result(task) {
            Some(produced) => produced.edits.get(path).cloned(),
            None => self.resolver.ledger.changes_by(self.resolver.name(task)).get(path).cloned(),
        }
    }

    /// What these tasks, and those that left the plan, change of a path, in the order of their turns.
    fn changes_of(&self, path: &RelPath, tasks: impl Iterator<Item = TaskIx>) -> Vec<(Turn, Change)> {
        let mut changes: Vec<(Turn, Change)> =
            tasks.filter_map(|ix| Some((Turn::of(ix), self.effective(ix, path)?))).collect();
        let of_leaver =
            |(turn, name): &(Turn, TaskName)| Some((*turn, self.resolver.ledger.changes_by(name).get(path)?.clone()));
        changes.extend(self.leavers.iter().filter_map(of_leaver));
        changes.sort_by_key(|(turn, _)| *turn);
        changes
    }

    /// The tasks that may have changed a path: by the plan, or by the record.
    fn changers_of(&self, path: &RelPath) -> BTreeSet<TaskIx> {
        let recorded = self.resolver.ledger.changes_at(path).into_keys();
        let mut tasks = self.resolver.graph.editors(path);
        tasks.extend(recorded.filter_map(|name| self.resolver.graph.ix(&name)));
        tasks
    }
}

/// Stands for a task that left the plan, where one of it is asked for.
const LEFT: TaskIx = TaskIx(u32::MAX);

/// When a task's changes are folded in: in plan order, and of tasks that left the plan after the one that was before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    after: Option<TaskIx>,
    /// 0: it is the task `after` itself; else the place among those that left behind it.
    left: u32,
}

impl Turn {
    pub(super) fn of(task: TaskIx) -> Self {
        Self { after: Some(task), left: 0 }
    }

    pub(super) fn task(self) -> TaskIx {
        self.after.filter(|_| self.left == 0).unwrap_or(LEFT)
    }
}

/// Tasks that left the plan and still have a part in files that others changed, too, with their turns.
pub(super) type Leavers = Vec<(Turn, TaskName)>;

/// The note that holds the editing tasks of the last build, in the order in which their changes are folded.
pub(super) const ORDER: &str = "edit-order";

/// Makes source of what tasks changed that the plan does not have any more: where no other task changed the path, too. What
/// they share with others stays in the fold, at its place. Answers who does so.
pub(super) fn adopt_leavers(resolver: &Resolver, notices: &mut Vec<String>) -> Result<Leavers, EngineError> {
    let ledger = &resolver.ledger;
    let has_left = |name: &TaskName| resolver.graph.ix(name).is_none();
    let mut stay = BTreeSet::new();
    for leaver in ledger.changers().into_iter().filter(has_left) {
        let changes = ledger.changes_by(&leaver);
        let alone = |path: &&RelPath| ledger.changes_at(path).keys().all(has_left);
        let free: Vec<RelPath> = changes.keys().filter(alone).cloned().collect();
        let is_new = !free.is_empty();
        forget(resolver, &[], &free)?;
        if is_new {
            notices.push(format!("`{leaver}` is not in the plan any more: what it changed is source now"));
        }
        if !ledger.changes_by(&leaver).is_empty() {
            stay.insert(leaver);
        }
    }
    let noted = ledger.with_journal(|journal| journal.note(ORDER))?.flatten();
    let noted: Vec<TaskName> = noted.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let leavers = leavers(&resolver.graph, &noted, &stay);
    let editors = resolver.graph.tasks().filter(|ix| resolver.graph.is_editor(*ix));
    let mut order: Vec<(Turn, TaskName)> = editors.map(|ix| (Turn::of(ix), resolver.name(ix).clone())).collect();
    order.extend(leavers.iter().cloned());
    order.sort();
    let order: Vec<TaskName> = order.into_iter().map(|(_, name)| name).collect();
    if order != noted {
        let text = serde_json::to_string(&order).expect("names are plain data");
        ledger.with_journal(|journal| journal.put_note(ORDER, Some(&text)))?;
    }
    Ok(leavers)
}

/// The turns of tasks that left the plan, by the order in which they and those still in it were folded.
pub(super) fn leavers(graph: &Graph, noted: &[TaskName], stay: &BTreeSet<TaskName>) -> Leavers {
    let mut leavers = Vec::new();
    let mut turn = Turn { after: None, left: 0 };
    for name in noted.iter().chain(stay.iter().filter(|name| !noted.contains(name))) {
        match graph.ix(name) {
            Some(ix) if turn.after.is_none_or(|after| after < ix) => turn = Turn::of(ix),
            Some(_) => {}
            None if stay.contains(name) => {
                turn.left += 1;
                leavers.push((turn, name.clone()));
            }
            None => {}
        }
    }
    leavers
}

/// Makes the present content of paths their base: nobody changed them, by the record.
pub(super) fn forget(resolver: &Resolver, tasks: &[TaskName], paths: &[RelPath]) -> Result<(), EngineError> {
    resolver.ledger.with_journal(|journal| journal.adopt(tasks, paths))?;
    for task in tasks {
        resolver.ledger.note_changes(task, Arc::default());
    }
    resolver.ledger.note_adopted(paths);
    Ok(())
}

/// The bases of what the task may edit, kept before it runs: once their place in the project is taken, and the task's
/// workspace is gone, they are nowhere else.
pub(super) fn keep_bases(resolver: &Resolver, workspace: &Root, task: TaskIx, view: &Tree) -> Result<(), EngineError> {
    let edits = &resolver.task(task).edits;
    let Some(kept) = resolver.kept.as_ref().filter(|_| !edits.is_empty()) else { return Ok(()) };
    let bases: Tree = view
        .iter()
        .filter(|(path, _)| edits.matches(path))
        .map(|(path, entry)| (path.clone(), entry.clone()))
        .collect();
    Ok(kept.ingest(workspace, &bases)?)
}

pub(super) fn conflict(message: String, details: Vec<String>) -> Failure {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let details = lines.map(str::to_owned).chain(details.iter().flat_map(|detail| detail.lines().map(str::to_owned)));
    Failure { kind: FailureKind::Conflict, message: first, exit_code: None, signal: None, details: details.collect() }
}

fn owned_by_another(path: &RelPath, owner: &TaskName) -> Failure {
    let message = format!("it changed `{path}`, which is an output of `{owner}`");
    let advice = format!("name `{owner}` in `deps` to work on what it makes, or take the file out of `edits`");
    Failure { kind: FailureKind::UndeclaredWrite, ..conflict(message, vec![advice]) }
}

/// `is_drift` says whether orca had placed the path before: then the person's version is no source.
fn with_a_person(path: &RelPath, task: &TaskName, hunk: String, is_drift: bool) -> Failure {
    let message = format!("its change of `{path}` clashes with yours; nothing was written, and the result is kept");
    let advice = match is_drift {
        true => format!(
            "change your version where they clash, or take your edit back (`orca diff | git apply -R`), and build \
             again: `{task}` does not run again for that; `orca diff {task}` shows its version, and `orca rebase` makes \
             yours the base, on which it runs anew"
        ),
        false => format!(
            "build again, and `{task}` runs on your version; or put yours aside first, and it does not run again"
        ),
    };
    conflict(message, vec![hunk, advice])
}

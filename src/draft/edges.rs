//! Who waits for whom: what the tasks say, then the order they stand in, then the order of phases.
//!
//! | the plan says | the task waits for |
//! |---|---|
//! | "depends on T1, T2" | these, and not for what merely stands before it |
//! | nothing, and it is marked `[P]` | the phase before |
//! | nothing | the task before it in its phase, and those marked `[P]` in between |
//! | nothing, where other tasks of a Markdown plan say what they wait for | the phase before |
//! | "depends on Phase 1" | the last tasks of that group |
//!
//! INVARIANT: the edges have no circle. One that would close a circle is left out and told.

use std::collections::BTreeSet;

use super::reading::{Format, Reading, Status, Told};
use super::references::{Index, Target};

/// The edges of a draft.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// For each item, those it waits for. Nothing for and of items that are closed.
    pub(super) deps: Vec<BTreeSet<usize>>,
    /// Open items so that each comes after what it waits for.
    pub(super) order: Vec<usize>,
    /// For each item, what its edges come from or why one is not there: line and words.
    pub(super) remarks: Vec<Vec<(usize, String)>>,
}

/// Decides the edges. What is not clear goes into the notes of the reading.
pub(super) fn edges(reading: &mut Reading, names: &[Option<String>]) -> Edges {
    let count = reading.items.len();
    let index = index(reading);
    let mut notes = Vec::new();
    let mut maker = Maker {
        reading,
        names,
        edges: Edges { deps: vec![BTreeSet::new(); count], order: Vec::new(), remarks: vec![Vec::new(); count] },
        waiters: vec![Vec::new(); count],
        stated: vec![false; count],
        of_groups: Vec::new(),
        notes: &mut notes,
    };
    maker.stated(&index);
    maker.sequence();
    maker.groups(&index);
    maker.phases();
    let mut edges = maker.edges;
    edges.order = order(&edges.deps, |item| names[item].is_some());
    reading.notes.extend(notes);
    edges
}

/// All that can be named. Ids go first, so that a title never takes one away.
fn index(reading: &mut Reading) -> Index {
    let mut index = Index::default();
    for (at, item) in (0..).zip(&reading.items) {
        if let Some(id) = &item.id
            && !index.add(id, Target::Item(at))
        {
            reading
                .notes
                .push((item.line, format!("the id {id} is given twice: where it is named, the first is meant")));
        }
    }
    let groups = reading
        .groups
        .iter()
        .zip(0..)
        .flat_map(|(group, at)| group.aliases.iter().map(move |alias| (alias, Target::Group(at))));
    let items = reading
        .items
        .iter()
        .zip(0..)
        .flat_map(|(item, at)| item.aliases.iter().map(move |alias| (alias, Target::Item(at))));
    for (alias, target) in groups.chain(items) {
        index.add(alias, target);
    }
    index
}

struct Maker<'a> {
    reading: &'a Reading,
    names: &'a [Option<String>],
    edges: Edges,
    /// For each item, those that wait for it.
    waiters: Vec<Vec<usize>>,
    /// Which items say what they wait for.
    stated: Vec<bool>,
    /// Items that wait for groups, and the lines that say so.
    of_groups: Vec<(usize, usize, usize)>,
    notes: &'a mut Vec<(usize, String)>,
}

impl Maker<'_> {
    fn is_open(&self, item: usize) -> bool {
        self.names[item].is_some()
    }

    fn name(&self, item: usize) -> &str {
        self.names[item].as_deref().unwrap_or_default()
    }

    /// What the tasks themselves say, and what is told of them elsewhere.
    fn stated(&mut self, index: &Index) {
        let reading = self.reading;
        for (item, read) in reading.items.iter().enumerate().filter(|(_, read)| read.status == Status::Open) {
            for need in read.fields.needs.iter().flatten() {
                let resolved = index.all(&need.text);
                let mut deps: Vec<usize> = Vec::new();
                for target in &resolved.targets {
                    match target {
                        Target::Item(dep) => deps.push(*dep),
                        Target::Group(group) => self.of_groups.push((item, *group, need.line)),
                    }
                }
                let mut before = (0..item).filter(|dep| self.is_open(*dep));
                if resolved.all_before {
                    deps.extend(before);
                } else if resolved.one_before {
                    deps.extend(before.next_back());
                }
                self.unknown(item, need.line, &resolved.unknown);
                self.stated[item] |= resolved.unknown.is_empty() || !resolved.targets.is_empty();
                self.add(item, &deps, Some(need.line));
            }
            for need in &read.fields.blocks {
                let resolved = index.all(&need.text);
                self.unknown(item, need.line, &resolved.unknown);
                for target in resolved.targets {
                    if let Target::Item(blocked) = target {
                        self.add(blocked, &[item], Some(need.line));
                    }
                }
            }
        }
        for told in &reading.told {
            let Told { item, dep, .. } = *told;
            self.add(item, &[dep], Some(told.line));
            let remark = (told.line, told.text.clone());
            // Where the task is done, the words stand at the one that waits no more.
            let holder = if self.is_open(item) { Some(item) } else { Some(dep).filter(|dep| self.is_open(*dep)) };
            if let Some(remarks) = holder.map(|item| &mut self.edges.remarks[item])
                && !remarks.contains(&remark)
            {
                remarks.push(remark);
            }
        }
    }

    fn unknown(&mut self, item: usize, line: usize, unknown: &[String]) {
        for name in unknown {
            let said = crate::base::bounded(name, 100);
            self.notes.push((line, format!("\"{said}\" names no task: `{}` does not wait for it", self.name(item))));
        }
    }

    /// Adds edges, but for what is closed and what would close a circle. That is told where a line asks for it.
    fn add(&mut self, item: usize, deps: &[usize], line: Option<usize>) {
        if !self.is_open(item) {
            return;
        }
        let waiting = self.waiting_for(item);
        for dep in deps.iter().copied().filter(|dep| self.names[*dep].is_some()) {
            if !waiting.contains(&dep) {
                if self.edges.deps[item].insert(dep) {
                    self.waiters[dep].push(item);
                }
                continue;
            }
            let Some(line) = line else { continue };
            let why = match dep == item {
                true => format!("`{}` cannot wait for itself", self.name(item)),
                false => format!(
                    "`{}` cannot wait for `{}`, which waits for it: this would be a circle",
                    self.name(item),
                    self.name(dep)
                ),
            };
            self.edges.remarks[item].push((line, why.clone()));
            self.notes.push((line, why));
        }
    }

    /// The item and all that wait for it, directly or not.
    fn waiting_for(&self, item: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::from([item]);
        let mut open = vec![item];
        while let Some(next) = open.pop() {
            open.extend(self.waiters[next].iter().copied().filter(|other| found.insert(*other)));
        }
        found
    }

    /// The order in the text, within each phase.
    fn sequence(&mut self) {
        let is_stated = self.stated.iter().any(|stated| *stated);
        if self.reading.format != Format::SpecKit && is_stated {
            return;
        }
        for run in self.runs() {
            let mut last: Option<usize> = None;
            let mut beside: Vec<usize> = Vec::new();
            for item in run {
                if self.stated[item] {
                    beside.extend(last.replace(item));
                } else if self.reading.items[item].parallel {
                    beside.push(item);
                } else {
                    beside.extend(last.replace(item));
                    let before = self.apart(&std::mem::take(&mut beside));
                    self.add(item, &before, None);
                }
            }
        }
    }

    /// Open items by phase, in the order of the text.
    fn runs(&self) -> Vec<Vec<usize>> {
        let mut runs: Vec<(Option<usize>, Vec<usize>)> = Vec::new();
        for item in (0..self.reading.items.len()).filter(|item| self.is_open(*item)) {
            let phase = self.chain(self.reading.items[item].group).find(|group| self.reading.groups[*group].phase);
            match runs.last_mut() {
                Some((last, run)) if *last == phase => run.push(item),
                _ => runs.push((phase, vec![item])),
            }
        }
        runs.into_iter().map(|(_, run)| run).collect()
    }

    /// A group and those it is in, innermost first.
    fn chain(&self, group: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(group, |group| self.reading.groups[*group].parent)
    }

    /// The open items of a group.
    fn members(&self, group: usize) -> Vec<usize> {
        let is_in = |item: &usize| self.chain(self.reading.items[*item].group).any(|one| one == group);
        (0..self.reading.items.len()).filter(|item| self.is_open(*item) && is_in(item)).collect()
    }

    /// Those of the items that none of the others wait for.
    fn last(&self, items: &[usize]) -> Vec<usize> {
        let waited: BTreeSet<usize> = items.iter().flat_map(|item| &self.edges.deps[*item]).copied().collect();
        items.iter().copied().filter(|item| !waited.contains(item)).collect()
    }

    /// Those of the items that none of the others wait for by way of any tasks.
    fn apart(&self, items: &[usize]) -> Vec<usize> {
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        let mut open: Vec<usize> = items.iter().flat_map(|item| &self.edges.deps[*item]).copied().collect();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(&self.edges.deps[next]);
            }
        }
        items.iter().copied().filter(|item| !seen.contains(item)).collect()
    }

    /// Those of the items that wait for none of the others.
    fn first(&self, items: &[usize]) -> Vec<usize> {
        let among: BTreeSet<usize> = items.iter().copied().collect();
        items.iter().copied().filter(|item| self.edges.deps[*item].is_disjoint(&among)).collect()
    }

    /// Items that wait for groups, and groups that say what they wait for.
    fn groups(&mut self, index: &Index) {
        for (item, group, line) in std::mem::take(&mut self.of_groups) {
            let members: Vec<usize> = self.members(group).into_iter().filter(|member| *member != item).collect();
            let last = self.last(&members);
            self.add(item, &last, Some(line));
        }
        let reading = self.reading;
        for (group, read) in reading.groups.iter().enumerate().filter(|(_, read)| read.needs.is_some()) {
            let members = self.members(group);
            for need in read.needs.iter().flatten().filter(|_| !members.is_empty()) {
                let resolved = index.all(&need.text);
                for name in &resolved.unknown {
                    let said = crate::base::bounded(name, 100);
                    self.notes.push((need.line, format!("\"{said}\" names no task: nothing waits for it")));
                }
                let mut deps = Vec::new();
                for target in resolved.targets {
                    match target {
                        Target::Item(dep) => deps.push(dep),
                        Target::Group(other) if other != group => deps.extend(self.last(&self.members(other))),
                        Target::Group(_) => {}
                    }
                }
                deps.retain(|dep| !members.contains(dep));
                for item in self.first(&members) {
                    self.add(item, &deps, Some(need.line));
                }
            }
        }
    }

    /// Phases, one after the other, but for what says itself what it waits for.
    fn phases(&mut self) {
        if self.reading.format == Format::TaskMaster {
            return;
        }
        let mut before: Vec<usize> = Vec::new();
        for run in self.runs() {
            let last = self.last(&before);
            for item in self.first(&run) {
                let by_group =
                    self.chain(self.reading.items[item].group).any(|group| self.reading.groups[group].needs.is_some());
                let by_itself = self.stated[item] && self.reading.format != Format::SpecKit;
                if !by_group && !by_itself {
                    self.add(item, &last, None);
                }
            }
            before = run;
        }
    }
}

/// Items so that each comes after what it waits for; of several that could be next, the first in the text.
fn order(deps: &[BTreeSet<usize>], is_open: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut left: Vec<usize> = deps.iter().map(BTreeSet::len).collect();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); deps.len()];
    for (item, deps) in deps.iter().enumerate() {
        deps.iter().for_each(|dep| waiting[*dep].push(item));
    }
    let mut ready: BTreeSet<usize> = (0..deps.len()).filter(|item| is_open(*item) && left[*item] == 0).collect();
    let mut order = Vec::new();
    while let Some(item) = ready.pop_first() {
        order.push(item);
        for next in &waiting[item] {
            left[*next] -= 1;
            if left[*next] == 0 {
                ready.insert(*next);
            }
        }
    }
    order
}

/// Words between the one that waits and what it waits for.
const WAITS: [&str; 11] = [
    "depends on",
    "depend on",
    "depends:",
    "deps:",
    "depende de",
    "dependem de",
    "blocked by",
    "requires",
    "waits for",
    "needs",
    "after",
];
/// Words between what is waited for and the one that waits.
const GOES_FIRST: [&str; 7] = ["gates", "blocks", "unblocks", "precedes", "before", "→", "->"];
const PAIRS_MAX: usize = 5_000;

/// The edges that a line about dependencies tells, as pairs of items: the one that waits, and what for.
pub(super) fn told(line: &str, index: &Index) -> Vec<(usize, usize)> {
    let within = |text: &str| -> Vec<usize> {
        index
            .ids_in(text)
            .into_iter()
            .filter_map(|target| if let Target::Item(at) = target { Some(at) } else { None })
            .collect()
    };
    let mut pairs = Vec::new();
    for clause in line.split(';').flat_map(|part| part.split(". ")) {
        let lower = clause.to_ascii_lowercase();
        let waits = WAITS.iter().find_map(|word| lower.find(word).map(|at| (at, at + word.len())));
        if let Some((end, start)) = waits {
            let (items, deps) = (within(&clause[..end]), within(&clause[start..]));
            pairs.extend(items.iter().flat_map(|item| deps.iter().map(move |dep| (*item, *dep))));
        } else if let Some(word) = GOES_FIRST.iter().find(|word| lower.contains(**word)) {
            let steps: Vec<Vec<usize>> = lower.split(word).map(within).collect();
            for step in steps.windows(2) {
                pairs.extend(step[1].iter().flat_map(|item| step[0].iter().map(move |dep| (*item, *dep))));
            }
        }
    }
    pairs.truncate(PAIRS_MAX);
    pairs.retain(|(item, dep)| item != dep);
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_told_in_prose() {
        let ids: Vec<String> = (1..=9).map(|number| format!("T00{number}")).collect();
        let mut index = Index::default();
        ids.iter().enumerate().for_each(|(at, id)| _ = index.add(id, Target::Item(at)));
        let table: [(&str, &[(&str, &str)]); 6] = [
            ("- T003 depends on T001 (lexer) and T002.", &[("T003", "T001"), ("T003", "T002")]),
            ("T001 gates T002. T004 requires T003", &[("T002", "T001"), ("T004", "T003")]),
            ("T001 → T002 → T003", &[("T002", "T001"), ("T003", "T002")]),
            ("T008/T009 depend on T007", &[("T008", "T007"), ("T009", "T007")]),
            ("T001–T003 can run in parallel", &[]),
            ("Phase 2 depends on Phase 1", &[]),
        ];
        for (line, expected) in table {
            let found = told(line, &index);
            let found: Vec<(&str, &str)> = found.iter().map(|(item, dep)| (&*ids[*item], &*ids[*dep])).collect();
            assert_eq!(found, expected, "{line}");
        }
    }
}

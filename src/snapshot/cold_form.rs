//! The cold part as bytes: tables of fixed rows over one heap of texts, so that a few tasks are read without the others.
//!
//! ```text
//! counts │ files │ tasks │ stems │ plans │ pieces │ sources │ outputs │ deps │ heap
//! ```
//!
//! `docs/snapshot.md` has the rows. Nothing here believes the bytes: a place that lies outside of them, a text that is no
//! path, a task that waits for a later one make the answer `None`, and the build goes the long way.

use std::collections::HashMap;

use super::cold::{Cold, ColdPlan, ColdTask, FileIx, Table};
use crate::base::{ActionKey, RelPath, TaskName};

const COUNTS: usize = 10;
const TASK_BYTES: usize = 60;
const TEXT_BYTES: usize = 8;
const PLAN_BYTES: usize = 28;
const PIECE_BYTES: usize = 12;
/// The stem of a task that is in no table of its own.
const NO_STEM: u32 = u32::MAX;
const HAS_KEY: u8 = 1;
const IS_SETTLED: u8 = 2;

impl Cold {
    /// The bytes; `None` where there is more than fits 32 bits.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut form = Form::default();
        for file in &self.files {
            let text = form.text(file.as_str())?;
            form.files.extend(text);
        }
        let mut stems: HashMap<&str, u32> = HashMap::new();
        for plan in &self.plans {
            for table in &plan.tables {
                let next = short(stems.len())?;
                let stem = *stems.entry(table.stem.as_str()).or_insert(next);
                if stem == next {
                    let text = form.text(table.stem.as_str())?;
                    form.stems.extend(text);
                }
                form.pieces.extend([stem, table.bytes.start, table.bytes.end].map(u32::to_le_bytes).as_flattened());
            }
            let text = form.text(plan.path.as_str())?;
            form.plans.extend(text);
            form.plans.extend(short(form.pieces.len() / PIECE_BYTES)?.to_le_bytes());
            form.plans.extend(plan.digest.to_le_bytes());
        }
        for task in &self.tasks {
            let stem = stems.get(task.name.stem()).copied().unwrap_or(NO_STEM);
            form.task(task, stem)?;
        }
        form.finish(self.allows_parts)
    }
}

/// The sections in the making.
#[derive(Default)]
struct Form {
    files: Vec<u8>,
    tasks: Vec<u8>,
    stems: Vec<u8>,
    plans: Vec<u8>,
    pieces: Vec<u8>,
    sources: Vec<u8>,
    outputs: Vec<u8>,
    deps: Vec<u8>,
    heap: Vec<u8>,
}

fn short(number: usize) -> Option<u32> {
    u32::try_from(number).ok()
}

impl Form {
    /// Puts a text on the heap; answers its place and length.
    fn text(&mut self, text: &str) -> Option<[u8; TEXT_BYTES]> {
        let place = [short(self.heap.len())?, short(text.len())?];
        self.heap.extend_from_slice(text.as_bytes());
        place.map(u32::to_le_bytes).as_flattened().try_into().ok()
    }

    fn task(&mut self, task: &ColdTask, stem: u32) -> Option<()> {
        let name = self.text(task.name.as_str())?;
        let length = u16::try_from(task.name.as_str().len()).ok()?;
        self.sources.extend(task.sources.iter().flat_map(|file| file.0.to_le_bytes()));
        self.outputs.extend(task.outputs.iter().flat_map(|file| file.0.to_le_bytes()));
        self.deps.extend(task.deps.iter().flat_map(|dep| dep.to_le_bytes()));
        let flags = (u8::from(task.key.is_some()) * HAS_KEY) | (u8::from(task.is_settled) * IS_SETTLED);
        self.tasks.extend_from_slice(&name[..4]);
        self.tasks.extend(length.to_le_bytes());
        self.tasks.extend([flags, 0]);
        let ends = [self.sources.len(), self.outputs.len(), self.deps.len()];
        self.tasks.extend(stem.to_le_bytes());
        self.tasks.extend(task.saved_ms.to_le_bytes());
        for end in ends {
            self.tasks.extend(short(end / 4)?.to_le_bytes());
        }
        self.tasks.extend(task.key.as_ref().map_or([0; 32], |key| *key.as_bytes()));
        Some(())
    }

    fn finish(self, allows_parts: bool) -> Option<Vec<u8>> {
        let rows = [
            (&self.files, TEXT_BYTES),
            (&self.tasks, TASK_BYTES),
            (&self.stems, TEXT_BYTES),
            (&self.plans, PLAN_BYTES),
            (&self.pieces, PIECE_BYTES),
            (&self.sources, 4),
            (&self.outputs, 4),
            (&self.deps, 4),
            (&self.heap, 1),
        ];
        let mut bytes = Vec::with_capacity(COUNTS * 4 + rows.iter().map(|(section, _)| section.len()).sum::<usize>());
        for (section, row) in rows {
            bytes.extend(short(section.len() / row)?.to_le_bytes());
        }
        bytes.extend(u32::from(allows_parts).to_le_bytes());
        rows.iter().for_each(|(section, _)| bytes.extend_from_slice(section));
        Some(bytes)
    }
}

/// Rows of one width.
#[derive(Debug, Clone, Copy)]
struct Rows<'b, const WIDTH: usize>(&'b [[u8; WIDTH]]);

impl<'b, const WIDTH: usize> Rows<'b, WIDTH> {
    /// Takes that many rows off the front.
    fn take(bytes: &mut &'b [u8], count: u32) -> Option<Self> {
        let (rows, rest) = bytes.split_at_checked((count as usize).checked_mul(WIDTH)?)?;
        *bytes = rest;
        Some(Self(rows.as_chunks().0))
    }

    fn row(&self, at: u32) -> Option<&'b [u8; WIDTH]> {
        self.0.get(at as usize)
    }
}

/// The number at this byte of a row.
fn number(row: &[u8], at: usize) -> u32 {
    row[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn length(row: &[u8], at: usize) -> u32 {
    row[at..].first_chunk().map_or(0, |bytes| u32::from(u16::from_le_bytes(*bytes)))
}

/// A cold part as it lies in a file. Reading one task of it costs nothing for the others.
#[derive(Debug, Clone, Copy)]
pub struct ColdView<'b> {
    files: Rows<'b, TEXT_BYTES>,
    tasks: Rows<'b, TASK_BYTES>,
    stems: Rows<'b, TEXT_BYTES>,
    plans: Rows<'b, PLAN_BYTES>,
    pieces: Rows<'b, PIECE_BYTES>,
    sources: Rows<'b, 4>,
    outputs: Rows<'b, 4>,
    deps: Rows<'b, 4>,
    heap: &'b [u8],
    allows_parts: bool,
}

/// What a task refers to, as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refs<'b> {
    /// Its sources, as little-endian numbers.
    pub sources: &'b [[u8; 4]],
    /// Its outputs.
    pub outputs: &'b [[u8; 4]],
    /// Its deps.
    pub deps: &'b [[u8; 4]],
    /// Whether it is settled.
    pub is_settled: bool,
    /// What is saved where it does not run.
    pub saved_ms: u32,
}

/// A file of the plan, as it lies in the file.
pub(super) struct PlanView<'b> {
    /// Where.
    pub path: RelPath,
    /// Digest of its text.
    pub digest: u128,
    pieces: &'b [[u8; PIECE_BYTES]],
}

impl PlanView<'_> {
    /// Its tables: stem, first byte, and the one after the last.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        self.pieces.iter().map(|row| (number(row, 0), number(row, 4), number(row, 8)))
    }
}

impl<'b> ColdView<'b> {
    /// The sections of a cold part; `None` where the bytes are not as long as they say.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Option<Self> {
        let mut rest = bytes;
        let counts = Rows::<4>::take(&mut rest, COUNTS as u32)?;
        let mut count = counts.0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        let mut next = || count.next();
        let view = Self {
            files: Rows::take(&mut rest, next()?)?,
            tasks: Rows::take(&mut rest, next()?)?,
            stems: Rows::take(&mut rest, next()?)?,
            plans: Rows::take(&mut rest, next()?)?,
            pieces: Rows::take(&mut rest, next()?)?,
            sources: Rows::take(&mut rest, next()?)?,
            outputs: Rows::take(&mut rest, next()?)?,
            deps: Rows::take(&mut rest, next()?)?,
            heap: Rows::<1>::take(&mut rest, next()?)?.0.as_flattened(),
            allows_parts: next()? == 1,
        };
        rest.is_empty().then_some(view)
    }

    /// Whether a part of this plan can be built on its own.
    #[must_use]
    pub fn allows_parts(&self) -> bool {
        self.allows_parts
    }

    /// How many tasks there are.
    #[must_use]
    pub fn task_count(&self) -> u32 {
        self.tasks.0.len() as u32
    }

    /// How many files there are.
    #[must_use]
    pub fn file_count(&self) -> u32 {
        self.files.0.len() as u32
    }

    fn text(&self, at: u32, length: u32) -> Option<&'b str> {
        let start = at as usize;
        std::str::from_utf8(self.heap.get(start..start.checked_add(length as usize)?)?).ok()
    }

    /// The path of a file.
    #[must_use]
    pub fn file(&self, ix: FileIx) -> Option<RelPath> {
        let row = self.files.row(ix.0)?;
        RelPath::from_disk(self.text(number(row, 0), number(row, 4))?).ok()
    }

    /// The name of a task.
    #[must_use]
    pub fn task_name(&self, at: u32) -> Option<TaskName> {
        let row = self.tasks.row(at)?;
        TaskName::new(self.text(number(row, 0), length(row, 4))?).ok()
    }

    /// What a task refers to.
    pub(super) fn refs(&self, at: u32) -> Option<Refs<'b>> {
        let row = self.tasks.row(at)?;
        let before = at.checked_sub(1).and_then(|before| self.tasks.row(before));
        let between = |rows: &'b [[u8; 4]], place: usize| {
            let start = before.map_or(0, |row| number(row, place));
            rows.get(start as usize..number(row, place) as usize)
        };
        Some(Refs {
            sources: between(self.sources.0, 16)?,
            outputs: between(self.outputs.0, 20)?,
            deps: between(self.deps.0, 24)?,
            is_settled: row[6] & IS_SETTLED != 0,
            saved_ms: number(row, 12),
        })
    }

    /// A task.
    #[must_use]
    pub fn task(&self, at: u32) -> Option<ColdTask> {
        let row = self.tasks.row(at)?;
        let refs = self.refs(at)?;
        let files = |rows: &[[u8; 4]]| rows.iter().map(|bytes| FileIx(u32::from_le_bytes(*bytes))).collect::<Vec<_>>();
        let key = row.last_chunk::<32>().filter(|_| row[6] & HAS_KEY != 0);
        Some(ColdTask {
            name: self.task_name(at)?,
            key: key.map(|key| ActionKey::from_bytes(*key)),
            is_settled: refs.is_settled,
            sources: files(refs.sources),
            outputs: files(refs.outputs),
            deps: refs.deps.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect(),
            saved_ms: refs.saved_ms,
        })
    }

    /// The stem of a task, as a number that says which tables are its own; `None` where none is.
    pub(super) fn stem(&self, at: u32) -> Option<u32> {
        self.tasks.row(at).map(|row| number(row, 8)).filter(|stem| *stem != NO_STEM)
    }

    /// How many different stems have tables.
    pub(super) fn stem_count(&self) -> usize {
        self.stems.0.len()
    }

    /// The plan's files, root first.
    pub(super) fn plans(&self) -> Option<Vec<PlanView<'b>>> {
        let mut start = 0;
        let plan = |row: &[u8; PLAN_BYTES]| {
            let path = RelPath::from_disk(self.text(number(row, 0), number(row, 4))?).ok()?;
            let end = number(row, 8);
            let pieces = self.pieces.0.get(start as usize..end as usize)?;
            start = end;
            Some(PlanView { path, digest: u128::from_le_bytes(*row.last_chunk()?), pieces })
        };
        self.plans.0.iter().map(plan).collect()
    }

    /// All of it, as it was encoded.
    #[must_use]
    pub fn decode(&self) -> Option<Cold> {
        let stem = |at: u32| {
            let row = self.stems.row(at)?;
            TaskName::new(self.text(number(row, 0), number(row, 4))?).ok()
        };
        let tables = |plan: &PlanView<'_>| {
            plan.pieces()
                .map(|(at, start, end)| Some(Table { stem: stem(at)?, bytes: start..end }))
                .collect::<Option<_>>()
        };
        let plans = self.plans()?.into_iter();
        Some(Cold {
            files: (0..self.file_count()).map(|at| self.file(FileIx(at))).collect::<Option<_>>()?,
            tasks: (0..self.task_count()).map(|at| self.task(at)).collect::<Option<_>>()?,
            plans: plans
                .map(|plan| Some(ColdPlan { tables: tables(&plan)?, path: plan.path, digest: plan.digest }))
                .collect::<Option<_>>()?,
            allows_parts: self.allows_parts,
        })
    }
}

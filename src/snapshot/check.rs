//! A snapshot compared with the world: a few threads, each with a chunk of the directories or a piece of a plan at a time.
//!
//! Nothing here follows a link in the project, and what cannot be looked at has changed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use xxhash_rust::xxh3::xxh3_128;

use super::bytes::{Reader, seal, torn};
use super::fingerprint::{is_racy, names_digest};
use super::hot::{Chunk, Hot};
use super::image::{Answer, Changes};
use super::write::{IS_WALKED, PIECE_BYTES, variable_digest};
use super::{FileIx, Fingerprint};
use crate::sys::beneath::{self, Access, FileKind, FileStat};
use crate::sys::glance;

/// Threads that look at files.
const THREADS_MAX: usize = 4;
/// What is less for a thread than this is not worth one.
const FILES_PER_THREAD: usize = 600;
/// A thread here needs little; what a small stack saves is the time to make it.
const STACK_BYTES: usize = 256 << 10;
/// Longest small file of the system.
pub const SYSTEM_FILE_BYTES_MAX: usize = 256;

/// Who looks, and from where.
pub struct Looking<'a> {
    /// The project's directory, absolute and without links.
    pub root: &'a Path,
    /// A variable of this process.
    pub variable: &'a (dyn Fn(&OsStr) -> Option<OsString> + Sync),
    /// The clock, in nanoseconds since the epoch.
    pub now_ns: &'a (dyn Fn() -> i64 + Sync),
}

/// Something to do for a thread.
enum Unit {
    Chunk(usize),
    Piece { plan: u32, number: usize },
}

/// The text of a plan, as it was.
struct PlanText<'a> {
    path: &'a str,
    length: u64,
    digests: Vec<u128>,
}

impl Hot {
    /// Compares everything.
    #[must_use]
    pub fn check(&self, looking: &Looking<'_>) -> Answer {
        if self.is_marked() {
            return Answer::Unknown("a build began and did not come to its end".to_owned());
        }
        let plans = match self.world(looking) {
            Ok(Ok(plans)) => plans,
            Ok(Err(why)) => return Answer::Unknown(why),
            Err(error) => return Answer::Unknown(error.to_string()),
        };
        let found = Found { changes: Mutex::default(), wrong: Mutex::default() };
        let units = self.units(&plans);
        let next = AtomicUsize::new(0);
        let overrides = self.overrides();
        let work = || {
            let mut buffer = Vec::new();
            let mut changes = Changes::default();
            while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                let done = match unit {
                    Unit::Chunk(number) => {
                        self.chunk(&self.chunks[*number], &overrides, looking, &mut buffer, &mut changes)
                    }
                    Unit::Piece { plan, number } => {
                        if !self.piece(&plans[*plan as usize], *number, &mut buffer) {
                            changes.plans.push(*plan);
                        }
                        Ok(())
                    }
                };
                if let Err(error) = done {
                    found.wrong.lock().expect("no holder panics").get_or_insert(error);
                    return;
                }
            }
            found.add(changes);
        };
        let others = (self.files() / FILES_PER_THREAD).min(THREADS_MAX - 1).min(units.len().saturating_sub(1));
        std::thread::scope(|scope| {
            for _ in 0..others {
                // Where no thread is to be had, the others do its work.
                let _ = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
            }
            work();
        });
        if let Some(error) = found.wrong.into_inner().expect("no holder panics") {
            return Answer::Unknown(error.to_string());
        }
        let mut changes = found.changes.into_inner().expect("no holder panics");
        changes.is_complete = self.is_complete();
        changes.files.sort_unstable();
        changes.directories.sort_unstable();
        changes.touched.sort_unstable_by_key(|(number, _)| *number);
        changes.plans.sort_unstable();
        changes.plans.dedup();
        let is_equal = changes.files.is_empty() && changes.directories.is_empty() && changes.plans.is_empty();
        if is_equal && changes.is_complete { Answer::Clean(self.closing().clone()) } else { Answer::Changed(changes) }
    }

    /// What is no file of a task. The inner error says what differs.
    fn world(&self, looking: &Looking<'_>) -> io::Result<Result<Vec<PlanText<'_>>, String>> {
        let mut world = Reader(&self.front[self.world.clone()]);
        let differs = |what: String| Ok(Err(what));
        if world.bytes()? != glance::path_bytes(looking.root) {
            return differs("the project lies elsewhere".to_owned());
        }
        if world.u32()? != glance::user() {
            return differs("the user is another one".to_owned());
        }
        if !Fingerprint::from_bits(world.u64()?).is(Fingerprint::of(&glance::own_program()?)) {
            return differs("orca's program is another one".to_owned());
        }
        for _ in 0..world.u32()? {
            let (name, digest) = (glance::os_str(world.bytes()?), world.take(16)?);
            if variable_digest((looking.variable)(name).as_deref()).to_le_bytes() != digest {
                return differs(format!("the variable {}", name.to_string_lossy()));
            }
        }
        for _ in 0..world.u32()? {
            let (path, then) = (glance::path_of(world.bytes()?), Fingerprint::from_bits(world.u64()?));
            if !then.is(outside(&path)) {
                return differs(path.display().to_string());
            }
        }
        for _ in 0..world.u32()? {
            let (path, then) = (glance::path_of(world.bytes()?), world.u8()?);
            if then != kind(&path) {
                return differs(path.display().to_string());
            }
        }
        for _ in 0..world.u32()? {
            let (path, digest) = (glance::path_of(world.bytes()?), world.take(16)?);
            let now = system(&path);
            if variable_digest(now.as_deref().map(glance::os_str)).to_le_bytes() != digest {
                return differs(path.display().to_string());
            }
        }
        for _ in 0..world.u32()? {
            let (path, then) = (world.text()?, Fingerprint::from_bits(world.u64()?));
            if !then.is(beside(self.root.as_fd(), path)) {
                return differs(path.to_owned());
            }
        }
        let plans = plans(&mut world)?;
        if !self.journal()?.is(journal(self.state.as_fd())) {
            return differs("the journal".to_owned());
        }
        Ok(Ok(plans))
    }

    /// Whether these are the plan's files, root first, with the texts that it had.
    #[must_use]
    pub fn is_of<'t>(&self, files: impl Iterator<Item = (&'t str, &'t str)>) -> bool {
        let Ok(plans) = self.plans_then() else { return false };
        let is_same = |(plan, (path, text)): (&PlanText<'_>, (&str, &str))| {
            plan.path == path
                && plan.length == text.len() as u64
                && text.as_bytes().chunks(PIECE_BYTES).map(xxh3_128).eq(plan.digests.iter().copied())
        };
        let files: Vec<_> = files.collect();
        plans.len() == files.len() && plans.iter().zip(files).all(is_same)
    }

    fn plans_then(&self) -> io::Result<Vec<PlanText<'_>>> {
        let mut world = Reader(&self.front[self.world.clone()]);
        world.bytes()?;
        world.take(4 + 8)?;
        // Variables, paths outside, their kinds, small files, paths beside: a name and so many bytes each.
        for bytes in [16, 8, 1, 16, 8] {
            for _ in 0..world.u32()? {
                world.bytes()?;
                world.take(bytes)?;
            }
        }
        plans(&mut world)
    }

    fn units(&self, plans: &[PlanText<'_>]) -> Vec<Unit> {
        let mut units = Vec::with_capacity(self.chunks.len() + plans.len());
        for (plan, text) in (0..).zip(plans) {
            units.extend((0..text.digests.len().max(1)).map(|number| Unit::Piece { plan, number }));
        }
        units.extend((0..self.chunks.len()).map(Unit::Chunk));
        units
    }

    fn overrides(&self) -> Overrides {
        let mut overrides = Overrides::default();
        for part in self.parts() {
            overrides.files.extend(part.files.iter().copied());
            overrides.directories.extend(part.directories.iter().copied());
        }
        overrides
    }

    /// Whether a piece of a plan is what it was.
    fn piece(&self, plan: &PlanText<'_>, number: usize, buffer: &mut Vec<u8>) -> bool {
        let offset = (number * PIECE_BYTES) as u64;
        let mut is_it = || -> io::Result<bool> {
            let (file, stat) = glance::open_beneath(self.root.as_fd(), plan.path)?;
            if stat.size_bytes != plan.length {
                return Ok(false);
            }
            let Some(digest) = plan.digests.get(number) else { return Ok(true) };
            buffer.resize(usize::try_from((plan.length - offset).min(PIECE_BYTES as u64)).unwrap_or(0), 0);
            glance::read_exact_at(&file, buffer, offset)?;
            Ok(xxh3_128(buffer) == *digest)
        };
        is_it().unwrap_or(false)
    }

    /// Compares the directories of a chunk. An error is a chunk that is torn.
    fn chunk(
        &self,
        chunk: &Chunk,
        overrides: &Overrides,
        looking: &Looking<'_>,
        buffer: &mut Vec<u8>,
        changes: &mut Changes,
    ) -> io::Result<()> {
        buffer.resize(chunk.bytes as usize, 0);
        glance::read_exact_at(&self.file, buffer, chunk.offset)?;
        if seal(buffer, chunk.place) != chunk.seal {
            return Err(torn());
        }
        let mut reader = Reader(buffer);
        let mut file = chunk.first_file;
        while !reader.0.is_empty() {
            let (number, path) = (reader.u32()?, reader.text()?);
            let opened = match path {
                "" => None,
                path => Some(beneath::open_dir(self.root.as_fd(), path, Access::Resolve)),
            };
            let dir = match &opened {
                None => Dir::There(self.root.as_fd()),
                Some(Ok(dir)) => Dir::There(dir.as_fd()),
                Some(Err(error)) if is_absent(error) => Dir::Absent,
                Some(Err(_)) => Dir::InTheWay,
            };
            if reader.u8()? & IS_WALKED != 0 {
                let (then, names) = (Fingerprint::from_bits(reader.u64()?), reader.u64()?);
                let then = overrides.directories.get(&number).copied().unwrap_or(then);
                match dir.walked(then, names, self.root.as_fd(), path, (looking.now_ns)()) {
                    Names::Same => {}
                    Names::Touched(now) => changes.touched.push((number, now)),
                    Names::Others => changes.directories.push(path.to_owned()),
                }
            }
            for _ in 0..reader.u32()? {
                let then = Fingerprint::from_bits(reader.u64()?);
                let length = usize::from(reader.u16()?);
                let name = std::str::from_utf8(reader.take(length)?).map_err(|_| torn())?;
                let then = match overrides.files.is_empty() {
                    true => then,
                    false => overrides.files.get(&file).copied().unwrap_or(then),
                };
                if !dir.file(name).is_some_and(|now| then.is(now)) {
                    changes.files.push(FileIx(file));
                }
                file += 1;
            }
        }
        if file == chunk.first_file + chunk.files { Ok(()) } else { Err(torn()) }
    }
}

/// What the world says of the plan's files.
fn plans<'w>(world: &mut Reader<'w>) -> io::Result<Vec<PlanText<'w>>> {
    let mut plans = Vec::new();
    for _ in 0..world.u32()? {
        let (path, length) = (world.text()?, world.u64()?);
        let mut digests = Vec::new();
        for _ in 0..length.div_ceil(PIECE_BYTES as u64) {
            digests.push(u128::from_le_bytes(world.take(16)?.try_into().map_err(|_| torn())?));
        }
        plans.push(PlanText { path, length, digests });
    }
    Ok(plans)
}

/// What parts that were built since say instead.
#[derive(Default)]
struct Overrides {
    files: BTreeMap<u32, Fingerprint>,
    directories: BTreeMap<u32, Fingerprint>,
}

struct Found {
    changes: Mutex<Changes>,
    wrong: Mutex<Option<io::Error>>,
}

impl Found {
    fn add(&self, some: Changes) {
        let mut all = self.changes.lock().expect("no holder panics");
        all.files.extend(some.files);
        all.directories.extend(some.directories);
        all.touched.extend(some.touched);
        all.plans.extend(some.plans);
    }
}

/// A directory, as it is now.
enum Dir<'a> {
    There(BorrowedFd<'a>),
    Absent,
    /// A link, or something that cannot be looked at.
    InTheWay,
}

/// How the names in a directory compare.
enum Names {
    Same,
    Touched(Fingerprint),
    Others,
}

impl Dir<'_> {
    /// What is there under this name; `None` if that cannot be known.
    fn file(&self, name: &str) -> Option<Fingerprint> {
        match self {
            Self::There(dir) => match beneath::lstat(*dir, name) {
                Ok(found) => Some(Fingerprint::of_found(found.as_ref())),
                Err(_) => None,
            },
            Self::Absent => Some(Fingerprint::ABSENT),
            Self::InTheWay => None,
        }
    }

    fn walked(&self, then: Fingerprint, names: u64, root: BorrowedFd<'_>, path: &str, now_ns: i64) -> Names {
        let Self::There(dir) = self else { return Names::Others };
        let Ok(now) = beneath::fstat(dir) else { return Names::Others };
        if then.is(Fingerprint::of(&now)) {
            return Names::Same;
        }
        let list = || {
            let dir = match path {
                "" => beneath::open_child_dir(root, ".", Access::Read)?,
                path => beneath::open_dir(root, path, Access::Read)?,
            };
            // Before its names are read: what changes after that shows.
            let stat = beneath::fstat(&dir)?;
            Ok::<_, io::Error>((stat, names_digest(glance::names(dir.as_fd())?)))
        };
        match list() {
            Ok((stat, found)) if found == names => Names::Touched(match is_racy(&stat, now_ns) {
                true => Fingerprint::NEVER,
                false => Fingerprint::of(&stat),
            }),
            _ => Names::Others,
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What is at a path outside the project, links followed. What cannot be looked at is like nothing.
#[must_use]
pub fn outside(path: &Path) -> Fingerprint {
    glance::follow(path).map_or(Fingerprint::NEVER, |found| Fingerprint::of_found(found.as_ref()))
}

/// What is at a path outside the project, links followed: nothing (0), a file (1), a directory (2), or something else (3).
#[must_use]
pub fn kind(path: &Path) -> u8 {
    match glance::follow(path) {
        Ok(None) => 0,
        Ok(Some(found)) if found.kind == FileKind::File => 1,
        Ok(Some(found)) if found.kind == FileKind::Directory => 2,
        _ => 3,
    }
}

/// What a small file of the system holds; `None` where it cannot be read.
#[must_use]
pub fn system(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let file = match crate::sys::open_to_read(path) {
        Ok(file) => file,
        // Namespaces are links to their names.
        Err(_) => return Some(glance::path_bytes(&path.read_link().ok()?).to_vec()),
    };
    let mut content = Vec::new();
    file.take(SYSTEM_FILE_BYTES_MAX as u64).read_to_end(&mut content).ok()?;
    Some(content)
}

/// What is at a path of the project, no link followed. What cannot be looked at is like nothing.
#[must_use]
pub fn beside(root: BorrowedFd<'_>, path: &str) -> Fingerprint {
    let found = match path.rsplit_once('/') {
        None => beneath::lstat(root, path),
        Some((parent, name)) => match beneath::open_dir(root, parent, Access::Resolve) {
            Ok(dir) => beneath::lstat(dir.as_fd(), name),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        },
    };
    found.map_or(Fingerprint::NEVER, |found| Fingerprint::of_found(found.as_ref()))
}

/// The journal in a state directory, and its log. What is written there makes the log longer, or, where that begins anew,
/// was brought into the file before: one of them always looks another way.
#[must_use]
pub fn journal(state: BorrowedFd<'_>) -> Fingerprint {
    match (beneath::lstat(state, "journal.db-wal"), beneath::lstat(state, "journal.db")) {
        (Ok(log), Ok(Some(found))) => match log.filter(|log| log.size_bytes > 0) {
            // Where root looks, SQLite gives the log the owner that it has, which is another ctime.
            Some(log) => Fingerprint::of_both(&found, &FileStat { ctime_ns: log.mtime_ns, ..log }),
            None => Fingerprint::of(&found),
        },
        _ => Fingerprint::NEVER,
    }
}

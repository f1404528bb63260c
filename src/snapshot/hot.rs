//! A snapshot opened: what its front says, and what was appended to it. What is torn, foreign, older or of another orca is
//! none.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use super::Fingerprint;
use super::bytes::{Reader, Writer, seal, torn};
use super::image::{Closing, Part};
use super::write::{FILE, HEADER_BYTES, IS_COMPLETE, MAGIC, MARK, PART, VERSION, build};
use crate::sys::beneath::{self, Access};
use crate::sys::glance;

/// What is more than this is no front of a snapshot, whatever its header says.
const FRONT_BYTES_MAX: u64 = 1 << 30;
/// Bytes that are read at once; most fronts are within them.
const FIRST_BYTES: usize = 16 << 10;

/// A snapshot that can be compared with the world.
#[derive(Debug)]
pub struct Hot {
    pub(super) root: OwnedFd,
    pub(super) state: OwnedFd,
    pub(super) file: File,
    pub(super) front: Vec<u8>,
    pub(super) world: Range<usize>,
    pub(super) chunks: Vec<Chunk>,
    cold: Range<u64>,
    cold_seal: u64,
    closing: Closing,
    is_complete: bool,
    is_marked: bool,
    parts: Vec<Part>,
    /// Bytes of the file when it was opened.
    length: u64,
}

/// Where some of the directories are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    /// Of the file.
    pub(super) offset: u64,
    pub(super) bytes: u32,
    pub(super) first_file: u32,
    pub(super) files: u32,
    pub(super) seal: u64,
    /// What its seal was made with.
    pub(super) place: u64,
}

impl Hot {
    /// Opens the snapshot of the project in this directory; `None` if there is none that can be used.
    #[must_use]
    pub fn open(directory: &Path) -> Option<Self> {
        Self::try_open(directory).ok()
    }

    fn try_open(directory: &Path) -> io::Result<Self> {
        let root = beneath::open_root(directory)?;
        let state = beneath::open_child_dir(root.as_fd(), ".orca", Access::Resolve)?;
        let (file, stat) = beneath::open_file(state.as_fd(), FILE)?;
        let mut front = vec![0; FIRST_BYTES.min(usize::try_from(stat.size_bytes).map_err(|_| torn())?)];
        glance::read_exact_at(&file, &mut front, 0)?;
        let mut header = Reader(front.get(..HEADER_BYTES).ok_or_else(torn)?);
        if header.take(8)? != MAGIC || header.u32()? != VERSION {
            return Err(torn());
        }
        let is_complete = header.u32()? & IS_COMPLETE != 0;
        if header.u64()? != build() {
            return Err(torn());
        }
        let mut lengths = [0; 5];
        for length in &mut lengths {
            *length = header.u64()?;
        }
        let [world, table, of_closing, hot, cold] = lengths;
        let (cold_seal, front_seal) = (header.u64()?, header.u64()?);
        let of_header = seal(&front[..HEADER_BYTES - 8], 0);
        let sum = |numbers: &[u64]| numbers.iter().try_fold(0_u64, |sum, one| sum.checked_add(*one)).ok_or_else(torn);
        let front_end = sum(&[HEADER_BYTES as u64, world, table, of_closing])?;
        let hot_end = sum(&[front_end, hot])?;
        let cold_end = sum(&[hot_end, cold])?;
        if front_end > FRONT_BYTES_MAX || cold_end > stat.size_bytes {
            return Err(torn());
        }
        let known = front.len();
        let length = usize::try_from(front_end).map_err(|_| torn())?;
        front.resize(length, 0);
        if length > known {
            glance::read_exact_at(&file, &mut front[known..], known as u64)?;
        }
        if seal(&front[HEADER_BYTES..], of_header) != front_seal {
            return Err(torn());
        }
        let world_end = HEADER_BYTES + world as usize;
        let table_end = world_end + table as usize;
        let chunks = chunks(Reader(&front[world_end..table_end]), front_end, hot)?;
        let closing = closing_alone(&front[table_end..])?;
        let (is_marked, parts) = patches(&file, cold_end, stat.size_bytes)?;
        Ok(Self {
            root,
            state,
            file,
            front,
            world: HEADER_BYTES..world_end,
            chunks,
            cold: hot_end..cold_end,
            cold_seal,
            closing,
            is_complete,
            is_marked,
            parts,
            length: stat.size_bytes,
        })
    }

    /// Whether it still is the snapshot of its project, and nothing was appended since it was opened.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let there = beneath::lstat(self.state.as_fd(), FILE);
        let opened = beneath::fstat(&self.file);
        matches!((there, opened), (Ok(Some(there)), Ok(opened))
            if (there.dev, there.inode) == (opened.dev, opened.inode) && opened.size_bytes == self.length)
    }

    /// How many bytes it has, and how many of them were appended.
    #[must_use]
    pub fn lengths(&self) -> (u64, u64) {
        (self.length, self.length.saturating_sub(self.cold.end))
    }

    /// Whether a build began after it was written and did not say how it ended.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// Whether every task was accepted when it was written, or when the last part was built.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.parts.last().map_or(self.is_complete, |part| part.is_complete)
    }

    /// What the last build came to.
    #[must_use]
    pub fn closing(&self) -> &Closing {
        self.parts.last().map_or(&self.closing, |part| &part.closing)
    }

    /// What parts were built since it was written, first to last.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The number of files in it.
    #[must_use]
    pub fn files(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.files as usize).sum()
    }

    /// The cold part; `None` where there is none. An error where it is torn.
    pub fn cold(&self) -> io::Result<Option<Vec<u8>>> {
        if self.cold.is_empty() {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(self.cold.end - self.cold.start).map_err(|_| torn())?];
        glance::read_exact_at(&self.file, &mut bytes, self.cold.start)?;
        if seal(&bytes, 0) == self.cold_seal { Ok(Some(bytes)) } else { Err(torn()) }
    }

    /// The journal's fingerprint, as it is to be.
    pub(super) fn journal(&self) -> io::Result<Fingerprint> {
        let written = Reader(&self.front[self.world.end - 8..self.world.end]).u64()?;
        Ok(self.parts.last().map_or(Fingerprint::from_bits(written), |part| part.journal))
    }
}

fn chunks(mut table: Reader<'_>, start: u64, length: u64) -> io::Result<Vec<Chunk>> {
    let count = table.u32()? as usize;
    let mut chunks = Vec::with_capacity(count.min(table.0.len()));
    let mut files = 0_u32;
    for _ in 0..count {
        let place = table.u64()?;
        let (bytes, first_file, in_it, seal) = (table.u32()?, table.u32()?, table.u32()?, table.u64()?);
        if place.checked_add(u64::from(bytes)).is_none_or(|end| end > length) || first_file != files {
            return Err(torn());
        }
        files = files.checked_add(in_it).ok_or_else(torn)?;
        chunks.push(Chunk { offset: start + place, bytes, first_file, files: in_it, seal, place });
    }
    table.end()?;
    Ok(chunks)
}

fn closing_alone(bytes: &[u8]) -> io::Result<Closing> {
    let mut reader = Reader(bytes);
    let closing = closing(&mut reader)?;
    reader.end()?;
    Ok(closing)
}

fn closing(reader: &mut Reader<'_>) -> io::Result<Closing> {
    let (cached, saved_ms, saved_micro_usd) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let count = reader.u32()?;
    let mut replayed = Vec::new();
    for _ in 0..count {
        replayed.push((reader.text()?.to_owned(), reader.text()?.to_owned()));
    }
    Ok(Closing { cached, saved_ms, saved_micro_usd, replayed })
}

/// What was appended: whether the last of it is a mark, and the parts. An error where any of it is torn.
fn patches(file: &File, start: u64, end: u64) -> io::Result<(bool, Vec<Part>)> {
    let mut bytes = vec![0; usize::try_from(end - start).map_err(|_| torn())?];
    glance::read_exact_at(file, &mut bytes, start)?;
    let (mut is_marked, mut parts) = (false, Vec::new());
    let mut reader = Reader(&bytes);
    while !reader.0.is_empty() {
        let place = end - reader.0.len() as u64;
        let (kind, length) = (reader.u32()?, reader.u64()?);
        let body = reader.take(usize::try_from(length).map_err(|_| torn())?)?;
        let mut sealed = Writer::default();
        sealed.u32(kind);
        sealed.u64(length);
        sealed.0.extend_from_slice(body);
        if reader.u64()? != seal(&sealed.0, place) {
            return Err(torn());
        }
        is_marked = kind == MARK;
        match kind {
            MARK => {}
            PART => parts.push(part(Reader(body))?),
            _ => return Err(torn()),
        }
    }
    Ok((is_marked, parts))
}

fn part(mut reader: Reader<'_>) -> io::Result<Part> {
    let is_complete = reader.u8()? != 0;
    let mut lists = [Vec::new(), Vec::new()];
    for list in &mut lists {
        for _ in 0..reader.u32()? {
            list.push((reader.u32()?, Fingerprint::from_bits(reader.u64()?)));
        }
    }
    let [files, directories] = lists;
    let journal = Fingerprint::from_bits(reader.u64()?);
    let closing = closing(&mut reader)?;
    let cold = reader.bytes()?.to_vec();
    reader.end()?;
    Ok(Part { is_complete, files, directories, journal, closing, cold })
}

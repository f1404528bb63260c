//! An image as bytes, and onto the disk: whole under another name and renamed, or appended to. `docs/snapshot.md` lays the
//! file out.
#![expect(clippy::disallowed_methods, reason = "the state directory is given by its path")]

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::bytes::{Writer, seal};
use super::image::{Closing, Directory, Image, Part, Patch, World};
use crate::sys::{beneath, glance};

pub(super) const MAGIC: &[u8; 8] = b"orcasnap";
/// Raised whenever anything of the file means something else.
pub(super) const VERSION: u32 = 1;
pub(super) const HEADER_BYTES: usize = 80;
pub(super) const IS_COMPLETE: u32 = 1;
/// The file in the state directory.
pub(super) const FILE: &str = "snapshot";
const TEMPORARY: &str = "snapshot.new";
/// Files that are looked at together.
const CHUNK_FILES: usize = 1024;
/// A directory is weighed as so many files.
const DIRECTORY_WEIGHT: usize = 4;
/// Bytes of a plan that are read and digested together.
pub(super) const PIECE_BYTES: usize = 1 << 20;
/// What a record of a directory can be marked with: a wildcard walks it.
pub(super) const IS_WALKED: u8 = 1;
pub(super) const MARK: u32 = 1;
pub(super) const PART: u32 = 2;

/// Writes the image into the state directory of its project: whole, or what was there before is still there.
pub fn write(state: &Path, image: &Image) -> io::Result<()> {
    let bytes = encode(image);
    let dir = beneath::open_root(state)?;
    beneath::unlink(dir.as_fd(), TEMPORARY.as_ref())?;
    let mut file = beneath::create_file(dir.as_fd(), TEMPORARY)?;
    // Not fsynced: torn by a power loss, it is none.
    file.write_all(&bytes)?;
    beneath::rename(dir.as_fd(), TEMPORARY.as_ref(), dir.as_fd(), FILE.as_ref())
}

/// Appends to the snapshot in this state directory; an error where there is none.
pub fn append(state: &Path, patch: &Patch) -> io::Result<()> {
    let dir = beneath::open_root(state)?;
    let mut file: File = glance::open_to_append(dir.as_fd(), FILE)?;
    let place = file.metadata()?.len();
    file.write_all(&encode_patch(patch, place))
}

/// Removes the snapshot, if there is one: what it says is about to be wrong.
pub fn forget(state: &Path) -> io::Result<()> {
    match std::fs::remove_file(state.join(FILE)) {
        // What is no file is no snapshot.
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => Err(error),
        _ => Ok(()),
    }
}

fn encode(image: &Image) -> Vec<u8> {
    let world = world(&image.world);
    let mut of_closing = Writer::default();
    closing(&mut of_closing, &image.closing);
    let (table, hot) = hot(&image.directories);
    let cold = image.cold.as_deref().unwrap_or_default();
    let mut front = world;
    let world_bytes = front.0.len();
    front.0.extend_from_slice(&table.0);
    front.0.extend_from_slice(&of_closing.0);
    let mut out = Writer(Vec::with_capacity(HEADER_BYTES + front.0.len() + hot.len() + cold.len()));
    out.0.extend_from_slice(MAGIC);
    out.u32(VERSION);
    out.u32(if image.is_complete { IS_COMPLETE } else { 0 });
    out.u64(build());
    for length in [world_bytes, table.0.len(), of_closing.0.len(), hot.len(), cold.len()] {
        out.u64(length as u64);
    }
    out.u64(seal(cold, 0));
    let of_front = seal(&front.0, seal(&out.0, 0));
    out.u64(of_front);
    debug_assert_eq!(out.0.len(), HEADER_BYTES);
    out.0.extend_from_slice(&front.0);
    out.0.extend_from_slice(&hot);
    out.0.extend_from_slice(cold);
    out.0
}

/// What this orca is, by its version: another one makes keys in another way.
pub(super) fn build() -> u64 {
    seal(env!("CARGO_PKG_VERSION").as_bytes(), u64::from(VERSION))
}

fn world(world: &World) -> Writer {
    let mut out = Writer::default();
    out.bytes(glance::path_bytes(&world.root));
    out.u32(world.user);
    out.u64(world.program.to_bits());
    out.count(world.variables.len());
    for (name, value) in &world.variables {
        out.bytes(name.as_encoded_bytes());
        out.0.extend_from_slice(&variable_digest(value.as_deref()).to_le_bytes());
    }
    out.count(world.outside.len());
    for (path, fingerprint) in &world.outside {
        out.bytes(glance::path_bytes(path));
        out.u64(fingerprint.to_bits());
    }
    out.count(world.system.len());
    for (path, content) in &world.system {
        out.bytes(glance::path_bytes(path));
        out.0.extend_from_slice(&variable_digest(content.as_deref().map(glance::os_str)).to_le_bytes());
    }
    out.count(world.beside.len());
    for (path, fingerprint) in &world.beside {
        out.bytes(path.as_str().as_bytes());
        out.u64(fingerprint.to_bits());
    }
    out.count(world.plans.len());
    for (path, text) in &world.plans {
        out.bytes(path.as_str().as_bytes());
        out.u64(text.len() as u64);
        for piece in text.as_bytes().chunks(PIECE_BYTES) {
            out.0.extend_from_slice(&xxh3_128(piece).to_le_bytes());
        }
    }
    out.u64(world.journal.to_bits());
    out
}

/// A variable's value, or that it has none, in 128 bits.
pub(super) fn variable_digest(value: Option<&std::ffi::OsStr>) -> u128 {
    // Zero is no digest of anything that was ever met.
    value.map_or(0, |value| xxh3_128(value.as_encoded_bytes()))
}

/// The directories in chunks, and the table that says where those are.
fn hot(directories: &[Directory]) -> (Writer, Vec<u8>) {
    let mut table = Writer::default();
    let mut hot = Vec::new();
    let mut chunk = Writer::default();
    let (mut weight, mut files, mut first_file, mut chunks) = (0, 0_u32, 0_u32, 0_u32);
    table.u32(0);
    let mut close = |chunk: &mut Writer, files: &mut u32, weight: &mut usize| {
        table.u64(hot.len() as u64);
        table.count(chunk.0.len());
        table.u32(first_file);
        table.u32(*files);
        table.u64(seal(&chunk.0, hot.len() as u64));
        hot.append(&mut chunk.0);
        first_file += *files;
        chunks += 1;
        (*files, *weight) = (0, 0);
    };
    for (number, directory) in directories.iter().enumerate() {
        let mut rest = directory.files.as_slice();
        let mut walked = directory.walked;
        loop {
            if weight >= CHUNK_FILES {
                close(&mut chunk, &mut files, &mut weight);
            }
            let (now, later) = rest.split_at(rest.len().min(CHUNK_FILES - weight));
            chunk.count(number);
            chunk.bytes(directory.path.as_bytes());
            chunk.u8(if walked.is_some() { IS_WALKED } else { 0 });
            if let Some(walked) = walked.take() {
                chunk.u64(walked.fingerprint.to_bits());
                chunk.u64(walked.names);
            }
            chunk.count(now.len());
            for (name, fingerprint) in now {
                chunk.u64(fingerprint.to_bits());
                // A name has at most 255 bytes.
                chunk.u16(u16::try_from(name.len()).expect("a name of a file"));
                chunk.0.extend_from_slice(name.as_bytes());
            }
            weight += now.len() + DIRECTORY_WEIGHT;
            files += now.len() as u32;
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
    }
    if !chunk.0.is_empty() {
        close(&mut chunk, &mut files, &mut weight);
    }
    table.0[..4].copy_from_slice(&chunks.to_le_bytes());
    (table, hot)
}

fn closing(out: &mut Writer, closing: &Closing) {
    for number in [closing.cached, closing.saved_ms, closing.saved_micro_usd] {
        out.u64(number);
    }
    out.count(closing.replayed.len());
    for (task, text) in &closing.replayed {
        out.bytes(task.as_bytes());
        out.bytes(text.as_bytes());
    }
}

fn encode_patch(patch: &Patch, place: u64) -> Vec<u8> {
    let mut body = Writer::default();
    let kind = match patch {
        Patch::Mark => MARK,
        Patch::Part(part) => {
            encode_part(&mut body, part);
            PART
        }
    };
    let mut out = Writer::default();
    out.u32(kind);
    out.u64(body.0.len() as u64);
    out.0.extend_from_slice(&body.0);
    out.u64(seal(&out.0, place));
    out.0
}

fn encode_part(out: &mut Writer, part: &Part) {
    out.u8(u8::from(part.is_complete));
    for list in [&part.files, &part.directories] {
        out.count(list.len());
        for (number, fingerprint) in list {
            out.u32(*number);
            out.u64(fingerprint.to_bits());
        }
    }
    out.u64(part.journal.to_bits());
    closing(out, &part.closing);
    out.bytes(&part.cold);
}

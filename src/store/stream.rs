//! Bytes in motion: hashed while they are read, and hashed again as they were written. Nothing else in the store reads
//! content, so nothing is stored or restored whose digest was not computed from those very bytes.

use std::fs::File;
use std::io::{self, Read, Write};

use crate::base::BlobDigest;
use crate::sys::beneath;

/// From this size on a file is hashed by several threads.
const PARALLEL_SIZE_BYTES_MIN: u64 = 4 << 20;
const BUFFER_BYTES_MIN: u64 = 4 << 10;
const BUFFER_BYTES_MAX: u64 = 128 << 10;
const PARALLEL_BUFFER_BYTES: usize = 2 << 20;

/// The digest and length of what is left to read of `file`; `size_bytes` is a hint.
pub(super) fn digest(file: &File, size_bytes: u64) -> io::Result<(BlobDigest, u64)> {
    pump(file, size_bytes, |_| Ok(()))
}

/// Copies `from` into the empty file `to`, sharing blocks where the file system can. Answers the digest and length of
/// what `to` holds now, whatever happened to `from` meanwhile.
pub(super) fn copy(from: &File, to: &File, size_bytes: u64) -> io::Result<(BlobDigest, u64)> {
    if size_bytes >= BUFFER_BYTES_MIN && beneath::reflink(from, to) {
        return digest(to, size_bytes);
    }
    let mut sink = to;
    pump(from, size_bytes, |bytes| sink.write_all(bytes))
}

fn pump(
    mut from: &File,
    size_bytes: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(BlobDigest, u64)> {
    let parallel = size_bytes >= PARALLEL_SIZE_BYTES_MIN;
    let buffer_bytes = match parallel {
        true => PARALLEL_BUFFER_BYTES,
        false => (size_bytes + 1).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX) as usize,
    };
    let mut buffer = vec![0; buffer_bytes];
    let mut hasher = blake3::Hasher::new();
    let mut total_bytes = 0u64;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..read];
        if parallel {
            hasher.update_rayon(bytes)
        } else {
            hasher.update(bytes)
        };
        each(bytes)?;
        total_bytes += read as u64;
    }
    Ok((BlobDigest::from_bytes(*hasher.finalize().as_bytes()), total_bytes))
}

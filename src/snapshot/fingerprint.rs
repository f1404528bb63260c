//! What identifies one state of a file, in 64 bits.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::sys::beneath::{FileKind, FileStat};

/// One state of a file, link or directory: device, inode, size, mode, mtime and ctime. Or that nothing is there.
///
/// Whatever is written, given another mode, or put in its place has another ctime, or is another inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Nothing is there.
    pub const ABSENT: Self = Self(0);
    /// What is like nothing, itself included: a file that was changed so shortly before it was looked at that the next
    /// change could leave it looking the same.
    pub const NEVER: Self = Self(1);

    /// Of what was found.
    #[must_use]
    pub fn of(stat: &FileStat) -> Self {
        // Two values are taken.
        Self(xxh3_64(&bytes_of(stat)).max(2))
    }

    /// Of two files together.
    #[must_use]
    pub fn of_both(one: &FileStat, other: &FileStat) -> Self {
        Self(xxh3_64([bytes_of(one), bytes_of(other)].as_flattened()).max(2))
    }

    /// Of what was found, or not.
    #[must_use]
    pub fn of_found(stat: Option<&FileStat>) -> Self {
        stat.map_or(Self::ABSENT, Self::of)
    }

    /// Whether what was found now is what this was taken of.
    #[must_use]
    pub fn is(self, found: Self) -> bool {
        self != Self::NEVER && self == found
    }

    pub(super) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// All that counts of a file, as bytes.
fn bytes_of(stat: &FileStat) -> [u8; 44] {
    let mut bytes = [0; 44];
    let numbers = [stat.dev, stat.inode, stat.size_bytes, stat.mtime_ns as u64, stat.ctime_ns as u64];
    for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    bytes[40..].copy_from_slice(&stat.mode.to_le_bytes());
    bytes
}

/// Whether a change after `now_ns` could leave a file looking as it does: time stamps are as coarse as a tick of the clock,
/// or as a second where no part of a second shows in them.
#[must_use]
pub fn is_racy(stat: &FileStat, now_ns: i64) -> bool {
    const MARGIN_NS: i64 = 10_000_000;
    const COARSE_MARGIN_NS: i64 = 2_000_000_000;
    const SECOND_NS: i64 = 1_000_000_000;
    let is_coarse = stat.mtime_ns % SECOND_NS == 0 && stat.ctime_ns % SECOND_NS == 0;
    let margin_ns = if is_coarse { COARSE_MARGIN_NS } else { MARGIN_NS };
    stat.mtime_ns.max(stat.ctime_ns) > now_ns.saturating_sub(margin_ns)
}

/// The names in a directory and what each of them is, in 64 bits; also those that no walk takes, since where they are all
/// there is, the directory is not empty.
#[must_use]
pub fn names_digest(mut names: Vec<(Vec<u8>, FileKind)>) -> u64 {
    names.sort_unstable();
    let mut hasher = Xxh3::new();
    for (name, kind) in &names {
        hasher.update(&(name.len() as u32).to_le_bytes());
        hasher.update(name);
        hasher.update(&[match kind {
            FileKind::File => 0,
            FileKind::Directory => 1,
            FileKind::Symlink => 2,
            FileKind::Fifo | FileKind::Socket | FileKind::Device => 3,
        }]);
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: FileStat =
        FileStat { kind: FileKind::File, dev: 1, inode: 2, size_bytes: 3, mode: 4, mtime_ns: 5, ctime_ns: 6 };

    #[test]
    fn every_number_counts() {
        let others = [
            FileStat { dev: 9, ..STAT },
            FileStat { inode: 9, ..STAT },
            FileStat { size_bytes: 9, ..STAT },
            FileStat { mode: 9, ..STAT },
            FileStat { mtime_ns: 9, ..STAT },
            FileStat { ctime_ns: 9, ..STAT },
        ];
        for other in others {
            assert_ne!(Fingerprint::of(&STAT), Fingerprint::of(&other), "{other:?}");
        }
        assert!(Fingerprint::of(&STAT).is(Fingerprint::of(&STAT)));
    }

    #[test]
    fn never_is_not_even_itself() {
        assert!(!Fingerprint::NEVER.is(Fingerprint::NEVER));
        assert!(Fingerprint::ABSENT.is(Fingerprint::of_found(None)));
    }

    #[test]
    fn what_was_just_changed_is_racy() {
        let fine = FileStat { mtime_ns: 1_500_000_001, ctime_ns: 1_500_000_001, ..STAT };
        assert!(is_racy(&fine, 1_509_000_000) && !is_racy(&fine, 1_511_000_000));
        let coarse = FileStat { mtime_ns: 1_000_000_000, ctime_ns: 1_000_000_000, ..STAT };
        assert!(is_racy(&coarse, 2_900_000_000) && !is_racy(&coarse, 3_100_000_000));
    }

    #[test]
    fn names_count_with_their_kinds_and_without_order() {
        let name = |name: &str, kind| (name.as_bytes().to_vec(), kind);
        let one = vec![name("a", FileKind::File), name("b", FileKind::Directory)];
        let turned = vec![one[1].clone(), one[0].clone()];
        let other_kind = vec![name("a", FileKind::File), name("b", FileKind::Symlink)];
        let other_cut = vec![name("ab", FileKind::File)];
        assert_eq!(names_digest(one.clone()), names_digest(turned));
        assert_ne!(names_digest(one.clone()), names_digest(other_kind));
        assert_ne!(names_digest(one), names_digest(other_cut));
    }
}

//! A text as what another text lacks of it: a few bytes where the two are nearly the same. For versions of a file that are
//! committed nowhere, beside one that is.

use std::io;

/// Slow to write, and smallest.
const LEVEL: i32 = 19;
/// The longest text of which this is done.
pub const DELTA_OF_BYTES_MAX: usize = 1 << 20;
/// The longest that a delta may be.
const DELTA_BYTES_MAX: usize = 16 << 10;

/// `text` as what `from` lacks of it, in hexadecimal digits; `None` where that is not small.
#[must_use]
pub fn delta(from: &[u8], text: &[u8]) -> Option<String> {
    if text.len() > DELTA_OF_BYTES_MAX || from.len() > DELTA_OF_BYTES_MAX {
        return None;
    }
    let packed =
        zstd::bulk::Compressor::with_dictionary(LEVEL, from).and_then(|mut packer| packer.compress(text)).ok()?;
    // A text that begins like a dictionary of zstd's own is taken for one, and may not come back.
    let fits = packed.len() <= DELTA_BYTES_MAX && unpacked(from, &packed).is_ok_and(|back| back == text);
    fits.then(|| packed.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The text that `delta` was made of; `None` where it was not made of `from`, or is none.
#[must_use]
pub fn undelta(from: &[u8], delta: &str) -> Option<Vec<u8>> {
    let pairs = delta.as_bytes().chunks(2);
    let bytes =
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect::<Option<Vec<u8>>>();
    unpacked(from, &bytes?).ok()
}

fn unpacked(from: &[u8], packed: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::Decompressor::with_dictionary(from)?.decompress(packed, DELTA_OF_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_the_same_is_small_and_comes_back() {
        let from: String = (0..2_000).map(|line| format!("line {line}\n")).collect();
        let text = from.replace("line 700\n", "line seven hundred\n");
        let made = delta(from.as_bytes(), text.as_bytes()).expect("it is small");
        assert!(made.len() < 200, "{}", made.len());
        assert_eq!(undelta(from.as_bytes(), &made).as_deref(), Some(text.as_bytes()));
        assert_ne!(undelta(b"another", &made).as_deref(), Some(text.as_bytes()));
        for bad in ["", "0", "zz", "é", &made[2..]] {
            assert_ne!(undelta(from.as_bytes(), bad).as_deref(), Some(text.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn what_is_not_small_is_none() {
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(40_000)
        .collect();
        assert_eq!(delta(b"", &noise), None);
        assert_eq!(delta(b"", &vec![0; DELTA_OF_BYTES_MAX + 1]), None);
    }
}

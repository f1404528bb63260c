//! Sizes and durations as plans write them (`"512MiB"`, `"20m"`), as numbers, and as text for people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is no size or duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No number in front of the unit.
    #[error("a number with a unit is expected, such as {0}")]
    NoNumber(&'static str),
    /// No unit where one is needed.
    #[error("the unit is missing; use {0}")]
    NoUnit(&'static str),
    /// A unit that is not known.
    #[error("the unit `{0}` is not known; use {1}")]
    UnknownUnit(String, &'static str),
    /// Zero, where that makes no sense.
    #[error("the value must be more than zero")]
    Zero,
    /// More than fits.
    #[error("the value is too large")]
    TooLarge,
}

/// A number of bytes, more than zero: `"512MiB"`, `"1.5GB"`, `"100"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SizeBytes(u64);

/// A number of milliseconds, more than zero: `"20m"`, `"1h30m"`, `"250ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DurationMs(u64);

const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1000),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("t", 1 << 40),
    ("tb", 1_000_000_000_000),
    ("tib", 1 << 40),
];
const DURATION_UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// One hundred years: what is longer was not meant.
const DURATION_MS_MAX: u64 = 100 * 365 * 86_400_000;

/// Splits one `number unit` pair off the front of `text`: its value in the smallest unit, and the rest.
fn quantity<'a>(
    text: &'a str,
    units: &[(&str, u64)],
    example: &'static str,
    known: &'static str,
) -> Result<(u64, &'a str), UnitError> {
    let number_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, rest) = text.split_at(number_end);
    let rest = rest.trim_start();
    let unit_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let value: f64 = number.parse().map_err(|_| UnitError::NoNumber(example))?;
    let factor =
        units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor).ok_or_else(|| {
            match unit {
                "" => UnitError::NoUnit(known),
                unit => UnitError::UnknownUnit(super::bounded(unit, 40), known),
            }
        })?;
    let scaled = value * factor as f64;
    if !scaled.is_finite() || scaled >= 9.0e18 {
        return Err(UnitError::TooLarge);
    }
    Ok((scaled.round() as u64, rest.trim_start()))
}

impl SizeBytes {
    /// The size of this many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl DurationMs {
    /// The duration of this many milliseconds.
    #[must_use]
    pub const fn new(ms: u64) -> Self {
        Self(ms)
    }

    /// The number of milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }
}

impl FromStr for SizeBytes {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let example = "`512MiB`";
        let (bytes, rest) = quantity(text.trim(), SIZE_UNITS, example, "B, KiB, MiB, GiB, TiB, KB, MB, GB or TB")?;
        match (bytes, rest) {
            (_, rest) if !rest.is_empty() => Err(UnitError::NoNumber(example)),
            (0, _) => Err(UnitError::Zero),
            (bytes, _) => Ok(Self(bytes)),
        }
    }
}

impl FromStr for DurationMs {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let example = "`20m` or `1h30m`";
        let mut rest = text.trim();
        let mut total_ms = 0u64;
        loop {
            let (ms, after) = quantity(rest, DURATION_UNITS, example, "ms, s, m, h or d")?;
            total_ms = total_ms.checked_add(ms).ok_or(UnitError::TooLarge)?;
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        match total_ms {
            0 => Err(UnitError::Zero),
            ms if ms > DURATION_MS_MAX => Err(UnitError::TooLarge),
            ms => Ok(Self(ms)),
        }
    }
}

macro_rules! unit_traits {
    ($name:ident, $format:path) => {
        impl TryFrom<String> for $name {
            type Error = UnitError;
            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$format(self.0))
            }
        }
    };
}
unit_traits!(SizeBytes, format_size);
unit_traits!(DurationMs, format_duration_ms);

/// A size for people: `512 B`, `1.5 KiB`, `20 MiB`.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value.fract().abs() < 0.05 || value >= 100.0 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// A number of things: `1 file`, `2 files`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A large number for people: `870`, `12.3k`, `1.2M`.
#[must_use]
pub fn format_count(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..999_950 => format!("{:.1}k", number as f64 / 1e3),
        _ => format!("{:.1}M", number as f64 / 1e6),
    }
}

/// A duration for people: `8ms`, `1.25s`, `2m05s`, `1h02m`.
#[must_use]
pub fn format_duration_ms(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{:.2}s", ms as f64 / 1e3),
        60_000..3_600_000 => format!("{}m{:02}s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{}h{:02}m", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// Millionths of a dollar for people: `$0.0042`, `$0.35`, `$1.27`.
#[must_use]
pub fn format_micro_usd(micro_usd: u64) -> String {
    match micro_usd {
        0 => "$0.00".to_owned(),
        1..50 => "less than $0.0001".to_owned(),
        50..99_950 => format!("$0.{:04}", (micro_usd + 50) / 100),
        _ => format!("${}.{:02}", (micro_usd + 5_000) / 1_000_000, (micro_usd + 5_000) % 1_000_000 / 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let table = [("512MiB", Ok(512 << 20)), ("1.5 GB", Ok(1_500_000_000)), ("100", Ok(100)), ("1k", Ok(1024))];
        for (text, expected) in table {
            assert_eq!(text.parse::<SizeBytes>().map(SizeBytes::bytes), expected, "{text}");
        }
        for bad in ["", "MiB", "-1", "1 parsec", "0", "1e9", "99999999999999TiB", "1MiB2", "NaN", "inf"] {
            assert!(bad.parse::<SizeBytes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        for (text, ms) in [("20m", 1_200_000), ("1h30m", 5_400_000), ("250ms", 250), ("1.5s", 1500)] {
            assert_eq!(text.parse::<DurationMs>().map(DurationMs::ms), Ok(ms), "{text}");
        }
        for bad in ["", "20", "m", "0s", "1w", "-5s", "99999999d"] {
            assert!(bad.parse::<DurationMs>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shown_to_people() {
        assert_eq!(format_size(1536), "1.5 KiB");
        assert_eq!(format_size(20 << 20), "20 MiB");
        assert_eq!([870, 12_340, 1_200_000].map(format_count), ["870", "12.3k", "1.2M"]);
        let money = [
            (0, "$0.00"),
            (49, "less than $0.0001"),
            (50, "$0.0001"),
            (4_200, "$0.0042"),
            (99_949, "$0.0999"),
            (99_950, "$0.10"),
            (999_999, "$1.00"),
            (1_274_999, "$1.27"),
            (1_275_000, "$1.28"),
            (20_000_000, "$20.00"),
        ];
        for (micro_usd, text) in money {
            assert_eq!(format_micro_usd(micro_usd), text);
        }
        assert_eq!(format_duration_ms(125_000), "2m05s");
        assert_eq!([0, 1, 2].map(|number| counted(number, "file")), ["0 files", "1 file", "2 files"]);
    }
}

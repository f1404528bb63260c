//! How sure a median is: the percentile bootstrap. The numbers are drawn with replacement again and again, and the interval
//! is where 95 % of the medians of such draws lie. The generator is seeded with a constant, so that the same numbers always
//! give the same verdict.

/// Draws. 2.5 % at either end are 100 of them.
const DRAWS: usize = 4_000;
/// With fewer numbers there is no interval of 95 % that does not lean on more than the numbers: the true median lies outside of
/// all of five with a probability of 2 * 2^-5, which is more than 5 %.
pub(super) const NUMBERS_MIN: usize = 6;
/// With more, draws would take longer than they tell: the interval is read off the sorted numbers.
const NUMBERS_DRAWN_MAX: usize = 1_000;

/// Between what bounds a median lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// Whether there were enough numbers to be 95 % sure; if not, the bounds are the least and the greatest of them.
    pub is_sure: bool,
}

/// The median; the mean of the two in the middle where their number is even. 0 where there is none.
#[must_use]
pub fn median(numbers: &[f64]) -> f64 {
    median_of(&mut numbers.to_vec())
}

fn median_of(numbers: &mut [f64]) -> f64 {
    if numbers.is_empty() {
        return 0.0;
    }
    let middle = numbers.len() / 2;
    let is_even = numbers.len().is_multiple_of(2);
    let (below, upper, _) = numbers.select_nth_unstable_by(middle, f64::total_cmp);
    match is_even {
        true => f64::midpoint(below.iter().copied().fold(f64::NEG_INFINITY, f64::max), *upper),
        false => *upper,
    }
}

/// The interval of the median.
#[must_use]
pub fn median_interval(numbers: &[f64]) -> Interval {
    if numbers.len() < NUMBERS_MIN {
        let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        return Interval { low, high, is_sure: false };
    }
    if numbers.len() > NUMBERS_DRAWN_MAX {
        return sorted_interval(numbers.to_vec());
    }
    let mut random = Random(0x6f72_6361_2062_656e);
    let mut draw = vec![0.0; numbers.len()];
    let mut medians: Vec<f64> = (0..DRAWS)
        .map(|_| {
            draw.iter_mut().for_each(|slot| *slot = numbers[random.below(numbers.len())]);
            median_of(&mut draw)
        })
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    let cut = DRAWS / 40;
    Interval { low: medians[cut], high: medians[DRAWS - 1 - cut], is_sure: true }
}

/// Between which of the sorted numbers the median lies: their ranks are binomial, for many numbers as good as normal.
fn sorted_interval(mut numbers: Vec<f64>) -> Interval {
    numbers.sort_unstable_by(f64::total_cmp);
    // 1.96 standard deviations, each half the square root, rounded outwards.
    let reach = numbers.len().isqrt() + 1;
    let middle = numbers.len() / 2;
    Interval { low: numbers[middle - reach], high: numbers[(middle + reach).min(numbers.len() - 1)], is_sure: true }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, by the upper half of a product; the bias is below `end` / 2^64.
    fn below(&mut self, end: usize) -> usize {
        let product = u128::from(self.next()) * end as u128;
        usize::try_from(product >> 64).expect("it is below a number of this type")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), 3.0);
    }

    #[test]
    fn an_interval_holds_the_median_and_is_always_the_same() {
        let numbers: Vec<f64> = (0..20).map(|n| 1.0 + f64::from(n % 7) / 50.0).collect();
        let interval = median_interval(&numbers);
        assert_eq!(interval, median_interval(&numbers));
        assert!(interval.low <= median(&numbers) && median(&numbers) <= interval.high, "{interval:?}");
        assert!(interval.low > 1.0 && interval.high < 1.12, "narrower than all of them: {interval:?}");
        let same = median_interval(&[2.0; 10]);
        assert_eq!((same.low, same.high), (2.0, 2.0));
    }

    #[test]
    fn many_numbers_take_no_longer() {
        let numbers: Vec<f64> = (0..100_001).map(|n| f64::from(n) / 100_000.0).collect();
        let interval = median_interval(&numbers);
        assert!((0.496..0.5).contains(&interval.low) && (0.5..0.504).contains(&interval.high), "{interval:?}");
        let drawn = median_interval(&numbers[..1_000]);
        assert!(drawn.low < median(&numbers[..1_000]) && median(&numbers[..1_000]) < drawn.high, "{drawn:?}");
    }

    #[test]
    fn few_numbers_are_not_sure() {
        let few = median_interval(&[1.0, 3.0, 2.0]);
        assert_eq!((few.low, few.high, few.is_sure), (1.0, 3.0, false));
        assert!(median_interval(&[1.0; NUMBERS_MIN]).is_sure);
    }

    /// The share of intervals that hold the true median, over many samples of a skewed distribution.
    #[test]
    fn about_95_percent_of_intervals_hold_the_true_median() {
        let mut random = Random(7);
        #[expect(clippy::cast_precision_loss, reason = "53 bits of it are kept")]
        let mut uniform = || ((random.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        for size in [10, 25] {
            let holds = (0..120).filter(|_| {
                // Exponential: its median is ln 2.
                let sample: Vec<f64> = (0..size).map(|_| -uniform().ln()).collect();
                let interval = median_interval(&sample);
                interval.low <= std::f64::consts::LN_2 && std::f64::consts::LN_2 <= interval.high
            });
            let share = holds.count();
            assert!((108..=119).contains(&share), "{share} of 120 for {size}");
        }
    }
}

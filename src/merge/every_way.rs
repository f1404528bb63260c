//! Which lines stay whichever shortest way one takes from one text to the other.
//!
//! ```text
//!            side 0 . . . . m        E: lines inserted and deleted from the upper left to a point
//!  base 0     +--\----+               R: from a point to the lower right
//!       .     |   \    \  band        a pair (i, j) of equal lines is on a shortest way
//!       .      \    \   |                 if  E(i, j) + R(i+1, j+1) = E(n, m)
//!       n       +-----\-+             and it is the k-th pair of that way, k = (i + j - E) / 2
//! ```
//!
//! Every shortest way has the same number of pairs, so a pair that is the only possible k-th one is on all of them. And no
//! shortest way deletes or inserts more than any other way does, which is what bounds the band around the diagonal.

/// Cells of the band, four bytes each.
const CELLS_MAX: usize = 4 << 20;
/// Farther than anything, and far from overflow.
const FAR: u32 = u32::MAX / 4;

/// The lines that stay, as pairs of lines of `base` and `side`; `pairs` is how many some way keeps. `None` where the table
/// would be too large.
pub(super) fn anchors(base: &[u32], side: &[u32], pairs: usize) -> Option<Vec<(usize, usize)>> {
    let band = Band { deleted: base.len() - pairs, width: (base.len() - pairs) + (side.len() - pairs) + 1 };
    let cells = (base.len() + 1).checked_mul(band.width).filter(|cells| *cells <= CELLS_MAX)?;
    let there = band.distances(base, side, cells);
    let shortest =
        there[base.len() * band.width + band.column(base.len(), side.len()).expect("the end is in the band")];

    // Of each k, the one pair that can be the k-th, or that there are several.
    let mut candidates = vec![Candidate::None; pairs.max((base.len() + side.len() - shortest as usize) / 2)];
    let mut below = vec![FAR; band.width];
    for i in (0..=base.len()).rev() {
        let mut row = vec![FAR; band.width];
        for column in (0..band.width).rev() {
            let Some(j) = band.side_line(i, column).filter(|j| *j <= side.len()) else { continue };
            if i == base.len() && j == side.len() {
                row[column] = 0;
                continue;
            }
            if i < base.len() && j < side.len() && base[i] == side[j] {
                let here = there[i * band.width + column];
                row[column] = below[column];
                if here + below[column] == shortest {
                    candidates[(i + j - here as usize) / 2].meet((i, j));
                }
            }
            let insert = row.get(column + 1).map_or(FAR, |rest| rest + 1);
            let delete = column.checked_sub(1).map_or(FAR, |column| below[column] + 1);
            row[column] = row[column].min(insert).min(delete).min(FAR);
        }
        below = row;
    }
    Some(candidates.into_iter().filter_map(Candidate::only).collect())
}

#[derive(Clone, Copy)]
enum Candidate {
    None,
    One((usize, usize)),
    Several,
}

impl Candidate {
    fn meet(&mut self, pair: (usize, usize)) {
        *self = if matches!(self, Self::None) { Self::One(pair) } else { Self::Several };
    }

    fn only(self) -> Option<(usize, usize)> {
        if let Self::One(pair) = self { Some(pair) } else { None }
    }
}

/// The diagonals from as many deletions to as many insertions as a way may have: in row `i`, column 0 is line
/// `i - deleted` of the side.
struct Band {
    deleted: usize,
    width: usize,
}

impl Band {
    fn side_line(&self, i: usize, column: usize) -> Option<usize> {
        (i + column).checked_sub(self.deleted)
    }

    fn column(&self, i: usize, j: usize) -> Option<usize> {
        (j + self.deleted).checked_sub(i).filter(|column| *column < self.width)
    }

    /// From the start to every point of the band.
    fn distances(&self, base: &[u32], side: &[u32], cells: usize) -> Vec<u32> {
        let mut table = vec![FAR; cells];
        for i in 0..=base.len() {
            let row = i * self.width;
            for column in 0..self.width {
                let Some(j) = self.side_line(i, column).filter(|j| *j <= side.len()) else { continue };
                let mut best = if i == 0 && j == 0 { 0 } else { FAR };
                if column > 0 {
                    best = best.min(table[row + column - 1] + 1);
                }
                if i > 0 {
                    let above = row - self.width;
                    if column + 1 < self.width {
                        best = best.min(table[above + column + 1] + 1);
                    }
                    if j > 0 && base[i - 1] == side[j - 1] {
                        best = best.min(table[above + column]);
                    }
                }
                table[row + column] = best.min(FAR);
            }
        }
        table
    }
}

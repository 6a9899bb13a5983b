//! Medians, and what two sides of one interleaved run say about each other.

use serde::{Deserialize, Serialize};

/// The median of some values, with the least and the most of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; of an even number the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Returns the spread of `values`, or `None` when there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => return None,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        Some(Self { median, least: sorted[0], most: sorted[sorted.len() - 1] })
    }

    /// Returns the spread of `a / b`, turn by turn: both took them under the same conditions.
    #[must_use]
    pub fn of_ratios(a: &[f64], b: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> =
            a.iter().zip(b).map(|(a, b)| a / b).filter(|ratio| ratio.is_finite()).collect();
        Self::of(&ratios)
    }

    /// Returns how far the values lie from their median, as a share of it: the larger of both sides.
    #[must_use]
    pub fn noise(&self) -> f64 {
        ((self.most - self.median).max(self.median - self.least) / self.median).abs()
    }
}

/// Returns the value below which a share of the `sorted` ones lies; 0 of none.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the last index"
    )]
    let at = (last as f64 * share).round() as usize;
    sorted.get(at.min(last)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_borders() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]).unwrap().median, 2.0);
        let even = Spread::of(&[4.0, 1.0, 2.0, 8.0]).unwrap();
        assert_eq!((even.median, even.least, even.most), (3.0, 1.0, 8.0));
    }

    #[test]
    fn ratios_pair_turns() {
        // The machine became five times slower in the second turn, for both.
        let ratio = Spread::of_ratios(&[2.0, 10.0, 2.2], &[1.0, 5.0, 1.0]).unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.most), (2.0, 2.0, 2.2));
        assert!((ratio.noise() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn quantiles() {
        let sorted: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&sorted, 0.5), 50.0);
        assert_eq!(quantile(&sorted, 0.99), 99.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}

//! Logarithmic axes: everything here spans some powers of ten.

/// An axis from a power of ten to a power of ten, or of two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// What is between two lines: a factor.
    step: f64,
}

impl Scale {
    /// Returns the axis that holds these values, with lines at powers of ten.
    pub(crate) fn tens(values: impl Iterator<Item = f64>) -> Option<Self> {
        Self::of(values, 10.0)
    }

    /// Returns the axis that holds these values, with lines at powers of this.
    fn of(values: impl Iterator<Item = f64>, base: f64) -> Option<Self> {
        let (least, most) = values
            .filter(|value| *value > 0.0)
            .fold((f64::MAX, 0.0f64), |(least, most), value| (least.min(value), most.max(value)));
        if most == 0.0 {
            return None;
        }
        let down = base.powf((least.ln() / base.ln() + 1e-9).floor());
        let up = base.powf((most.ln() / base.ln() - 1e-9).ceil());
        Some(Self { least: down, most: if up > down { up } else { down * base }, step: base })
    }

    /// Returns the axis with exactly these ends.
    pub(crate) const fn between(least: f64, most: f64, step: f64) -> Self {
        Self { least, most, step }
    }

    /// Returns where a value is on the axis, from 0 to 1.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let at = (value.ln() - self.least.ln()) / (self.most.ln() - self.least.ln());
        at.clamp(0.0, 1.0)
    }

    /// Returns the values at which there are lines, not more than about so many.
    pub(crate) fn lines(&self, most: usize) -> Vec<f64> {
        let count = (self.most / self.least).ln() / self.step.ln();
        let every = (count / most.max(1) as f64).ceil().max(1.0);
        let mut lines = vec![self.least];
        while let Some(&last) = lines.last().filter(|&&last| last < self.most * 0.999) {
            let next = last * self.step.powf(every);
            if next > self.most * 1.001 {
                break;
            }
            lines.push(next);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_its_values() {
        let scale = Scale::tens([110.0, 54_000.0].into_iter()).unwrap();
        assert!(
            (scale.least - 100.0).abs() < 1e-6 && (scale.most - 100_000.0).abs() < 1e-3,
            "{scale:?}"
        );
        assert_eq!(scale.lines(10).len(), 4);
        assert_eq!(scale.lines(2).len(), 2);
        assert!((scale.at(1000.0) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(Scale::tens([0.0].into_iter()), None);
        assert!(Scale::tens([10.0].into_iter()).unwrap().most > 10.0);
    }
}

//! How long answers took, in buckets that grow by a fifth.

use std::time::Duration;

/// Buckets for each doubling.
const FINE: u32 = 4;
/// From nanoseconds up to more than an hour.
const BUCKETS: usize = 44 * FINE as usize;

/// A histogram of durations. Fixed in size, cheap to add to.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), count: 0 }
    }
}

impl Latency {
    pub(crate) fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1 << 2);
        let doubling = nanos.ilog2();
        let part = (nanos >> (doubling - 2)) & 3;
        let bucket = usize::try_from(u64::from(doubling * FINE) + part).unwrap_or(BUCKETS);
        self.buckets[bucket.min(BUCKETS - 1)] += 1;
        self.count += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (bucket, count) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *bucket += count;
        }
        self.count += other.count;
    }

    /// Returns a duration that so many hundredths of all took at most; a quarter too long at worst.
    pub(crate) fn percentile(&self, percent: u64) -> Option<Duration> {
        let wanted = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let bucket = u32::try_from(bucket).unwrap_or(0);
                let (doubling, part) = (bucket / FINE, u64::from(bucket % FINE));
                return Some(Duration::from_nanos((5 + part) << doubling.saturating_sub(2)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_no_less_than_the_truth_and_no_more_than_a_quarter_above() {
        let mut latency = Latency::default();
        assert_eq!(latency.percentile(50), None);
        for micros in 1..=1000 {
            latency.record(Duration::from_micros(micros));
        }
        for percent in [1, 50, 90, 99, 100] {
            let told = latency.percentile(percent).unwrap();
            let truth = Duration::from_micros(percent * 10);
            assert!(told >= truth && told <= truth * 5 / 4, "{percent}: {told:?}");
        }
        latency.record(Duration::MAX);
        latency.record(Duration::ZERO);
    }
}

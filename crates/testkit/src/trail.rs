//! The way a victim went the last time, so that the next one need not be stepped along all of it.

use std::collections::HashSet;

/// The addresses of the instructions before which the victim stood, in order.
///
/// A victim that is deterministic passes them again. An address that comes for the first time can
/// be run to at full speed, with one breakpoint; what follows it is stepped.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    ips: Vec<u64>,
    seen: HashSet<u64>,
    /// For each position, the last one up to it whose address is new there.
    landmarks: Vec<usize>,
    /// The positions at which the next instruction put the victim to sleep, in order.
    sleeps: Vec<usize>,
}

impl Trail {
    /// Returns the last position after `from` and up to `target` that a breakpoint can find, and
    /// its address. None lies behind a sleep, which is something to be stepped into.
    pub(crate) fn landmark(&self, from: usize, target: usize) -> Option<(usize, u64)> {
        let known = self.landmarks.len().checked_sub(1)?;
        let sleep = self.sleeps.iter().copied().find(|&at| at >= from).unwrap_or(known);
        let position = *self.landmarks.get(target.min(known).min(sleep))?;
        (position > from).then(|| self.ips.get(position).map(|&ip| (position, ip)))?
    }

    /// Notes where a victim stands. Leaving the trail forgets the rest of the old one.
    pub(crate) fn note(&mut self, position: usize, ip: u64) {
        if self.ips.get(position) == Some(&ip) {
            return;
        }
        if position < self.ips.len() {
            self.ips.truncate(position);
            self.landmarks.truncate(position);
            self.sleeps.retain(|&at| at < position);
            self.seen = self.ips.iter().copied().collect();
        }
        debug_assert_eq!(position, self.ips.len(), "a step was not noted");
        let last = self.landmarks.last().copied().unwrap_or(0);
        self.landmarks.push(if self.seen.insert(ip) { position } else { last });
        self.ips.push(ip);
    }

    /// Notes that the instruction at `position` put the victim to sleep.
    pub(crate) fn note_sleep(&mut self, position: usize) {
        if let Err(at) = self.sleeps.binary_search(&position) {
            self.sleeps.insert(at, position);
        }
    }

    /// Says whether a victim slept in the instruction at `position`.
    pub(crate) fn is_sleep(&self, position: usize) -> bool {
        self.sleeps.binary_search(&position).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(ips: &[u64]) -> Trail {
        let mut trail = Trail::default();
        for (position, &ip) in ips.iter().enumerate() {
            trail.note(position, ip);
        }
        trail
    }

    #[test]
    fn landmarks_are_first_visits() {
        // A loop over 20, 30, then onwards.
        let trail = trail(&[10, 20, 30, 20, 30, 40]);
        assert_eq!(trail.landmark(0, 0), None);
        assert_eq!(trail.landmark(0, 1), Some((1, 20)));
        assert_eq!(trail.landmark(0, 4), Some((2, 30)));
        assert_eq!(trail.landmark(0, 5), Some((5, 40)));
        assert_eq!(trail.landmark(0, 99), Some((5, 40)), "beyond the known way");
    }

    #[test]
    fn no_landmark_lies_behind_a_sleep() {
        let mut trail = trail(&[10, 20, 30, 40, 50]);
        trail.note_sleep(2);
        assert_eq!(trail.landmark(0, 4), Some((2, 30)));
        assert_eq!(trail.landmark(2, 4), None, "the sleep itself is stepped");
        assert_eq!(trail.landmark(3, 4), Some((4, 50)));
        trail.note(1, 21);
        trail.note(2, 31);
        trail.note(3, 41);
        assert_eq!(trail.landmark(0, 3), Some((3, 41)), "the sleep was on the old way");
    }

    #[test]
    fn another_way_replaces_the_rest_of_the_old_one() {
        let mut trail = trail(&[10, 20, 30, 40, 50]);
        trail.note(2, 40);
        assert_eq!(trail.landmark(0, 99), Some((2, 40)), "40 is new again at its new place");
        trail.note(3, 20);
        assert_eq!(trail.landmark(0, 99), Some((2, 40)));
        trail.note(2, 40);
        assert_eq!(trail.landmark(0, 1), Some((1, 20)));
    }

    #[test]
    fn an_empty_trail_leads_nowhere() {
        assert_eq!(Trail::default().landmark(0, 7), None);
    }
}

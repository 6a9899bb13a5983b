//! The way a victim went the last time, so that the next one need not be stepped along all of it.

use std::collections::HashMap;

/// How many steps a victim takes in the time in which it runs into a breakpoint and over it.
const STEPS_PER_HIT: usize = 4;

/// The addresses of the instructions before which the victim stood, in order.
///
/// A victim that is deterministic passes them again. So it can run at full speed to one of them, with a
/// breakpoint that it runs into as often as it stood there before; what follows is stepped.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    ips: Vec<u64>,
    /// For each position, which of all addresses it is; and the number that each has.
    numbers: Vec<usize>,
    known: HashMap<u64, usize>,
    /// The positions at which the next instruction put the victim to sleep, in order.
    sleeps: Vec<usize>,
}

/// Where a victim may run to at full speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Landmark {
    pub(crate) position: usize,
    pub(crate) ip: u64,
    /// The how manieth time that the victim comes to `ip`, from where it stands now; 1 is the first.
    pub(crate) hits: usize,
}

impl Trail {
    /// Returns the place after `from` and up to `target` from where the way to the target is shortest,
    /// if any is worth the breakpoint. None lies behind a sleep, which is something to be stepped into.
    ///
    /// With `once` it is one where the victim had not been before: how often it goes round a loop cannot be wrong.
    pub(crate) fn landmark(&self, from: usize, target: usize, once: bool) -> Option<Landmark> {
        let known = self.ips.len().checked_sub(1)?;
        let sleep = self.sleeps.iter().copied().find(|&at| at >= from).unwrap_or(known);
        let last = target.min(known).min(sleep);
        // A breakpoint where it stands would stop it at once.
        let here = self.ips.get(from)?;
        let mut visits = vec![0; self.known.len()];
        let mut best: Option<(usize, Landmark)> = None;
        for position in from + 1..=last {
            let (ip, number) = (self.ips[position], self.numbers[position]);
            visits[number] += 1;
            let hits = visits[number];
            let steps = hits * STEPS_PER_HIT + (last - position);
            let better = best.is_none_or(|(least, _)| steps <= least);
            if ip != *here && better && (hits == 1 || !once && steps < last - from) {
                best = Some((steps, Landmark { position, ip, hits }));
            }
        }
        best.map(|(_, landmark)| landmark)
    }

    /// Notes where a victim stands. Leaving the trail forgets the rest of the old one.
    pub(crate) fn note(&mut self, position: usize, ip: u64) {
        if self.ips.get(position) == Some(&ip) {
            return;
        }
        if position < self.ips.len() {
            self.ips.truncate(position);
            self.numbers.truncate(position);
            self.sleeps.retain(|&at| at < position);
        }
        debug_assert_eq!(position, self.ips.len(), "a step was not noted");
        let next = self.known.len();
        self.numbers.push(*self.known.entry(ip).or_insert(next));
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

    fn at(position: usize, ip: u64, hits: usize) -> Option<Landmark> {
        Some(Landmark { position, ip, hits })
    }

    #[test]
    fn a_short_way_leads_to_the_last_first_visit() {
        // A loop over 20, 30, then onwards.
        let trail = trail(&[10, 20, 30, 20, 30, 40]);
        assert_eq!(trail.landmark(0, 0, false), None);
        assert_eq!(trail.landmark(0, 1, false), at(1, 20, 1));
        assert_eq!(trail.landmark(0, 4, false), at(2, 30, 1));
        assert_eq!(trail.landmark(0, 5, false), at(5, 40, 1));
        assert_eq!(trail.landmark(0, 99, false), at(5, 40, 1), "beyond the known way");
        assert_eq!(trail.landmark(1, 3, false), at(2, 30, 1), "no breakpoint where it stands");
    }

    #[test]
    fn a_long_loop_is_leapt_round_by_round() {
        let rounds = (0..50).flat_map(|_| 20..60);
        let trail = trail(&[10].into_iter().chain(rounds).collect::<Vec<u64>>());
        // Every round before costs a hit, and a step costs less than one.
        assert_eq!(trail.landmark(0, 1 + 25 * 40, false), at(25 * 40, 59, 25));
        assert_eq!(trail.landmark(0, 1 + 25 * 40 + 39, false), at(1 + 25 * 40 + 39, 59, 26));
        assert_eq!(
            trail.landmark(1 + 25 * 40, 1 + 26 * 40, false),
            at(26 * 40, 59, 1),
            "not where it stands"
        );
    }

    #[test]
    fn no_landmark_lies_behind_a_sleep() {
        let mut trail = trail(&[10, 20, 30, 40, 50]);
        trail.note_sleep(2);
        assert_eq!(trail.landmark(0, 4, false), at(2, 30, 1));
        assert_eq!(trail.landmark(2, 4, false), None, "the sleep itself is stepped");
        assert_eq!(trail.landmark(3, 4, false), at(4, 50, 1));
        trail.note(1, 21);
        trail.note(2, 31);
        trail.note(3, 41);
        assert_eq!(trail.landmark(0, 3, false), at(3, 41, 1), "the sleep was on the old way");
    }

    #[test]
    fn another_way_replaces_the_rest_of_the_old_one() {
        let mut trail = trail(&[10, 20, 30, 40, 50]);
        trail.note(2, 40);
        assert_eq!(trail.landmark(0, 99, false), at(2, 40, 1), "40 is new again at its new place");
        trail.note(3, 20);
        assert_eq!(trail.landmark(0, 99, false), at(2, 40, 1));
        trail.note(2, 40);
        assert_eq!(trail.landmark(0, 1, false), at(1, 20, 1));
    }

    #[test]
    fn an_empty_trail_leads_nowhere() {
        assert_eq!(Trail::default().landmark(0, 7, false), None);
    }
}

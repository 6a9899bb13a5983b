//! How far apart the cores were, and which turns can be compared: those of one state.
//!
//! A cache line's way there and back does not vary, it jumps. On the virtual machines that were looked at
//! it took about 28 ns (both on one core, as it seems), 70 to 140 ns (neighbours) or 350 to 460 ns (not on
//! one chip), and stayed so for seconds to minutes.

/// Distances of one state are at most so many times each other.
const ALIKE: f64 = 1.6;
/// What is further apart, in nanoseconds, is far.
const NEAR: f64 = 200.0;

/// Says whether what crosses cores can be compared at these distances.
#[must_use]
pub fn alike(a: f64, b: f64) -> bool {
    a.max(b) <= a.min(b) * ALIKE
}

/// Says whether cores are neighbours.
#[must_use]
pub fn is_near(distance: f64) -> bool {
    distance <= NEAR
}

/// Distances that can be compared with each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// The least of them.
    pub least: f64,
    /// The most of them.
    pub most: f64,
    /// How many there are.
    pub count: usize,
}

impl State {
    /// Says whether this distance is among them.
    #[must_use]
    pub fn has(&self, distance: f64) -> bool {
        (self.least..=self.most).contains(&distance)
    }
}

/// Returns the states that these distances belong to, the commonest first, then the nearer.
#[must_use]
pub fn states(distances: &[f64]) -> Vec<State> {
    let mut left = distances.to_vec();
    left.sort_by(f64::total_cmp);
    let mut states = Vec::new();
    while !left.is_empty() {
        let from = |start: usize| {
            let least = left[start];
            let count = left[start..].iter().take_while(|at| alike(least, **at)).count();
            State { least, most: left[start + count - 1], count }
        };
        // The last of the greatest would be the farthest.
        let commonest = (0..left.len()).rev().map(from).max_by_key(|state| state.count);
        let Some(state) = commonest else { break };
        left.retain(|at| !state.has(*at));
        states.push(state);
    }
    states
}

/// Chooses the turns that count, by the distances before and after each: all of one state, and of a near
/// one if it has `enough`. Where no distance is known, all count.
pub(crate) fn of_one_state(turns: &[Option<(f64, f64)>], enough: usize) -> Vec<bool> {
    // While one of another state began, it is neither.
    let steady = |turn: &Option<(f64, f64)>| {
        turn.filter(|(before, after)| alike(*before, *after)).map(|(a, b)| f64::midpoint(a, b))
    };
    let distances: Vec<f64> = turns.iter().filter_map(steady).collect();
    let states = states(&distances);
    let near = states.iter().find(|state| is_near(state.most) && state.count >= enough);
    match near.or(states.first()) {
        Some(state) => turns
            .iter()
            .map(|turn| steady(turn).is_some_and(|distance| state.has(distance)))
            .collect(),
        None => vec![true; turns.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_fall_into_states() {
        let found = states(&[28.0, 118.0, 107.0, 131.0, 27.0, 460.0]);
        let state = |least, most, count| State { least, most, count };
        assert_eq!(found, [state(107.0, 131.0, 3), state(27.0, 28.0, 2), state(460.0, 460.0, 1)]);
        assert_eq!(
            states(&[110.0, 28.0])[0].least,
            28.0,
            "of two as common the nearer comes first"
        );
        assert!(states(&[]).is_empty());
    }

    #[test]
    fn only_turns_of_one_state_count() {
        let turn = |before, after| Some((before, after));
        let (far, near, moved) = (turn(400.0, 420.0), turn(110.0, 120.0), turn(120.0, 410.0));
        let chosen = of_one_state(&[far, far, moved, near, near, None], 2);
        assert_eq!(chosen, [false, false, false, true, true, false], "near ones, if enough");
        let chosen = of_one_state(&[far, far, moved, near], 2);
        assert_eq!(chosen, [true, true, false, false], "or else those of the commonest state");
        let hidden = of_one_state(&[turn(28.0, 28.0), near, near, near], 1);
        assert_eq!(hidden, [false, true, true, true], "never some of each");
        assert_eq!(of_one_state(&[None, None], 1), [true, true]);
    }
}

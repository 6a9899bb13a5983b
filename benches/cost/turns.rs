//! Two or more that take turns: the way round of whatever wakes the next.

use crate::ends::timed;
use multiproc_benches::{Crew, Part, Place, Rounds, Subject, Told};
use serde::{Deserialize, Serialize};

/// Something by which some pass a turn on, from seat to seat and round again.
pub(crate) trait Turns: 'static {
    /// Takes the turn of this seat, whose places are shared by so many: the first passes it on and waits
    /// until it is back, or comes to it; the others wait for it and pass it on.
    fn turn(&self, seat: usize);
}

/// What each seat waits at a place of its own for.
pub(crate) trait Signal {
    fn raise(&self);
    /// Waits until it is raised, and takes it down.
    fn take(&self);
}

/// Raises the next one's signal; the first begins, the others wait for theirs before.
pub(crate) fn pass<S: Signal>(signals: &[S], seat: usize) {
    if seat == 0 {
        signals[1].raise();
        signals[0].take();
    } else {
        signals[seat].take();
        signals[(seat + 1) % signals.len()].raise();
    }
}

/// So many of something that can be made.
pub(crate) fn some<S, E: ToString>(
    count: usize,
    new: impl Fn() -> Result<S, E>,
) -> Result<Vec<S>, String> {
    (0..count).map(|_| new().map_err(|error| error.to_string())).collect()
}

impl<S: Signal + 'static> Turns for Vec<S> {
    fn turn(&self, seat: usize) {
        pass(self, seat);
    }
}

/// Takes its turns; the first takes the time from one to the next.
#[derive(Serialize, Deserialize)]
struct Player<T>(T);

impl<T: Turns> Part for Player<T> {
    fn play(self, rounds: &mut Rounds) -> Result<(), String> {
        match rounds.seat() {
            0 => rounds.each(|n| timed(n, |_| self.0.turn(0))),
            seat => rounds.each(|n| {
                (0..n).for_each(|_| self.0.turn(seat));
                Told::done(0, n)
            }),
        }
        Ok(())
    }
}

/// Nobody can be ahead of the others: all did all of their turns, or the round does not end.
macro_rules! crews {
    ($name:ident, $hire:ident $(, $bound:path)*) => {
        pub(crate) fn $name<T: Turns + Clone $(+ $bound)*>(
            place: Place,
            seats: usize,
            turns: T,
        ) -> Result<Box<dyn Subject>, String> {
            let mut crew = Crew::new(seats, place)?;
            for _ in 0..seats {
                crew = crew.$hire(Player(turns.clone()))?;
            }
            crew.ready()
        }
    };
}

crews!(processes, process, Serialize, serde::de::DeserializeOwned);
crews!(forks, fork);
crews!(threads, thread, Send);

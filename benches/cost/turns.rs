//! Two that take turns: the way there and back of whatever wakes the other.

use crate::ends::timed;
use multiproc_benches::{Crew, Part, Place, Rounds, Subject, Told};
use serde::{Deserialize, Serialize};

/// Something by which two pass a turn to each other.
pub(crate) trait Turns: 'static {
    /// Waits for the turn of this side, if it has to, and passes it on.
    fn there_and_back(&self);
    /// The other side.
    fn back(&self);
}

#[derive(Serialize, Deserialize)]
struct Caller<T>(T);

impl<T: Turns> Part for Caller<T> {
    fn play(self, rounds: &mut Rounds) -> Result<(), String> {
        rounds.each(|n| timed(n, |_| self.0.there_and_back()));
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Answerer<T>(T);

impl<T: Turns> Part for Answerer<T> {
    fn play(self, rounds: &mut Rounds) -> Result<(), String> {
        rounds.each(|n| {
            (0..n).for_each(|_| self.0.back());
            Told::done(0, n)
        });
        Ok(())
    }
}

/// Neither can be ahead of the other: both did all of their turns, or the round does not end.
macro_rules! crews {
    ($name:ident, $hire:ident $(, $bound:path)*) => {
        pub(crate) fn $name<T: Turns + Clone $(+ $bound)*>(
            place: Place,
            turns: T,
        ) -> Result<Box<dyn Subject>, String> {
            Crew::new(2, place)?.$hire(Caller(turns.clone()))?.$hire(Answerer(turns))?.ready()
        }
    };
}

crews!(processes, process, Serialize, serde::de::DeserializeOwned);
crews!(forks, fork);
crews!(threads, thread, Send);

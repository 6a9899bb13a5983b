//! What moves messages, in two halves, and the parts that are played with them: the same for all.

use multiproc_benches::{Crew, Part, Place, Rounds, Subject, Told, quantile};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::time::Instant;

/// The half that sends.
pub(crate) trait Put: 'static {
    /// Opens, in the worker, what cannot be brought along.
    fn begin(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Sends one message that begins with `value`.
    fn put(&mut self, value: u64);

    /// Sends `n` messages, and returns the sum of what they begin with.
    fn put_all(&mut self, n: u64) -> u64 {
        (0..n).fold(0, |sum, value| {
            self.put(black_box(value));
            sum + value
        })
    }
}

/// The half that receives.
pub(crate) trait Take: 'static {
    /// Opens, in the worker, what cannot be brought along.
    fn begin(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Receives one message, and returns what it begins with.
    fn take(&mut self) -> u64;

    /// Receives `n` messages, and returns the sum of what they begin with.
    fn take_all(&mut self, n: u64) -> u64 {
        (0..n).fold(0, |sum, _| sum + self.take())
    }
}

/// Sends.
#[derive(Serialize, Deserialize)]
pub(crate) struct Producer<P>(pub(crate) P);

impl<P: Put> Part for Producer<P> {
    fn play(mut self, rounds: &mut Rounds) -> Result<(), String> {
        self.0.begin()?;
        rounds.each(|n| Told::done(n, self.0.put_all(n)));
        Ok(())
    }
}

/// Receives; counts nothing, for the messages are counted where they were sent.
#[derive(Serialize, Deserialize)]
pub(crate) struct Consumer<T>(pub(crate) T);

impl<T: Take> Part for Consumer<T> {
    fn play(mut self, rounds: &mut Rounds) -> Result<(), String> {
        self.0.begin()?;
        rounds.each(|n| Told::done(0, self.0.take_all(n)));
        Ok(())
    }
}

/// Sends, waits for the answer, and takes the time of that.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ping<P, T>(pub(crate) P, pub(crate) T);

/// Trips for each look at the clock, which takes a good part of one trip itself.
const TRIPS: u64 = 8;

impl<P: Put, T: Take> Part for Ping<P, T> {
    fn play(mut self, rounds: &mut Rounds) -> Result<(), String> {
        self.0.begin()?;
        self.1.begin()?;
        rounds.each(|n| {
            let mut sum = 0;
            let told = timed(n, |value| {
                self.0.put(black_box(value));
                sum += self.1.take();
            });
            Told { sum, ..told }
        });
        Ok(())
    }
}

/// Does `one` so often, and tells the median of their times.
pub(crate) fn timed(n: u64, mut one: impl FnMut(u64)) -> Told {
    let mut times = Vec::with_capacity(usize::try_from(n / TRIPS).unwrap_or(0) + 1);
    let mut done = 0;
    while done < n {
        let trips = TRIPS.min(n - done);
        let start = Instant::now();
        (done..done + trips).for_each(&mut one);
        times.push(start.elapsed().as_secs_f64() * 1e9 / trips as f64);
        done += trips;
    }
    times.sort_by(f64::total_cmp);
    Told { ops: n, sum: 0, p50: Some(quantile(&times, 0.5)), p99: Some(quantile(&times, 0.99)) }
}

/// Sends back what it receives.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pong<P, T>(pub(crate) P, pub(crate) T);

impl<P: Put, T: Take> Part for Pong<P, T> {
    fn play(mut self, rounds: &mut Rounds) -> Result<(), String> {
        self.0.begin()?;
        self.1.begin()?;
        rounds.each(|n| {
            let mut sum = 0;
            for _ in 0..n {
                let value = self.1.take();
                self.0.put(value);
                sum += value;
            }
            Told::done(0, sum)
        });
        Ok(())
    }
}

/// Makes the crews that play these parts with workers of one kind.
macro_rules! crews {
    ($(#[$doc:meta])* $module:ident, $hire:ident $(, $bound:path)*) => {
        $(#[$doc])*
        pub(crate) mod $module {
            use super::*;

            /// As many who send, each beside one who receives.
            pub(crate) fn stream<P: Put $(+ $bound)*, T: Take $(+ $bound)*>(
                place: Place,
                pairs: Vec<(P, T)>,
            ) -> Result<Box<dyn Subject>, String> {
                let mut crew = Crew::new(2 * pairs.len(), place)?.checked(nothing_missing);
                for (put, take) in pairs {
                    crew = crew.$hire(Producer(put))?.$hire(Consumer(take))?;
                }
                crew.ready()
            }

            /// One who sends, and one who sends back.
            pub(crate) fn round_trip<P: Put $(+ $bound)*, T: Take $(+ $bound)*>(
                place: Place,
                (put, at_put): (P, T),
                (back, at_back): (P, T),
            ) -> Result<Box<dyn Subject>, String> {
                let crew = Crew::new(2, place)?.checked(nothing_missing);
                crew.$hire(Ping(put, at_back))?.$hire(Pong(back, at_put))?.ready()
            }
        }
    };
}

crews!(
    /// In processes of their own, started by `proc-spawn`.
    processes, process, Serialize, serde::de::DeserializeOwned
);
crews!(
    /// In forks of this process.
    forks, fork
);
crews!(
    /// In threads of this process.
    threads, thread, Send
);

/// All that was sent has arrived: the same sum on both sides.
pub(crate) fn nothing_missing(told: &[Told]) -> Result<(), String> {
    // Producers count, consumers do not.
    let (sent, received): (Vec<&Told>, Vec<&Told>) = told.iter().partition(|told| told.ops > 0);
    let sum = |told: &[&Told]| told.iter().map(|told| told.sum).sum::<u64>();
    match (sum(&sent), sum(&received)) {
        (sent, received) if sent == received => Ok(()),
        (sent, received) => Err(format!("sent {sent} in all, and {received} has arrived")),
    }
}

//! Condition variables, by which two or four take turns, and those at which nobody waits.

use crate::libc_sync::{self, Condition, Guarded, Shared};
use crate::python;
use crate::queue::place_word;
use crate::turns::{self, Turns};
use multiproc::{Condvar, Mutex};
use multiproc_benches::{Axis, Contest, Kind, Place, Suite, called};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::sync::Arc;

/// A number of turns, what tells of its changes, and by how many the turns are shared.
#[derive(Clone, Serialize, Deserialize)]
struct Taken<B>(B, usize);

/// Waits until the number is this seat's, adds one, and tells the other; of several all, as any may be next.
macro_rules! turns {
    ($both:ty, |$lock:ident, $changed:ident, $is_not:ident| $wait:expr) => {
        impl Turns for Taken<$both> {
            fn turn(&self, seat: usize) {
                let Self(both, seats) = self;
                let ($lock, $changed) = (&both.0, &both.1);
                let $is_not = |number: &mut u64| *number % *seats as u64 != seat as u64;
                let mut number = $wait;
                *number += 1;
                if *seats == 2 {
                    $changed.notify_one();
                } else {
                    $changed.notify_all();
                }
            }
        }
    };
}

type Ours = (Mutex<u64>, Condvar);
type Std = Arc<(std::sync::Mutex<u64>, std::sync::Condvar)>;
type ParkingLot = Arc<(parking_lot::Mutex<u64>, parking_lot::Condvar)>;

turns!(Ours, |lock, changed, is_not| { changed.wait_while(lock.lock().unwrap(), is_not).unwrap() });
turns!(Std, |lock, changed, is_not| { changed.wait_while(lock.lock().unwrap(), is_not).unwrap() });
turns!(ParkingLot, |lock, changed, is_not| {
    let mut number = lock.lock();
    changed.wait_while(&mut number, is_not);
    number
});

impl Turns for Taken<Shared<Guarded<Condition>>> {
    fn turn(&self, seat: usize) {
        self.0.turn(seat as u64, self.1 as u64);
    }
}

fn ours() -> Result<Ours, String> {
    let both = Mutex::new(0u64).and_then(|lock| Ok((lock, Condvar::new()?)));
    both.map_err(|error| error.to_string())
}

pub(crate) fn rows(suite: &mut Suite) {
    for (what, place) in [("turns", Place::EachItsCore), ("turns, one core", Place::OneCore)] {
        by_turns(suite.contest("condvar", what, place), 2)
            .with(Kind::Python, "multiprocessing.Condition", move || {
                python::subject(&["condvar", place_word(place)])
            })
            .run();
    }
    let row = suite.contest("condvar", "turns", Place::EachItsCore);
    by_turns(row.at(Axis::Workers, 4), 4).run();
    nobody_waits(suite);
}

fn by_turns(row: Contest<'_>, seats: usize) -> Contest<'_> {
    let place = row.place();
    row.with(Kind::Ours, "proc-lock", move || turns::processes(place, seats, Taken(ours()?, seats)))
        .with(Kind::Threads, "std::sync::Condvar", move || {
            turns::threads(place, seats, Taken(Std::default(), seats))
        })
        .with(Kind::Threads, "parking_lot", move || {
            turns::threads(place, seats, Taken(ParkingLot::default(), seats))
        })
        .with(Kind::Peer, "pthread_cond", move || {
            turns::forks(place, seats, Taken(libc_sync::condition()?, seats))
        })
}

/// What it costs to tell nobody.
fn nobody_waits(suite: &mut Suite) {
    suite
        .contest("condvar", "notify, nobody waits", Place::Free)
        .at(Axis::Workers, 1)
        .with(Kind::Ours, "proc-lock", || {
            let (_, changed) = ours()?;
            Ok(called(move |n| {
                (0..n).for_each(|_| black_box(&changed).notify_one());
                Ok(())
            }))
        })
        .with(Kind::Threads, "std::sync::Condvar", || {
            let changed = std::sync::Condvar::new();
            Ok(called(move |n| {
                (0..n).for_each(|_| black_box(&changed).notify_one());
                Ok(())
            }))
        })
        .with(Kind::Threads, "parking_lot", || {
            let changed = parking_lot::Condvar::new();
            Ok(called(move |n| {
                (0..n).for_each(|_| _ = black_box(&changed).notify_one());
                Ok(())
            }))
        })
        .with(Kind::Peer, "pthread_cond", || {
            let condition = libc_sync::condition()?;
            Ok(called(move |n| {
                (0..n).for_each(|_| black_box(&condition).notify());
                Ok(())
            }))
        })
        .run();
}

//! Condition variables, by which two take turns.

use crate::libc_sync::{self, Condition, Guarded, Shared};
use crate::python;
use crate::queue::place_word;
use crate::turns::{self, Turns};
use multiproc::{Condvar, Mutex};
use multiproc_benches::{Kind, Place, Suite};
use std::sync::Arc;

impl Turns for (Mutex<u64>, Condvar) {
    fn there_and_back(&self) {
        turn(self, 0);
    }

    fn back(&self) {
        turn(self, 1);
    }
}

fn turn((lock, changed): &(Mutex<u64>, Condvar), parity: u64) {
    let number = lock.lock().unwrap();
    let mut number = changed.wait_while(number, |number| *number % 2 != parity).unwrap();
    *number += 1;
    changed.notify_one();
}

macro_rules! turns {
    ($lock:ty, $changed:ty, |$both:ident, $parity:ident| $turn:block) => {
        impl Turns for Arc<($lock, $changed)> {
            fn there_and_back(&self) {
                let ($both, $parity) = (self, 0);
                $turn
            }

            fn back(&self) {
                let ($both, $parity) = (self, 1);
                $turn
            }
        }
    };
}

turns!(std::sync::Mutex<u64>, std::sync::Condvar, |both, parity| {
    let number = both.0.lock().unwrap();
    let mut number = both.1.wait_while(number, |number| *number % 2 != parity).unwrap();
    *number += 1;
    both.1.notify_one();
});

turns!(parking_lot::Mutex<u64>, parking_lot::Condvar, |both, parity| {
    let mut number = both.0.lock();
    both.1.wait_while(&mut number, |number| *number % 2 != parity);
    *number += 1;
    both.1.notify_one();
});

impl Turns for Shared<Guarded<Condition>> {
    fn there_and_back(&self) {
        self.turn(0);
    }

    fn back(&self) {
        self.turn(1);
    }
}

pub(crate) fn rows(suite: &mut Suite) {
    for (what, place) in [("turns", Place::EachItsCore), ("turns, one core", Place::OneCore)] {
        suite
            .contest("condvar", what, place)
            .with(Kind::Ours, "proc-lock", move || {
                let both = Mutex::new(0u64).and_then(|lock| Ok((lock, Condvar::new()?)));
                turns::processes(place, both.map_err(|error| error.to_string())?)
            })
            .with(Kind::Threads, "std::sync::Condvar", move || {
                turns::threads(place, Arc::<(std::sync::Mutex<u64>, std::sync::Condvar)>::default())
            })
            .with(Kind::Threads, "parking_lot", move || {
                turns::threads(
                    place,
                    Arc::<(parking_lot::Mutex<u64>, parking_lot::Condvar)>::default(),
                )
            })
            .with(Kind::Peer, "pthread_cond", move || turns::forks(place, libc_sync::condition()?))
            .with(Kind::Python, "multiprocessing.Condition", move || {
                python::subject(&["condvar", place_word(place)])
            })
            .run();
    }
}

//! Events: some that wait for each other's flag, and flags that nobody waits for.

use crate::python;
use crate::queue::place_word;
use crate::turns::{self, Signal, Turns, pass, some};
use multiproc::Event;
use multiproc_benches::{Axis, Kind, Place, Suite, called};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Condvar, Mutex};

impl Signal for Event {
    fn raise(&self) {
        self.set();
    }

    fn take(&self) {
        self.wait();
        self.clear();
    }
}

/// The kernel's.
struct Eventfd(OwnedFd);

impl Eventfd {
    fn new() -> Result<Self, String> {
        eventfd(0, EventfdFlags::CLOEXEC).map(Self).map_err(|error| error.to_string())
    }
}

impl Signal for Eventfd {
    fn raise(&self) {
        rustix::io::write(&self.0, &1u64.to_ne_bytes()).unwrap();
    }

    fn take(&self) {
        rustix::io::read(&self.0, &mut [0; 8]).unwrap();
    }
}

/// All see the same descriptors.
#[derive(Clone)]
struct Eventfds(Arc<Vec<Eventfd>>);

impl Turns for Eventfds {
    fn turn(&self, seat: usize) {
        pass(&self.0, seat);
    }
}

pub(crate) fn rows(suite: &mut Suite) {
    for (what, place) in
        [("round trip", Place::EachItsCore), ("round trip, one core", Place::OneCore)]
    {
        suite
            .contest("event", what, place)
            .with(Kind::Ours, "proc-lock", move || turns::processes(place, 2, some(2, Event::new)?))
            .with(Kind::Peer, "eventfd", move || {
                turns::forks(place, 2, Eventfds(Arc::new(some(2, Eventfd::new)?)))
            })
            .with(Kind::Python, "multiprocessing.Event", move || {
                python::subject(&["event", place_word(place)])
            })
            .run();
    }
    round_of_four(suite);
    nobody_waits(suite);
}

/// Each sets the flag of the next one.
fn round_of_four(suite: &mut Suite) {
    let place = Place::EachItsCore;
    suite
        .contest("event", "round", place)
        .at(Axis::Workers, 4)
        .with(Kind::Ours, "proc-lock", move || turns::processes(place, 4, some(4, Event::new)?))
        .with(Kind::Peer, "eventfd", move || {
            turns::forks(place, 4, Eventfds(Arc::new(some(4, Eventfd::new)?)))
        })
        .run();
}

/// What a flag costs those who set it and look at it while nobody sleeps.
fn nobody_waits(suite: &mut Suite) {
    suite
        .contest("event", "set and clear, nobody waits", Place::Free)
        .at(Axis::Workers, 1)
        .with(Kind::Ours, "proc-lock", || {
            let event = Event::new().map_err(|error| error.to_string())?;
            Ok(called(move |n| {
                for _ in 0..n {
                    black_box(&event).set();
                    black_box(&event).clear();
                }
                Ok(())
            }))
        })
        .with(Kind::Threads, "std::sync::Mutex and Condvar", || {
            let both = (Mutex::new(false), Condvar::new());
            Ok(called(move |n| {
                for _ in 0..n {
                    let (flag, changed) = black_box(&both);
                    *flag.lock().unwrap() = true;
                    changed.notify_all();
                    *flag.lock().unwrap() = false;
                }
                Ok(())
            }))
        })
        .with(Kind::Peer, "eventfd", || {
            let event = Eventfd::new()?;
            Ok(called(move |n| {
                for _ in 0..n {
                    event.raise();
                    event.take();
                }
                Ok(())
            }))
        })
        .with(Kind::Limit, "two stores", || {
            let flag = AtomicBool::new(false);
            Ok(called(move |n| {
                for _ in 0..n {
                    black_box(&flag).store(true, Release);
                    black_box(&flag).store(false, Release);
                }
                Ok(())
            }))
        })
        .run();
    suite
        .contest("event", "is it set", Place::Free)
        .at(Axis::Workers, 1)
        .with(Kind::Ours, "proc-lock", || {
            let event = Event::new().map_err(|error| error.to_string())?;
            event.set();
            Ok(called(move |n| all_set(n, (0..n).filter(|_| black_box(&event).is_set()).count())))
        })
        .with(Kind::Threads, "std::sync::Mutex", || {
            let flag = Mutex::new(true);
            Ok(called(move |n| {
                all_set(n, (0..n).filter(|_| *black_box(&flag).lock().unwrap()).count())
            }))
        })
        .with(Kind::Limit, "a load", || {
            let flag = AtomicBool::new(true);
            Ok(called(move |n| {
                all_set(n, (0..n).filter(|_| black_box(&flag).load(Acquire)).count())
            }))
        })
        .run();
}

fn all_set(asked: u64, set: usize) -> Result<(), String> {
    if set as u64 == asked { Ok(()) } else { Err(format!("{set} of {asked} times set")) }
}

//! Events: two that wait for each other's flag.

use crate::python;
use crate::queue::place_word;
use crate::turns::{self, Turns};
use multiproc::Event;
use multiproc_benches::{Kind, Place, Suite};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use std::sync::Arc;

impl Turns for (Event, Event) {
    fn there_and_back(&self) {
        self.0.set();
        self.1.wait();
        self.1.clear();
    }

    fn back(&self) {
        self.0.wait();
        self.0.clear();
        self.1.set();
    }
}

/// Two of the kernel's.
#[derive(Clone)]
struct Eventfds(Arc<(OwnedFd, OwnedFd)>);

impl Eventfds {
    fn new() -> Result<Self, String> {
        let new = || eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| error.to_string());
        Ok(Self(Arc::new((new()?, new()?))))
    }
}

fn set(fd: &OwnedFd) {
    rustix::io::write(fd, &1u64.to_ne_bytes()).unwrap();
}

fn wait(fd: &OwnedFd) {
    rustix::io::read(fd, &mut [0; 8]).unwrap();
}

impl Turns for Eventfds {
    fn there_and_back(&self) {
        set(&self.0.0);
        wait(&self.0.1);
    }

    fn back(&self) {
        wait(&self.0.0);
        set(&self.0.1);
    }
}

pub(crate) fn rows(suite: &mut Suite) {
    for (what, place) in
        [("round trip", Place::EachItsCore), ("round trip, one core", Place::OneCore)]
    {
        suite
            .contest("event", what, place)
            .with(Kind::Ours, "proc-lock", move || {
                let new = || Event::new().map_err(|error| error.to_string());
                turns::processes(place, (new()?, new()?))
            })
            .with(Kind::Peer, "eventfd", move || turns::forks(place, Eventfds::new()?))
            .with(Kind::Python, "multiprocessing.Event", move || {
                python::subject(&["event", place_word(place)])
            })
            .run();
    }
}

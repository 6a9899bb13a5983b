//! Barriers: from one meeting to the next.

use crate::libc_sync::{self, Shared};
use crate::python;
use multiproc::Barrier;
use multiproc_benches::{Axis, Crew, Kind, Part, Place, Rounds, Subject, Suite, Told};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where several meet.
trait Meeting: 'static {
    /// Waits for the others; says whether this is the one who leads.
    fn meet(&self) -> bool;
}

impl Meeting for Barrier {
    fn meet(&self) -> bool {
        self.wait().unwrap().is_leader()
    }
}

impl Meeting for Arc<std::sync::Barrier> {
    fn meet(&self) -> bool {
        self.wait().is_leader()
    }
}

impl Meeting for Shared<libc::pthread_barrier_t> {
    fn meet(&self) -> bool {
        Self::meet(self)
    }
}

#[derive(Serialize, Deserialize)]
struct Member<M>(M);

impl<M: Meeting> Part for Member<M> {
    fn play(self, rounds: &mut Rounds) -> Result<(), String> {
        let seat = rounds.seat();
        rounds.each(|n| {
            let led = (0..n).filter(|_| self.0.meet()).count();
            // Meetings are counted once.
            Told::done(if seat == 0 { n } else { 0 }, led as u64)
        });
        Ok(())
    }
}

/// Each meeting has one leader.
fn one_leads(told: &[Told]) -> Result<(), String> {
    let (met, led) = (told[0].ops, told.iter().map(|told| told.sum).sum::<u64>());
    if met == led { Ok(()) } else { Err(format!("{met} meetings with {led} leaders")) }
}

macro_rules! crews {
    ($name:ident, $hire:ident $(, $bound:path)*) => {
        fn $name<M: Meeting + Clone $(+ $bound)*>(
            place: Place,
            members: usize,
            meeting: M,
        ) -> Result<Box<dyn Subject>, String> {
            let mut crew = Crew::new(members, place)?.checked(one_leads);
            for _ in 0..members {
                crew = crew.$hire(Member(meeting.clone()))?;
            }
            crew.ready()
        }
    };
}

crews!(processes, process, Serialize, serde::de::DeserializeOwned);
crews!(forks, fork);
crews!(threads, thread, Send);

pub(crate) fn rows(suite: &mut Suite) {
    let place = Place::EachItsCore;
    for members in [2u32, 4] {
        let count = members as usize;
        suite
            .contest("barrier", "meeting", place)
            .at(Axis::Workers, u64::from(members))
            .with(Kind::Ours, "proc-lock", move || {
                let barrier = Barrier::new(members).map_err(|error| error.to_string())?;
                processes(place, count, barrier)
            })
            .with(Kind::Threads, "std::sync::Barrier", move || {
                threads(place, count, Arc::new(std::sync::Barrier::new(count)))
            })
            .with(Kind::Peer, "pthread_barrier", move || {
                forks(place, count, libc_sync::barrier(members)?)
            })
            .with(Kind::Python, "multiprocessing.Barrier", move || {
                python::subject(&["barrier", &count.to_string()])
            })
            .run();
    }
}

//! Who sleeps until a worker says something, and takes it.
//!
//! One thread at a time is on *duty*: it hears all workers, hands out what waits, and sleeps on the bell
//! when there is nothing to do. That is a thread of the user's which waits for a result, if there is one:
//! so a task costs two wake-ups, of its worker and of whoever waits for it. When it leaves with tasks still
//! under way, it passes the duty on: to another that waits, or else to the pool's second thread, which is
//! there for when nobody waits, and gives way to whoever does.
//!
//! | duty | who may change it | to what |
//! |---|---|---|
//! | free | a thread that begins to wait; the second thread, when it was told | taken |
//! | taken | its holder, when what it waits for is there | free; it tells the next |
//!
//! Anybody may hear and hand out at any time: the duty is only to be there when a worker rings. Who learns
//! something that the holder may wait for *nudges* it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use multiproc_core::deadline::Deadline;
use multiproc_core::spin::Look;

use crate::lane::Bell;
use crate::shared::Shared;

/// A sleeper looks up so often: a worker that has lost its mind may have written over the bell. While there
/// is nothing to do nobody sleeps there.
const SLICE: Duration = Duration::from_millis(100);
/// How long the second thread waits for others to come, before it takes the duty.
const GRACE: Duration = Duration::from_millis(1);
/// How long answers are let come together while many tiny tasks are under way.
const NAP: Duration = Duration::from_micros(20);

/// What is under way, as far as it says how to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Nothing: no worker has a task.
    None,
    /// There is a CPU for whoever waits: to look for a moment costs nobody anything.
    Light,
    /// The workers have the CPUs.
    Full,
    /// The workers have so many tiny tasks before them that there is time until the first runs dry.
    Stream,
}

/// What the second thread was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    /// It may be needed, unless somebody comes who waits.
    MayBeNeeded,
    /// Somebody waits for an answer who cannot take the duty: a callback, a future.
    Needed,
}

#[derive(Debug)]
struct Duty {
    taken: bool,
    /// It is the second thread that has it: it gives way to whoever waits.
    by_second: bool,
    /// The number of the last sleep on the bell.
    sleep: u32,
    /// How many terms of duty have begun.
    terms: u64,
    /// Threads that wait for somebody else to hear what they wait for.
    waiting: VecDeque<Thread>,
    /// What the second thread was told.
    told: Told,
    second: Option<Thread>,
}

impl Duty {
    fn tell(&mut self, what: Told) {
        if self.told < what {
            self.told = what;
            self.second.iter().for_each(Thread::unpark);
        }
    }
}

/// The bell and the duty.
#[derive(Debug)]
pub(crate) struct Pump {
    bell: Bell,
    duty: Mutex<Duty>,
    look: Look,
}

impl Pump {
    pub(crate) fn new() -> io::Result<Self> {
        let duty = Duty {
            taken: false,
            by_second: false,
            sleep: 0,
            terms: 0,
            waiting: VecDeque::new(),
            told: Told::Nothing,
            second: None,
        };
        Ok(Self { bell: Bell::new()?, duty: Mutex::new(duty), look: Look::new() })
    }

    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    fn duty(&self) -> MutexGuard<'_, Duty> {
        self.duty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has whoever sleeps on duty look at what it waits for.
    pub(crate) fn nudge(&self) {
        self.bell.nudge();
    }

    /// Sees to it that somebody will be on duty, before long.
    pub(crate) fn attend(&self) {
        let mut duty = self.duty();
        if duty.taken {
            return;
        }
        match duty.waiting.pop_front() {
            Some(next) => next.unpark(),
            None => duty.tell(Told::MayBeNeeded),
        }
    }

    /// Sees to it that somebody is on duty, for the sake of one who waits and cannot be.
    pub(crate) fn attend_now(&self) {
        let mut duty = self.duty();
        if !duty.taken {
            duty.tell(Told::Needed);
        }
    }
}

/// The duty, held.
struct OnDuty<'s> {
    shared: &'s Shared,
    sleep: u32,
}

impl<'s> OnDuty<'s> {
    fn take(shared: &'s Shared) -> Option<Self> {
        let mut duty = shared.pump.duty();
        if std::mem::replace(&mut duty.taken, true) {
            return None;
        }
        duty.terms += 1;
        Some(Self { shared, sleep: duty.sleep })
    }

    /// Hears and hands out until `ready` or until `end`.
    fn serve(&mut self, ready: &dyn Fn() -> bool, end: Option<Instant>) {
        let shared = self.shared;
        let deadline = match end {
            Some(end) => Deadline::after(end.saturating_duration_since(Instant::now())),
            None => Deadline::NEVER,
        };
        loop {
            let (traffic, heard) = shared.sweep();
            if ready() || deadline.has_passed() {
                return;
            }
            let something = || shared.has_news() || ready();
            let until = match traffic {
                Traffic::Stream if heard => {
                    std::thread::sleep(NAP);
                    continue;
                }
                Traffic::Light if shared.pump.look.until(something) => continue,
                // Of a stream that has come to a halt, too: its tasks have become longer. And when nothing
                // is under way but a callback, or a worker's start.
                _ => deadline.slice(SLICE),
            };
            shared.pump.bell.sleep(&mut self.sleep, until, something);
        }
    }
}

impl Drop for OnDuty<'_> {
    fn drop(&mut self) {
        let mut duty = self.shared.pump.duty();
        (duty.taken, duty.by_second) = (false, false);
        duty.sleep = self.sleep;
        drop(duty);
        // After the duty is free: who hands out a task from here on sees that, and tells somebody.
        if self.shared.is_under_way() {
            self.shared.pump.attend();
        }
    }
}

impl Shared {
    /// Waits until `ready`, or until `end`; on duty if nobody else is.
    ///
    /// Whoever makes it ready then calls [`Pump::nudge`], and unparks this thread if `ready` has told it
    /// which that is.
    pub(crate) fn wait_until(&self, ready: &dyn Fn() -> bool, end: Option<Instant>) {
        let me = std::thread::current();
        loop {
            if let Some(mut on_duty) = OnDuty::take(self) {
                return on_duty.serve(ready, end);
            }
            let mut duty = self.pump.duty();
            if !duty.taken {
                continue;
            }
            duty.waiting.push_back(me.clone());
            let gives_way = duty.by_second;
            drop(duty);
            if gives_way {
                self.pump.nudge();
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let over = ready() || left.is_some_and(|left| left.is_zero());
            if !over {
                match left {
                    None => std::thread::park(),
                    Some(left) => std::thread::park_timeout(left),
                }
            }
            let mut duty = self.pump.duty();
            let place = duty.waiting.iter().position(|other| other.id() == me.id());
            if let Some(place) = place {
                duty.waiting.remove(place);
            }
            drop(duty);
            if over || ready() {
                // It may have been told to take the duty.
                if place.is_none() && self.is_under_way() {
                    self.pump.attend();
                }
                return;
            }
        }
    }

    /// The second thread: is on duty while tasks are under way and nobody else is.
    pub(crate) fn attend_until_the_end(&self) {
        self.pump.duty().second = Some(std::thread::current());
        loop {
            let finished = || self.state().finished;
            if finished() {
                return;
            }
            let (told, terms) = {
                let duty = self.pump.duty();
                (duty.told, duty.terms)
            };
            if told == Told::MayBeNeeded {
                // Until it is told more, or nobody else has come.
                std::thread::park_timeout(GRACE);
                // Whoever came once will come again: to be in its way would cost more than it helps.
                if self.pump.duty().terms != terms && self.is_under_way() {
                    continue;
                }
            }
            if told != Told::Nothing {
                self.pump.duty().told = Told::Nothing;
                if let Some(mut on_duty) = OnDuty::take(self) {
                    self.pump.duty().by_second = true;
                    let over = || !self.is_under_way() || !self.pump.duty().waiting.is_empty();
                    on_duty.serve(&over, None);
                }
            } else {
                std::thread::park();
            }
        }
    }

    /// Ends the second thread, once `finished` says so.
    pub(crate) fn dismiss_second(&self) {
        self.pump.duty().second.iter().for_each(Thread::unpark);
        self.pump.nudge();
    }
}

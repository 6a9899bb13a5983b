//! The argument of the module above, checked: all interleavings of three publishers and three who wait,
//! three of whom are killed, anywhere.
//!
//! A step is one access to a shared word, or one system call. What the kernel does for the dead is a step
//! of its own, so others may act before it. No slice ever ends: who sleeps must be woken.

use std::collections::HashSet;

/// What is built differently: the controls, which must fail.
#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// The leader does not outlast who is inside.
    MarkAlone,
    /// It does, and does not look whether its mark is still there.
    MarkUnchecked,
    /// The publisher publishes, and wakes in a second step.
    TwoSteps,
    /// It takes the mark away after it has left.
    ClearOutside,
}

const PUBLISHERS: usize = 3;
const WAITING: usize = 3;
const EACH: u8 = 2;
const KILLS: u8 = 3;
/// Those who wait are content from these indices on.
const WANTED: [u8; WAITING] = [3, 1, 2];

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Publisher {
    Outside { left: u8 },
    Inside { left: u8 },
    SawNobody { left: u8 },
    SawMark { left: u8 },
    HalfDone { left: u8 },
    Clearing { left: u8 },
    Leaving { left: u8, clears: bool },
    ClearingOutside { left: u8 },
    Dead,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Waiting {
    ForTheTurn,
    Leading,
    Marked,
    Saw { index: u8 },
    Outlasting { index: u8, first: u8 },
    LooksAgain { index: u8 },
    ChecksMark { index: u8 },
    AboutToSleep { index: u8 },
    Asleep,
    Content,
    GivesUpTurn,
    Done,
    Dead,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    index: u8,
    asleep: bool,
    /// The owners, counted from 1.
    lock: u8,
    turnstile: u8,
    publishers: [Publisher; PUBLISHERS],
    waiting: [Waiting; WAITING],
    kills: u8,
}

impl State {
    fn wake(&mut self) {
        if let Some(sleeper) = self.waiting.iter_mut().find(|who| **who == Waiting::Asleep) {
            *sleeper = Waiting::Leading;
        }
    }

    /// One step of a publisher, if it has one to take.
    fn publish(&self, who: usize, mistake: Mistake) -> Option<Self> {
        use Publisher::*;
        let mut next = self.clone();
        let me = who as u8 + 1;
        next.publishers[who] = match self.publishers[who] {
            Outside { left: 0 } | Dead => return None,
            Outside { .. } if self.lock != 0 => return None,
            Outside { left } => {
                next.lock = me;
                Inside { left: left - 1 }
            }
            Inside { left } if self.asleep => SawMark { left },
            Inside { left } => SawNobody { left },
            SawNobody { left } => {
                next.index += 1;
                Leaving { left, clears: false }
            }
            SawMark { left } => {
                next.index += 1;
                match mistake {
                    Mistake::TwoSteps => HalfDone { left },
                    _ => {
                        next.wake();
                        Clearing { left }
                    }
                }
            }
            HalfDone { left } => {
                next.wake();
                Clearing { left }
            }
            Clearing { left } if mistake == Mistake::ClearOutside => Leaving { left, clears: true },
            Clearing { left } => {
                next.asleep = false;
                Leaving { left, clears: false }
            }
            Leaving { left, clears } => {
                next.lock = 0;
                if clears { ClearingOutside { left } } else { Outside { left } }
            }
            ClearingOutside { left } => {
                next.asleep = false;
                Outside { left }
            }
        };
        Some(next)
    }

    /// One step of one who waits, if it has one to take.
    fn wait(&self, who: usize, mistake: Mistake) -> Option<Self> {
        use Waiting::*;
        let mut next = self.clone();
        next.waiting[who] = match self.waiting[who] {
            ForTheTurn if self.turnstile != 0 => return None,
            ForTheTurn => {
                next.turnstile = who as u8 + 1;
                Leading
            }
            Leading => {
                next.asleep = true;
                Marked
            }
            Marked => Saw { index: self.index },
            Saw { index } if index >= WANTED[who] => Content,
            Saw { index } if mistake == Mistake::MarkAlone => LooksAgain { index },
            Saw { index } => match self.lock {
                0 => LooksAgain { index },
                first => Outlasting { index, first },
            },
            // Still inside: a nap, and from the start.
            Outlasting { first, .. } if self.lock == first => Leading,
            Outlasting { index, .. } => LooksAgain { index },
            LooksAgain { index } if self.index != index => Leading,
            LooksAgain { index } if mistake == Mistake::MarkUnchecked => AboutToSleep { index },
            LooksAgain { index } => ChecksMark { index },
            ChecksMark { .. } if !self.asleep => Leading,
            ChecksMark { index } => AboutToSleep { index },
            AboutToSleep { index } if self.index != index => Leading,
            AboutToSleep { .. } => Asleep,
            Content => {
                next.asleep = false;
                GivesUpTurn
            }
            GivesUpTurn => {
                next.turnstile = 0;
                Done
            }
            Asleep | Done | Dead => return None,
        };
        Some(next)
    }

    /// What the kernel has still to do for the dead.
    fn kernel(&self) -> impl Iterator<Item = Self> {
        let owner_died = |owner: u8, dead: &dyn Fn(usize) -> bool| {
            usize::from(owner).checked_sub(1).is_some_and(dead)
        };
        let lock = owner_died(self.lock, &|who| self.publishers[who] == Publisher::Dead)
            .then(|| Self { lock: 0, ..self.clone() });
        let turnstile = owner_died(self.turnstile, &|who| self.waiting[who] == Waiting::Dead)
            .then(|| Self { turnstile: 0, ..self.clone() });
        lock.into_iter().chain(turnstile)
    }

    fn killed(&self) -> impl Iterator<Item = Self> {
        let publishers = (0..PUBLISHERS).map(|who| {
            let mut next = self.clone();
            next.publishers[who] = Publisher::Dead;
            next
        });
        let waiting = (0..WAITING).map(|who| {
            let mut next = self.clone();
            next.waiting[who] = Waiting::Dead;
            next
        });
        let all = publishers.chain(waiting).filter(move |next| next != self);
        all.map(move |next| Self { kills: self.kills + 1, ..next })
            .filter(|next| next.kills <= KILLS)
    }

    /// Whether somebody sleeps who has what he waits for, or waits behind nobody.
    fn is_hang(&self) -> bool {
        (0..WAITING).any(|who| match self.waiting[who] {
            Waiting::Dead | Waiting::Done => false,
            Waiting::Asleep => self.index >= WANTED[who],
            // Behind a leader that sleeps rightly, it does so too, unless what it wants is there.
            _ => self.index >= *WANTED.iter().max().unwrap_or(&0),
        })
    }
}

/// Visits every state; says how many there were when nobody could go on in one that is a hang, or there was
/// no more, and which.
fn explore(mistake: Mistake) -> (usize, bool) {
    let first = State {
        index: 0,
        asleep: false,
        lock: 0,
        turnstile: 0,
        publishers: [Publisher::Outside { left: EACH }; PUBLISHERS],
        waiting: [Waiting::ForTheTurn; WAITING],
        kills: 0,
    };
    let mut seen = HashSet::from([first.clone()]);
    let mut todo = vec![first];
    while let Some(state) = todo.pop() {
        let publishers = (0..PUBLISHERS).filter_map(|who| state.publish(who, mistake));
        let waiting = (0..WAITING).filter_map(|who| state.wait(who, mistake));
        let steps: Vec<_> = publishers.chain(waiting).chain(state.kernel()).collect();
        if steps.is_empty() && state.is_hang() {
            return (seen.len(), true);
        }
        for next in steps.into_iter().chain(state.killed()) {
            if seen.insert(next.clone()) {
                todo.push(next);
            }
        }
    }
    (seen.len(), false)
}

#[test]
fn no_wake_up_is_lost_in_any_order() {
    let (states, hangs) = explore(Mistake::None);
    assert!(!hangs);
    assert!(states > 500_000, "{states}");
}

#[test]
fn each_part_of_it_is_needed() {
    assert!(explore(Mistake::MarkAlone).1);
    assert!(explore(Mistake::MarkUnchecked).1);
    assert!(explore(Mistake::TwoSteps).1);
    assert!(explore(Mistake::ClearOutside).1);
}

//! The condition variable's calls, of `proc_lock`'s `condvar`: many sleepers, who watch each other's lives.
//!
//! All have their places from the start. The mutex is a word that is free or owned here.

use crate::machine::{
    self, Alike, DEAD, DONE, Kernel, OWNER, PROCS, Proc, Program, State, Steps, WAITERS, Waiting,
};
use crate::search::Model;

// Words.
const CALLS: usize = 0;
const MUTEX: usize = 1;
/// How many there are of what the waiters wait for.
const STOCK: usize = 2;
const LIFE: usize = 3;

/// Beside the count in `CALLS`: somebody waits, or did.
const WAITED: u8 = 1;

// Registers.
const TICKET: usize = 0;
const LIVES: usize = 1;
const NEXT: usize = 2;

const IDLE: u8 = 0;
const LOCK: u8 = 1;
const ASK: u8 = 2;
const NOTE: u8 = 3;
const NOTE_LIVES: u8 = 4;
const ASK_AGAIN: u8 = 5;
const STAY: u8 = 6;
const UNLOCK: u8 = 7;
const SLEEP: u8 = 8;
const ASLEEP: u8 = 9;
const TELL: u8 = 10;
const TAKE: u8 = 11;
const LEAVE: u8 = 12;
// Who notifies.
const ENTER: u8 = 20;
const PUT: u8 = 21;
const GO: u8 = 22;
const LOOK: u8 = 23;
const CALL: u8 = 24;
const CALLED: u8 = 25;

/// What is built in wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Sound,
    /// Sleepers sleep on the calls alone.
    WatchesNobody,
    /// A sleeper that hears of a death, or may have, does not wake the others on that life.
    TellsNobody,
    /// The ticket is written after the look at the stock.
    NotesLate,
}

/// Waiters for one of the stock each, and some who put one there and notify one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condvar {
    pub(crate) variant: Variant,
    pub(crate) waiters: usize,
    pub(crate) callers: usize,
    /// How many a caller puts there, one after another.
    pub(crate) rounds: u8,
    pub(crate) kills: u8,
    pub(crate) timeouts: bool,
}

impl Condvar {
    fn waiter(&self, state: &State, who: usize, out: &mut Steps) {
        let proc = state.procs[who];
        let mut to = *state;
        let mut go = Program { who, out };
        let is_alive = |other: usize| to.words[LIFE + other] & OWNER != 0;
        match proc.pc {
            IDLE if proc.rounds == 0 => go.step(to, DONE, "has finished"),
            IDLE => go.step(to, LOCK, "wants one"),
            LOCK if to.words[MUTEX] & OWNER == 0 => {
                to.drain(who);
                to.words[MUTEX] = who as u8 + 1;
                to.procs[who].linked |= 1 << MUTEX;
                go.step(to, ASK, "takes the mutex");
            }
            ASK | ASK_AGAIN if to.load(who, STOCK) != 0 => {
                to.procs[who].regs = [0; 6];
                go.step(to, TAKE, "there is one");
            }
            ASK if self.variant == Variant::NotesLate => go.step(to, UNLOCK, "there is none"),
            ASK => go.step(to, NOTE, "there is none"),
            NOTE => {
                to.procs[who].regs[TICKET] = to.load(who, CALLS);
                go.step(to, NOTE_LIVES, "notes the calls");
            }
            NOTE_LIVES => {
                let next = usize::from(proc.regs[NEXT]);
                if next < self.waiters + self.callers {
                    if next != who && is_alive(next) {
                        to.procs[who].regs[LIVES] |= 1 << next;
                    }
                    to.procs[who].regs[NEXT] += 1;
                    return go.step(to, NOTE_LIVES, "notes a life");
                }
                to.procs[who].regs[NEXT] = 0;
                let late = self.variant == Variant::NotesLate;
                go.step(to, if late { STAY } else { ASK_AGAIN }, "has noted all lives");
            }
            ASK_AGAIN => go.step(to, STAY, "there is none still"),
            STAY => {
                to.drain(who);
                if to.words[CALLS] != proc.regs[TICKET] {
                    to.procs[who].regs = [0; 6];
                    return go.step(to, ASK, "stays: CAS fails");
                }
                to.words[CALLS] |= WAITED;
                to.procs[who].regs[TICKET] |= WAITED;
                let late = self.variant == Variant::NotesLate;
                go.step(to, if late { SLEEP } else { UNLOCK }, "stays: CAS: WAITED");
            }
            UNLOCK => {
                to.store(who, MUTEX, 0);
                to.procs[who].linked &= !(1 << MUTEX);
                let late = self.variant == Variant::NotesLate;
                go.step(to, if late { NOTE } else { SLEEP }, "gives the mutex up");
            }
            SLEEP => {
                let lives = (0..PROCS).filter(|other| proc.regs[LIVES] & 1 << other != 0);
                let lives = lives.map(|other| (LIFE + other, WAITERS | (other as u8 + 1)));
                let mut words = vec![(CALLS, proc.regs[TICKET])];
                if self.variant != Variant::WatchesNobody {
                    words.extend(lives);
                }
                for (mut to, now) in machine::wait_any(&to, who, &words) {
                    match now {
                        Waiting::Queues => go.step(to, SLEEP, "queues"),
                        Waiting::Sleeps => go.step(to, ASLEEP, "sleeps"),
                        Waiting::Returns => {
                            to.get_up(who);
                            go.step(to, TELL, "wait: changed");
                        }
                    }
                }
            }
            ASLEEP => {
                if proc.woken != 0 {
                    to.get_up(who);
                    go.step(to, TELL, "returns from its sleep");
                }
                if self.timeouts {
                    to.get_up(who);
                    go.step(to, TELL, "its slice ends");
                }
            }
            TELL => {
                let lives = proc.regs[LIVES];
                if lives == 0 || self.variant == Variant::TellsNobody {
                    to.procs[who].regs = [0; 6];
                    return go.step(to, LOCK, "has told all");
                }
                let other = lives.trailing_zeros() as usize;
                to.procs[who].regs[LIVES] &= lives - 1;
                if !is_alive(other) {
                    to.drain(who);
                    to.wake_all(LIFE + other);
                }
                go.step(to, TELL, "tells of a death, if it was one");
            }
            TAKE => {
                to.store(who, STOCK, to.load(who, STOCK) - 1);
                go.step(to, LEAVE, "takes one");
            }
            LEAVE => {
                to.store(who, MUTEX, 0);
                to.procs[who].linked &= !(1 << MUTEX);
                to.procs[who].rounds -= 1;
                go.step(to, IDLE, "gives the mutex up");
            }
            _ => {}
        }
    }

    fn caller(&self, state: &State, who: usize, out: &mut Steps) {
        let proc = state.procs[who];
        let mut to = *state;
        let mut go = Program { who, out };
        match proc.pc {
            IDLE if proc.rounds == 0 => go.step(to, DONE, "has finished"),
            IDLE => go.step(to, ENTER, "brings one"),
            ENTER if to.words[MUTEX] & OWNER == 0 => {
                to.drain(who);
                to.words[MUTEX] = who as u8 + 1;
                to.procs[who].linked |= 1 << MUTEX;
                go.step(to, PUT, "takes the mutex");
            }
            PUT => {
                to.store(who, STOCK, to.load(who, STOCK) + 1);
                go.step(to, GO, "puts one there");
            }
            GO => {
                to.store(who, MUTEX, 0);
                to.procs[who].linked &= !(1 << MUTEX);
                go.step(to, LOOK, "gives the mutex up");
            }
            LOOK if to.load(who, CALLS) & WAITED != 0 => go.step(to, CALL, "somebody waits"),
            LOOK => {
                to.procs[who].rounds -= 1;
                go.step(to, IDLE, "nobody waits");
            }
            CALL => {
                to.drain(who);
                to.words[CALLS] += 2;
                go.step(to, CALLED, "call: counts");
            }
            CALLED => {
                for mut to in to.wake_one(CALLS).1 {
                    to.procs[who].rounds -= 1;
                    go.step(to, IDLE, "call: wakes one");
                }
            }
            _ => {}
        }
    }
}

impl Model for Condvar {
    type State = State;

    fn start(&self) -> State {
        let mut state = State::new(self.kills);
        for who in 0..self.waiters + self.callers {
            let rounds = if who < self.waiters { 1 } else { self.rounds };
            let linked = 1 << (LIFE + who);
            state.procs[who] = Proc { pc: IDLE, rounds, linked, ..Proc::default() };
            state.words[LIFE + who] = WAITERS | (who as u8 + 1);
        }
        state
    }

    fn steps(&self, state: &State, out: &mut Steps) {
        machine::steps(state, Kernel::Current, out, |to, who| to.procs[who].pc != CALLED);
        for who in 0..PROCS {
            match who < self.waiters {
                true => self.waiter(state, who, out),
                false => self.caller(state, who, out),
            }
        }
    }

    fn fault(&self, _: &State) -> Option<&'static str> {
        None
    }

    fn is_done(&self, state: &State) -> bool {
        // Those who wait do so because there is nothing.
        let rests = |proc: &Proc| matches!(proc.pc, DONE | DEAD);
        let waits = |proc: &Proc| proc.pc == ASLEEP && proc.woken == 0;
        let stock = (0..PROCS).all(|who| !state.has_stores(who)) && state.words[STOCK] != 0;
        let (waiters, others) = state.procs.split_at(self.waiters);
        others.iter().all(rests)
            && waiters.iter().all(|proc| rests(proc) || (waits(proc) && !stock))
    }

    fn canonical(&self, state: State) -> State {
        let alike = Alike {
            groups: [self.waiters, self.callers, 0],
            names: 1 << MUTEX | 0b1111 << LIFE,
            rows: &[LIFE],
            set_regs: 1 << LIVES,
            ..Alike::default()
        };
        // Who is noting or telling lives goes by their numbers.
        let counts = |proc: &Proc| proc.pc == NOTE_LIVES && proc.regs[NEXT] != 0;
        if state.procs.iter().any(counts) { state } else { machine::sort(state, &alike) }
    }

    fn show(&self, state: &State) -> String {
        let w = &state.words;
        let mut text = format!("calls={:x} mutex={:x} stock={}", w[CALLS], w[MUTEX], w[STOCK]);
        for who in 0..self.waiters + self.callers {
            text += &format!(" | {:02x} {}", w[LIFE + who], state.show_proc(who));
        }
        text
    }
}

#[cfg(test)]
mod checked {
    use super::{Condvar, Variant};
    use crate::search::{assert_caught, assert_sound};

    const TWO_AND_ONE: Condvar = Condvar {
        variant: Variant::Sound,
        waiters: 2,
        callers: 1,
        rounds: 1,
        kills: 2,
        timeouts: false,
    };

    #[test]
    fn nobody_sleeps_while_there_is_what_it_waits_for() {
        assert_sound(&TWO_AND_ONE);
        assert_sound(&Condvar { rounds: 2, ..TWO_AND_ONE });
        assert_sound(&Condvar { rounds: 2, timeouts: true, ..TWO_AND_ONE });
        assert_sound(&Condvar { callers: 2, kills: 1, ..TWO_AND_ONE });
    }

    #[test]
    fn nor_of_three() {
        assert_sound(&Condvar { waiters: 3, ..TWO_AND_ONE });
    }

    #[test]
    fn watching_nobody_hangs() {
        let variant = Variant::WatchesNobody;
        assert_caught(&Condvar { variant, kills: 1, ..TWO_AND_ONE }, "hang");
    }

    #[test]
    fn not_passing_on_who_died_hangs() {
        let variant = Variant::TellsNobody;
        assert_caught(&Condvar { variant, waiters: 3, rounds: 2, ..TWO_AND_ONE }, "hang");
    }

    #[test]
    fn noting_the_calls_after_the_look_hangs() {
        let variant = Variant::NotesLate;
        assert_caught(&Condvar { variant, kills: 0, ..TWO_AND_ONE }, "hang");
    }
}

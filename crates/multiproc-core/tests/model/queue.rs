//! The queue's publication and its leader's sleep, of `shm_queue`'s `ring`.
//!
//! The locks are words that are free or owned here: that they are handed on is `lock.rs`'s to prove.

use crate::machine::{self, Alike, DEAD, DONE, Kernel, OWNER, PROCS, Proc, Program, State, Steps};
use crate::search::Model;

// Words of side s: its index, its lock, the mark of the other side's leader on it, its turnstile.
const INDEX: usize = 0;
const LOCK: usize = 2;
const MARK: usize = 4;
const TURN: usize = 6;

// Registers.
const SEEN: usize = 0;
const FIRST: usize = 1;

const IDLE: u8 = 0;
const ENTER: u8 = 1;
const LOOK: u8 = 2;
const ASK: u8 = 3;
const STORE: u8 = 4;
const CALL: u8 = 5;
const CALLED: u8 = 6;
const UNMARK: u8 = 7;
const UNLOCK: u8 = 8;
const SETTLE: u8 = 9;
const LEAVE: u8 = 10;
const ANNOUNCE: u8 = 11;
const STAND: u8 = 12;
const LEAD: u8 = 13;
const FENCE: u8 = 14;
const SEE: u8 = 15;
const READY: u8 = 16;
const OUTLAST: u8 = 17;
const OUTLASTING: u8 = 18;
const MOVED: u8 = 19;
const MARKED: u8 = 20;
const WAIT: u8 = 21;
const ASLEEP: u8 = 22;
const QUIT: u8 = 23;
const HAND: u8 = 24;

/// What is built in wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Sound,
    /// Moves the index, and wakes in a second step.
    PublishThenWake,
    /// The leader does not wait for whom it finds inside.
    TrustsTheMark,
    /// The leader does not look at the mark again.
    LooksOnce,
    /// The leader's mark is a store without a fence.
    NoFence,
}

/// Senders and receivers at a queue of a given capacity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    pub(crate) variant: Variant,
    pub(crate) sides: [usize; 2],
    pub(crate) capacity: u8,
    pub(crate) rounds: u8,
    pub(crate) kills: u8,
    pub(crate) timeouts: bool,
}

impl Queue {
    fn side(&self, who: usize) -> usize {
        usize::from(who >= self.sides[0])
    }

    /// Says whether there is something to do for this side.
    fn is_ready(&self, side: usize, own: u8, other: u8) -> bool {
        match side {
            0 => own.wrapping_sub(other) < self.capacity,
            _ => own != other,
        }
    }

    fn program(&self, state: &State, who: usize, out: &mut Steps) {
        let proc = state.procs[who];
        let side = self.side(who);
        let (own, other) = (INDEX + side, INDEX + 1 - side);
        let (lock, their_lock) = (LOCK + side, LOCK + 1 - side);
        let (mark, their_mark) = (MARK + side, MARK + 1 - side);
        let turn = TURN + side;
        let mut to = *state;
        let mut go = Program { who, out };
        match proc.pc {
            IDLE if proc.rounds == 0 => go.step(to, DONE, "has finished"),
            IDLE => {
                to.procs[who].pending = lock as u8 + 1;
                go.step(to, ENTER, "pending = lock");
            }
            ENTER | STAND => {
                let (word, pc, what) = match proc.pc {
                    ENTER => (lock, LOOK, "takes the lock"),
                    _ => (turn, LEAD, "takes the turnstile"),
                };
                if to.words[word] & OWNER == 0 {
                    to.drain(who);
                    to.words[word] = who as u8 + 1;
                    go.step(to, pc, what);
                }
            }
            LOOK if self.is_ready(side, to.load(who, own), to.load(who, other)) => {
                go.step(to, ASK, "looks: ready");
            }
            LOOK => go.step(to, LEAVE, "looks: not ready"),
            ASK if to.load(who, mark) == 0 => go.step(to, STORE, "nobody sleeps"),
            ASK => go.step(to, CALL, "somebody may sleep"),
            STORE => {
                to.store(who, own, to.load(who, own) + 1);
                go.step(to, UNLOCK, "moves its index (store)");
            }
            CALL => {
                to.drain(who);
                to.words[own] += 1;
                go.step(to, CALLED, "call: moves its index");
            }
            CALLED => {
                for to in to.wake_one(own).1 {
                    go.step(to, UNMARK, "call: wakes one");
                }
            }
            UNMARK => {
                to.store(who, mark, 0);
                go.step(to, UNLOCK, "mark = 0");
            }
            UNLOCK => {
                to.store(who, lock, 0);
                go.step(to, SETTLE, "gives the lock up");
            }
            SETTLE => {
                to.procs[who].pending = 0;
                to.procs[who].rounds -= 1;
                go.step(to, IDLE, "pending = 0");
            }
            LEAVE => {
                to.store(who, lock, 0);
                go.step(to, ANNOUNCE, "gives the lock up");
            }
            ANNOUNCE => {
                to.procs[who].pending = turn as u8 + 1;
                go.step(to, STAND, "pending = turnstile");
            }
            LEAD => {
                to.store(who, their_mark, 1);
                let pc = if self.variant == Variant::NoFence { SEE } else { FENCE };
                go.step(to, pc, "leads: mark = 1");
            }
            FENCE => {
                to.drain(who);
                go.step(to, SEE, "leads: fence");
            }
            SEE => {
                to.procs[who].regs[SEEN] = to.load(who, other);
                go.step(to, READY, "leads: sees the index");
            }
            READY if self.is_ready(side, to.load(who, own), to.load(who, other)) => {
                to.procs[who].regs = [0; 6];
                go.step(to, QUIT, "leads: ready");
            }
            READY => {
                let pc = if self.variant == Variant::TrustsTheMark { MOVED } else { OUTLAST };
                go.step(to, pc, "leads: not ready");
            }
            OUTLAST => {
                let first = to.load(who, their_lock) & OWNER;
                to.procs[who].regs[FIRST] = first;
                let pc = if first == 0 { MOVED } else { OUTLASTING };
                go.step(to, pc, "leads: who is inside?");
            }
            OUTLASTING => {
                let moved = to.load(who, other) != proc.regs[SEEN];
                if moved || to.load(who, their_lock) & OWNER != proc.regs[FIRST] {
                    to.procs[who].regs[FIRST] = 0;
                    go.step(to, MOVED, "leads: that one has left");
                }
            }
            MOVED if to.load(who, other) != proc.regs[SEEN] => {
                to.procs[who].regs = [0; 6];
                go.step(to, LEAD, "leads: the index has moved");
            }
            MOVED => go.step(to, MARKED, "leads: the index stands"),
            MARKED if to.load(who, their_mark) == 0 && self.variant != Variant::LooksOnce => {
                to.procs[who].regs = [0; 6];
                go.step(to, LEAD, "leads: the mark is gone");
            }
            MARKED => go.step(to, WAIT, "leads: the mark is there"),
            WAIT => {
                to.drain(who);
                to.procs[who].regs = [0; 6];
                if to.words[other] == proc.regs[SEEN] {
                    to.procs[who].asleep = 1 << other;
                    go.step(to, ASLEEP, "leads: sleeps");
                } else {
                    go.step(to, LEAD, "leads: wait: changed");
                }
            }
            ASLEEP => {
                if proc.woken != 0 {
                    to.get_up(who);
                    go.step(to, LEAD, "leads: returns from its sleep");
                }
                if self.timeouts {
                    to.get_up(who);
                    go.step(to, QUIT, "leads: its deadline passes");
                }
            }
            QUIT => {
                to.store(who, their_mark, 0);
                go.step(to, HAND, "leads: mark = 0");
            }
            HAND => {
                to.store(who, turn, 0);
                to.procs[who].pending = 0;
                go.step(to, IDLE, "gives the turnstile up");
            }
            _ => {}
        }
    }
}

impl Model for Queue {
    type State = State;

    fn start(&self) -> State {
        let mut state = State::new(self.kills);
        for who in 0..self.sides[0] + self.sides[1] {
            state.procs[who] = Proc { pc: IDLE, rounds: self.rounds, ..Proc::default() };
        }
        state
    }

    fn steps(&self, state: &State, out: &mut Steps) {
        machine::steps(state, Kernel::Current, out, |to, who| {
            self.variant == Variant::PublishThenWake || to.procs[who].pc != CALLED
        });
        for who in 0..PROCS {
            self.program(state, who, out);
        }
    }

    fn fault(&self, state: &State) -> Option<&'static str> {
        let [tail, head] = [state.words[INDEX], state.words[INDEX + 1]];
        (head > tail || tail - head > self.capacity).then_some("more than full, or less than empty")
    }

    fn is_done(&self, state: &State) -> bool {
        if state.is_done() {
            return true;
        }
        // One side has finished or is dead, and the other has nothing to do for ever.
        let rests = |side: usize| {
            (0..PROCS)
                .filter(|&who| self.side(who) == side)
                .all(|who| matches!(state.procs[who].pc, DONE | DEAD) && !state.has_stores(who))
        };
        let index = |side: usize| state.words[INDEX + side];
        (0..2).any(|side| rests(1 - side) && !self.is_ready(side, index(side), index(1 - side)))
    }

    fn canonical(&self, state: State) -> State {
        let alike = Alike {
            groups: [self.sides[0], self.sides[1], 0],
            names: 0b11 << LOCK | 0b11 << TURN,
            name_regs: 1 << FIRST,
            ..Alike::default()
        };
        machine::sort(state, &alike)
    }

    fn show(&self, state: &State) -> String {
        let w = &state.words;
        let mut text = format!(
            "tail={} head={} locks={:x},{:x} marks={}{} turns={:x},{:x}",
            w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
        );
        for who in 0..self.sides[0] + self.sides[1] {
            text += &format!(" | {}", state.show_proc(who));
        }
        text
    }
}

#[cfg(test)]
mod checked {
    use super::{Queue, Variant};
    use crate::search::{assert_caught, assert_sound};

    const ONE_AND_ONE: Queue = Queue {
        variant: Variant::Sound,
        sides: [1, 1],
        capacity: 1,
        rounds: 2,
        kills: 1,
        timeouts: false,
    };

    #[test]
    fn nobody_sleeps_while_there_is_something_to_do() {
        assert_sound(&Queue { sides: [2, 1], timeouts: true, kills: 2, ..ONE_AND_ONE });
        assert_sound(&Queue { sides: [1, 2], timeouts: true, kills: 2, ..ONE_AND_ONE });
        assert_sound(&Queue { sides: [1, 2], capacity: 2, rounds: 3, ..ONE_AND_ONE });
    }

    #[test]
    fn nor_with_two_at_both_ends() {
        assert_sound(&Queue { sides: [2, 2], rounds: 1, kills: 2, ..ONE_AND_ONE });
    }

    #[test]
    fn publishing_and_then_waking_hangs() {
        assert_caught(&Queue { variant: Variant::PublishThenWake, ..ONE_AND_ONE }, "hang");
    }

    #[test]
    fn a_leader_that_trusts_its_mark_hangs() {
        assert_caught(&Queue { variant: Variant::TrustsTheMark, kills: 0, ..ONE_AND_ONE }, "hang");
    }

    #[test]
    fn a_leader_that_does_not_look_at_its_mark_again_hangs() {
        assert_caught(&Queue { variant: Variant::LooksOnce, kills: 0, ..ONE_AND_ONE }, "hang");
    }

    #[test]
    fn a_mark_that_is_still_on_its_way_hangs() {
        assert_caught(&Queue { variant: Variant::NoFence, kills: 0, ..ONE_AND_ONE }, "hang");
    }
}

//! The counting semaphore's word, of `proc_semaphore`'s `permits`.

use crate::machine::{self, Alike, DEAD, DONE, Kernel, OWNER, PROCS, Proc, Program, State, Steps};
use crate::search::Model;

// Words.
const VALUE: usize = 0;
const TURN: usize = 1;

// The value: as in the library, but narrower.
const WAITER: u8 = 0x80;
const NEED: u8 = 0x38;
const COUNT: u8 = 0x07;

// Registers.
const SEEN: usize = 0;
const NEXT: usize = 1;
const ROLE: usize = 4;
const MANY: usize = 5;

// Ghosts.
const RIGHT: usize = 0;

const IDLE: u8 = 0;
const LOOK: u8 = 1;
const SWAP: u8 = 2;
const ANNOUNCE: u8 = 3;
const STAND: u8 = 4;
const FIRST: u8 = 5;
const TAKE: u8 = 6;
const SLEEP: u8 = 7;
const MARK: u8 = 8;
const WAIT: u8 = 9;
const ASLEEP: u8 = 10;
const LAST: u8 = 11;
const LAST_TAKE: u8 = 12;
const LEAVE: u8 = 13;
const HAND: u8 = 14;
const RELEASE: u8 = 20;
const ADD: u8 = 21;
const CALL: u8 = 22;
const CALLED: u8 = 23;
const LOWER: u8 = 24;
const LOWERED: u8 = 25;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `acquire`
    Acquirer,
    /// `try_acquire`
    Pusher,
    /// `release`
    Releaser,
    /// `release` that must not go beyond a bound, even in a race.
    Exact,
}

/// What is built in wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Sound,
    /// Adds to the number, and wakes in a second step.
    AddThenWake,
    /// Waiters do not stand in line.
    NoTurnstile,
}

/// Processes, each with what it does and for how many permits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Semaphore<const N: usize> {
    pub(crate) variant: Variant,
    pub(crate) procs: [(Role, u8); N],
    pub(crate) permits: u8,
    pub(crate) rounds: u8,
    pub(crate) kills: u8,
    pub(crate) timeouts: bool,
}

fn count(value: u8) -> u8 {
    value & COUNT
}

fn need(value: u8) -> u8 {
    (value & NEED) >> 3
}

fn is_in_force(value: u8) -> bool {
    value & WAITER != 0 && count(value) < need(value)
}

impl<const N: usize> Semaphore<N> {
    fn program(&self, state: &State, who: usize, out: &mut Steps) {
        let proc = state.procs[who];
        let many = proc.regs[MANY];
        let role = |role: Role| proc.regs[ROLE] == role as u8;
        let mut to = *state;
        let mut go = Program { who, out };
        // Puts `next` in the word if it is still what was seen. Locked.
        let swap = |to: &mut State| {
            to.drain(who);
            let same = to.words[VALUE] == proc.regs[SEEN];
            if same {
                to.words[VALUE] = proc.regs[NEXT];
            }
            (to.procs[who].regs[SEEN], to.procs[who].regs[NEXT]) = (0, 0);
            same
        };
        let seen = to.load(who, VALUE);
        let note = |to: &mut State, next: u8| {
            (to.procs[who].regs[SEEN], to.procs[who].regs[NEXT]) = (seen, next);
        };
        let ends = |to: &mut State| {
            to.procs[who].pending = 0;
            to.procs[who].rounds -= 1;
        };
        match proc.pc {
            IDLE if proc.rounds == 0 => {
                to.procs[who].regs = [0; 6];
                go.step(to, DONE, "has finished");
            }
            IDLE if role(Role::Releaser) || role(Role::Exact) => go.step(to, RELEASE, "releases"),
            IDLE => go.step(to, LOOK, "acquires"),
            LOOK => {
                let has = count(seen) >= many;
                if has && !is_in_force(seen) {
                    note(&mut to, (seen - many) & !WAITER);
                    go.step(to, SWAP, "looks: permits");
                } else if has && role(Role::Pusher) {
                    note(&mut to, seen - many);
                    go.step(to, SWAP, "looks: permits, pushes");
                } else if role(Role::Pusher) {
                    ends(&mut to);
                    go.step(to, IDLE, "looks: gives up");
                } else {
                    go.step(to, ANNOUNCE, "looks: must wait");
                }
            }
            SWAP | TAKE | LAST_TAKE => {
                let done = swap(&mut to);
                let again = [LOOK, FIRST, LAST]
                    [[SWAP, TAKE, LAST_TAKE].iter().position(|pc| *pc == proc.pc).unwrap_or(0)];
                if !done {
                    return go.step(to, again, "CAS fails");
                }
                to.ghost[RIGHT] -= many;
                if proc.pc == SWAP {
                    ends(&mut to);
                    go.step(to, IDLE, "CAS: has its permits");
                } else {
                    go.step(to, HAND, "CAS: has its permits");
                }
            }
            ANNOUNCE if self.variant == Variant::NoTurnstile => go.step(to, FIRST, "goes on"),
            ANNOUNCE => {
                to.procs[who].pending = TURN as u8 + 1;
                go.step(to, STAND, "pending = turnstile");
            }
            STAND => {
                if to.words[TURN] & OWNER == 0 {
                    to.drain(who);
                    to.words[TURN] = who as u8 + 1;
                    go.step(to, FIRST, "is first in line");
                }
                if self.timeouts {
                    let mut to = *state;
                    ends(&mut to);
                    go.step(to, IDLE, "its deadline passes in line");
                }
            }
            FIRST | LAST if count(seen) >= many => {
                note(&mut to, (seen - many) & !WAITER);
                let pc = if proc.pc == FIRST { TAKE } else { LAST_TAKE };
                go.step(to, pc, "first: looks: permits");
            }
            FIRST => go.step(to, SLEEP, "first: looks: none"),
            LAST => go.step(to, LEAVE, "first: looks: none, leaves"),
            SLEEP if count(seen) >= many => go.step(to, FIRST, "first: they have come"),
            SLEEP => {
                note(&mut to, many << 3 | WAITER | count(seen));
                go.step(to, MARK, "first: looks again");
            }
            MARK => {
                if swap(&mut to) {
                    to.procs[who].regs[SEEN] = proc.regs[NEXT];
                    go.step(to, WAIT, "first: CAS: WAITER, NEED");
                } else {
                    go.step(to, FIRST, "first: CAS fails");
                }
            }
            WAIT => {
                to.drain(who);
                to.procs[who].regs[SEEN] = 0;
                // The kernel compares the low half.
                if (to.words[VALUE] ^ proc.regs[SEEN]) & !NEED == 0 {
                    to.procs[who].asleep = 1 << VALUE;
                    go.step(to, ASLEEP, "first: sleeps");
                } else {
                    go.step(to, FIRST, "first: wait: changed");
                }
            }
            ASLEEP => {
                if proc.woken != 0 {
                    to.get_up(who);
                    go.step(to, FIRST, "first: returns from its sleep");
                }
                if self.timeouts {
                    to.get_up(who);
                    go.step(to, LAST, "first: its deadline passes");
                }
            }
            LEAVE => {
                to.drain(who);
                to.words[VALUE] &= !WAITER;
                go.step(to, HAND, "first: takes WAITER down");
            }
            HAND => {
                if self.variant != Variant::NoTurnstile {
                    to.store(who, TURN, 0);
                }
                ends(&mut to);
                go.step(to, IDLE, "gives its turn up");
            }
            RELEASE => {
                let sum = count(seen) + many;
                if !is_in_force(seen) {
                    note(&mut to, (seen & !WAITER) + many);
                    go.step(to, ADD, "looks: nobody waits");
                } else if sum < need(seen) {
                    note(&mut to, seen + many);
                    go.step(to, ADD, "looks: somebody waits for more");
                } else if role(Role::Exact) {
                    go.step(to, LOWER, "looks: somebody waits for these");
                } else {
                    go.step(to, CALL, "looks: somebody waits for these");
                }
            }
            ADD => {
                if swap(&mut to) {
                    to.ghost[RIGHT] += many;
                    ends(&mut to);
                    go.step(to, IDLE, "CAS: has added");
                } else {
                    go.step(to, RELEASE, "CAS fails");
                }
            }
            CALL => {
                to.drain(who);
                to.words[VALUE] += many;
                to.ghost[RIGHT] += many;
                go.step(to, CALLED, "call: adds");
            }
            LOWER => {
                to.drain(who);
                to.words[VALUE] &= !WAITER;
                go.step(to, LOWERED, "call: takes WAITER down");
            }
            CALLED | LOWERED => {
                for mut to in to.wake_one(VALUE).1 {
                    if proc.pc == CALLED {
                        ends(&mut to);
                    }
                    go.step(to, if proc.pc == CALLED { IDLE } else { RELEASE }, "call: wakes one");
                }
            }
            _ => {}
        }
    }
}

impl<const N: usize> Model for Semaphore<N> {
    type State = State;

    fn start(&self) -> State {
        let mut state = State::new(self.kills);
        state.words[VALUE] = self.permits;
        state.ghost[RIGHT] = self.permits;
        for (proc, (role, many)) in state.procs.iter_mut().zip(self.procs) {
            *proc = Proc { pc: IDLE, rounds: self.rounds, ..Proc::default() };
            proc.regs[ROLE] = role as u8;
            proc.regs[MANY] = many;
        }
        state
    }

    fn steps(&self, state: &State, out: &mut Steps) {
        let apart = self.variant == Variant::AddThenWake;
        machine::steps(state, Kernel::Current, out, |to, who| {
            apart || !matches!(to.procs[who].pc, CALLED | LOWERED)
        });
        for who in 0..PROCS {
            self.program(state, who, out);
        }
    }

    fn fault(&self, state: &State) -> Option<&'static str> {
        (count(state.words[VALUE]) != state.ghost[RIGHT]).then_some("permits were lost or made")
    }

    fn is_done(&self, state: &State) -> bool {
        if state.is_done() {
            return true;
        }
        // Nobody will release, and the first in line sleeps because there are too few.
        let mut others = state.procs.iter().filter(|proc| !matches!(proc.pc, DONE | DEAD));
        let value = state.words[VALUE];
        let first = state.procs.iter().find(|proc| proc.pc == ASLEEP && proc.woken == 0);
        first.is_some_and(|first| count(value) < first.regs[MANY])
            && others.all(|proc| (ANNOUNCE..=ASLEEP).contains(&proc.pc))
    }

    fn canonical(&self, state: State) -> State {
        machine::sort(state, &Alike { groups: [N, 0, 0], names: 1 << TURN, ..Alike::default() })
    }

    fn show(&self, state: &State) -> String {
        let value = state.words[VALUE];
        let waiter = if value & WAITER == 0 { "" } else { " WAITER" };
        let mut text =
            format!("{} need={}{waiter} turn={:x}", count(value), need(value), state.words[TURN]);
        for who in 0..N {
            text += &format!(" | {}", state.show_proc(who));
        }
        text
    }
}

#[cfg(test)]
mod checked {
    use super::Role::*;
    use super::{Semaphore, Variant};
    use crate::search::{assert_caught, assert_sound};

    fn semaphore<const N: usize>(procs: [(super::Role, u8); N]) -> Semaphore<N> {
        let variant = Variant::Sound;
        Semaphore { variant, procs, permits: 0, rounds: 1, kills: 2, timeouts: false }
    }

    #[test]
    fn no_release_is_slept_through() {
        let one = [(Acquirer, 1), (Acquirer, 1), (Releaser, 1)];
        assert_sound(&Semaphore { rounds: 2, ..semaphore(one) });
        assert_sound(&Semaphore { rounds: 2, timeouts: true, ..semaphore(one) });
        assert_sound(&semaphore([(Acquirer, 1), (Acquirer, 1), (Releaser, 1), (Releaser, 1)]));
        assert_sound(&semaphore([(Acquirer, 1), (Acquirer, 1), (Pusher, 1), (Releaser, 2)]));
    }

    #[test]
    fn nor_of_or_for_many() {
        let permits = 1;
        assert_sound(&Semaphore {
            permits,
            ..semaphore([(Acquirer, 2), (Acquirer, 1), (Releaser, 1), (Releaser, 1)])
        });
        assert_sound(&Semaphore {
            permits,
            ..semaphore([(Acquirer, 3), (Acquirer, 1), (Pusher, 1), (Releaser, 2)])
        });
        assert_sound(&Semaphore {
            rounds: 2,
            ..semaphore([(Acquirer, 2), (Pusher, 1), (Releaser, 1)])
        });
    }

    #[test]
    fn nor_by_exact_releasers() {
        assert_sound(&semaphore([(Acquirer, 1), (Acquirer, 2), (Exact, 2), (Exact, 1)]));
        assert_sound(&Semaphore {
            rounds: 2,
            ..semaphore([(Acquirer, 1), (Exact, 1), (Releaser, 1)])
        });
    }

    #[test]
    fn adding_and_then_waking_hangs() {
        let procs = [(Acquirer, 1), (Releaser, 1)];
        assert_caught(
            &Semaphore { variant: Variant::AddThenWake, kills: 1, ..semaphore(procs) },
            "hang",
        );
    }

    #[test]
    fn sleepers_that_do_not_stand_in_line_hang() {
        let procs = [(Acquirer, 1), (Acquirer, 1), (Releaser, 1), (Releaser, 1)];
        assert_caught(
            &Semaphore { variant: Variant::NoTurnstile, kills: 1, ..semaphore(procs) },
            "hang",
        );
    }
}

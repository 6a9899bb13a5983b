//! The pool of permits that name their owners, of `proc_semaphore`'s `pool`: life cells, one sleeper.

use crate::machine::{
    self, Alike, Kernel, OWNER, PROCS, Proc, Program, State, Steps, WAITERS, Waiting,
};
use crate::search::Model;

// Words: slots, the sleeper's count, the turnstile, and a life for each process.
const SLOT: usize = 0;
const SLEEPERS: usize = 2;
const TURN: usize = 3;
const LIFE: usize = 4;

// Registers.
const AT: usize = 0;
const SEEN: usize = 1;
/// What the count was, + 1.
const NEWS: usize = 2;
const OWNERS: usize = 3;
const BAG: usize = 4;
const CALL: usize = 5;

const IDLE: u8 = 0;
const LOOK: u8 = 1;
const SWAP: u8 = 2;
const GIVE_BACK: u8 = 3;
const GAVE_BACK: u8 = 4;
const GAVE_WAKE: u8 = 5;
const GAVE_WOKEN: u8 = 6;
const ANNOUNCE: u8 = 7;
const STAND: u8 = 8;
const FIRST: u8 = 9;
const RAISE: u8 = 10;
const HEAVY: u8 = 11;
const FIRST_LOOK: u8 = 12;
const FIRST_SWAP: u8 = 13;
const SLEEP: u8 = 14;
const ASLEEP: u8 = 15;
const EMPTY: u8 = 16;
const LOWER: u8 = 17;
const LOWERING: u8 = 18;
const HAND: u8 = 19;
const HOLD: u8 = 20;
const FREE: u8 = 21;
const FREED: u8 = 22;
const WAKE: u8 = 23;
const WOKEN: u8 = 24;

/// What is built in wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Sound,
    /// The first in line makes the count odd and looks at the slots without a `membarrier` between.
    NoBarrier,
    /// The first in line sleeps on the count alone.
    WatchesNobody,
    /// Who frees a permit looks for sleepers before it does.
    LooksFirst,
}

/// Processes that each want so many of a pool's permits at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PermitPool {
    pub(crate) variant: Variant,
    pub(crate) procs: usize,
    pub(crate) permits: u8,
    pub(crate) want: u8,
    pub(crate) rounds: u8,
    pub(crate) kills: u8,
    pub(crate) timeouts: bool,
}

impl PermitPool {
    fn program(&self, state: &State, who: usize, out: &mut Steps) {
        let proc = state.procs[who];
        let me = who as u8 + 1;
        let [at, seen, _, owners, bag, _] = proc.regs;
        let mut to = *state;
        let mut go = Program { who, out };
        let slot = SLOT + usize::from(at);
        let is_alive = |state: &State, name: u8| {
            name != 0 && state.words[LIFE + usize::from(name) - 1] & OWNER == name
        };
        let is_odd = |state: &State| state.load(who, SLEEPERS) == 1;
        let ends = |to: &mut State| {
            to.procs[who].rounds -= 1;
            to.procs[who].regs = [0; 6];
        };
        // Frees the lowest slot of the bag.
        let free = |to: &mut State| {
            let lowest = bag.trailing_zeros() as usize;
            to.store(who, SLOT + lowest, 0);
            to.procs[who].regs[BAG] &= bag - 1;
        };
        match proc.pc {
            IDLE if proc.rounds == 0 => go.step(to, machine::DONE, "has finished"),
            IDLE => go.step(to, LOOK, "acquires"),
            LOOK | FIRST_LOOK => {
                let first = proc.pc == FIRST_LOOK;
                if bag.count_ones() == self.want.into() {
                    to.procs[who].regs = [0, 0, 0, 0, bag, 0];
                    go.step(to, if first { LOWER } else { HOLD }, "has all it wants");
                } else if at == self.permits {
                    to.procs[who].regs[AT] = 0;
                    let pc = if first { SLEEP } else { GIVE_BACK };
                    go.step(to, pc, "has looked at all slots");
                } else {
                    let name = to.load(who, slot);
                    if is_alive(&to, name) {
                        to.procs[who].regs[AT] += 1;
                        if first && name != me {
                            to.procs[who].regs[OWNERS] |= 1 << (name - 1);
                        }
                        go.step(to, proc.pc, "looks at a slot: taken");
                    } else {
                        to.procs[who].regs[SEEN] = name;
                        go.step(to, proc.pc + 1, "looks at a slot: free, or a dead one's");
                    }
                }
            }
            SWAP | FIRST_SWAP => {
                to.drain(who);
                to.procs[who].regs[SEEN] = 0;
                if to.words[slot] == seen {
                    to.words[slot] = me;
                    to.procs[who].regs[AT] += 1;
                    to.procs[who].regs[BAG] |= 1 << at;
                    go.step(to, proc.pc - 1, "CAS: takes the slot");
                } else {
                    go.step(to, proc.pc - 1, "CAS fails");
                }
            }
            GIVE_BACK | EMPTY | FREE if bag != 0 => {
                free(&mut to);
                go.step(to, proc.pc, "frees a slot");
            }
            GIVE_BACK => go.step(to, GAVE_BACK, "has given back"),
            EMPTY => go.step(to, LOWER, "has given back"),
            FREE => go.step(to, FREED, "has given back"),
            GAVE_BACK | FREED => {
                let next = [(GAVE_BACK, ANNOUNCE, GAVE_WAKE), (FREED, IDLE, WAKE)];
                let (_, not, wake) = next[usize::from(proc.pc == FREED)];
                let sleeps = match self.variant {
                    Variant::LooksFirst if proc.pc == FREED => proc.regs[CALL] != 0,
                    _ => is_odd(&to),
                };
                to.procs[who].regs[CALL] = 0;
                if sleeps {
                    go.step(to, wake, "looks: somebody sleeps");
                } else {
                    if not == IDLE {
                        ends(&mut to);
                    }
                    go.step(to, not, "looks: nobody sleeps");
                }
            }
            GAVE_WAKE | WAKE => {
                to.drain(who);
                to.count_up(SLEEPERS, NEWS);
                go.step(to, proc.pc + 1, "call: counts");
            }
            GAVE_WOKEN | WOKEN => {
                for mut to in to.wake_one(SLEEPERS).1 {
                    if proc.pc == WOKEN {
                        ends(&mut to);
                    }
                    go.step(to, if proc.pc == WOKEN { IDLE } else { ANNOUNCE }, "call: wakes one");
                }
            }
            ANNOUNCE => {
                to.procs[who].pending = TURN as u8 + 1;
                go.step(to, STAND, "pending = turnstile");
            }
            STAND => {
                if to.words[TURN] & OWNER == 0 {
                    to.drain(who);
                    to.words[TURN] = me;
                    go.step(to, FIRST, "is first in line");
                }
                if self.timeouts {
                    let mut to = *state;
                    to.procs[who].pending = 0;
                    ends(&mut to);
                    go.step(to, IDLE, "its deadline passes in line");
                }
            }
            FIRST => {
                to.procs[who].regs[NEWS] = to.load(who, SLEEPERS) + 1;
                go.step(to, if is_odd(&to) { HEAVY } else { RAISE }, "first: looks at the count");
            }
            RAISE => {
                to.drain(who);
                if to.words[SLEEPERS] + 1 == proc.regs[NEWS] {
                    to.count_up(SLEEPERS, NEWS);
                    to.procs[who].regs[NEWS] = to.words[SLEEPERS] + 1;
                    go.step(to, HEAVY, "first: CAS: odd now");
                } else {
                    go.step(to, FIRST, "first: CAS fails");
                }
            }
            HEAVY if self.variant == Variant::NoBarrier => {
                go.step(to, FIRST_LOOK, "first: goes on")
            }
            HEAVY => {
                for (to, returns) in machine::heavy(&to, who, CALL) {
                    go.step(to, if returns { FIRST_LOOK } else { HEAVY }, "first: membarrier");
                }
            }
            SLEEP => {
                let mut words = vec![(SLEEPERS, proc.regs[NEWS] - 1)];
                let watched = (0..PROCS).filter(|owner| owners & 1 << owner != 0);
                if self.variant != Variant::WatchesNobody {
                    words.extend(watched.map(|owner| (LIFE + owner, WAITERS | (owner as u8 + 1))));
                }
                for (mut to, now) in machine::wait_any(&to, who, &words) {
                    if now != Waiting::Queues {
                        to.procs[who].regs = [0, 0, 0, 0, bag, 0];
                    }
                    match now {
                        Waiting::Queues => go.step(to, SLEEP, "first: queues"),
                        Waiting::Sleeps => go.step(to, ASLEEP, "first: sleeps"),
                        Waiting::Returns => {
                            to.get_up(who);
                            go.step(to, FIRST, "first: wait: changed");
                        }
                    }
                }
            }
            ASLEEP => {
                if proc.woken != 0 {
                    to.get_up(who);
                    go.step(to, FIRST, "first: returns from its sleep");
                }
                if self.timeouts {
                    to.get_up(who);
                    go.step(to, EMPTY, "first: its deadline passes");
                }
            }
            LOWER if is_odd(&to) => {
                to.procs[who].regs[NEWS] = to.load(who, SLEEPERS) + 1;
                go.step(to, LOWERING, "first: looks at the count: odd");
            }
            LOWER => go.step(to, HAND, "first: looks at the count: even"),
            LOWERING => {
                to.drain(who);
                if to.words[SLEEPERS] + 1 == proc.regs[NEWS] {
                    to.count_up(SLEEPERS, NEWS);
                }
                to.procs[who].regs[NEWS] = 0;
                go.step(to, HAND, "first: CAS: even now");
            }
            HAND => {
                to.store(who, TURN, 0);
                to.procs[who].pending = 0;
                if bag == 0 {
                    ends(&mut to);
                }
                go.step(to, if bag == 0 { IDLE } else { HOLD }, "gives its turn up");
            }
            HOLD if self.variant == Variant::LooksFirst => {
                to.procs[who].regs[CALL] = u8::from(is_odd(&to));
                go.step(to, FREE, "has permits, and looks for sleepers");
            }
            HOLD => go.step(to, FREE, "has permits"),
            _ => {}
        }
    }
}

impl Model for PermitPool {
    type State = State;

    fn start(&self) -> State {
        let mut state = State::new(self.kills);
        for who in 0..self.procs {
            let linked = 1 << (LIFE + who);
            state.procs[who] = Proc { pc: IDLE, rounds: self.rounds, linked, ..Proc::default() };
            state.words[LIFE + who] = WAITERS | (who as u8 + 1);
        }
        state
    }

    fn steps(&self, state: &State, out: &mut Steps) {
        machine::steps(state, Kernel::Current, out, |to, who| {
            !matches!(to.procs[who].pc, GAVE_WOKEN | WOKEN)
        });
        for who in 0..PROCS {
            self.program(state, who, out);
        }
    }

    fn fault(&self, state: &State) -> Option<&'static str> {
        let bags = (0..PROCS).filter(|who| state.lives(*who)).map(|who| state.procs[who].regs[BAG]);
        let mut all = 0;
        for bag in bags {
            if all & bag != 0 {
                return Some("two have one permit");
            }
            all |= bag;
        }
        None
    }

    fn is_done(&self, state: &State) -> bool {
        state.is_done()
    }

    fn canonical(&self, state: State) -> State {
        let alike = Alike {
            groups: [self.procs, 0, 0],
            names: 0b11 << SLOT | 1 << TURN | 0b1111 << LIFE,
            rows: &[LIFE],
            name_regs: 1 << SEEN,
            set_regs: 1 << OWNERS | 1 << CALL,
        };
        machine::sort(state, &alike)
    }

    fn show(&self, state: &State) -> String {
        let w = &state.words;
        let mut text = format!("slots={:x},{:x} sleepers={} turn={:x}", w[0], w[1], w[2], w[3]);
        for who in 0..self.procs {
            text += &format!(" | {:02x} {}", w[LIFE + who], state.show_proc(who));
        }
        text
    }
}

#[cfg(test)]
mod checked {
    use super::{PermitPool, Variant};
    use crate::search::{assert_caught, assert_sound};

    const ONE: PermitPool = PermitPool {
        variant: Variant::Sound,
        procs: 3,
        permits: 1,
        want: 1,
        rounds: 1,
        kills: 2,
        timeouts: false,
    };

    #[test]
    fn no_permit_lies_idle_while_one_sleeps() {
        assert_sound(&ONE);
        assert_sound(&PermitPool { rounds: 2, kills: 1, ..ONE });
        assert_sound(&PermitPool { timeouts: true, ..ONE });
    }

    #[test]
    fn nor_two() {
        assert_sound(&PermitPool { permits: 2, ..ONE });
    }

    #[test]
    fn nor_when_some_want_several() {
        assert_sound(&PermitPool { permits: 2, want: 2, ..ONE });
    }

    #[test]
    fn a_sleeper_that_watches_nobody_hangs() {
        assert_caught(&PermitPool { variant: Variant::WatchesNobody, procs: 2, ..ONE }, "hang");
    }

    #[test]
    fn without_the_barrier_it_hangs_even_if_nobody_is_killed() {
        assert_caught(
            &PermitPool { variant: Variant::NoBarrier, procs: 2, kills: 0, ..ONE },
            "hang",
        );
    }

    #[test]
    fn looking_for_sleepers_before_freeing_hangs() {
        assert_caught(
            &PermitPool { variant: Variant::LooksFirst, procs: 2, kills: 0, ..ONE },
            "hang",
        );
    }
}

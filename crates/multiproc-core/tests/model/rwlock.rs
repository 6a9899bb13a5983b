//! The read-write lock's gate and the readers' flags, of `proc_lock`'s `rwlock`.
//!
//! The lock beside them is a word that is free or owned: that it is handed on is `lock.rs`'s to prove.

use crate::machine::{
    self, Alike, Kernel, OWNER, PROCS, Proc, Program, State, Steps, WAITERS, Waiting,
};
use crate::search::Model;

// Words: one each, and a flag and a life for each process.
const GATE: usize = 0;
const DATA: usize = 1;
const LOCK: usize = 2;
const READS: usize = 3;
const LIFE: usize = 7;

// The gate.
const SHUT: u8 = 0;
const OPEN: u8 = 1;
const DRAINING: u8 = 2;
const CAREFUL: u8 = 3;

// The data.
const ABANDONED: u8 = 1;
const WRITING: u8 = 4;

// Registers.
const AT: usize = 0;
const CALL: usize = 1;
const FENCED: usize = 2;

// Ghosts.
const KILLED_WRITING: usize = 0;

const IDLE: u8 = 0;
// A reader.
const RAISE: u8 = 1;
const LOOK: u8 = 2;
const BACK: u8 = 3;
const BACK_LOOK: u8 = 4;
const BACK_WAKE: u8 = 5;
const KNOCK: u8 = 6;
const TAKE_OVER: u8 = 7;
const RAISE_INSIDE: u8 = 8;
const OPENS: u8 = 9;
const HAND: u8 = 10;
const READS_IT: u8 = 11;
const LOWER: u8 = 12;
const LOWERED: u8 = 13;
const WAKE: u8 = 14;
const CARE: u8 = 15;
const LOOK_AGAIN: u8 = 16;
const TRUSTS: u8 = 17;
// A writer.
const ENTER: u8 = 20;
const INHERIT: u8 = 21;
const ASK: u8 = 22;
const DRAIN: u8 = 23;
const HEAVY: u8 = 24;
const SCAN: u8 = 25;
const SLEEP: u8 = 26;
const ASLEEP: u8 = 27;
const GIVE_UP: u8 = 28;
const SHUTS: u8 = 29;
const BEGIN: u8 = 30;
const WRITES: u8 = 31;
const END: u8 = 32;
const LEAVE: u8 = 33;
const FENCE: u8 = 34;

/// What is built in wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Sound,
    /// The writer closes the gate and looks at the flags without a `membarrier` between.
    NoBarrier,
    /// The writer sleeps although those who go have not been fenced.
    SleepsUnfenced,
    /// The gate is opened to careful readers although a writer was killed before it had the careless ones
    /// fenced.
    ForgetsTheCareless,
    /// The writer sleeps on the flag alone.
    IgnoresDeaths,
    /// The writer waits for flags of the dead, too.
    BelievesTheDead,
    /// A reader that leaves looks at the gate before it lowers its flag.
    LooksFirst,
    /// Who comes after a writer that was killed does not note it.
    NotesNothing,
}

/// Readers and writers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RwLock {
    pub(crate) variant: Variant,
    pub(crate) readers: usize,
    pub(crate) writers: usize,
    pub(crate) rounds: u8,
    pub(crate) kills: u8,
    pub(crate) timeouts: bool,
}

impl RwLock {
    fn program(&self, state: &State, who: usize, out: &mut Steps) {
        let proc = state.procs[who];
        let (own, me) = (READS + who, who as u8 + 1);
        let mut to = *state;
        let mut go = Program { who, out };
        let gate = to.load(who, GATE);
        let ends = |to: &mut State| to.procs[who].rounds -= 1;
        let unlock = |to: &mut State| {
            to.store(who, LOCK, 0);
            to.procs[who].linked &= !(1 << LOCK);
        };
        match proc.pc {
            IDLE if proc.rounds == 0 => go.step(to, machine::DONE, "has finished"),
            IDLE => go.step(to, if who < self.readers { RAISE } else { ENTER }, "begins"),
            RAISE => {
                to.store(who, own, 1);
                go.step(to, LOOK, "reader: flag = 1");
            }
            LOOK if gate == OPEN => go.step(to, READS_IT, "reader: the gate is open"),
            LOOK if gate == CAREFUL => go.step(to, CARE, "reader: the gate wants care"),
            LOOK => go.step(to, BACK, "reader: the gate is closed"),
            CARE => {
                to.drain(who);
                go.step(to, LOOK_AGAIN, "reader: fence");
            }
            LOOK_AGAIN if [OPEN, CAREFUL].contains(&gate) => {
                // After many of them it tries to open the gate for the careless.
                if to.words[LOCK] & OWNER == 0 {
                    let mut opens = to;
                    opens.drain(who);
                    opens.words[LOCK] = me;
                    opens.procs[who].linked |= 1 << LOCK;
                    go.step(opens, TRUSTS, "reader: takes the lock");
                }
                go.step(to, READS_IT, "reader: the gate is open still");
            }
            LOOK_AGAIN => go.step(to, BACK, "reader: the gate is closed"),
            TRUSTS => {
                to.store(who, GATE, OPEN);
                go.step(to, HAND, "reader: opens the gate for the careless");
            }
            BACK => {
                to.store(who, own, 0);
                go.step(to, BACK_LOOK, "reader: goes back: flag = 0");
            }
            BACK_LOOK if gate == DRAINING => go.step(to, BACK_WAKE, "reader: a writer waits"),
            BACK_LOOK => go.step(to, KNOCK, "reader: no writer waits"),
            BACK_WAKE | WAKE => {
                to.drain(who);
                for mut to in to.wake_one(own).1 {
                    if proc.pc == WAKE {
                        ends(&mut to);
                    }
                    go.step(to, if proc.pc == WAKE { IDLE } else { KNOCK }, "reader: wakes it");
                }
            }
            KNOCK | ENTER if to.words[LOCK] & OWNER == 0 => {
                to.drain(who);
                to.words[LOCK] = me;
                to.procs[who].linked |= 1 << LOCK;
                go.step(to, proc.pc + 1, "takes the lock");
            }
            TAKE_OVER | INHERIT => {
                if to.load(who, DATA) & WRITING != 0 && self.variant != Variant::NotesNothing {
                    to.store(who, DATA, ABANDONED);
                }
                go.step(to, proc.pc + 1, "takes over");
            }
            RAISE_INSIDE => {
                to.store(who, own, 1);
                go.step(to, OPENS, "reader: flag = 1");
            }
            OPENS => {
                let careless = match self.variant {
                    Variant::ForgetsTheCareless => CAREFUL,
                    // Whether those who came before have been fenced, nobody knows.
                    _ => OPEN,
                };
                match gate {
                    SHUT => to.store(who, GATE, CAREFUL),
                    DRAINING => to.store(who, GATE, careless),
                    _ => {}
                }
                go.step(to, HAND, "reader: opens the gate");
            }
            HAND => {
                unlock(&mut to);
                go.step(to, READS_IT, "reader: gives the lock up");
            }
            READS_IT if self.variant == Variant::LooksFirst => {
                to.procs[who].regs[AT] = u8::from(gate == DRAINING);
                go.step(to, LOWER, "reader: reads, looks at the gate");
            }
            READS_IT => go.step(to, LOWER, "reader: reads"),
            LOWER => {
                to.store(who, own, 0);
                go.step(to, LOWERED, "reader: leaves: flag = 0");
            }
            LOWERED => {
                let waits = match self.variant {
                    Variant::LooksFirst => proc.regs[AT] == 1,
                    _ => gate == DRAINING,
                };
                to.procs[who].regs[AT] = 0;
                if waits {
                    go.step(to, WAKE, "reader: a writer waits");
                } else {
                    ends(&mut to);
                    go.step(to, IDLE, "reader: no writer waits");
                }
            }
            ASK if gate == SHUT => go.step(to, BEGIN, "writer: the gate is shut"),
            ASK => go.step(to, DRAIN, "writer: the gate is not shut"),
            DRAIN => {
                to.store(who, GATE, DRAINING);
                let pc = match gate {
                    _ if self.variant == Variant::NoBarrier => SCAN,
                    CAREFUL => FENCE,
                    _ => HEAVY,
                };
                go.step(to, pc, "writer: gate = DRAINING");
            }
            FENCE => {
                to.drain(who);
                go.step(to, SCAN, "writer: fence");
            }
            HEAVY => {
                for (mut to, returns) in machine::heavy(&to, who, CALL) {
                    to.procs[who].regs[FENCED] = u8::from(returns);
                    go.step(to, if returns { SCAN } else { HEAVY }, "writer: membarrier");
                }
            }
            SCAN => {
                let reader = usize::from(proc.regs[AT]);
                if reader == self.readers {
                    to.procs[who].regs = [0; 6];
                    return go.step(to, SHUTS, "writer: nobody is inside");
                }
                let lives = to.words[LIFE + reader] & OWNER != 0;
                let believes = lives || self.variant == Variant::BelievesTheDead;
                if to.load(who, READS + reader) != 0 && believes {
                    let fenced = proc.regs[FENCED] == 1
                        || [Variant::NoBarrier, Variant::SleepsUnfenced].contains(&self.variant);
                    go.step(to, if fenced { SLEEP } else { HEAVY }, "writer: somebody is inside");
                } else {
                    to.procs[who].regs[AT] += 1;
                    go.step(to, SCAN, "writer: that one is not inside");
                }
            }
            SLEEP => {
                let reader = usize::from(proc.regs[AT]);
                let life = (LIFE + reader, WAITERS | (reader as u8 + 1));
                let words = [(READS + reader, 1), life];
                let count = if self.variant == Variant::IgnoresDeaths { 1 } else { 2 };
                for (mut to, now) in machine::wait_any(&to, who, &words[..count]) {
                    match now {
                        Waiting::Queues => go.step(to, SLEEP, "writer: queues"),
                        Waiting::Sleeps => go.step(to, ASLEEP, "writer: sleeps"),
                        Waiting::Returns => {
                            to.get_up(who);
                            go.step(to, SCAN, "writer: wait: changed");
                        }
                    }
                }
            }
            ASLEEP => {
                if proc.woken != 0 {
                    to.get_up(who);
                    go.step(to, SCAN, "writer: returns from its sleep");
                }
                if self.timeouts {
                    to.get_up(who);
                    to.procs[who].regs = [0; 6];
                    go.step(to, GIVE_UP, "writer: its deadline passes");
                }
            }
            GIVE_UP => {
                to.store(who, GATE, OPEN);
                go.step(to, LEAVE, "writer: gives up, opens the gate");
            }
            SHUTS => {
                to.store(who, GATE, SHUT);
                go.step(to, BEGIN, "writer: gate = SHUT");
            }
            BEGIN => {
                to.store(who, DATA, to.load(who, DATA) | WRITING);
                go.step(to, WRITES, "writer: data |= WRITING");
            }
            WRITES => go.step(to, END, "writer: writes"),
            END => {
                to.store(who, DATA, to.load(who, DATA) & !WRITING);
                go.step(to, LEAVE, "writer: data &= !WRITING");
            }
            LEAVE => {
                unlock(&mut to);
                ends(&mut to);
                go.step(to, IDLE, "writer: gives the lock up");
            }
            _ => {}
        }
    }
}

impl Model for RwLock {
    type State = State;

    fn start(&self) -> State {
        let mut state = State::new(self.kills);
        for who in 0..self.readers + self.writers {
            let linked = 1 << (LIFE + who);
            state.procs[who] = Proc { pc: IDLE, rounds: self.rounds, linked, ..Proc::default() };
            state.words[LIFE + who] = WAITERS | (who as u8 + 1);
        }
        state
    }

    fn steps(&self, state: &State, out: &mut Steps) {
        machine::steps(state, Kernel::Current, out, |to, who| {
            if matches!(to.procs[who].pc, WRITES | END) {
                to.ghost[KILLED_WRITING] = ABANDONED;
            }
            true
        });
        for who in 0..PROCS {
            self.program(state, who, out);
        }
    }

    fn fault(&self, state: &State) -> Option<&'static str> {
        let at = |pcs: &[u8]| (0..PROCS).filter(|who| pcs.contains(&state.procs[*who].pc)).count();
        let (readers, writers) = (at(&[READS_IT, LOWER]), at(&[WRITES, END]));
        if writers > 1 || (writers == 1 && readers > 0) {
            return Some("a writer and another are inside");
        }
        let inside = [READS_IT, BEGIN];
        let untold = (0..PROCS).any(|who| {
            inside.contains(&state.procs[who].pc)
                && state.load(who, DATA) != state.ghost[KILLED_WRITING]
        });
        untold.then_some("somebody does not know whether a writer was killed")
    }

    fn is_done(&self, state: &State) -> bool {
        state.is_done()
    }

    fn canonical(&self, state: State) -> State {
        let alike = Alike {
            groups: [self.readers, self.writers, 0],
            names: 1 << LOCK | 0b1111 << LIFE,
            rows: &[READS, LIFE],
            set_regs: 1 << CALL,
            ..Alike::default()
        };
        // A writer that is looking through the flags goes by their numbers.
        let looking = |proc: &Proc| (HEAVY..=ASLEEP).contains(&proc.pc);
        if state.procs.iter().any(looking) { state } else { machine::sort(state, &alike) }
    }

    fn show(&self, state: &State) -> String {
        let w = &state.words;
        let mut text = format!("gate={} data={} lock={:x}", w[GATE], w[DATA], w[LOCK]);
        for who in 0..self.readers + self.writers {
            text +=
                &format!(" | {} {:02x} {}", w[READS + who], w[LIFE + who], state.show_proc(who));
        }
        text
    }
}

#[cfg(test)]
mod checked {
    use super::{RwLock, Variant};
    use crate::search::{assert_caught, assert_sound};

    const TWO_AND_ONE: RwLock = RwLock {
        variant: Variant::Sound,
        readers: 2,
        writers: 1,
        rounds: 2,
        kills: 2,
        timeouts: false,
    };
    const ONE_AND_ONE: RwLock = RwLock { readers: 1, ..TWO_AND_ONE };

    #[test]
    fn writers_are_alone_and_nobody_is_forgotten() {
        assert_sound(&TWO_AND_ONE);
        assert_sound(&RwLock { timeouts: true, ..TWO_AND_ONE });
    }

    #[test]
    fn nor_with_two_writers() {
        assert_sound(&RwLock { readers: 1, writers: 2, ..TWO_AND_ONE });
        assert_sound(&RwLock { readers: 2, writers: 2, rounds: 1, ..TWO_AND_ONE });
    }

    #[test]
    fn without_the_barrier_reader_and_writer_meet() {
        let variant = Variant::NoBarrier;
        assert_caught(&RwLock { variant, kills: 0, ..ONE_AND_ONE }, "inside");
    }

    #[test]
    fn a_writer_that_sleeps_before_it_has_readers_fenced_hangs() {
        let variant = Variant::SleepsUnfenced;
        assert_caught(&RwLock { variant, kills: 0, ..ONE_AND_ONE }, "hang");
    }

    #[test]
    fn careless_readers_must_be_fenced_though_a_writer_was_killed_at_it() {
        let variant = Variant::ForgetsTheCareless;
        assert_caught(&RwLock { variant, writers: 2, kills: 1, ..TWO_AND_ONE }, "inside");
    }

    #[test]
    fn a_writer_that_hears_of_no_death_hangs() {
        let variant = Variant::IgnoresDeaths;
        assert_caught(&RwLock { variant, kills: 1, ..ONE_AND_ONE }, "hang");
    }

    #[test]
    fn a_writer_that_waits_for_the_dead_waits_for_ever() {
        let variant = Variant::BelievesTheDead;
        assert_caught(&RwLock { variant, kills: 1, ..ONE_AND_ONE }, "circle");
    }

    #[test]
    fn a_reader_that_looks_before_it_leaves_hangs() {
        let variant = Variant::LooksFirst;
        assert_caught(&RwLock { variant, kills: 0, ..ONE_AND_ONE }, "hang");
    }

    #[test]
    fn what_a_killed_writer_left_must_be_noted() {
        let variant = Variant::NotesNothing;
        assert_caught(&RwLock { variant, kills: 1, ..ONE_AND_ONE }, "does not know");
    }
}

//! Leases of `shm_queue`: records that name their holders, one sleeper among the receivers, one who joins.
//!
//! No sender is left: the messages are there from the start, and receivers end when no more can come. The
//! locks are words that are free or owned here.

use crate::machine::{
    self, Alike, DEAD, DONE, Kernel, OWNER, PROCS, Proc, Program, State, Steps, WAITERS, Waiting,
};
use crate::search::Model;

#[cfg(test)]
mod checked;
mod joiner;
mod receiver;

// Words.
const HEAD: usize = 0;
const LOCK: usize = 1;
const TURN: usize = 2;
const JOIN: usize = 3;
const NEWS: usize = 4;
const WANTED: usize = 5;
const HOLDER: usize = 7;
const INDEX: usize = 9;
const LIFE: usize = 11;
const DEPARTED: usize = 15;

// Holders beside names.
const NOBODY: u8 = 0;
const TAKING: u8 = 0x08;
const BACK: u8 = 0x10;

// Registers.
const AT: usize = 0;
/// What the news were, + 1.
const KNOWN: usize = 1;
const OTHERS: usize = 2;
/// What was seen, or the record that was found.
const FOUND: usize = 3;
const CALL: usize = 4;
/// What the departures were, + 1.
const LEFT: usize = 5;

// What a look finds.
const AGAIN: u8 = 1;
const FREE: u8 = 2;
const OUT: u8 = 4;
const NEXT: u8 = 8;

// Ghosts.
const ACKNOWLEDGED: usize = 0;
const FAULT: usize = 1;
const ENDED: usize = 2;

/// Where both kinds begin.
const IDLE: u8 = 0;

/// What is built in wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Sound,
    /// A sleeper that hears of a death, or may have, does not wake the others on that life.
    TellsNobody,
    /// The leader and the one who joins do not watch each other.
    IgnoreEachOther,
    /// Who joins looks at the queue before it looks at the news.
    QueueFirst,
    /// A record is valid as soon as it names its holder.
    NoTaking,
    /// The queue's index moves before the record is written.
    PublishesFirst,
    /// Looks for those who want to know, and frees the record after that.
    AsksFirst,
    /// Those who want to know say so, and look at the records without a `membarrier` between.
    NoBarrier,
}

/// Receivers, and perhaps one who joins, last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) variant: Variant,
    pub(crate) receivers: usize,
    pub(crate) joins: bool,
    pub(crate) messages: u8,
    pub(crate) records: usize,
    /// How many leases a receiver takes at most before it leaves.
    pub(crate) rounds: u8,
    pub(crate) kills: u8,
}

impl Lease {
    fn is_alive(state: &State, name: u8) -> bool {
        name != 0 && state.words[LIFE + usize::from(name) - 1] & OWNER == name
    }

    /// Adds what a look at record `at` shows to the registers; says whether that was the last.
    fn look_at(&self, to: &mut State, who: usize) -> bool {
        let at = usize::from(to.procs[who].regs[AT]);
        if at == self.records {
            return true;
        }
        let holder = to.load(who, HOLDER + at);
        let name = holder & OWNER;
        let found = match holder {
            NOBODY => FREE,
            BACK => AGAIN | OUT,
            _ if name == who as u8 + 1 => OUT,
            _ if Self::is_alive(to, name) => {
                to.procs[who].regs[OTHERS] |= 1 << (name - 1);
                OUT
            }
            _ => AGAIN | OUT,
        };
        to.procs[who].regs[FOUND] |= found;
        to.procs[who].regs[AT] += 1;
        false
    }

    /// Watches the life of the other who sleeps and may be told of a death in this one's place.
    fn watch(&self, to: &mut State, who: usize, word: usize) {
        let name = to.load(who, word);
        if self.variant != Variant::IgnoreEachOther && Self::is_alive(to, name) {
            to.procs[who].regs[OTHERS] |= 1 << (name - 1);
        }
    }

    /// The words that one who sleeps watches, besides the departures.
    fn watched(&self, state: &State, who: usize) -> Vec<(usize, u8)> {
        let regs = state.procs[who].regs;
        let lives = (0..PROCS).filter(|other| regs[OTHERS] & 1 << other != 0);
        let lives = lives.map(|other| (LIFE + other, WAITERS | (other as u8 + 1)));
        core::iter::once((NEWS, regs[KNOWN].wrapping_sub(1))).chain(lives).collect()
    }

    /// One step of a sleep: queues, sleeps, or returns to `again`.
    fn queue(&self, go: &mut Program<'_>, state: &State, words: &[(usize, u8)], pcs: [u8; 3]) {
        for (to, now) in machine::wait_any(state, go.who, words) {
            match now {
                Waiting::Queues => go.step(to, pcs[0], "sleep: queues"),
                Waiting::Sleeps => go.step(to, pcs[1], "sleep: sleeps"),
                Waiting::Returns => self.wakes_up(go, &to, pcs[2]),
            }
        }
    }

    /// Returns from a sleep: notes which lives it is to wake others on.
    fn wakes_up(&self, go: &mut Program<'_>, state: &State, pass_on: u8) {
        let (mut to, who) = (*state, go.who);
        let proc = state.procs[who];
        let tells = self.variant != Variant::TellsNobody;
        let dead = if tells { proc.regs[OTHERS] } else { 0 };
        to.get_up(who);
        to.procs[who].regs = [0; 6];
        to.procs[who].regs[OTHERS] = dead;
        go.step(to, pass_on, "returns from its sleep");
    }

    /// Wakes others on the lives of the dead, one after another.
    fn passes_on(&self, go: &mut Program<'_>, state: &State, then: u8) {
        let (mut to, who) = (*state, go.who);
        let others = to.procs[who].regs[OTHERS];
        if others == 0 {
            return go.step(to, then, "has passed on what it heard");
        }
        let other = others.trailing_zeros() as usize;
        to.procs[who].regs[OTHERS] &= others - 1;
        if !Self::is_alive(&to, other as u8 + 1) {
            to.drain(who);
            to.wake_all(LIFE + other);
        }
        go.step(to, state.procs[who].pc, "passes on who died");
    }
}

impl Model for Lease {
    type State = State;

    fn start(&self) -> State {
        let mut state = State::new(self.kills);
        for who in 0..self.receivers + usize::from(self.joins) {
            let linked = 1 << (LIFE + who);
            state.procs[who] = Proc { pc: IDLE, rounds: self.rounds, linked, ..Proc::default() };
            state.words[LIFE + who] = WAITERS | (who as u8 + 1);
        }
        state
    }

    fn steps(&self, state: &State, out: &mut Steps) {
        machine::steps(state, Kernel::Current, out, |to, who| {
            !matches!(
                to.procs[who].pc,
                receiver::TOLD
                    | receiver::TOLD_OUTSIDE
                    | receiver::TOLD_LEADING
                    | receiver::DEPARTING
            )
        });
        for who in 0..PROCS {
            match who < self.receivers {
                true => self.receiver(state, who, out),
                false => self.joiner(state, who, out),
            }
        }
    }

    fn fault(&self, state: &State) -> Option<&'static str> {
        let all = state.ghost[ACKNOWLEDGED].count_ones() == u32::from(self.messages);
        match state.ghost {
            [_, 1, ..] => Some("a message came again that was acknowledged"),
            [_, 2, ..] => Some("who joined went on though not all is done"),
            [_, _, 1, _] if !all && self.is_done(state) => Some("a message is lost"),
            _ => None,
        }
    }

    fn is_done(&self, state: &State) -> bool {
        if state.is_done() {
            return true;
        }
        // No receiver is left, which who joins asks the system for now and then.
        let rests = |proc: &Proc| matches!(proc.pc, DONE | DEAD);
        let all = state.ghost[ACKNOWLEDGED].count_ones() == u32::from(self.messages);
        self.joins && !all && state.procs[..self.receivers].iter().all(rests)
    }

    fn canonical(&self, state: State) -> State {
        let alike = Alike {
            groups: [self.receivers, usize::from(self.joins), 0],
            names: 0b111 << LOCK | 0b11 << WANTED | 0b11 << HOLDER | 0b1111 << LIFE,
            rows: &[LIFE],
            name_regs: 0,
            set_regs: 1 << OTHERS,
        };
        // A `membarrier` has a set of processes in a register of more than one use.
        let fences = |proc: &Proc| matches!(proc.pc, receiver::HEAVY | joiner::FENCE);
        if state.procs.iter().any(fences) { state } else { machine::sort(state, &alike) }
    }

    fn show(&self, state: &State) -> String {
        let w = &state.words;
        let mut text = format!(
            "head={} lock={:x} turn={:x} news={} wanted={}{} records={:02x},{:02x}",
            w[HEAD],
            w[LOCK],
            w[TURN],
            w[NEWS],
            w[WANTED],
            w[WANTED + 1],
            w[HOLDER],
            w[HOLDER + 1]
        );
        for who in 0..self.receivers + usize::from(self.joins) {
            text += &format!(" | {:02x} {}", w[LIFE + who], state.show_proc(who));
        }
        text
    }
}

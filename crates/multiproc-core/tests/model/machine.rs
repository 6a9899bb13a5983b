//! The machine under all models: memory, store buffers, futexes, kills and the kernel's exit walk.

use crate::search::Step;

mod calls;
mod symmetry;
pub(crate) use calls::{Waiting, heavy, wait_any};
pub(crate) use symmetry::{Alike, sort};

/// Processes of a model at most.
pub(crate) const PROCS: usize = 4;
/// Words of shared memory of a model at most.
pub(crate) const WORDS: usize = 16;

/// Bits of a lock word, as in the library but narrower.
pub(crate) const WAITERS: u8 = 0x80;
pub(crate) const DIED: u8 = 0x40;
pub(crate) const OWNER: u8 = 0x07;

/// What a counted word, + 1, never is.
const STALE: u8 = 0xff;

/// Positions that all programs share.
pub(crate) const DONE: u8 = 250;
pub(crate) const DEAD: u8 = 251;
const WALK_LOAD: u8 = 252;
const WALK_SWAP: u8 = 253;
const WALK_WAKE: u8 = 254;

/// One process (or thread: nothing here tells them apart).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Proc {
    /// Where it is in its program.
    pub(crate) pc: u8,
    /// Rounds that are left.
    pub(crate) rounds: u8,
    /// Its registers, for the program to use.
    pub(crate) regs: [u8; 6],
    /// Stores that others do not see yet, oldest first: word + 1 and value.
    pub(crate) buffer: [(u8, u8); 3],
    /// The words that the kernel visits should it die: bit n is word n.
    pub(crate) linked: u16,
    /// The word + 1 that the kernel visits last, as it is announced only.
    pub(crate) pending: u8,
    /// The words on which it is queued, to be woken: bit n is word n.
    pub(crate) asleep: u16,
    /// The words on which it was woken in this sleep. Until it is up it stays queued on the others, and
    /// may be woken there in another's place.
    pub(crate) woken: u16,
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) words: [u8; WORDS],
    pub(crate) procs: [Proc; PROCS],
    pub(crate) kills: u8,
    /// What the checker knows and no process does.
    pub(crate) ghost: [u8; 4],
}

pub(crate) type Steps = Vec<Step<State>>;

/// How the kernel of a model behaves at a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Passes a wake-up on whenever the announced word has no owner (since Linux 6.2).
    Current,
    /// Only if the whole word is zero (before Linux 6.2).
    Before62,
}

impl State {
    pub(crate) fn new(kills: u8) -> Self {
        let procs = [Proc { pc: DEAD, ..Proc::default() }; PROCS];
        Self { words: [0; WORDS], procs, kills, ghost: [0; 4] }
    }

    /// What this process sees in a word: its own latest store, or the memory.
    pub(crate) fn load(&self, who: usize, word: usize) -> u8 {
        let own = self.procs[who].buffer.iter().rev().find(|store| store.0 == word as u8 + 1);
        own.map_or(self.words[word], |store| store.1)
    }

    /// A plain store: others see it later.
    pub(crate) fn store(&mut self, who: usize, word: usize, value: u8) {
        // A full buffer waits for its oldest store.
        if self.procs[who].buffer[2].0 != 0 {
            self.flush(who);
        }
        let free = self.procs[who].buffer.iter_mut().find(|store| store.0 == 0);
        *free.expect("there is room now") = (word as u8 + 1, value);
    }

    /// Lets others see everything that this process stored: locked instructions and system calls do.
    pub(crate) fn drain(&mut self, who: usize) {
        while self.has_stores(who) {
            self.flush(who);
        }
    }

    pub(crate) fn has_stores(&self, who: usize) -> bool {
        self.procs[who].buffer[0].0 != 0
    }

    /// The oldest store reaches the memory.
    fn flush(&mut self, who: usize) {
        let (word, value) = self.procs[who].buffer[0];
        self.words[usize::from(word) - 1] = value;
        self.procs[who].buffer.rotate_left(1);
        self.procs[who].buffer[2] = (0, 0);
    }

    /// Counts a word up of which only this matters: whether it is odd, and whether it is what it was.
    ///
    /// So it stays 0 or 1; a register that holds what it was, + 1, from now on holds what it never is.
    pub(crate) fn count_up(&mut self, word: usize, reg: usize) {
        let was = self.words[word] + 1;
        self.words[word] ^= 1;
        for proc in self.procs.iter_mut().filter(|proc| proc.regs[reg] == was) {
            proc.regs[reg] = STALE;
        }
    }

    /// Wakes all who sleep on this word.
    pub(crate) fn wake_all(&mut self, word: usize) {
        for who in 0..PROCS {
            self.wake(who, word);
        }
    }

    /// Every way to wake one who sleeps on this word; one state, and `false`, if there is none.
    pub(crate) fn wake_one(&self, word: usize) -> (bool, Vec<State>) {
        let mut ways = Vec::new();
        for who in 0..PROCS {
            let mut to = *self;
            if to.wake(who, word) {
                ways.push(to);
            }
        }
        if ways.is_empty() { (false, vec![*self]) } else { (true, ways) }
    }

    fn wake(&mut self, who: usize, word: usize) -> bool {
        let proc = &mut self.procs[who];
        let sleeps = is_in(proc.asleep, word);
        if sleeps {
            proc.asleep &= !(1 << word);
            proc.woken |= 1 << word;
        }
        sleeps
    }

    /// Returns from a sleep: it is queued nowhere any more.
    pub(crate) fn get_up(&mut self, who: usize) {
        let proc = &mut self.procs[who];
        (proc.asleep, proc.woken) = (0, 0);
    }

    pub(crate) fn lives(&self, who: usize) -> bool {
        self.procs[who].pc < DEAD
    }

    /// Says whether all that live are done, and the kernel is with all that do not.
    pub(crate) fn is_done(&self) -> bool {
        self.procs.iter().all(|proc| matches!(proc.pc, DONE | DEAD))
    }

    pub(crate) fn show_proc(&self, who: usize) -> String {
        let proc = &self.procs[who];
        let mut text = match proc.pc {
            DONE => "done".to_owned(),
            DEAD => "dead".to_owned(),
            WALK_LOAD..=WALK_WAKE => "dying".to_owned(),
            pc => format!("@{pc}"),
        };
        match (proc.asleep, proc.woken) {
            (0, 0) => {}
            (_, 0) => text += " asleep",
            _ => text += " woken",
        }
        for store in proc.buffer.iter().filter(|store| store.0 != 0) {
            text += &format!(" w{}<-{:x}", store.0 - 1, store.1);
        }
        text
    }
}

/// Says whether a set has a member.
fn is_in(set: impl Into<u16>, index: usize) -> bool {
    set.into() & 1 << index != 0
}

/// The steps of one process's program at one state.
pub(crate) struct Program<'a> {
    pub(crate) who: usize,
    pub(crate) out: &'a mut Steps,
}

impl Program<'_> {
    /// Adds the step that leads to this state and that position.
    pub(crate) fn step(&mut self, mut to: State, pc: u8, what: &'static str) {
        to.procs[self.who].pc = pc;
        self.out.push(Step { to, who: self.who as u8, what, is_kill: false });
    }
}

/// Adds what the machine itself may do next: stores that arrive, kills, and the walks of the dying.
///
/// `may_die` says whom a kill may hit where it is, and notes in the ghost what it means.
pub(crate) fn steps(
    state: &State,
    kernel: Kernel,
    out: &mut Steps,
    mut may_die: impl FnMut(&mut State, usize) -> bool,
) {
    for who in 0..PROCS {
        let mut add = |to, what, is_kill| out.push(Step { to, who: who as u8, what, is_kill });
        if state.has_stores(who) {
            let mut to = *state;
            to.flush(who);
            add(to, "(its oldest store arrives)", false);
        }
        if state.lives(who) && state.procs[who].pc != DONE && state.kills > 0 {
            let mut to = *state;
            if may_die(&mut to, who) {
                to.kills -= 1;
                // It enters the kernel to die, and what it stored arrives.
                to.drain(who);
                let Proc { linked, pending, .. } = to.procs[who];
                to.procs[who] = Proc { pc: WALK_LOAD, linked, pending, ..Proc::default() };
                add(to, "KILLED", true);
            }
        }
        walk(state, who, kernel, &mut |to, what| add(to, what, false));
    }
}

/// The kernel's walk over the list of a dying process: linked words first, then the announced one.
fn walk(state: &State, who: usize, kernel: Kernel, add: &mut impl FnMut(State, &'static str)) {
    let proc = state.procs[who];
    if !(WALK_LOAD..=WALK_WAKE).contains(&proc.pc) {
        return;
    }
    let mut to = *state;
    // The announced word is visited last, and once, whether it is linked or not.
    let announced = if proc.pending == 0 { 0 } else { 1 << (proc.pending - 1) };
    let list = proc.linked & !announced;
    let linked = list != 0;
    let word = if linked {
        list.trailing_zeros() as usize
    } else if proc.pending != 0 {
        usize::from(proc.pending) - 1
    } else {
        to.procs[who] = Proc { pc: DEAD, ..Proc::default() };
        return add(to, "is gone");
    };
    let next = |to: &mut State| {
        let proc = &mut to.procs[who];
        proc.pc = WALK_LOAD;
        proc.regs[0] = 0;
        if linked {
            proc.linked &= !(1 << word);
        } else {
            proc.linked = 0;
            proc.pending = 0;
        }
    };
    match proc.pc {
        WALK_LOAD => {
            let seen = to.words[word];
            to.procs[who].regs[0] = seen;
            let passes_on = match kernel {
                Kernel::Current => seen & OWNER == 0,
                Kernel::Before62 => seen == 0,
            };
            if seen & OWNER == who as u8 + 1 {
                to.procs[who].pc = WALK_SWAP;
            } else if passes_on && !linked {
                to.procs[who].pc = WALK_WAKE;
            } else {
                next(&mut to);
            }
            add(to, "exit: the kernel reads the word");
        }
        WALK_SWAP => {
            if to.words[word] == proc.regs[0] {
                to.words[word] = (proc.regs[0] & WAITERS) | DIED;
                if proc.regs[0] & WAITERS != 0 {
                    to.procs[who].pc = WALK_WAKE;
                } else {
                    next(&mut to);
                }
            } else {
                to.procs[who].pc = WALK_LOAD;
            }
            add(to, "exit: the kernel marks the word as DIED");
        }
        _ => {
            for mut to in to.wake_one(word).1 {
                next(&mut to);
                add(to, "exit: the kernel wakes one");
            }
        }
    }
}

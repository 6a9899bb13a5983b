//! The lock word of `multiproc_core::lock`: plain-store unlock, a flag for sleepers, `membarrier`.

use crate::machine::{
    self, Alike, DIED, DONE, Kernel, OWNER, PROCS, Proc, Program, State, Steps, WAITERS,
};
use crate::search::Model;

#[cfg(test)]
mod checked;

const L: usize = 0;
const N: usize = 1;
/// In N: somebody who looks asks to be let in.
const ASKS: u8 = 0x40;

// Registers.
const SEEN: usize = 0;
const TODO: usize = 1;
const LAST: usize = 2;
/// The flag as this process knows it, + 1.
const OWN: usize = 3;

// Positions, see `is_inside` for those in the section.
const IDLE: u8 = 0;
const TRY: u8 = 1;
const SWAP: u8 = 2;
const FLAG: u8 = 3;
const HEAVY: u8 = 4;
const RELOAD: u8 = 5;
const WAIT: u8 = 6;
const QUEUED: u8 = 7;
const LEAVE: u8 = 8;
const ASLEEP: u8 = 9;
const INSIDE: u8 = 10;
const UNLOCK: u8 = 11;
const LOOK: u8 = 12;
const WAKE: u8 = 13;
const CLEAR: u8 = 14;
const CLEARED: u8 = 15;
const SETTLE: u8 = 16;
const MARK: u8 = 17;
const RAISE: u8 = 18;
const LINK: u8 = 19;
const LINKED: u8 = 20;
const ANNOUNCE: u8 = 21;
const UNLINK: u8 = 22;
const ASK: u8 = 23;
const HEED: u8 = 24;
const HEED_AND_WAKE: u8 = 25;

fn is_inside(pc: u8) -> bool {
    matches!(pc, INSIDE | UNLOCK | LINK..=UNLINK)
}

// Ghosts.
const UNTOLD: usize = 0;
const FAULT: usize = 1;

/// What is built in wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Nothing: the flag counts its changes, odd is "somebody may sleep".
    Sound,
    /// The flag is 0 or 1: a waiter may rest on the flag of another, who had no barrier yet and died.
    FlagOfAnother,
    /// The flag is a value that no other attempt has, or 0.
    UniqueFlag,
    /// Clears the flag by a store after a wake-up that found nobody.
    ClearsByStore,
    /// Clears the flag by a locked swap 1 -> 0 after a wake-up that found nobody.
    ClearsBySwap,
    /// The owner is stored without `WAITERS`: the kernel does not wake for it.
    OwnerWithoutWaiters,
    /// No `membarrier` between the flag and the second look at the word.
    NoBarrier,
    /// Clears ASKS by a store of what it saw beside it.
    HeedsByStore,
    /// Sleeps on the lock word alone.
    SleepsOnWordAlone,
    /// A linked lock is taken out of the list before its word is announced.
    UnlinksFirst,
    /// A linked lock is settled before it is in the list.
    SettlesFirst,
    /// "Store 0, then wake if the bit was set", as glibc does it.
    StoreThenWake,
}

/// A number of processes that lock, and some that only try to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lock {
    pub(crate) variant: Variant,
    pub(crate) kernel: Kernel,
    /// Linked while it is held, for guards across foreign code; else announced all the time.
    pub(crate) linked: bool,
    pub(crate) lockers: usize,
    pub(crate) bargers: usize,
    pub(crate) rounds: u8,
    pub(crate) kills: u8,
    /// Waits may end by themselves.
    pub(crate) timeouts: bool,
    /// Who finds the lock held may ask to be let in, any number of times.
    pub(crate) asks: bool,
}

/// Counts N up. What somebody knows of the count before is stale, whether or not it was with ASKS.
fn count_up(to: &mut State, asks: u8) {
    let was = to.words[N] & 1;
    to.words[N] = was | ASKS;
    to.count_up(N, OWN);
    to.words[N] = was;
    to.count_up(N, OWN);
    to.words[N] |= asks;
}

impl Lock {
    fn alike(&self) -> Alike {
        let groups = [self.lockers, self.bargers, 0];
        Alike {
            groups,
            names: 1 << L,
            name_regs: 1 << SEEN,
            set_regs: 1 << TODO,
            ..Alike::default()
        }
    }

    fn is_barger(&self, who: usize) -> bool {
        who >= self.lockers
    }

    fn program(&self, state: &State, who: usize, out: &mut Steps) {
        use Variant::*;
        let me = who as u8 + 1;
        let proc = state.procs[who];
        let mut to = *state;
        let mut go = Program { who, out };
        let mut add = |mut to: State, pc: u8, what| {
            // Registers that are not read any more must not tell states apart.
            if !matches!(pc, SWAP | WAIT | MARK) {
                to.procs[who].regs[SEEN] = 0;
            }
            if !matches!(pc, RAISE | HEAVY | RELOAD | WAIT | QUEUED) {
                to.procs[who].regs[OWN] = 0;
            }
            go.step(to, pc, what);
        };
        match proc.pc {
            IDLE if proc.rounds == 0 => add(to, DONE, "has finished"),
            IDLE => {
                to.procs[who].pending = L as u8 + 1;
                add(to, TRY, "pending = L");
            }
            TRY => {
                let seen = to.load(who, L);
                to.procs[who].regs[SEEN] = seen;
                if seen & OWNER == 0 {
                    add(to, SWAP, "v = L: free");
                } else if self.is_barger(who) || proc.regs[LAST] == 1 {
                    add(to, LEAVE, "v = L: held, gives up");
                } else if self.variant == StoreThenWake {
                    add(to, MARK, "v = L: held");
                } else {
                    if self.asks && to.words[N] & ASKS == 0 {
                        add(to, ASK, "v = L: held, has looked for long");
                    }
                    add(to, FLAG, "v = L: held");
                }
            }
            ASK => {
                to.drain(who);
                to.words[N] |= ASKS;
                add(to, TRY, "N |= ASKS");
            }
            SWAP => {
                to.drain(who);
                if to.words[L] != proc.regs[SEEN] {
                    return add(to, TRY, "CAS L fails");
                }
                let waiters = match self.variant {
                    OwnerWithoutWaiters => proc.regs[SEEN] & WAITERS,
                    StoreThenWake => proc.regs[SEEN] & WAITERS,
                    _ => WAITERS,
                };
                to.words[L] = me | waiters;
                if proc.regs[SEEN] & DIED != to.ghost[UNTOLD] {
                    to.ghost[FAULT] = 1;
                }
                to.ghost[UNTOLD] = 0;
                let pc = if self.linked { LINK } else { INSIDE };
                add(to, pc, "CAS L: has the lock");
            }
            FLAG => {
                let pc = if self.variant == NoBarrier { RELOAD } else { HEAVY };
                match self.variant {
                    FlagOfAnother => {
                        to.store(who, N, 1);
                        to.procs[who].regs[OWN] = 2;
                        add(to, pc, "N = 1");
                    }
                    UniqueFlag | ClearsByStore | ClearsBySwap if to.load(who, N) != 0 => {
                        to.procs[who].regs[OWN] = to.load(who, N) + 1;
                        add(to, pc, "n = N: set");
                    }
                    UniqueFlag | ClearsByStore | ClearsBySwap => {
                        let taken = |value: u8| {
                            to.words[N] == value
                                || to.procs.iter().any(|proc| {
                                    proc.regs[OWN] == value + 1
                                        || proc.buffer.contains(&(N as u8 + 1, value))
                                })
                        };
                        let own = (1..).find(|&value| !taken(value)).unwrap_or(0);
                        to.store(who, N, own);
                        to.procs[who].regs[OWN] = own + 1;
                        add(to, pc, "N = a value of its own");
                    }
                    _ => {
                        let seen = to.load(who, N);
                        to.procs[who].regs[OWN] = seen + 1;
                        if seen & 1 == 0 {
                            add(to, RAISE, "n = N: even");
                        } else {
                            add(to, pc, "n = N: odd");
                        }
                    }
                }
            }
            RAISE => {
                to.drain(who);
                if to.words[N] + 1 == proc.regs[OWN] {
                    count_up(&mut to, 0);
                    to.procs[who].regs[OWN] = to.words[N] + 1;
                    add(
                        to,
                        if self.variant == NoBarrier { RELOAD } else { HEAVY },
                        "CAS N: odd now",
                    );
                } else {
                    add(to, TRY, "CAS N fails");
                }
            }
            HEAVY => {
                for (to, returns) in machine::heavy(state, who, TODO) {
                    add(to, if returns { RELOAD } else { HEAVY }, "membarrier");
                }
            }
            RELOAD => {
                let seen = to.load(who, L);
                to.procs[who].regs[SEEN] = seen;
                if seen & OWNER == 0 {
                    add(to, TRY, "v = L again: free");
                } else {
                    add(to, WAIT, "v = L again: held");
                }
            }
            // The old protocol's waiter: sets the bit, then sleeps on the word.
            MARK => {
                to.drain(who);
                if to.words[L] != proc.regs[SEEN] {
                    return add(to, TRY, "CAS L: W fails");
                }
                to.words[L] |= WAITERS;
                to.procs[who].regs[SEEN] |= WAITERS;
                add(to, WAIT, "CAS L: sets W");
            }
            WAIT => {
                to.drain(who);
                if to.words[L] != proc.regs[SEEN] {
                    return add(to, TRY, "wait: L has changed");
                }
                to.procs[who].asleep = 1 << L;
                match self.variant {
                    StoreThenWake | SleepsOnWordAlone => add(to, ASLEEP, "wait: sleeps on L"),
                    _ => add(to, QUEUED, "wait: queues on L"),
                }
            }
            QUEUED if to.words[N] + 1 != proc.regs[OWN] => {
                to.get_up(who);
                add(to, TRY, "wait: N has changed");
            }
            QUEUED => {
                to.procs[who].asleep |= 1 << N;
                add(to, ASLEEP, "wait: sleeps on L and N");
            }
            ASLEEP => {
                if proc.woken != 0 {
                    to.get_up(who);
                    add(to, TRY, "returns from its sleep");
                }
                if self.timeouts {
                    to.get_up(who);
                    to.procs[who].regs[LAST] = 1;
                    add(to, TRY, "its deadline passes");
                }
            }
            INSIDE if self.linked => add(to, ANNOUNCE, "works"),
            INSIDE => add(to, UNLOCK, "works"),
            // Of the two steps on each way the model can be told to do the second first.
            LINK | LINKED => {
                let next = if proc.pc == LINK { LINKED } else { INSIDE };
                if (proc.pc == LINK) != (self.variant == SettlesFirst) {
                    to.procs[who].linked = 1 << L;
                    add(to, next, "links L");
                } else {
                    to.procs[who].pending = 0;
                    add(to, next, "pending = 0");
                }
            }
            ANNOUNCE | UNLINK => {
                let next = if proc.pc == ANNOUNCE { UNLINK } else { UNLOCK };
                if (proc.pc == ANNOUNCE) != (self.variant == UnlinksFirst) {
                    to.procs[who].pending = L as u8 + 1;
                    add(to, next, "pending = L");
                } else {
                    to.procs[who].linked = 0;
                    add(to, next, "unlinks L");
                }
            }
            UNLOCK if self.variant == StoreThenWake => {
                to.drain(who);
                let waiters = to.words[L] & WAITERS;
                to.words[L] = 0;
                add(to, if waiters == 0 { SETTLE } else { WAKE }, "L = 0 (swap)");
            }
            UNLOCK => {
                to.store(who, L, 0);
                add(to, LOOK, "L = 0");
            }
            LOOK => {
                let seen = to.load(who, N);
                match (seen & ASKS != 0, seen & !ASKS != 0) {
                    (false, false) => add(to, SETTLE, "n = N: 0"),
                    (false, true) => add(to, WAKE, "n = N: 1"),
                    (true, false) => add(to, HEED, "n = N: 0, ASKS"),
                    (true, true) => add(to, HEED_AND_WAKE, "n = N: 1, ASKS"),
                }
            }
            // What follows where nobody is woken, a wait for another to take the lock, changes nothing.
            HEED | HEED_AND_WAKE => {
                if self.variant == HeedsByStore {
                    to.store(who, N, u8::from(proc.pc == HEED_AND_WAKE));
                } else {
                    to.drain(who);
                    to.words[N] &= !ASKS;
                }
                add(to, if proc.pc == HEED { SETTLE } else { WAKE }, "clears ASKS");
            }
            WAKE => {
                to.drain(who);
                let (found, ways) = to.wake_one(L);
                for to in ways {
                    if found || self.variant == StoreThenWake {
                        add(to, SETTLE, "wakes one on L");
                    } else {
                        add(to, CLEAR, "finds nobody to wake on L");
                    }
                }
            }
            CLEAR => match self.variant {
                ClearsByStore => {
                    to.store(who, N, 0);
                    add(to, SETTLE, "N = 0 (store)");
                }
                ClearsBySwap => {
                    to.drain(who);
                    to.words[N] = 0;
                    add(to, SETTLE, "CAS N 1 -> 0");
                }
                _ => {
                    to.drain(who);
                    if matches!(self.variant, FlagOfAnother | UniqueFlag) {
                        to.words[N] = 0;
                    } else {
                        let asks = to.words[N] & ASKS;
                        count_up(&mut to, asks);
                    }
                    add(to, CLEARED, "WAKE_OP: clears N");
                }
            },
            CLEARED => {
                to.wake_all(N);
                add(to, SETTLE, "WAKE_OP: wakes all on N");
            }
            LEAVE | SETTLE => {
                to.procs[who].pending = 0;
                to.procs[who].rounds -= 1;
                to.procs[who].regs = [0; 6];
                add(to, IDLE, "pending = 0");
            }
            _ => {}
        }
    }
}

impl Model for Lock {
    type State = State;

    fn start(&self) -> State {
        let mut state = State::new(self.kills);
        for who in 0..self.lockers + self.bargers {
            state.procs[who] = Proc { pc: IDLE, rounds: self.rounds, ..Proc::default() };
        }
        state
    }

    fn steps(&self, state: &State, out: &mut Steps) {
        machine::steps(state, self.kernel, out, |to, who| {
            let pc = to.procs[who].pc;
            if is_inside(pc) {
                to.ghost[UNTOLD] = DIED;
            }
            // Inside one system call nobody dies; before `pending` is set nothing can be lost.
            !matches!(pc, CLEARED)
        });
        for who in 0..PROCS {
            self.program(state, who, out);
        }
    }

    fn fault(&self, state: &State) -> Option<&'static str> {
        let inside = state.procs.iter().filter(|proc| is_inside(proc.pc)).count();
        if inside > 1 {
            return Some("two are in the section");
        }
        (state.ghost[FAULT] != 0).then_some("a death was not told to the next owner, or told twice")
    }

    fn is_done(&self, state: &State) -> bool {
        state.is_done()
    }

    fn canonical(&self, state: State) -> State {
        machine::sort(state, &self.alike())
    }

    fn show(&self, state: &State) -> String {
        let mut text = format!("L={:02x} N={:x}", state.words[L], state.words[N]);
        for who in 0..self.lockers + self.bargers {
            text += &format!(" | {}", state.show_proc(who));
        }
        text
    }
}

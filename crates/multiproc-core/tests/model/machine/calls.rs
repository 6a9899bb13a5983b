//! System calls of more than one step.

use super::{PROCS, State, is_in};

/// A register that says that a call of more than one step is under way.
const UNDER_WAY: u8 = 0x80;

/// One step of a `membarrier`: each process that has stores under way is drained, one by one. Says of
/// each state that it leads to whether the call returns there.
pub(crate) fn heavy(state: &State, who: usize, reg: usize) -> Vec<(State, bool)> {
    let mut to = *state;
    let todo = state.procs[who].regs[reg];
    if todo == 0 {
        to.drain(who);
        let busy = (0..PROCS).filter(|other| to.has_stores(*other));
        let todo = busy.fold(0, |set, other| set | 1 << other);
        to.procs[who].regs[reg] = if todo == 0 { 0 } else { UNDER_WAY | todo };
        return vec![(to, todo == 0)];
    }
    let others = (0..PROCS).filter(|other| is_in(todo, *other));
    let drained = others.map(|other| {
        let mut to = to;
        to.drain(other);
        let left = todo & !(1 << other);
        to.procs[who].regs[reg] = if left == UNDER_WAY { 0 } else { left };
        (to, left == UNDER_WAY)
    });
    drained.collect()
}

/// Where a wait on several words stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// It queues on one after another.
    Queues,
    /// It is queued on all of them, and sleeps until it is woken, or was so meanwhile.
    Sleeps,
    /// It is to get up: a word has another value. It may have been woken on others already.
    Returns,
}

/// One step of a wait on several words, each of which must have its value.
pub(crate) fn wait_any(state: &State, who: usize, words: &[(usize, u8)]) -> Vec<(State, Waiting)> {
    let mut to = *state;
    to.drain(who);
    let known = to.procs[who].asleep | to.procs[who].woken;
    let left: Vec<_> = words.iter().filter(|(word, _)| !is_in(known, *word)).collect();
    let queued = left.iter().map(|&&(word, value)| {
        let mut to = to;
        if to.words[word] != value {
            return (to, Waiting::Returns);
        }
        to.procs[who].asleep |= 1 << word;
        (to, if left.len() == 1 { Waiting::Sleeps } else { Waiting::Queues })
    });
    queued.collect()
}

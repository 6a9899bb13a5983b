//! Which states are the same but for who is who.

use super::{OWNER, PROCS, Proc, State, WORDS, is_in};

/// What is alike in a model: what does not tell states apart if processes change their names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alike {
    /// How many processes there are of each kind, one kind after the other.
    pub(crate) groups: [usize; 3],
    /// The words that name a process: bit n is word n.
    pub(crate) names: u16,
    /// The first words of rows that have a word for each process.
    pub(crate) rows: &'static [usize],
    /// The registers that name a process.
    pub(crate) name_regs: u8,
    /// The registers that hold a set of processes, in their lower half.
    pub(crate) set_regs: u8,
}

/// Renames processes so that one order stands for all (or, rarely, two or three do).
pub(crate) fn sort(state: State, alike: &Alike) -> State {
    let mut order: [usize; PROCS] = core::array::from_fn(|who| who);
    let mut begin = 0;
    for count in alike.groups {
        let group = &mut order[begin..begin + count];
        if count > 1 {
            group.sort_by_cached_key(|&who| key(&state, alike, who));
        }
        begin += count;
    }
    if order.is_sorted() { state } else { renamed(&state, alike, order) }
}

/// What there is about a process, whatever its name.
fn key(state: &State, alike: &Alike, who: usize) -> (Proc, u16, [u8; 3]) {
    let me = who as u8 + 1;
    let mut proc = state.procs[who];
    let own = |word: usize| alike.rows.iter().position(|row| word == row + who);
    for (index, reg) in proc.regs.iter_mut().enumerate() {
        if is_in(alike.name_regs, index) {
            let name = [0, 1, 2][usize::from(*reg & OWNER != 0) + usize::from(*reg & OWNER == me)];
            *reg = (*reg & !OWNER) | name;
        } else if is_in(alike.set_regs, index) {
            *reg = reg.count_ones() as u8;
        }
    }
    for mask in [&mut proc.asleep, &mut proc.woken, &mut proc.linked] {
        *mask = mask.count_ones() as u16;
    }
    for store in proc.buffer.iter_mut().filter(|store| store.0 != 0) {
        let word = usize::from(store.0) - 1;
        store.0 = own(word).map_or(store.0, |row| 100 + row as u8);
        if is_in(alike.names, word) {
            store.1 = (store.1 & !OWNER) | u8::from(store.1 & OWNER == me);
        }
    }
    let named = (0..WORDS).filter(|word| is_in(alike.names, *word) && own(*word).is_none());
    let named = named.filter(|word| state.words[*word] & OWNER == me);
    let mut row_words = [0; 3];
    for (at, row) in alike.rows.iter().enumerate() {
        let value = state.words[row + who];
        row_words[at] = if is_in(alike.names, row + who) { value & !OWNER } else { value };
    }
    (proc, named.fold(0, |set, word| set | 1 << word), row_words)
}

/// Gives each process the name that is its place in this order.
fn renamed(state: &State, alike: &Alike, order: [usize; PROCS]) -> State {
    let mut name = [0; PROCS];
    for (new, &old) in order.iter().enumerate() {
        name[old] = new;
    }
    let rename = |value: u8| match usize::from(value & OWNER) {
        owner @ 1..=PROCS => (value & !OWNER) | (name[owner - 1] as u8 + 1),
        _ => value,
    };
    let place = |word: usize| {
        let row = alike.rows.iter().find(|row| (**row..**row + PROCS).contains(&word));
        row.map_or(word, |row| row + name[word - row])
    };
    let set = |set: u16| {
        (0..WORDS).filter(|word| is_in(set, *word)).fold(0, |set, word| set | 1 << place(word))
    };
    let mut to = *state;
    for word in 0..WORDS {
        let value = state.words[word];
        to.words[place(word)] = if is_in(alike.names, word) { rename(value) } else { value };
    }
    for (new, &old) in order.iter().enumerate() {
        let proc = &mut to.procs[new];
        *proc = state.procs[old];
        for (index, reg) in proc.regs.iter_mut().enumerate() {
            if is_in(alike.name_regs, index) {
                *reg = rename(*reg);
            } else if is_in(alike.set_regs, index) {
                let members = (0..PROCS).filter(|other| is_in(*reg, *other));
                *reg = members.fold(*reg & 0xf0, |set, other| set | 1 << name[other]);
            }
        }
        for store in proc.buffer.iter_mut().filter(|store| store.0 != 0) {
            let word = usize::from(store.0) - 1;
            store.0 = place(word) as u8 + 1;
            if is_in(alike.names, word) {
                store.1 = rename(store.1);
            }
        }
        for mask in [&mut proc.asleep, &mut proc.woken, &mut proc.linked] {
            *mask = set(*mask);
        }
        if proc.pending != 0 {
            proc.pending = place(usize::from(proc.pending) - 1) as u8 + 1;
        }
    }
    to
}

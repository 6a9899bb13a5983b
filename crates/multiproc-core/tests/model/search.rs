//! Visits every state that a model can reach, and says how it got into a bad one.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// What one step leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<S> {
    pub(crate) to: S,
    /// Who makes it.
    pub(crate) who: u8,
    /// Its line in a trace.
    pub(crate) what: &'static str,
    /// A kill: it may happen, but nobody may have to wait for it.
    pub(crate) is_kill: bool,
}

/// Something to be searched.
pub(crate) trait Model {
    type State: Copy + Eq + Hash;
    /// Where everything begins.
    fn start(&self) -> Self::State;
    /// Adds every step that may be made here.
    fn steps(&self, state: &Self::State, steps: &mut Vec<Step<Self::State>>);
    /// Says what is wrong with this state, if anything is.
    fn fault(&self, state: &Self::State) -> Option<&'static str>;
    /// Says whether all that live have done their work.
    fn is_done(&self, state: &Self::State) -> bool;
    /// Returns the one state that stands for all that differ only in who is who.
    fn canonical(&self, state: Self::State) -> Self::State {
        state
    }
    /// One line for a trace.
    fn show(&self, state: &Self::State) -> String;
}

/// Why a search ended early, with the shortest way there.
struct Fault {
    what: &'static str,
    trace: String,
}

/// What a search saw.
struct Seen {
    states: usize,
    steps: usize,
}

/// The states in the order of their finding, with an index by hash.
struct States<S> {
    list: Vec<S>,
    from: Vec<u32>,
    table: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// What the machines that run the tests can hold.
const MOST_STATES: usize = 20_000_000;

impl<S: Copy + Eq + Hash> States<S> {
    fn new() -> Self {
        Self { list: Vec::new(), from: Vec::new(), table: vec![NONE; 1 << 12] }
    }

    /// Adds a state unless it is known. Returns its index.
    fn add(&mut self, state: S, from: u32) -> (u32, bool) {
        if self.list.len() * 2 > self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut at = hash(&state) & mask;
        loop {
            match self.table[at] {
                NONE => {
                    let index = u32::try_from(self.list.len()).expect("fewer than 2^32 states");
                    self.table[at] = index;
                    self.list.push(state);
                    self.from.push(from);
                    return (index, true);
                }
                known if self.list[known as usize] == state => return (known, false),
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let mask = self.table.len() * 4 - 1;
        let mut table = vec![NONE; mask + 1];
        for (index, state) in self.list.iter().enumerate() {
            let mut at = hash(state) & mask;
            while table[at] != NONE {
                at = (at + 1) & mask;
            }
            table[at] = index as u32;
        }
        self.table = table;
    }
}

/// A multiplicative hash: std's default is ten times slower, and nobody attacks us here.
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    }
}

fn hash<S: Hash>(state: &S) -> usize {
    let mut mix = Mix(0x51ed);
    state.hash(&mut mix);
    mix.finish() as usize
}

/// A model without its symmetry: its traces keep the names that processes begin with.
struct Named<'a, M>(&'a M);

impl<M: Model> Model for Named<'_, M> {
    type State = M::State;

    fn start(&self) -> M::State {
        self.0.start()
    }
    fn steps(&self, state: &M::State, steps: &mut Vec<Step<M::State>>) {
        self.0.steps(state, steps);
    }
    fn fault(&self, state: &M::State) -> Option<&'static str> {
        self.0.fault(state)
    }
    fn is_done(&self, state: &M::State) -> bool {
        self.0.is_done(state)
    }
    fn show(&self, state: &M::State) -> String {
        self.0.show(state)
    }
}

/// Checks that nothing is wrong with a model, in any state.
pub(crate) fn assert_sound(model: &(impl Model + Debug)) {
    match search(model, MOST_STATES) {
        Ok(seen) => println!("{model:?}: {} states, {} steps", seen.states, seen.steps),
        Err(fault) => match search(&Named(model), MOST_STATES) {
            Err(fault) => panic!("{model:?}: {}", fault.trace),
            Ok(_) => panic!("{model:?} is not as symmetric as it says: {}", fault.trace),
        },
    }
}

/// Checks that a model that is wrong is caught.
pub(crate) fn assert_caught(model: &(impl Model + Debug), what: &str) {
    match search(model, MOST_STATES) {
        Ok(seen) => panic!("{model:?} passes: {} states", seen.states),
        Err(fault) => {
            assert!(fault.what.contains(what), "{model:?}: {}", fault.trace);
            println!("{model:?}: caught, {} steps", fault.trace.lines().count() - 2);
        }
    }
}

/// Searches breadth first: the first fault found has the shortest trace.
///
/// A state in which only a kill could be next, although somebody has not done its work, is a hang. Then
/// from every state the end must be reachable without a kill: nothing may run in circles for ever either.
fn search<M: Model>(model: &M, limit: usize) -> Result<Seen, Fault> {
    let mut states = States::new();
    let mut steps = Vec::new();
    let mut made = 0;
    // For the second part: whom a step without a kill leads to, and from where.
    let mut edges: Vec<(u32, u32)> = Vec::new();
    let mut done = Vec::new();
    states.add(model.canonical(model.start()), NONE);
    let mut next = 0;
    while next < states.list.len() {
        assert!(next < limit, "more than {limit} states");
        let state = states.list[next];
        if let Some(what) = model.fault(&state) {
            return Err(trace(model, &states, next, what));
        }
        steps.clear();
        model.steps(&state, &mut steps);
        made += steps.len();
        if model.is_done(&state) {
            done.push(next as u32);
        } else if steps.iter().all(|step| step.is_kill) {
            return Err(trace(model, &states, next, "a hang: nobody can go on"));
        }
        for step in &steps {
            let (to, _) = states.add(model.canonical(step.to), next as u32);
            if !step.is_kill && to != next as u32 {
                edges.push((to, next as u32));
            }
        }
        next += 1;
    }
    match first_without_end(states.list.len(), edges, &done) {
        Some(lost) => {
            Err(trace(model, &states, lost, "an endless circle: the end is out of reach"))
        }
        None => Ok(Seen { states: states.list.len(), steps: made }),
    }
}

/// Walks back from the ends, and returns a state from which none is reached.
fn first_without_end(count: usize, mut edges: Vec<(u32, u32)>, done: &[u32]) -> Option<usize> {
    edges.sort_unstable();
    let mut begins = vec![0_u32; count + 1];
    for &(to, _) in &edges {
        begins[to as usize + 1] += 1;
    }
    for index in 0..count {
        begins[index + 1] += begins[index];
    }
    let mut reaches = vec![false; count];
    let mut todo: Vec<u32> = done.to_vec();
    for &end in done {
        reaches[end as usize] = true;
    }
    while let Some(at) = todo.pop() {
        for &(_, from) in &edges[begins[at as usize] as usize..begins[at as usize + 1] as usize] {
            if !core::mem::replace(&mut reaches[from as usize], true) {
                todo.push(from);
            }
        }
    }
    reaches.iter().position(|reaches| !reaches)
}

/// Writes down the way to a state, one step a line.
fn trace<M: Model>(model: &M, states: &States<M::State>, end: usize, what: &'static str) -> Fault {
    let mut way = vec![end as u32];
    while states.from[*way.last().expect("it has an end") as usize] != NONE {
        way.push(states.from[*way.last().expect("it has an end") as usize]);
    }
    way.reverse();
    let mut text = format!("{what}\n    {}\n", model.show(&states.list[way[0] as usize]));
    let mut steps = Vec::new();
    for (number, pair) in way.windows(2).enumerate() {
        let (from, to) = (states.list[pair[0] as usize], states.list[pair[1] as usize]);
        steps.clear();
        model.steps(&from, &mut steps);
        let step = steps
            .iter()
            .find(|step| model.canonical(step.to) == to)
            .expect("the step that was made can be made again");
        text += &format!("{:3} P{} {:<44} {}\n", number + 1, step.who, step.what, model.show(&to));
    }
    Fault { what, trace: text }
}

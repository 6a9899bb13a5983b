//! Which changes of the world victims were seen to make, and after which of them one was killed.

use crate::tracee::Tracee;
use crate::world::World;
use std::collections::HashSet;

/// A change by its place: the address of the instruction that made it, and the how manieth time it was
/// that this one made any.
type Change = (u64, usize);

/// The changes on the way of one victim after the other.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    world: World,
    /// Those of the last way, and of this one as far as it has come: the position of the instruction,
    /// and its address.
    last: Vec<(usize, u64)>,
    made: Vec<(usize, u64)>,
    /// Those that are done with.
    known: HashSet<Change>,
    /// Those that are new since then, and how many of them this way has.
    new: HashSet<Change>,
    on_this_way: usize,
    /// Whether one was killed before the first instruction.
    begun: bool,
    /// The addresses of all changes of one that leapt, and came to its end.
    leapt: Option<Vec<u64>>,
    wavering: usize,
}

impl Changes {
    /// Begins the way of the next victim.
    pub(crate) fn set_out(&mut self) {
        std::mem::swap(&mut self.last, &mut self.made);
        self.made.clear();
        self.on_this_way = 0;
    }

    /// The victim was at `from` and is at `to`; what it changed in between is what the last one did.
    pub(crate) fn leap(&mut self, from: usize, to: usize, tracee: &Tracee<'_>) {
        let between = self.last.iter().filter(|(position, _)| (from..to).contains(position));
        self.made.extend(between);
        self.world.chart(tracee.pid());
    }

    /// Says whether the place before the first instruction is done with.
    pub(crate) fn have_begun(&self) -> bool {
        self.begun
    }

    /// Looks for the first time, and says whether here is where to kill.
    pub(crate) fn begin(&mut self, tracee: &Tracee<'_>) -> bool {
        self.world.chart(tracee.pid());
        !self.begun
    }

    /// Looks what the instruction at `ip` did, before which the victim stood at `position`. A system call
    /// always counts: the kernel has a state, too. Returns how many new changes there were on the way.
    pub(crate) fn look(
        &mut self,
        position: usize,
        ip: u64,
        called: bool,
        tracee: &Tracee<'_>,
    ) -> usize {
        let changed = match called {
            true => {
                self.world.chart(tracee.pid());
                true
            }
            false => self.world.look(tracee.pid()),
        };
        if changed {
            self.made.push((position, ip));
            let change = (ip, self.made.iter().filter(|(_, address)| *address == ip).count());
            if !self.known.contains(&change) {
                self.new.insert(change);
                self.on_this_way += 1;
            }
        }
        self.on_this_way
    }

    /// Leaves those behind for good after which, or after the last of which, a victim was killed.
    pub(crate) fn settle(&mut self) {
        self.begun = true;
        self.known.extend(self.new.drain());
    }

    /// The victim came to its end, without a new change. Says whether that is the end: one that leaps is supposed
    /// to do there what the last one did, so another is stepped all the way, and compared.
    pub(crate) fn all_are_known(&mut self, on_foot: bool) -> bool {
        match (on_foot, self.leapt.take()) {
            (false, _) => self.leapt = Some(self.addresses().collect()),
            (true, Some(leapt)) => {
                let same = self.addresses().zip(&leapt).take_while(|(own, other)| own == *other);
                self.wavering = self.made.len().max(leapt.len()) - same.count();
            }
            (true, None) => {}
        }
        on_foot
    }

    /// Returns how many changes came after the first in which the one that was stepped all the way differed.
    pub(crate) fn wavering(&self) -> usize {
        self.wavering
    }

    fn addresses(&self) -> impl Iterator<Item = u64> {
        self.made.iter().map(|(_, address)| *address)
    }

    /// Returns how many there were of all victims.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }
}

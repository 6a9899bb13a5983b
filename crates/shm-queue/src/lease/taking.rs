//! Handing out: messages that come again, and those of the queue.

use core::sync::atomic::Ordering::Relaxed;

use multiproc_core::place::{Name, NoPlace};

#[cfg(test)]
use super::killed::{self, Fault};
use super::ledger::{Found, Ledger};
use super::slots::Lent;
use super::watch::Watch;
use crate::ends::End;
use crate::ring::{Patience, Stop, publish};
use crate::words::RECEIVERS;

/// Why nothing was leased.
#[derive(Debug)]
pub(crate) enum Unleased {
    /// There was nothing.
    Stop(Stop),
    /// There is something, and this thread, or nobody, has all records.
    NoneLeft,
    /// The calling thread has no place among those that lease.
    NoPlace(NoPlace),
}

impl From<Stop> for Unleased {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl<C, const SIDE: usize> End<C, SIDE> {
    /// Puts right what a thread left that died in the receivers' section, which the caller is in.
    #[cold]
    pub(crate) fn repair(&self) {
        if let Some(ledger) = self.memory().ledger() {
            // Relaxed: under the lock.
            ledger.repair(self.memory().control().ends[RECEIVERS].word.0.load(Relaxed));
        }
    }
}

impl<C: Lent> End<C, RECEIVERS> {
    /// Leases as many messages as are there, one at least and at most as many as `records` has room for.
    /// Returns the name under which the caller has them, and their number.
    pub(crate) fn lease(
        &self,
        patience: Patience,
        records: &mut [u32],
    ) -> Result<(Name, usize), Unleased> {
        let Some(ledger) = self.memory().ledger() else { return Err(Stop::Gone.into()) };
        let me = ledger.me().map_err(Unleased::NoPlace)?;
        let watch = Watch::new(self, ledger, me);
        if matches!(patience, Patience::Try) && !watch.is_anything_there() {
            return Err(self.nothing_yet(&watch).into());
        }
        let mut last = false;
        loop {
            let section = self.enter(patience)?;
            let taken = self.take_leases(patience, ledger, me, records);
            drop(section);
            if taken > 0 {
                return Ok((me, taken));
            }
            if watch.is_dead_end() {
                return Err(Unleased::NoneLeft);
            }
            if last {
                return Err(Stop::Late.into());
            }
            self.sleep(patience, &watch)?;
            // As for a plain queue.
            last = patience.is_over();
        }
    }

    /// Leases a message that was handed out too often, if there is one, and nobody stays inside.
    pub(crate) fn lease_poisoned(&self) -> Result<Option<(Name, u32)>, Unleased> {
        let Some(ledger) = self.memory().ledger() else { return Ok(None) };
        let me = ledger.me().map_err(Unleased::NoPlace)?;
        let _section = match self.enter(Patience::Try) {
            Ok(section) => section,
            Err(Stop::Late) => return Ok(None),
            Err(stop) => return Err(stop.into()),
        };
        let found = ledger.find_poisoned();
        if let Some(at) = found {
            ledger.take_again(at, me);
        }
        Ok(found.map(|at| (me, at)))
    }

    /// Tells "nothing now" from "nothing ever again".
    #[cold]
    fn nothing_yet(&self, watch: &Watch<'_, C>) -> Stop {
        // Looked at second: the last of them may have published just before it left.
        if self.is_over() && !watch.may_anything_come() { Stop::Gone } else { Stop::Late }
    }

    /// Takes what there is. The caller is in the section.
    fn take_leases(
        &self,
        patience: Patience,
        ledger: &Ledger,
        me: Name,
        records: &mut [u32],
    ) -> usize {
        let memory = self.memory();
        // First without a spin: something may come again.
        let next = self.next_filled(Patience::Try);
        let mut may_spin = next.is_none();
        let (mut head, mut len) = next.unwrap_or_default();
        let mut fresh = 0;
        let mut taken = 0;
        while let Some(record) = records.get_mut(taken) {
            match ledger.find(fresh < len) {
                Some(Found::Again(at)) => {
                    ledger.take_again(at, me);
                    *record = at;
                }
                Some(Found::Free(at)) => {
                    let index = head.wrapping_add(fresh);
                    #[cfg(test)]
                    if killed::has(Fault::PublishesFirst) {
                        publish(self.own(), index.wrapping_add(1), 1);
                    }
                    if !C::lend(memory, ledger, index, at) {
                        // No room beside the records: only what is there already can be handed out.
                        len = fresh;
                        continue;
                    }
                    ledger.begin(at, index, me);
                    fresh += 1;
                    *record = at;
                }
                None if taken == 0 && may_spin => {
                    may_spin = false;
                    let Some(found) = self.next_filled(patience) else { break };
                    (head, len) = found;
                    continue;
                }
                None => break,
            }
            taken += 1;
        }
        #[cfg(test)]
        if killed::has(Fault::PublishesFirst) {
            fresh = 0;
        }
        if fresh > 0 {
            publish(self.own(), head.wrapping_add(fresh), fresh);
        }
        for at in &records[..taken] {
            ledger.finish(*at, me);
        }
        if taken > 0 {
            ledger.tell_who_wants_to_know();
        }
        taken
    }
}

//! Which parts of an arena are in use: the bookkeeping of whoever writes there, in its own memory.

/// A part of an arena, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) bytes: u64,
}

impl Extent {
    pub(super) fn end(self) -> u64 {
        self.start + self.bytes
    }
}

/// Parts begin at a multiple of this, so that no two share a cache line.
const ALIGN: u64 = 128;

/// The free parts below `end`, in order, no two adjoining, none up to `end`; beyond it all is free.
#[derive(Debug, Default)]
pub(super) struct Extents {
    holes: Vec<Extent>,
    end: u64,
}

impl Extents {
    /// Takes the first part that has room for `bytes`, below `most`.
    pub(super) fn take(&mut self, bytes: u64, most: u64) -> Option<Extent> {
        let bytes = bytes.max(1).checked_next_multiple_of(ALIGN)?;
        if let Some(at) = self.holes.iter().position(|hole| hole.bytes >= bytes) {
            let hole = &mut self.holes[at];
            let taken = Extent { start: hole.start, bytes };
            *hole = Extent { start: taken.end(), bytes: hole.bytes - bytes };
            if hole.bytes == 0 {
                self.holes.remove(at);
            }
            return Some(taken);
        }
        let taken = Extent { start: self.end, bytes };
        self.end = taken.start.checked_add(bytes).filter(|end| *end <= most)?;
        Some(taken)
    }

    /// Gives a part back that was taken.
    pub(super) fn give_back(&mut self, part: Extent) {
        let at = self.holes.partition_point(|hole| hole.start < part.start);
        self.holes.insert(at, part);
        for at in [at, at.wrapping_sub(1)] {
            let Some(next) = self.holes.get(at.wrapping_add(1)).copied() else { continue };
            let Some(hole) = self.holes.get_mut(at) else { continue };
            if hole.end() == next.start {
                hole.bytes += next.bytes;
                self.holes.remove(at + 1);
            }
        }
        if let Some(last) = self.holes.pop_if(|last| last.end() == self.end) {
            self.end = last.start;
        }
    }

    /// Returns where the used parts end.
    pub(super) fn end(&self) -> u64 {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 1 << 20;

    #[test]
    fn what_is_given_back_is_used_again_first() {
        let mut extents = Extents::default();
        let parts = [100, 1, 300].map(|bytes| extents.take(bytes, MOST).unwrap());
        assert_eq!(parts.map(|part| part.start), [0, 128, 256]);
        extents.give_back(parts[0]);
        extents.give_back(parts[1]);
        assert_eq!(extents.take(200, MOST).unwrap().start, 0, "the two are one again");
        extents.give_back(parts[2]);
        assert_eq!(extents.end(), 256);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut extents = Extents::default();
        assert_eq!(extents.take(MOST + 1, MOST), None);
        assert_eq!(extents.take(u64::MAX, MOST), None);
        assert_eq!(extents.take(MOST, MOST).unwrap(), Extent { start: 0, bytes: MOST });
        assert_eq!(extents.take(1, MOST), None);
    }

    #[test]
    fn parts_in_use_never_overlap_and_all_comes_back() {
        let mut extents = Extents::default();
        let mut live: Vec<Extent> = Vec::new();
        let mut random = 1u32;
        for _ in 0..50_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let pick = random as usize >> 8;
            if live.len() > 30 || random >> 31 == 0 && !live.is_empty() {
                extents.give_back(live.swap_remove(pick % live.len()));
            } else if let Some(part) = extents.take((pick % 5_000) as u64, 100_000) {
                assert!(part.end() <= 100_000);
                assert!(live.iter().all(|o| part.end() <= o.start || o.end() <= part.start));
                live.push(part);
            }
        }
        live.drain(..).for_each(|part| extents.give_back(part));
        assert_eq!((extents.end(), extents.holes.len()), (0, 0));
    }
}

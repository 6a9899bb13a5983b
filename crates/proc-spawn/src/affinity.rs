//! The CPUs that a thread may use, as a mask that travels to a copy of the fork server.
//!
//! Kept apart from the wish for certain CPUs: nothing is refused where it cannot be had.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Returns the mask of the calling thread, one bit a CPU; empty where there are more than fit.
pub(crate) fn of_this_thread() -> Vec<u8> {
    sched_getaffinity(None).map(|set| to_mask(&set)).unwrap_or_default()
}

/// Has the calling thread use these CPUs, if it does not already; nothing for what is no mask.
pub(crate) fn follow(mask: &[u8]) {
    // One who is as it should be is left alone: what is chosen outlives a change of what is allowed.
    if mask.len() == CpuSet::MAX_CPU / 8 && of_this_thread() != mask {
        // None of them may be left to us.
        let _ = sched_setaffinity(None, &to_set(mask));
    }
}

fn to_mask(set: &CpuSet) -> Vec<u8> {
    let mut mask = vec![0; CpuSet::MAX_CPU / 8];
    for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)) {
        mask[cpu / 8] |= 1 << (cpu % 8);
    }
    mask
}

fn to_set(mask: &[u8]) -> CpuSet {
    let mut set = CpuSet::new();
    for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| mask[cpu / 8] & (1 << (cpu % 8)) != 0) {
        set.set(cpu);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_the_set_again_and_nonsense_changes_nothing() {
        let mut set = CpuSet::new();
        [0, 7, 8, CpuSet::MAX_CPU - 1].iter().for_each(|cpu| set.set(*cpu));
        let mask = to_mask(&set);
        assert_eq!((mask[0], mask[1], mask[2]), (0x81, 1, 0));
        assert_eq!(to_mask(&to_set(&mask)), mask);
        let before = of_this_thread();
        for mask in [vec![], vec![1], vec![0; CpuSet::MAX_CPU / 8]] {
            follow(&mask);
        }
        assert_eq!(of_this_thread(), before);
    }
}

//! A spin that looks once: more would be more of the same to loom.

pub(crate) struct Spin;

impl Spin {
    /// Asks before it looks: then there is somebody who asked for every release.
    pub(crate) fn until_let_in(&self, ask: impl FnOnce(), take: impl FnOnce() -> bool) -> bool {
        ask();
        take()
    }
}

/// Waiting changes no word.
pub(crate) fn give_way(_: impl FnOnce() -> bool) {}

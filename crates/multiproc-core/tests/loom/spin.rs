//! A spin that looks once: more would be more of the same to loom.

pub(crate) struct Spin;

impl Spin {
    pub(crate) fn until(&self, ready: impl FnOnce() -> bool) -> bool {
        ready()
    }
}

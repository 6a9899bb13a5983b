//! Threads have only a number here: nobody dies.

#[derive(Clone, Copy)]
pub(crate) struct Thread(u32);

impl Thread {
    pub(crate) fn of_id(id: u32) -> Self {
        Self(id)
    }

    pub(crate) fn tid(self) -> u32 {
        self.0
    }
}

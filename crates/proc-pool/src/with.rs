//! A pool with options for its calls.

use crate::calls::calls;
use crate::options::Options;
use crate::processes::Processes;

/// The calls of a [`Pool`](crate::Pool), with [`Options`]. Made by [`Pool::with`](crate::Pool::with).
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a call is made with them"]
pub struct With<'p> {
    engine: &'p Processes,
    options: Options,
}

impl<'p> With<'p> {
    pub(crate) fn new(engine: &'p Processes, options: Options) -> Self {
        Self { engine, options }
    }
}

calls! {
    [impl With<'_>],
    "proc_pool::Pool::new()?; let pool = pool.with(&proc_pool::Options::new())",
    self => self.engine, &self.options
}

//! Calls that hand their tasks over bit by bit, and are to end in order when the pool is closed meanwhile.

use std::sync::Arc;

use crate::error::SubmitError;
use crate::shared::Shared;
use crate::state::Phase;

/// Lets the rest of a call's tasks be taken although the pool was closed since.
pub(crate) struct Admission(Arc<Shared>);

impl Admission {
    /// Admits a call, if the pool takes tasks.
    ///
    /// # Errors
    ///
    /// It takes none.
    pub(crate) fn new(shared: &Arc<Shared>) -> Result<Self, SubmitError> {
        if shared.is_a_copy() {
            return Err(SubmitError::Forked);
        }
        let mut state = shared.state();
        state.takes_tasks(false)?;
        state.admitted += 1;
        drop(state);
        Ok(Self(Arc::clone(shared)))
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.admitted -= 1;
        let ending = state.phase != Phase::Running;
        drop(state);
        if ending {
            self.0.wake();
        }
    }
}

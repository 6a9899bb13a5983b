//! The small process of which others are copied: see [`StartMethod::ForkServer`](crate::StartMethod::ForkServer).

use crate::call::Call;
use crate::error::SpawnError;
use std::sync::{Mutex, PoisonError};

static PRELOADS: Mutex<Vec<Call>> = Mutex::new(Vec::new());

/// Has the fork server call `f` before it makes processes: what `f` leaves in memory is in all of them, shared until
/// somebody writes to it.
///
/// For what is costly to make and needed by each: tables, parsed files, a loaded model. Functions are called in
/// the order in which they were given; a server that runs already is replaced at the next start. They
/// must leave no threads behind: processes are [spawned](crate::StartMethod::Spawn) then. One that panics makes the
/// starts fail.
///
/// # Errors
///
/// [`SpawnError::NotMainImage`] when `f` lies in a shared object.
///
/// ```
/// use proc_spawn::{Builder, StartMethod, forkserver};
/// use std::sync::OnceLock;
///
/// static SQUARES: OnceLock<Vec<u64>> = OnceLock::new();
///
/// forkserver::preload(|| {
///     let _ = SQUARES.set((0..100_000).map(|x| x * x).collect());
/// })?;
/// let lookup = Builder::new()
///     .method(StartMethod::ForkServer)
///     .spawn((7,), |at: usize| SQUARES.get().map(|squares| squares[at]))?;
/// # if lookup.method() == Some(StartMethod::ForkServer) {
/// assert_eq!(lookup.join()?, Some(49));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "set_forkserver_preload")]
pub fn preload(f: fn()) -> Result<(), SpawnError> {
    let call = Call::apply::<(), ()>(f)?;
    PRELOADS.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    Ok(())
}

/// Returns what has been given to [`preload`].
pub(crate) fn preloads() -> Vec<Call> {
    PRELOADS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

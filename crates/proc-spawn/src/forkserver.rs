//! The small process of which others are copied: see [`StartMethod::ForkServer`](crate::StartMethod::ForkServer).

use crate::call::Call;
use crate::error::SpawnError;
use crate::start::server;
use std::sync::{Mutex, PoisonError};

static PRELOADS: Mutex<Vec<Call>> = Mutex::new(Vec::new());

/// Has the fork server call `f` before it makes processes: what `f` leaves in memory is in all of them, shared until
/// somebody writes to it.
///
/// For what is costly to make and needed by each: tables, parsed files, a loaded model. Functions are called in
/// the order in which they were given; a server that runs already is replaced at the next start. One that panics
/// makes the starts fail; what it prints comes once.
///
/// They must leave no threads behind. If one does, and wherever there can be no fork server, processes with this start
/// method are [spawned](crate::StartMethod::Spawn) from then on ([`Process::method`](crate::Process::method) tells), and
/// each calls the functions itself before its own: what they left is there too, at full cost.
///
/// All processes begin with the same copy. A generator of random numbers that `f` has used, and the seeds of hash maps
/// that it has made, go on alike in each of them; so does what it has opened: a connection is shared.
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

/// Ends the fork server of this process, if it has one. Processes that were made by it live on; the next start
/// begins another, and has the preloads called again.
///
/// It frees what was preloaded, and is to be called where something of this process has changed that a running server
/// [does not follow](crate::StartMethod::ForkServer): after putting itself under Landlock rules, for example. Also
/// where processes were spawned because there could be no server, it lets the next start try again. Waits for the
/// server's end, and for a start in another thread that is under way.
///
/// ```
/// use proc_spawn::{Builder, StartMethod, forkserver};
///
/// let start = || Builder::new().method(StartMethod::ForkServer).spawn((), std::process::id);
/// let first = start()?;
/// forkserver::stop();
/// assert_ne!(start()?.join()?, first.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn stop() {
    server::stop();
}

/// Returns what has been given to [`preload`].
pub(crate) fn preloads() -> Vec<Call> {
    PRELOADS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

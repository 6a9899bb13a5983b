//! How a new process comes to be: one file per method.

mod spawn;

use crate::boot;
use crate::call::{Call, Encoded, key};
use crate::child;
use crate::error::{Error, SpawnError};
use crate::exit;
use crate::image::{Image, Program};
use crate::message::{Order, write_start};
use crate::registry::{self, Child};
use multiproc_core::deadline::Deadline;
use multiproc_core::packet;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How a new process is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias = "set_start_method")]
pub enum StartMethod {
    /// Executes the program again; a constructor catches the new process before `main`.
    ///
    /// The new process shares nothing with this one but what it is sent: no memory, no locks held
    /// by other threads, no descriptors beside standard output and standard error.
    #[default]
    Spawn,
}

/// What a process is to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) name: Option<String>,
    pub(crate) daemon: bool,
    pub(crate) detached: bool,
    pub(crate) method: StartMethod,
}

/// How many processes this one has started: the last part of their default names.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// Says why no process can be started here, before anything is encoded.
pub(crate) fn check_place() -> Result<(), SpawnError> {
    if child::this().is_some_and(child::This::is_daemon) {
        return Err(SpawnError::Daemonic);
    }
    if boot::is_privileged() {
        return Err(SpawnError::SetUid);
    }
    if !Image::of_program().is_executed() {
        return Err(SpawnError::NotMainImage);
    }
    if !boot::is_ready() {
        return Err(SpawnError::NoBootHook);
    }
    Ok(())
}

/// Starts a process that runs `call` on `args`.
pub(crate) fn start(
    plan: &Plan,
    kind: &str,
    call: Call,
    args: Encoded,
) -> Result<Arc<Child>, SpawnError> {
    let Encoded { bytes, fds } = args;
    if fds.len() > packet::MAX_FDS {
        return Err(SpawnError::TooManyDescriptors { count: fds.len(), limit: packet::MAX_FDS });
    }
    registry::reap_forgotten();
    // Relaxed: a counter. Named processes count too, so that default names do not depend on them.
    let number = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
    let this = child::this();
    let identity = match this {
        Some(this) => format!("{}:{number}", this.identity()),
        None => number.to_string(),
    };
    let name = plan.name.clone().unwrap_or_else(|| format!("{kind}-{identity}"));
    let failed = |source: std::io::Error| {
        SpawnError::Io(Error::new("start", format!("process '{name}'"), source))
    };
    let order = Order {
        program: Program::of_this_process().map_err(failed)?,
        key: key(),
        call,
        fds: fds.len() as u32,
        name: name.clone(),
        identity,
        daemon: plan.daemon,
        detached: plan.detached,
        parent_pid: std::process::id(),
        parent_name: crate::current_process().name().to_owned(),
    };
    let (kind, body) = write_start(&order, bytes).map_err(SpawnError::Encode)?;
    let (ours, theirs) = packet::pair().map_err(failed)?;
    let borrowed: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
    // Before the process exists, so that it never waits for us, and we never for it.
    packet::send(ours.as_fd(), kind, &body, &borrowed, Deadline::NEVER).map_err(failed)?;
    drop(body);
    // Before there is a child that it would have to look after.
    exit::register();
    let (pid, pidfd) = match plan.method {
        StartMethod::Spawn => spawn::spawn(theirs.as_fd()).map_err(failed)?,
    };
    drop(theirs);
    let child = registry::add(Child::new(pid, name, plan.daemon, plan.detached, pidfd, ours));
    if plan.detached {
        child.wait_until_started();
    }
    Ok(child)
}

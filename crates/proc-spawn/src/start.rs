//! How a new process comes to be: one file per method.

pub(crate) mod fork;
mod method;
pub(crate) mod server;
mod spawn;
mod world;

pub use method::{StartMethod, set_start_method, start_method};

use crate::boot;
use crate::call::{Call, Encoded, key};
use crate::child::{self, Identity};
use crate::descriptor::above_standard;
use crate::error::{Error, SpawnError};
use crate::exit;
use crate::forkserver;
use crate::image::{Image, Program};
use crate::limit::Watch;
use crate::message::{Order, write_start};
use crate::registry::{self, Child};
use crate::settings::{Environment, Root, Setting, Settings, Unset};
use crate::stdio::{Ends, Streams};
use crate::tree::{Own, Tree};
use multiproc_core::deadline::Deadline;
use multiproc_core::packet;
use rustix::fs::{Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, Signal};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// What a process is to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) name: Option<String>,
    pub(crate) daemon: bool,
    /// It may start processes, daemon or not.
    pub(crate) fertile: bool,
    pub(crate) detached: bool,
    /// It lives on when its parent dies.
    pub(crate) untied: bool,
    /// What it starts ends with it.
    pub(crate) tree: bool,
    /// `None` for the default.
    pub(crate) method: Option<StartMethod>,
    pub(crate) streams: Streams,
    pub(crate) environment: Environment,
    pub(crate) settings: Settings,
}

/// How long a start waits while this user has more descriptors on their way, in messages that nobody has received, than
/// the kernel lets it send.
const CROWDED: Duration = Duration::from_secs(2);

/// Names what the deadline of a message means whose socket is empty.
fn crowded(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::TimedOut => io::Error::from_raw_os_error(libc::ETOOMANYREFS),
        _ => error,
    }
}

/// How many processes this one has started: the last part of their default names.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// Begins to count again, in a process that was forked.
pub(crate) fn forget_count() {
    STARTED.store(0, Ordering::Relaxed);
}

/// Says whether this process may have children.
pub(crate) fn check_parent() -> Result<(), SpawnError> {
    if exit::has_begun() {
        return Err(SpawnError::Exiting);
    }
    match child::this() {
        Some(this) if this.is_childless() => Err(SpawnError::Daemonic),
        _ => Ok(()),
    }
}

/// Says why no process can be started here by executing the program, before anything is encoded.
pub(crate) fn check_place() -> Result<(), SpawnError> {
    check_parent()?;
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

/// Makes the error of a process that could not be started.
fn not_started(name: &str, source: io::Error) -> SpawnError {
    SpawnError::Io(Error::new("start", format!("process '{name}'"), source))
}

fn not_set(name: &str, unset: Unset) -> SpawnError {
    let object = format!("process '{name}'");
    SpawnError::Setting(Error::new(unset.setting.operation(), object, unset.into_io()))
}

/// What is settled about a process before there is one.
pub(crate) struct Prepared {
    pub(crate) identity: Identity,
    pub(crate) settings: Settings,
    /// Descriptors for what the settings say.
    pub(crate) own: Vec<Arc<OwnedFd>>,
    pub(crate) ends: Ends,
    /// Whether its first word is waited for.
    pub(crate) answer: bool,
    detached: bool,
    watch: Watch,
    tree: Option<(Tree, Option<Own>)>,
}

impl Prepared {
    /// Names the process and opens what it needs.
    pub(crate) fn new(
        plan: &Plan,
        kind: &str,
        method: Option<StartMethod>,
    ) -> Result<Self, SpawnError> {
        // Relaxed: a counter. Named processes count too, so that default names do not depend on them.
        let number = STARTED.fetch_add(1, Ordering::Relaxed) + 1;
        let number = match child::this() {
            Some(this) => format!("{}:{number}", this.number()),
            None => number.to_string(),
        };
        let name = plan.name.clone().unwrap_or_else(|| format!("{kind}-{number}"));
        Self::named(plan, name, number, method)
    }

    fn named(
        plan: &Plan,
        name: String,
        number: String,
        method: Option<StartMethod>,
    ) -> Result<Self, SpawnError> {
        plan.environment.check().map_err(|unset| not_set(&name, unset))?;
        let copied = method == Some(StartMethod::ForkServer);
        let mut own = Vec::new();
        let (redirects, ends) = plan
            .streams
            .open(!copied, &mut own)
            .map_err(|error| not_set(&name, Unset::by_kernel(Setting::Streams, error)))?;
        if method.is_none() {
            // It is what it is in the copy, where the standard streams are put in place one by one.
            for fd in own.iter_mut().filter(|fd| fd.as_raw_fd() < 3) {
                let higher = fcntl_dupfd_cloexec(&*fd, 3)
                    .map_err(|error| not_started(&name, error.into()))?;
                *fd = Arc::new(higher);
            }
        }
        let mut settings = Settings { redirects, ..plan.settings.clone() };
        if method != Some(StartMethod::Spawn) {
            settings.environment = plan.environment.clone();
        }
        if copied {
            let here = rustix::fs::open(".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
            // One that is not there any more, or may not be looked at, is the server's affair.
            if let Ok(here) = here {
                settings.base = u32::try_from(own.len()).ok();
                own.push(Arc::new(here));
            }
        }
        let mut tree = None;
        if plan.tree {
            (settings.tree, tree) = match Own::make() {
                Ok((group, entrance)) => {
                    let place = u32::try_from(own.len()).unwrap_or(u32::MAX);
                    own.push(Arc::new(entrance));
                    (Some(Root::Group(place)), Some((Tree::Group, Some(group))))
                }
                // No version 2, or none of ours to divide.
                Err(_) => (Some(Root::Subreaper), Some((Tree::Subreaper, None))),
            };
        }
        let tied = !(plan.detached || plan.untied);
        Ok(Self {
            // One that is to live on needs its parent until it has started.
            answer: !tied || settings.may_fail(),
            watch: Watch::begin(settings.limits.time, settings.limits.cpu),
            tree,
            detached: plan.detached,
            identity: Identity {
                name,
                number,
                daemon: plan.daemon,
                childless: plan.daemon && !plan.fertile,
                tied,
                parent_pid: std::process::id(),
                parent_name: crate::current_process().name().to_owned(),
            },
            settings,
            own,
            ends,
        })
    }

    /// Makes the record of the process that has been made.
    pub(crate) fn into_child(
        self,
        pid: Pid,
        pidfd: OwnedFd,
        control: OwnedFd,
        method: Option<StartMethod>,
    ) -> (Child, Ends) {
        let higher = if pidfd.as_raw_fd() > 2 { None } else { fcntl_dupfd_cloexec(&pidfd, 3).ok() };
        let pidfd = higher.unwrap_or(pidfd);
        let child = Child {
            pid,
            name: self.identity.name,
            daemon: self.identity.daemon,
            detached: self.detached,
            method,
            owner: std::process::id(),
            pidfd,
            control,
            watch: self.watch,
            tree: Mutex::new(self.tree),
            killed: AtomicBool::new(false),
            ended: Mutex::new(None),
        };
        (child, self.ends)
    }
}

/// Starts a process that runs `call` on `args`.
pub(crate) fn start(
    plan: &Plan,
    kind: &str,
    call: Call,
    args: Encoded,
) -> Result<(Arc<Child>, Ends), SpawnError> {
    registry::reap_forgotten();
    let method = plan.method.unwrap_or_else(start_method);
    let prepared = Prepared::new(plan, kind, Some(method))?;
    // Before there is a child that it would have to look after.
    exit::register();
    let answer = prepared.answer;
    let (child, ends) = {
        let _no_fork = shared();
        let (child, ends) = make(plan, prepared, call, args, method)?;
        (registry::add(child), ends)
    };
    settle(child, answer).map(|child| (child, ends))
}

/// Held shared from the making of a process's socket until it is in the registry, and alone by a fork: the copy
/// forgets all that is in the registry, and must have nothing of what is not yet there.
///
/// Where both are taken, the lock of standard output comes before it.
static FORKING: RwLock<()> = RwLock::new(());

fn shared() -> RwLockReadGuard<'static, ()> {
    FORKING.read().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> RwLockWriteGuard<'static, ()> {
    FORKING.write().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a process be that has been entered, once it says that it is as it was wished.
fn settle(child: Arc<Child>, answer: bool) -> Result<Arc<Child>, SpawnError> {
    if exit::has_begun() {
        // The exit may have looked for children before this one was entered.
        let _ = child.signal("end", Signal::KILL);
        let _ = child.wait(Deadline::NEVER);
        registry::remove(&child);
        return Err(SpawnError::Exiting);
    }
    if answer && let Err(error) = child.wait_until_started() {
        registry::remove(&child);
        return Err(not_set(child.name(), error));
    }
    Ok(child)
}

/// Makes the two ends of a control socket.
fn control_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = packet::pair()?;
    Ok((above_standard(ours)?, above_standard(theirs)?))
}

/// Makes the process; it is in no list yet.
fn make(
    plan: &Plan,
    mut prepared: Prepared,
    call: Call,
    args: Encoded,
    method: StartMethod,
) -> Result<(Child, Ends), SpawnError> {
    let Encoded { bytes, mut fds } = args;
    let own_fds = prepared.own.len();
    fds.append(&mut prepared.own);
    if fds.len() > packet::MAX_FDS {
        return Err(SpawnError::TooManyDescriptors { count: fds.len(), limit: packet::MAX_FDS });
    }
    let failed = |error: io::Error| not_started(&prepared.identity.name, error);
    let order = Order {
        program: Program::of_this_process().map_err(failed)?,
        key: key(),
        call,
        preloads: match method {
            StartMethod::Spawn => Vec::new(),
            StartMethod::ForkServer => forkserver::preloads(),
        },
        fds: fds.len() as u32,
        own_fds: own_fds as u32,
        identity: prepared.identity.clone(),
        answer: prepared.answer,
        settings: prepared.settings.clone(),
    };
    let (kind, body) = write_start(&order, bytes).map_err(SpawnError::Encode)?;
    let (ours, theirs) = control_pair().map_err(failed)?;
    let borrowed: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
    // Before the process exists, so that it never waits for us, and we never for it.
    packet::send(ours.as_fd(), kind, &body, &borrowed, Deadline::after(CROWDED))
        .map_err(|error| failed(crowded(error)))?;
    drop((body, fds));
    let copied = match method {
        StartMethod::Spawn => None,
        StartMethod::ForkServer => server::copy(theirs.as_fd()).map_err(failed)?,
    };
    let ((pid, pidfd), method) = match copied {
        Some(made) => (made, StartMethod::ForkServer),
        None => {
            let made = spawn::spawn(theirs.as_fd(), &plan.environment).map_err(failed)?;
            (made, StartMethod::Spawn)
        }
    };
    drop(theirs);
    Ok(prepared.into_child(pid, pidfd, ours, Some(method)))
}

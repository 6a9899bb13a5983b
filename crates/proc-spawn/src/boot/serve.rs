//! From the variable to the user's function: check everything, tie ourselves to the parent, run.

use super::c::{close_strays, ignore_sigpipe, is_privileged, leave, unset_variable};
use super::{VALUE, VALUE_CLOSE, VARIABLE, abort, apply, stack};
use crate::call::{Call, Fault, learn_key};
use crate::child::{Identity, REFUSED, This};
use crate::exit;
use crate::image::{File, Program};
use crate::message::{self, Order};
use crate::settings::Settings;
use crate::tie;
use multiproc_core::deadline::Deadline;
use multiproc_core::packet::{self, Packet};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec, fcntl_getfd};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::time::Duration;

/// Serves the order that the variable promises. Never returns, whatever is wrong.
pub(super) fn begin(value: &CStr, run_later_constructors: impl FnOnce()) -> ! {
    // The variable's memory goes with it.
    let value = value.to_bytes().to_vec();
    if is_privileged() {
        refuse("the program runs with more rights than its user");
    }
    unset_variable();
    let close = match value {
        value if value == VALUE.as_bytes() => false,
        value if value == VALUE_CLOSE.as_bytes() => true,
        value => refuse(&format!(
            "{} is {:?} instead of {VALUE:?}",
            VARIABLE.to_string_lossy(),
            String::from_utf8_lossy(&value)
        )),
    };
    let prepared = match prepare(close) {
        Ok(prepared) => prepared,
        Err(Refusal::Because(text)) => refuse(&text),
        // Nobody is there to be told, and nothing is wrong with us.
        Err(Refusal::Orphan) => leave(REFUSED),
    };
    // What the standard library does before `main`, which does not come here.
    ignore_sigpipe();
    let (this, Order { call, preloads, .. }, packet) = become_child(prepared);
    // Last, so that a constructor that asks finds out whose process this is.
    run_later_constructors();
    let outcome = preload(&preloads).and_then(|()| call.run(packet.body, packet.fds));
    this.finish(&outcome)
}

/// Serves the order that comes through the socket, in a copy of the fork server. Never returns.
pub(super) fn serve_copied(control: OwnedFd) -> ! {
    let prepared = Program::of_this_process()
        .map_err(|error| Refusal::Because(error.to_string()))
        .and_then(|program| {
            check_maker(control.as_fd(), program.file())?;
            receive(control, &program)
        });
    // What was to be loaded before is there.
    let (this, Order { call, .. }, packet) = match prepared {
        Ok(prepared) => become_child(prepared),
        Err(Refusal::Because(text)) => refuse(&text),
        Err(Refusal::Orphan) => leave(REFUSED),
    };
    let outcome = call.run(packet.body, packet.fds);
    this.finish(&outcome)
}

/// Calls what is to be loaded before anything else.
pub(super) fn preload(preloads: &[Call]) -> Result<(), Fault> {
    preloads.iter().try_for_each(|preload| preload.run(Vec::new(), Vec::new()).map(drop))
}

fn become_child((control, order, mut packet): Prepared) -> (&'static This, Order, Packet) {
    learn_key(order.key);
    let own = packet.fds.split_off(packet.fds.len() - order.own_fds as usize);
    let identity = order.identity.clone();
    let this = settle(identity, control, &order.settings, &own, order.answer);
    (this, order, packet)
}

/// Ties this process to its parent and makes it as it was wished, or ends it.
pub(crate) fn settle(
    identity: Identity,
    control: OwnedFd,
    settings: &Settings,
    own: &[impl AsFd],
    answer: bool,
) -> &'static This {
    let tied = identity.tied;
    if tied && let Err(error) = tie::arm(control.as_fd()) {
        refuse(&format!("it cannot be tied to its parent: {error}"));
    }
    let this = This::learn(identity, control);
    // Or it would be called `exe` in every list of processes, after the link that was executed.
    let _ = rustix::thread::set_name(&CString::new(this.name()).unwrap_or_default());
    stack::report_overflow(this.name());
    abort::report_failed_allocation();
    match apply::apply(settings, own) {
        Ok(place) if answer => this.tell_started(place),
        Ok(_) => {}
        Err(unset) => {
            this.tell_unset(&unset);
            leave(REFUSED);
        }
    }
    exit::take_tree_along(settings.tree.is_some());
    if tied && !this.parent_is_alive() {
        // It died before the tie was armed, so no signal comes.
        leave(REFUSED);
    }
    this
}

/// The parent's socket, what it said, and what came with that.
type Prepared = (OwnedFd, Order, Packet);

/// Why a process does not start.
enum Refusal {
    /// Something is wrong, and whoever looks at stderr is told what.
    Because(String),
    /// Its parent has died in the meantime.
    Orphan,
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self::Because(text)
    }
}

/// Receives the order through descriptor 0, after looking at who made that socket.
fn prepare(close: bool) -> Result<Prepared, Refusal> {
    if close {
        close_strays();
    }
    let boot = rustix::stdio::stdin();
    if sockopt::socket_domain(boot) != Ok(AddressFamily::UNIX)
        || sockopt::socket_type(boot) != Ok(SocketType::SEQPACKET)
    {
        return Err("descriptor 0 is not the socket of a parent".to_owned().into());
    }
    let program = Program::of_this_process()
        .map_err(|error| format!("it cannot look at its own file through /proc: {error}"))?;
    check_maker(boot, program.file())?;
    let control = fcntl_dupfd_cloexec(boot, 3).map_err(|error| error.to_string())?;
    let null = open_standard_descriptors().map_err(|error| format!("no /dev/null: {error}"))?;
    rustix::stdio::dup2_stdin(&null).map_err(|error| error.to_string())?;
    drop(null);
    receive(control, &program)
}

/// Receives the order.
fn receive(control: OwnedFd, program: &Program) -> Result<Prepared, Refusal> {
    // It was sent before there was this process, so nothing is worth waiting for.
    let mut packet =
        match packet::recv(control.as_fd(), usize::MAX, Deadline::after(Duration::ZERO)) {
            Ok(Some(packet)) => packet,
            Ok(None) => return Err(Refusal::Orphan),
            Err(error) => return Err(format!("no start message: {error}").into()),
        };
    let order = message::read_start(&mut packet).map_err(|why| format!("start message: {why}"))?;
    if order.program != *program {
        let text = "the start message was made by another build of the program";
        return Err(text.to_owned().into());
    }
    Ok((control, order, packet))
}

/// Refuses a socket that another user or another program made: its message names addresses.
fn check_maker(boot: BorrowedFd<'_>, own: File) -> Result<(), Refusal> {
    let maker = sockopt::socket_peercred(boot).map_err(|error| error.to_string())?;
    if maker.uid != rustix::process::geteuid() {
        return Err(format!("the socket was made by user {}", maker.uid.as_raw()).into());
    }
    let pid = maker.pid.as_raw_pid();
    match File::run_by(&pid.to_string()) {
        Ok(file) if file == own => Ok(()),
        Ok(_) => Err(format!("the socket was made by another program (process {pid})").into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Refusal::Orphan),
        Err(error) => {
            Err(format!("process {pid}, its parent, cannot be looked at: {error}").into())
        }
    }
}

/// Opens descriptors 1 and 2 if they are closed, lest a later file becomes somebody's stdout.
/// Returns `/dev/null`, opened once more.
fn open_standard_descriptors() -> Result<OwnedFd, Errno> {
    let null = |flags| open("/dev/null", flags, Mode::empty());
    for standard in [rustix::stdio::stdout(), rustix::stdio::stderr()] {
        if fcntl_getfd(standard) == Err(Errno::BADF) {
            // The lowest free number is the one that was missing. It stays open for good.
            let _ = null(OFlags::RDWR)?.into_raw_fd();
        }
    }
    null(OFlags::RDONLY | OFlags::CLOEXEC)
}

/// Says why on one line, and ends the process.
fn refuse(why: &str) -> ! {
    let line = format!("proc-spawn: process {} did not start: {why}\n", std::process::id());
    // Not through std's handle, which may want memory or a lock.
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
    leave(REFUSED)
}

//! From the variable to the user's function: check everything, tie ourselves to the parent, run.

use super::c::{close_strays, ignore_sigpipe, is_privileged, leave, unset_variable};
use super::{VALUE, VALUE_CLOSE, VARIABLE, stack};
use crate::call::learn_key;
use crate::child::{REFUSED, This};
use crate::image::{File, Program};
use crate::message::{self, Order};
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
    let (control, order, packet) = match prepare(close) {
        Ok(prepared) => prepared,
        Err(Refusal::Because(text)) => refuse(&text),
        // Nobody is there to be told, and nothing is wrong with us.
        Err(Refusal::Orphan) => leave(REFUSED),
    };
    if !order.detached
        && let Err(error) = tie::arm(control.as_fd())
    {
        refuse(&format!("it cannot be tied to its parent: {error}"));
    }
    learn_key(order.key);
    let this = This::learn(&order, control);
    // Or it would be called `exe` in every list of processes, after the link that was executed.
    let _ = rustix::thread::set_name(&CString::new(this.name()).unwrap_or_default());
    if order.detached {
        this.tell_started();
    } else if !this.parent_is_alive() {
        // It died before the tie was armed, so no signal comes.
        leave(REFUSED);
    }
    // What the standard library does before `main`, which does not come here.
    ignore_sigpipe();
    stack::report_overflow(this.name());
    // Last, so that a constructor that asks finds out whose process this is.
    run_later_constructors();
    let outcome = order.call.run(packet.body, packet.fds);
    this.finish(&outcome)
}

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
fn prepare(close: bool) -> Result<(OwnedFd, Order, Packet), Refusal> {
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
    // It was sent before we were executed, so nothing is worth waiting for.
    let mut packet =
        match packet::recv(control.as_fd(), usize::MAX, Deadline::after(Duration::ZERO)) {
            Ok(Some(packet)) => packet,
            Ok(None) => return Err(Refusal::Orphan),
            Err(error) => return Err(format!("no start message: {error}").into()),
        };
    let order = message::read_start(&mut packet).map_err(|why| format!("start message: {why}"))?;
    if order.program != program {
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

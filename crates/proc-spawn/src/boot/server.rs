//! The fork server: waits in the constructor of its process, and copies itself on request.

use super::copy::{Copied, Thread};
use super::{c, serve};
use crate::affinity;
use crate::call::Call;
use crate::error::SpawnError;
use crate::page::Page;
use crate::start::server::{Arguments, COPIED, COPY, FAILED, UNFIT};
use multiproc_core::deadline::Deadline;
use multiproc_core::packet::{self, Packet};
use rustix::fs::{Mode, OFlags, open};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

pub(crate) use crate::start::server::arguments;

/// Returns the name of the server's function.
pub(crate) fn call() -> Result<Call, SpawnError> {
    Call::apply::<Arguments, ()>(|socket, page, preloads| run(socket.0, page.0, &preloads))
}

/// Serves until its user closes the socket.
fn run(socket: Arc<OwnedFd>, memory: Arc<OwnedFd>, preloads: &[Call]) {
    // The user decides what Ctrl-C means, which reaches us as well.
    c::block_sigint(true);
    if let Err(fault) = serve::preload(preloads) {
        // Told once more, as ours: the parent hears how we ended.
        std::panic::resume_unwind(Box::new(fault.to_string()));
    }
    let only = Thread::only();
    if only.is_ok() {
        // Or each copy would write it again. A thread that was left behind may keep the streams for ever.
        let _ = std::io::stdout().flush();
        c::flush_streams();
    }
    // The user may close its output some day, and whoever reads that must see the end. Copies are sent their own.
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let _ = null.map(rustix::stdio::dup2_stdout);
    let fit =
        Page::map(&*memory).map_err(|error| error.to_string()).and_then(|page| Ok((page, only?)));
    drop(memory);
    let tell = |kind, body: &[u8]| {
        // A user that is gone takes us along.
        let _ = packet::send(socket.as_fd(), kind, body, &[], Deadline::NEVER);
    };
    let (page, thread) = match fit {
        Ok(fit) => fit,
        Err(why) => {
            // Whoever asks is told.
            while let Ok(Some(_)) = packet::recv(socket.as_fd(), usize::MAX, Deadline::NEVER) {
                tell(UNFIT, why.as_bytes());
            }
            return;
        }
    };
    let mut failed = None;
    loop {
        let (control, mask) = match packet::recv(socket.as_fd(), usize::MAX, Deadline::NEVER) {
            Ok(Some(Packet { kind: COPY, mut fds, body })) if fds.len() == 1 => {
                (fds.remove(0), body)
            }
            Ok(Some(_)) => continue,
            Ok(None) => return,
            Err(error) => {
                let number = error.raw_os_error().unwrap_or(libc::EIO);
                tell(FAILED, &number.to_ne_bytes());
                // One that stays would be met again at once, for ever.
                if failed.replace(number) == Some(number) {
                    return;
                }
                continue;
            }
        };
        failed = None;
        match thread.copy(&page) {
            Ok(Copied::Here(pid)) => {
                drop(control);
                tell(COPIED, &pid.to_ne_bytes());
            }
            Ok(Copied::There) => {
                drop((page, socket));
                if let Some(this) = crate::child::this() {
                    this.retire();
                }
                c::block_sigint(false);
                affinity::follow(&mask);
                serve::serve_copied(control);
            }
            // A filter forbids it, or the kernel does not know it.
            Err(error @ (libc::EPERM | libc::ENOSYS | libc::EINVAL)) => {
                tell(UNFIT, std::io::Error::from_raw_os_error(error).to_string().as_bytes());
            }
            Err(error) => tell(FAILED, &error.to_ne_bytes()),
        }
    }
}

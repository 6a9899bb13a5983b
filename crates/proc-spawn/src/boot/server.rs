//! The fork server: waits in the constructor of its process, and copies itself on request.

use super::copy::{Copied, Thread};
use super::{c, serve};
use crate::call::{Call, Fault};
use crate::error::SpawnError;
use crate::page::Page;
use crate::start::server::{Arguments, COPIED, COPY, FAILED, UNFIT};
use multiproc_core::deadline::Deadline;
use multiproc_core::packet::{self, Packet};
use rustix::fs::{Mode, OFlags, open};
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
    for preload in preloads {
        if let Err(Fault::Panicked(panic)) = preload.run(Vec::new(), Vec::new()) {
            // Told once more, as ours: the parent hears how we ended.
            std::panic::resume_unwind(Box::new(panic.to_string()));
        }
    }
    // The user may close its output some day, and whoever reads that must see the end. Copies are sent their own.
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let _ = null.map(rustix::stdio::dup2_stdout);
    let fit = Page::map(&*memory)
        .map_err(|error| error.to_string())
        .and_then(|page| Ok((page, Thread::only()?)));
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
    loop {
        let control = match packet::recv(socket.as_fd(), usize::MAX, Deadline::NEVER) {
            Ok(Some(Packet { kind: COPY, mut fds, .. })) if fds.len() == 1 => fds.remove(0),
            Ok(Some(_)) => continue,
            Ok(None) => return,
            Err(error) => {
                tell(FAILED, &error.raw_os_error().unwrap_or(libc::EIO).to_ne_bytes());
                continue;
            }
        };
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

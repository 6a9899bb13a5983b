//! Output that nobody wants, read so that the process which writes it comes to its end.

use crate::registry::{Child, wait_for};
use multiproc_core::deadline::Deadline;
use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, ioctl_fionbio, read};
use std::io::PipeReader;

/// The reading ends of the pipes of one process.
pub(crate) type Readers = [Option<PipeReader>; 2];

/// Waits until those of the processes have ended that have pipes here; what they write there is dropped.
pub(crate) fn until_ended<'a>(processes: impl Iterator<Item = (&'a Child, &'a mut Readers)>) {
    let mut processes: Vec<_> = processes.collect();
    for reader in processes.iter_mut().flat_map(|(_, readers)| readers.iter_mut()) {
        // One that could block us is given up, which the process sees as the end of its output.
        drop(reader.take_if(|reader| ioctl_fionbio(reader, true).is_err()));
    }
    let mut rest = vec![0; 64 * 1024];
    loop {
        processes.retain_mut(|(child, readers)| {
            for reader in &mut **readers {
                drop(reader.take_if(|reader| has_ended(reader, &mut rest)));
            }
            readers.iter().any(Option::is_some) && child.try_wait().is_none()
        });
        if processes.is_empty() {
            return;
        }
        let mut fds = Vec::new();
        for (child, readers) in &processes {
            fds.push(PollFd::from_borrowed_fd(child.pidfd(), PollFlags::IN));
            fds.extend(readers.iter().flatten().map(|reader| PollFd::new(reader, PollFlags::IN)));
        }
        let _ = wait_for(&mut fds, Deadline::NEVER);
    }
}

/// Reads what is there, once; says whether nothing more will come.
fn has_ended(reader: &PipeReader, into: &mut [u8]) -> bool {
    match read(reader, into) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error, Errno::AGAIN | Errno::INTR),
    }
}

//! Where the three standard streams of a new process go.

use crate::capture::Captured;
use crate::descriptor::above_standard;
use crate::drain::Readers;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Where a standard stream of a new process goes, or comes from.
///
/// ```
/// use proc_spawn::{Builder, Stdio};
/// use std::io::Read;
///
/// let mut process = Builder::new()
///     .stdout(Stdio::piped())
///     .stderr(Stdio::captured())
///     .spawn((), || {
///         println!("to be read at once");
///         eprintln!("to be looked at later");
///     })?;
/// let mut text = String::new();
/// process.take_stdout().expect("it is piped").read_to_string(&mut text)?;
/// assert_eq!(text, "to be read at once\n");
/// let _ = process.wait();
/// let captured = process.captured_stderr().expect("it is captured");
/// assert_eq!(captured.tail(6)?, b"later\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stdio(pub(crate) Kind);

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Inherit,
    Null,
    Piped,
    Captured,
    File(Arc<OwnedFd>),
}

impl Stdio {
    /// Uses that of this process: the default of standard output and standard error.
    #[must_use]
    pub fn inherit() -> Self {
        Self(Kind::Inherit)
    }

    /// Uses `/dev/null`: the default of standard input.
    #[must_use]
    pub fn null() -> Self {
        Self(Kind::Null)
    }

    /// Makes a pipe, whose other end [`Process::take_stdout`](crate::Process::take_stdout) and its like give.
    ///
    /// A process whose pipe is full waits until somebody reads; a [`join`](crate::Process::join) drops what nobody took.
    /// What nobody is to read at once is better [captured](Stdio::captured).
    #[must_use]
    pub fn piped() -> Self {
        Self(Kind::Piped)
    }

    /// Collects what is written in memory, to be looked at at any time: see [`Captured`].
    ///
    /// The process never waits, and nobody has to read. For standard output and standard error. It counts as a file:
    /// under [`file_size_bytes`](crate::Builder::file_size_bytes) a process ends when it has written more.
    #[must_use]
    pub fn captured() -> Self {
        Self(Kind::Captured)
    }

    /// Uses a file, a socket or a pipe.
    #[must_use]
    pub fn file(file: impl Into<OwnedFd>) -> Self {
        Self(Kind::File(Arc::new(file.into())))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        Self::file(file)
    }
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Self {
        Self::file(fd)
    }
}

impl From<PipeReader> for Stdio {
    fn from(pipe: PipeReader) -> Self {
        Self::file(pipe)
    }
}

impl From<PipeWriter> for Stdio {
    fn from(pipe: PipeWriter) -> Self {
        Self::file(pipe)
    }
}

/// The wishes for the three streams.
#[derive(Clone, Debug)]
pub(crate) struct Streams(pub(crate) [Stdio; 3]);

impl Default for Streams {
    fn default() -> Self {
        Self([Stdio::null(), Stdio::inherit(), Stdio::inherit()])
    }
}

/// What a new process does with one of its streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Redirect {
    /// Nothing: it is right.
    #[default]
    Keep,
    Null,
    /// It takes the descriptor with this index among those that were sent for its own use.
    Sent(u32),
}

/// The ends of the streams that stay here.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) stdin: Option<PipeWriter>,
    /// Of standard output and standard error.
    pub(crate) readers: Readers,
    pub(crate) captured: [Option<Captured>; 2],
}

/// Makes a pipe.
fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((above_standard(reader)?.into(), above_standard(writer)?.into()))
}

impl Streams {
    /// Opens what is to be opened: what the new process does, what it is sent for it, and what stays here.
    ///
    /// `shares`: the new process has our standard output and standard error already.
    pub(crate) fn open(
        &self,
        shares: bool,
        sent: &mut Vec<Arc<OwnedFd>>,
    ) -> io::Result<([Redirect; 3], Ends)> {
        let mut ends = Ends::default();
        let mut redirects = [Redirect::Keep; 3];
        let own: [&dyn AsFd; 3] =
            [&rustix::stdio::stdin(), &rustix::stdio::stdout(), &rustix::stdio::stderr()];
        for (index, (stdio, redirect)) in self.0.iter().zip(&mut redirects).enumerate() {
            let output = index.checked_sub(1);
            let fd = match (&stdio.0, output) {
                (Kind::Inherit, Some(_)) if shares => continue,
                (Kind::Inherit, _) => match own[index].as_fd().try_clone_to_owned() {
                    Ok(fd) => Arc::new(fd),
                    // A process that has closed its own has none to give.
                    Err(_) => {
                        *redirect = Redirect::Null;
                        continue;
                    }
                },
                (Kind::Null, _) => {
                    *redirect = Redirect::Null;
                    continue;
                }
                (Kind::Piped, None) => {
                    let (reader, writer) = pipe()?;
                    ends.stdin = Some(writer);
                    Arc::new(reader.into())
                }
                (Kind::Piped, Some(output)) => {
                    let (reader, writer) = pipe()?;
                    ends.readers[output] = Some(reader);
                    Arc::new(writer.into())
                }
                (Kind::Captured, None) => {
                    let text = "standard input cannot be captured";
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                (Kind::Captured, Some(output)) => {
                    let captured = Captured::new()?;
                    let fd = captured.descriptor();
                    ends.captured[output] = Some(captured);
                    fd
                }
                (Kind::File(file), _) => Arc::clone(file),
            };
            #[allow(clippy::cast_possible_truncation, reason = "at most three")]
            let place = sent.len() as u32;
            *redirect = Redirect::Sent(place);
            sent.push(fd);
        }
        Ok((redirects, ends))
    }
}

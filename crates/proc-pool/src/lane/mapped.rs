//! Words that the pool and a worker have both mapped, and how they get to the worker.

use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use multiproc_core::header::{Item, Spec};
use multiproc_core::segment::{self, Opened, Place, Plain, Segment};

/// Words that fill a segment of their own.
pub(super) trait Kind: Plain {
    /// As the segment's header has it.
    const NAME: &'static str;
}

/// A handle of such a segment.
#[derive(Debug)]
pub(super) struct Mapped<W> {
    segment: Arc<Segment>,
    fd: Arc<OwnedFd>,
    words: PhantomData<fn() -> W>,
}

// Written by hand: another handle, not other words.
impl<W> Clone for Mapped<W> {
    fn clone(&self) -> Self {
        let (segment, fd) = (Arc::clone(&self.segment), Arc::clone(&self.fd));
        Self { segment, fd, words: PhantomData }
    }
}

impl<W: Kind> Mapped<W> {
    pub(super) fn new() -> io::Result<Self> {
        let spec = Spec { kind: W::NAME, item: Item::named(W::NAME), capacity: 1, detail: 0 };
        let place = Place::Anonymous(W::NAME);
        Ok(Self::from_opened(segment::create(place, &spec, size_of::<W>(), |_| ())?))
    }

    fn from_opened(opened: Opened) -> Self {
        Self { segment: opened.segment, fd: opened.fd, words: PhantomData }
    }

    fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    fn attach(fd: Arc<OwnedFd>) -> io::Result<Self> {
        let opened = segment::attach(fd, W::NAME, Item::named(W::NAME))?;
        if opened.segment.body_bytes() < size_of::<W>() {
            let why = format!("it is too short for a {}", W::NAME);
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Self::from_opened(opened))
    }

    #[inline]
    pub(super) fn words(&self) -> &W {
        self.segment.get(0)
    }
}

multiproc_core::travels!([W: Kind] Mapped<W>);

//! A queue's end together with the blocks, and making and finding them.

use core::convert::Infallible;
use core::ops::Deref;
use std::io;
#[cfg(feature = "serde")]
use std::os::fd::OwnedFd;
use std::path::Path;
#[cfg(feature = "serde")]
use std::sync::Arc;

use multiproc_core::header::Spec;
use multiproc_core::place::Name;
use multiproc_core::segment::{self, Opened, Place, Segment};

use super::layout::{Blocks, Layout};
use super::owner::Tag;
use super::ring::{Descriptor, InBlocks, Queued};
use super::slab::{Message, Slab, places};
use crate::ends::{End, Queue};
use crate::error::Error;
#[cfg(feature = "serde")]
use crate::memory::Memory;
use crate::ring::{Patience, Stop};
use crate::shape::{Contents, Shape};
use crate::words::{RECEIVERS, SENDERS, distance};

/// One end of a queue of blocks, as all handles of one process share it.
pub(super) struct BlockEnd<const SIDE: usize> {
    end: End<InBlocks, SIDE>,
    pub(super) slab: Slab,
}

impl<const SIDE: usize> Deref for BlockEnd<SIDE> {
    type Target = End<InBlocks, SIDE>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.end
    }
}

impl<const SIDE: usize> BlockEnd<SIDE> {
    fn claim(opened: &Opened, shape: Shape) -> io::Result<Self> {
        let slab = Slab::view(opened, shape)?;
        Ok(Self { end: Queue::claim(opened, shape)?, slab })
    }

    /// Creates a queue at a path, with one of its ends.
    pub(super) fn create_at(path: &Path, capacity: usize, blocks: &Blocks) -> Result<Self, Error> {
        create(Place::Path(path), capacity, blocks)
            .and_then(|(opened, shape)| {
                // A failed creation leaves no file; this one is ours, and nobody can have got at
                // it.
                Self::claim(&opened, shape).inspect_err(|_| drop(std::fs::remove_file(path)))
            })
            .map_err(|error| {
                let what = format!("{} at `{}`", describe(capacity, blocks), path.display());
                Error::new("create", what, error)
            })
    }

    /// Opens one end of the queue at a path.
    pub(super) fn open_at(path: &Path) -> Result<Self, Error> {
        segment::open(path, InBlocks::KIND, InBlocks::item())
            .and_then(|opened| Self::claim(&opened, Queue::<InBlocks>::check::<SIDE>(&opened)?))
            .map_err(|error| {
                Error::new("open", format!("the queue at `{}`", path.display()), error)
            })
    }

    /// Opens one end of the queue at a path, or makes the queue if there is none.
    pub(super) fn open_or_create_at(
        path: &Path,
        capacity: usize,
        blocks: &Blocks,
    ) -> Result<Self, Error> {
        let open_or_create = || {
            let (spec, shape, layout) = lay_out(capacity, blocks)?;
            let write = |segment: &Segment| layout.write(segment, shape.arena_at);
            let bytes = places(shape).body_bytes();
            let (opened, _made) = segment::open_or_create(path, &spec, bytes, write)?;
            Self::claim(&opened, Queue::<InBlocks>::check::<SIDE>(&opened)?)
        };
        open_or_create().map_err(|error| {
            let what = format!("{} at `{}`", describe(capacity, blocks), path.display());
            Error::new("open or create", what, error)
        })
    }

    /// Takes over an end that arrived as a descriptor, which stands for its side already.
    #[cfg(feature = "serde")]
    pub(super) fn attach(fd: Arc<OwnedFd>) -> Result<Self, Error> {
        segment::attach(fd, InBlocks::KIND, InBlocks::item())
            .and_then(|opened| {
                let shape = Queue::<InBlocks>::check::<SIDE>(&opened)?;
                let slab = Slab::view(&opened, shape)?;
                Ok(Self { end: End::sit(Memory::new(opened.segment, shape), opened.fd), slab })
            })
            .map_err(|error| Error::new("attach", "a queue that arrived in a message", error))
    }
}

/// Makes a queue that lives in memory, with both its ends.
pub(super) fn pair(
    capacity: usize,
    blocks: &Blocks,
) -> Result<(BlockEnd<SENDERS>, BlockEnd<RECEIVERS>), Error> {
    let failed = |error| Error::new("create", describe(capacity, blocks), error);
    let place = Place::Anonymous("multiproc-blocks");
    let (opened, shape) = create(place, capacity, blocks).map_err(failed)?;
    let sender = BlockEnd::claim(&opened, shape).map_err(failed)?;
    Ok((sender, BlockEnd::claim(&opened, shape).map_err(failed)?))
}

fn create(place: Place<'_>, capacity: usize, blocks: &Blocks) -> io::Result<(Opened, Shape)> {
    let (spec, shape, layout) = lay_out(capacity, blocks)?;
    let write = |segment: &Segment| layout.write(segment, shape.arena_at);
    Ok((segment::create(place, &spec, places(shape).body_bytes(), write)?, shape))
}

/// Says what goes into the header, and where things lie.
fn lay_out(capacity: usize, blocks: &Blocks) -> io::Result<(Spec, Shape, Layout)> {
    let wrong = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
    let layout = blocks.layout().map_err(|why| wrong(format!("it would have {why}")))?;
    // A `usize` has 64 bits on every platform of ours.
    let capacity = capacity as u64;
    let shape = Shape::of::<InBlocks>(capacity, layout.bytes).map_err(wrong)?;
    let item = InBlocks::item();
    Ok((Spec { kind: InBlocks::KIND, item, capacity, detail: layout.bytes }, shape, layout))
}

fn describe(capacity: usize, blocks: &Blocks) -> String {
    format!("a queue of {capacity} messages in {blocks}")
}

impl BlockEnd<SENDERS> {
    /// Sends the block that this thread holds; puts back nothing, so the caller still has it when
    /// it fails.
    pub(super) fn put(
        &self,
        patience: Patience,
        block: u32,
        len: usize,
        me: Tag,
    ) -> Result<(), Stop> {
        let slab = &self.slab;
        self.end.put(
            patience,
            |memory, tail, head| (distance(tail, head) < memory.capacity()).then_some(()),
            |memory, index, ()| {
                #[cfg(test)]
                if super::killed::is_broken(super::killed::Broken::QueuesLate) {
                    return memory.describe(index, Descriptor { block, len: len as u64 });
                }
                slab.queue(block, me, index);
                memory.describe(index, Descriptor { block, len: len as u64 });
            },
        )?;
        #[cfg(test)]
        if super::killed::is_broken(super::killed::Broken::QueuesLate) {
            slab.queue(block, me, self.queued().last());
        }
        Ok(())
    }

    /// Returns what lies in the ring.
    pub(super) fn queued(&self) -> Queued<'_> {
        Queued(self.memory())
    }
}

impl BlockEnd<RECEIVERS> {
    /// Takes a message out of the ring, its block with it.
    pub(super) fn take(&self, patience: Patience, me: Name) -> Result<Message, Stop> {
        let me = Tag::of(me);
        loop {
            let taken = self.end.take(patience, |memory, index| {
                let Descriptor { block, len } = memory.descriptor(index);
                Ok::<_, Infallible>(self.slab.take(block, len, me, index))
            })?;
            // A message without a block is passed by.
            if let Ok(Some(message)) = taken {
                return Ok(message);
            }
        }
    }
}

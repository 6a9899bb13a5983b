//! Making queues whose messages are leased.

use std::io;

use multiproc_core::segment::{Opened, Place};

use super::slots::{Leased, Lent};
use crate::ends::{End, Queue, Room, describe};
use crate::error::Error;
use crate::shape::{Contents, Shape};
use crate::words::{RECEIVERS, SENDERS};

/// The two ends of a queue: one that sends, as any, and one that leases.
type Pair<C> = (End<C, SENDERS>, End<Leased<C>, RECEIVERS>);

impl<C: Contents> Queue<C>
where
    Leased<C>: Lent,
{
    /// Makes a queue that lives in memory, with both its ends.
    pub(super) fn leased_pair(room: Room) -> Result<Pair<C>, Error> {
        let claim = |(opened, shape): (Opened, Shape)| -> io::Result<Pair<C>> {
            let receiver = Queue::<Leased<C>>::claim(&opened, shape)?;
            Ok((Self::claim(&opened, shape)?, receiver))
        };
        Self::create(Place::Anonymous("multiproc-queue"), room)
            .and_then(claim)
            .map_err(|error| Error::new("create", describe::<C>(room), error))
    }
}

//! What a lease gives: the message out of its record, as its kind of queue has it.

use multiproc_core::place::NoPlace;
use std::io;

use super::ledger::Ledger;
use super::slots::{Leased, Lent};
use super::taking::Unleased;
use super::{Lease, Leases};
use crate::Item;
use crate::ends::End;
use crate::error::Error;
use crate::ring::{Patience, Stop};
use crate::shape::{Bytes, Fixed};
use crate::words::RECEIVERS;

/// Messages as their users get them.
pub(crate) trait Given: Lent {
    type Message;

    /// Reads the message of a record that the caller has.
    fn read(ledger: &Ledger, at: u32) -> Result<Self::Message, Error>;
}

impl<T: Item> Given for Leased<Fixed<T>> {
    type Message = T;

    #[inline]
    fn read(ledger: &Ledger, at: u32) -> Result<T, Error> {
        Ok(ledger.message(at))
    }
}

impl Given for Leased<Bytes> {
    type Message = Vec<u8>;

    fn read(ledger: &Ledger, at: u32) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        ledger.bytes(at, &mut bytes);
        Ok(bytes)
    }
}

#[cfg(feature = "serde")]
impl<T: serde::de::DeserializeOwned + 'static> Given for Leased<crate::shape::Values<T>> {
    type Message = T;

    fn read(ledger: &Ledger, at: u32) -> Result<T, Error> {
        let mut bytes = Vec::new();
        ledger.bytes(at, &mut bytes);
        crate::values::decode(&bytes).map_err(|error| {
            Error::new("lease", "a message", io::Error::new(io::ErrorKind::InvalidData, error))
        })
    }
}

/// Why nothing was given.
#[derive(Debug)]
pub(super) enum Denied {
    Stop(Stop),
    Failed(Error),
}

impl<C: Given> End<C, RECEIVERS> {
    /// Leases one message.
    #[inline]
    pub(super) fn lease_one(&self, patience: Patience) -> Result<Lease<'_, C::Message>, Denied> {
        let mut at = [0];
        let (name, _) = self.lease(patience, &mut at).map_err(|why| self.deny(why))?;
        let ledger = self.memory().ledger().ok_or(Denied::Stop(Stop::Gone))?;
        match C::read(ledger, at[0]) {
            Ok(message) => Ok(Lease::new(ledger, name, at[0], message)),
            Err(error) => {
                ledger.poison(at[0]);
                Err(Denied::Failed(error))
            }
        }
    }

    /// Leases several messages.
    pub(super) fn lease_window(
        &self,
        patience: Patience,
        most: usize,
    ) -> Result<Leases<'_, C::Message>, Denied> {
        let mut leases = Vec::new();
        let Some(ledger) = self.memory().ledger().filter(|_| most > 0) else {
            return Ok(Leases { leases });
        };
        // At most 2^16.
        let mut records = vec![0; most.min(ledger.leases() as usize)];
        let (name, taken) = self.lease(patience, &mut records).map_err(|why| self.deny(why))?;
        leases.reserve_exact(taken);
        let mut failed = None;
        for at in records.into_iter().take(taken) {
            match C::read(ledger, at) {
                Ok(message) => leases.push(Lease::new(ledger, name, at, message)),
                Err(error) => {
                    ledger.poison(at);
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if leases.is_empty() => Err(Denied::Failed(error)),
            _ => Ok(Leases { leases }),
        }
    }

    /// Leases one message that was handed out too often.
    pub(super) fn lease_one_poisoned(&self) -> Result<Option<Lease<'_, C::Message>>, Error> {
        let Some(ledger) = self.memory().ledger() else { return Ok(None) };
        let found = self.lease_poisoned().map_err(|why| match self.deny(why) {
            Denied::Failed(error) => error,
            // Without a deadline, and a lock alone to wait for.
            Denied::Stop(_) => failed(io::Error::other("the receivers' end was not entered")),
        })?;
        let Some((name, at)) = found else { return Ok(None) };
        match C::read(ledger, at) {
            Ok(message) => Ok(Some(Lease::new(ledger, name, at, message))),
            Err(error) => {
                ledger.free(at);
                Err(error)
            }
        }
    }

    #[cold]
    fn deny(&self, why: Unleased) -> Denied {
        let why = match why {
            Unleased::Stop(stop) => return Denied::Stop(stop),
            Unleased::NoneLeft => io::Error::other(
                "all leases of the queue are in the hands of this thread, or of poisoned messages",
            ),
            Unleased::NoPlace(NoPlace::Full) => {
                io::Error::other("as many threads lease from the queue as can")
            }
            Unleased::NoPlace(NoPlace::System(error)) => error,
        };
        Denied::Failed(failed(why))
    }
}

fn failed(why: io::Error) -> Error {
    Error::new("lease", "a message", why)
}

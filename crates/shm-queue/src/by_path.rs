//! Queues at a path: whoever comes first makes it, and a name that is no longer wanted goes.

use std::path::Path;
use std::sync::Arc;

use multiproc_core::segment;
#[cfg(feature = "serde")]
use serde::{Serialize, de::DeserializeOwned};

use crate::ends::{Queue, Room};
use crate::error::Error;
use crate::{ByteReceiver, ByteSender, Item, Receiver, Sender};
#[cfg(feature = "serde")]
use crate::{ValueReceiver, ValueSender};

/// Removes the name of the queue at `path`.
///
/// Those who have it open go on undisturbed, and with the last of them it is gone; who opens the path
/// later finds nothing, or what was made there anew. That it *is* a queue is not checked.
///
/// # Errors
///
/// When there is nothing at `path`, or it may not be removed.
///
/// # Examples
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("jobs");
/// let tx = shm_queue::Sender::<u64>::create(&path, 10)?;
/// shm_queue::unlink(&path)?;
/// assert!(shm_queue::Receiver::<u64>::open(&path).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "mq_unlink")]
pub fn unlink(path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let what = || format!("the queue at `{}`", path.display());
    segment::unlink(path).map_err(|error| Error::new("unlink", what(), error))
}

macro_rules! open_or_create {
    ($([$($generics:tt)*] $name:ident $(<$t:ident>)?, $end:literal, ($($bytes:ident)?);)*) => { $(
        impl<$($generics)*> $name $(<$t>)? {
            #[doc = concat!("Opens the queue at `path` for ", $end, ", or creates it if there is none.")]
            ///
            /// However many programs do this at once, and whoever of them is killed meanwhile: one makes
            /// the queue, whole, and all have the same. How large it is says the one who makes it. A
            /// queue that was closed is opened as it is: remove it ([`unlink`]) to begin anew.
            ///
            /// # Errors
            ///
            /// As `create`, but for a path where there is a queue already, and `open`.
            #[doc(alias = "mq_open")]
            pub fn open_or_create(
                path: impl AsRef<Path>,
                capacity: usize,
                $($bytes: usize,)?
            ) -> Result<Self, Error> {
                let room = Room::of(capacity, 0 $(+ $bytes)?);
                let end = Queue::open_or_create_at(path.as_ref(), room)?;
                Ok(Self { end: Arc::new(end) })
            }
        }
    )* };
}

open_or_create! {
    [T: Item] Sender<T>, "sending", ();
    [T: Item] Receiver<T>, "receiving", ();
    [] ByteSender, "sending", (capacity_bytes);
    [] ByteReceiver, "receiving", (capacity_bytes);
}

#[cfg(feature = "serde")]
open_or_create! {
    [T: Serialize + 'static] ValueSender<T>, "sending", (capacity_bytes);
    [T: DeserializeOwned + 'static] ValueReceiver<T>, "receiving", (capacity_bytes);
}

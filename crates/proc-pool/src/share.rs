//! Data that all workers read: put into sealed shared memory once, mapped once by each worker.
//!
//! A [`Broadcast`] in a task's arguments is a number there. The first task that names it makes the pool
//! send the descriptor to the worker, before the task; the worker keeps it. With the next data it is
//! told what it may forget: whatever has no handle left in the pool's process.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytemuck::{AnyBitPattern, NoUninit};
use multiproc_core::carry;
use proc_spawn::call;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;
use crate::sealed::Sealed;

static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);

/// The data of a broadcast in one process.
#[derive(Debug)]
struct Data {
    /// Its number among those that this process shares with its workers.
    number: u64,
    memory: Sealed,
    /// The value that it encodes, once it is needed here.
    value: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Data {
    fn new(memory: Sealed) -> Arc<Self> {
        // Relaxed: only to be different.
        let number = LAST_NUMBER.fetch_add(1, Relaxed) + 1;
        Arc::new(Self { number, memory, value: OnceLock::new() })
    }
}

/// Data that a task's arguments name.
#[derive(Clone, Debug)]
pub(crate) struct Sent(Arc<Data>);

impl Sent {
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.memory.fd().as_fd()
    }
}

/// What one worker has been sent.
#[derive(Debug, Default)]
pub(crate) struct Known(Vec<(u64, Weak<Data>)>);

impl Known {
    /// Notes that the worker may not have `sent`.
    pub(crate) fn remove(&mut self, sent: &Sent) {
        self.0.retain(|(number, _)| *number != sent.number());
    }

    /// Notes that the worker gets `sent`. Returns what it may forget, or `None` if it has it.
    pub(crate) fn add(&mut self, sent: &Sent) -> Option<Vec<u64>> {
        if self.0.iter().any(|(number, _)| *number == sent.number()) {
            return None;
        }
        let dead: Vec<_> =
            self.0.extract_if(.., |(_, data)| data.strong_count() == 0).map(|(n, _)| n).collect();
        self.0.push((sent.number(), Arc::downgrade(&sent.0)));
        Some(dead)
    }
}

thread_local! {
    static COLLECTING: RefCell<Option<Vec<Sent>>> = const { RefCell::new(None) };
}

/// Runs an encoding, and returns the data that it named.
pub(crate) fn collect<R>(encode: impl FnOnce() -> R) -> (R, Vec<Sent>) {
    struct Reset(Option<Option<Vec<Sent>>>);
    impl Drop for Reset {
        fn drop(&mut self) {
            // A `Serialize` may panic.
            if let Some(before) = self.0.take() {
                COLLECTING.with_borrow_mut(|now| *now = before);
            }
        }
    }
    let mut reset = Reset(Some(COLLECTING.replace(Some(Vec::new()))));
    let result = encode();
    let before = reset.0.take().flatten();
    (result, COLLECTING.replace(before).unwrap_or_default())
}

/// What this process, a worker, was sent, by the number that it has in the pool's process.
static LEARNT: Mutex<Option<Learnt>> = Mutex::new(None);
type Learnt = HashMap<u64, Result<Arc<Data>, String>>;

/// Takes shared data, in a worker.
pub(crate) fn learn(body: &[u8], fds: Vec<OwnedFd>) {
    let mut numbers = body.chunks_exact(8).filter_map(|number| number.try_into().ok());
    let Some(number) = numbers.next().map(u64::from_le_bytes) else { return };
    let fd = fds.into_iter().next().ok_or_else(|| "it came without memory".to_owned());
    let memory = fd.and_then(|fd| Sealed::open(fd).map_err(|error| error.to_string()));
    let mut learnt = LEARNT.lock().unwrap_or_else(PoisonError::into_inner);
    let learnt = learnt.get_or_insert_default();
    learnt.insert(number, memory.map(Data::new));
    for forgotten in numbers.map(u64::from_le_bytes) {
        learnt.remove(&forgotten);
    }
}

fn look_up(number: u64) -> Result<Arc<Data>, String> {
    let learnt = LEARNT.lock().unwrap_or_else(PoisonError::into_inner);
    let found = learnt.as_ref().and_then(|learnt| learnt.get(&number)).cloned();
    found.unwrap_or_else(|| Err("shared data reaches only workers of a pool".to_owned()))
}

fn serialize<S: Serializer>(data: &Arc<Data>, serializer: S) -> Result<S::Ok, S::Error> {
    let collected = COLLECTING.with_borrow_mut(|collecting| {
        let sent = collecting.as_mut()?;
        if sent.iter().all(|other| !Arc::ptr_eq(&other.0, data)) {
            sent.push(Sent(Arc::clone(data)));
        }
        Some(())
    });
    collected.ok_or_else(|| {
        // Serialisers drop such sentences; the scope keeps it.
        S::Error::custom(carry::refuse(
            "shared data can travel only as an argument of a pool's task",
        ))
    })?;
    serializer.serialize_u64(data.number)
}

/// A value that all workers can read, encoded once and decoded once by each worker that needs it.
///
/// Made by [`Pool::share`](crate::Pool::share). It derefs to the value. Clones are the same data. It goes
/// to tasks only, not to an initializer. A worker keeps it until the last handle is gone here and it is
/// sent other data.
pub struct Broadcast<T> {
    data: Arc<Data>,
    value: Arc<T>,
}

/// Plain items that all workers read in place: the memory is there once, for all of them.
///
/// Made by [`Pool::share_slice`](crate::Pool::share_slice). It derefs to the slice. Clones are the same
/// data. It goes to tasks only, not to an initializer. A worker keeps it until the last handle is gone
/// here and it is sent other data.
pub struct BroadcastSlice<T> {
    data: Arc<Data>,
    items: PhantomData<fn() -> T>,
}

impl<T: Serialize + Send + Sync + 'static> Broadcast<T> {
    pub(crate) fn new(value: T) -> Result<Self, Error> {
        let failed = |source| Error::new("share", "a value with workers", source);
        let invalid = |error: call::CodecError| io::Error::new(io::ErrorKind::InvalidInput, error);
        let encoded = call::encode(&value).map_err(|error| failed(invalid(error)))?;
        if !encoded.fds.is_empty() {
            let error = "it contains handles, which travel as arguments of their own";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, error)));
        }
        let data = Data::new(Sealed::new(&encoded.bytes).map_err(failed)?);
        Ok(Self { data, value: Arc::new(value) })
    }
}

impl<T: NoUninit + AnyBitPattern> BroadcastSlice<T> {
    pub(crate) fn new(items: &[T]) -> Result<Self, Error> {
        let failed = |source| Error::new("share", "a slice with workers", source);
        if size_of::<T>() == 0 {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "its items have no size");
            return Err(failed(error));
        }
        let memory = Sealed::new(bytemuck::cast_slice(items)).map_err(failed)?;
        Ok(Self { data: Data::new(memory), items: PhantomData })
    }
}

impl<T: AnyBitPattern> Deref for BroadcastSlice<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // A mapping begins with a page; its length was checked when it was made or arrived.
        bytemuck::try_cast_slice(self.data.memory.bytes()).unwrap_or_default()
    }
}

impl<T> Deref for Broadcast<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Self { data: Arc::clone(&self.data), value: Arc::clone(&self.value) }
    }
}

impl<T> Clone for BroadcastSlice<T> {
    fn clone(&self) -> Self {
        Self { data: Arc::clone(&self.data), items: PhantomData }
    }
}

impl<T> Serialize for Broadcast<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.data, serializer)
    }
}

impl<T> Serialize for BroadcastSlice<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.data, serializer)
    }
}

impl<'de, T: DeserializeOwned + Send + Sync + 'static> Deserialize<'de> for Broadcast<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let data = look_up(u64::deserialize(deserializer)?)
            .map_err(|why| D::Error::custom(carry::refuse(why)))?;
        let value = decoded(&data).map_err(|why| D::Error::custom(carry::refuse(why)))?;
        Ok(Self { data, value })
    }
}

/// Returns the value behind `data`, decoded the first time.
fn decoded<T>(data: &Data) -> Result<Arc<T>, String>
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    if data.value.get().is_none() {
        let value = call::decode::<T>(data.memory.bytes(), Vec::new());
        let value = value.map_err(|error| error.to_string())?;
        // Another thread may have been faster, with the same value.
        let _ = data.value.set(Arc::new(value));
    }
    let value = data.value.get().cloned().map(Arc::downcast);
    value.and_then(Result::ok).ok_or_else(|| "the shared data is of another type".to_owned())
}

impl<'de, T: AnyBitPattern + NoUninit> Deserialize<'de> for BroadcastSlice<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let data = look_up(u64::deserialize(deserializer)?)
            .map_err(|why| D::Error::custom(carry::refuse(why)))?;
        // That of no items is no mapping, and need not be aligned.
        if !data.memory.bytes().is_empty() {
            bytemuck::try_cast_slice::<u8, T>(data.memory.bytes())
                .map_err(|why| D::Error::custom(carry::refuse(why)))?;
        }
        Ok(Self { data, items: PhantomData })
    }
}

impl<T: fmt::Debug> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Broadcast").field(&self.value).finish()
    }
}

impl<T> fmt::Debug for BroadcastSlice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.data.memory.bytes().len();
        f.debug_struct("BroadcastSlice").field("bytes", &bytes).finish_non_exhaustive()
    }
}

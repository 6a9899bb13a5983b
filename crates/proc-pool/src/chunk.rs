//! Several items in one task: the typed half of `map` and `imap`.

use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use proc_spawn::PanicInfo;
use proc_spawn::call::{self, Encoded, Entry, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The entry that calls a function on each item of a chunk.
///
/// A panic is the result of its item; the others of the chunk go on.
pub(crate) struct Each<T, R>(PhantomData<fn(T) -> R>);

/// What comes back for a chunk.
pub(crate) type Results<R> = Vec<Result<R, PanicInfo>>;

impl<T: DeserializeOwned, R: Serialize> Entry for Each<T, R> {
    type Fn = fn(T) -> R;

    fn call(f: fn(T) -> R, bytes: Vec<u8>, fds: Vec<OwnedFd>) -> Result<Encoded, Fault> {
        let items: Vec<T> = call::decode(&bytes, fds).map_err(Fault::rejected)?;
        drop(bytes);
        // One catch around the whole chunk is a tenth of the price of one for each small item.
        let mut results: Results<R> = Vec::with_capacity(items.len());
        let mut items = items.into_iter();
        while items.len() > 0 {
            let panicked =
                call::catch(|| items.by_ref().for_each(|item| results.push(Ok(f(item)))));
            if let Err(panic) = panicked {
                results.push(Err(panic));
            }
        }
        call::encode(&results).map_err(Fault::unencodable)
    }
}

//! Several items in one task: the half of `map` that runs in a worker.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use proc_spawn::Args;
use proc_spawn::call::{self, Encoded, Entry, Fault};
use serde::Serialize;

use crate::bulk::Decoded;
use crate::results::Results;

/// The entry that calls a function on each item of a chunk.
///
/// A panic is the result of its item; the others of the chunk go on.
pub(crate) struct Each<A, R>(PhantomData<fn(A) -> R>);

/// Calls `f` on each item.
pub(crate) fn each<A, R>(items: Vec<A>, mut f: impl FnMut(A) -> R) -> Results<R> {
    // One catch around the whole chunk is a tenth of the price of one for each small item.
    let mut results = Results::with_capacity(items.len());
    let mut items = items.into_iter();
    while items.len() > 0 {
        let panicked = call::catch(|| items.by_ref().for_each(|item| results.push(f(item))));
        if let Err(panic) = panicked {
            results.push_panic(panic);
        }
    }
    results
}

impl<A: Args, R: Serialize + 'static> Entry for Each<A, R> {
    type Fn = A::Fn<R>;

    fn call(f: A::Fn<R>, bytes: Cow<'_, [u8]>, fds: Vec<OwnedFd>) -> Result<Encoded, Fault> {
        let Decoded(items): Decoded<A> = call::decode(&bytes, fds).map_err(Fault::rejected)?;
        drop(bytes);
        let results = each(items, |args| args.call(f));
        call::encode(&results).map_err(Fault::unencodable)
    }
}

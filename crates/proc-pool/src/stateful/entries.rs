//! The half that runs in a worker: its state, and the calls that get it.

#![allow(unsafe_code, reason = "a function pointer of another shape is named by its address")]

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use proc_spawn::call::{self, Call, Encoded, Entry, Fault};
use proc_spawn::{Args, FnPointer, SpawnError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bulk::Decoded;
use crate::chunk;

thread_local! {
    /// The state of this worker, on the one thread that does its tasks.
    static STATE: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Drops the worker's state. A panic in its destructor is printed, and that is all.
pub(crate) fn drop_state() {
    let _ = call::catch(|| drop(STATE.take()));
}

/// The entry that makes a worker's state.
struct Init<A, S>(PhantomData<fn(A) -> S>);

impl<A: Args, S: 'static> Entry for Init<A, S> {
    type Fn = A::Fn<S>;

    fn call(f: A::Fn<S>, bytes: Cow<'_, [u8]>, fds: Vec<OwnedFd>) -> Result<Encoded, Fault> {
        let args: A = call::decode(&bytes, fds).map_err(Fault::rejected)?;
        let state: Box<dyn Any> = Box::new(args.call(f));
        STATE.set(Some(state));
        call::encode(&()).map_err(Fault::unencodable)
    }
}

pub(crate) fn init_call<A: Args, S: 'static>(f: A::Fn<S>) -> Result<Call, SpawnError> {
    Call::new::<Init<A, S>>(f)
}

/// A function of a state and one argument.
pub(super) struct StateFn<S, T, R>(pub(super) fn(&mut S, T) -> R);

impl<S, T, R> Clone for StateFn<S, T, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T, R> Copy for StateFn<S, T, R> {}

// SAFETY: the two conversions are inverse, as for any other function pointer.
unsafe impl<S, T, R> FnPointer for StateFn<S, T, R> {
    fn address(self) -> usize {
        self.0 as usize
    }

    unsafe fn from_address(address: usize) -> Self {
        // SAFETY: the caller says that a function of this type is there; both types are one word wide.
        Self(unsafe { std::mem::transmute::<usize, fn(&mut S, T) -> R>(address) })
    }
}

/// Runs `f` with the worker's state, which stays as it is left, by a panic too.
fn with_state<S: 'static, R>(f: impl FnOnce(&mut S) -> R) -> Result<R, Fault> {
    STATE.with_borrow_mut(|state| {
        let state = state.as_mut().and_then(|state| state.downcast_mut::<S>());
        let state = state.ok_or_else(|| Fault::Rejected("the worker has no state".to_owned()))?;
        Ok(f(state))
    })
}

/// The entry that calls a function with the state and an argument.
pub(super) struct One<S, T, R>(PhantomData<fn(S, T) -> R>);

impl<S: 'static, T: DeserializeOwned, R: Serialize> Entry for One<S, T, R> {
    type Fn = StateFn<S, T, R>;

    fn call(f: Self::Fn, bytes: Cow<'_, [u8]>, fds: Vec<OwnedFd>) -> Result<Encoded, Fault> {
        let arg: T = call::decode(&bytes, fds).map_err(Fault::rejected)?;
        drop(bytes);
        let result = with_state(|state| f.0(state, arg))?;
        call::encode(&result).map_err(Fault::unencodable)
    }
}

/// The entry that calls a function with the state and each item of a chunk.
pub(super) struct Each<S, T, R>(PhantomData<fn(S, T) -> R>);

impl<S: 'static, T: DeserializeOwned + 'static, R: Serialize + 'static> Entry for Each<S, T, R> {
    type Fn = StateFn<S, T, R>;

    fn call(f: Self::Fn, bytes: Cow<'_, [u8]>, fds: Vec<OwnedFd>) -> Result<Encoded, Fault> {
        let Decoded(items): Decoded<T> = call::decode(&bytes, fds).map_err(Fault::rejected)?;
        drop(bytes);
        let results = with_state(|state| chunk::each(items, |item| f.0(state, item)))?;
        call::encode(&results).map_err(Fault::unencodable)
    }
}

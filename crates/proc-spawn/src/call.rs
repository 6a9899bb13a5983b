//! Functions named so that another process of the same program can call them.
//!
//! This is what [`spawn`](crate::spawn()) and `proc-pool` stand on. A [`Call`] names an [`Entry`],
//! which knows the types, and one user function. It is a few numbers, so it can be sent to any
//! process that runs the same file and was started, directly or not, by the same first process.
//!
//! ```
//! use proc_spawn::call::{self, Call};
//!
//! // In the process that wants something done: the name and the encoded arguments.
//! let call = Call::apply::<(u32, u32), u32>(|a, b| a * b)?;
//! let args = call::encode(&(6u32, 7u32))?;
//!
//! // In the process that does it (here the same): no types are known, none are needed.
//! let reply = call.run(args.bytes, Vec::new())?;
//!
//! // Back in the first one.
//! assert_eq!(call::decode::<u32>(&reply.bytes, Vec::new())?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod each;
mod growing;
mod record;
mod seal;

pub use each::{Together, encode_each, together};
pub(crate) use seal::{Key, key, learn_key, plain_hash};

use crate::args::{Args, FnPointer};
use crate::error::SpawnError;
use crate::panics::{self, PanicInfo};
use growing::Growing;
use multiproc_core::carry;
use record::{Found, Place};
use serde::de::{DeserializeOwned, DeserializeSeed};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What is done with a message and a user function: the typed half of a [`Call`].
///
/// Implement it on an uninhabited or unit type, generic in the types that it decodes. A pool's
/// `map` is such an entry: decode a chunk, run the function on each item under [`catch`], encode
/// the results.
///
/// ```
/// use proc_spawn::PanicInfo;
/// use proc_spawn::call::{self, Call, Encoded, Entry, Fault};
/// use std::borrow::Cow;
/// use std::marker::PhantomData;
/// use std::os::fd::OwnedFd;
///
/// struct Each<T, R>(PhantomData<(T, R)>);
///
/// impl<T, R> Entry for Each<T, R>
/// where
///     T: serde::de::DeserializeOwned,
///     R: serde::Serialize,
/// {
///     type Fn = fn(T) -> R;
///
///     fn call(f: fn(T) -> R, bytes: Cow<'_, [u8]>, fds: Vec<OwnedFd>) -> Result<Encoded, Fault> {
///         let items: Vec<T> = call::decode(&bytes, fds).map_err(Fault::rejected)?;
///         let results: Vec<Result<R, PanicInfo>> =
///             items.into_iter().map(|item| call::catch(|| f(item))).collect();
///         call::encode(&results).map_err(Fault::unencodable)
///     }
/// }
///
/// let call = Call::new::<Each<u32, u32>>(|x| 100 / x)?;
/// let chunk = call::encode(&vec![5u32, 0])?;
/// let reply = call.run(chunk.bytes, Vec::new())?;
/// let results: Vec<Result<u32, PanicInfo>> = call::decode(&reply.bytes, Vec::new())?;
/// assert_eq!(results[0].as_ref().ok(), Some(&20));
/// assert!(results[1].as_ref().unwrap_err().message().contains("divide by zero"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Entry {
    /// The user function's type.
    type Fn: FnPointer;

    /// Decodes the message, does the work with `f` and encodes the answer. Drop `bytes` once they are
    /// decoded: they may be large.
    ///
    /// A panic in here becomes [`Fault::Panicked`] for the whole call.
    ///
    /// # Errors
    ///
    /// [`Fault`] says what kept the answer from being made.
    fn call(f: Self::Fn, bytes: Cow<'_, [u8]>, fds: Vec<OwnedFd>) -> Result<Encoded, Fault>;
}

/// The entry that decodes a tuple of arguments, calls the function and encodes its result.
#[derive(Debug)]
pub struct Apply<A, R>(PhantomData<fn(A) -> R>);

impl<A: Args, R: Serialize> Entry for Apply<A, R> {
    type Fn = A::Fn<R>;

    fn call(f: A::Fn<R>, bytes: Cow<'_, [u8]>, fds: Vec<OwnedFd>) -> Result<Encoded, Fault> {
        let args: A = decode(&bytes, fds).map_err(Fault::rejected)?;
        drop(bytes);
        let result = args.call(f);
        encode(&result).map_err(Fault::unencodable)
    }
}

/// The name of an [`Entry`] and a user function of this program.
///
/// It may come from anywhere, also from bytes that somebody garbled: [`run`](Call::run) refuses
/// what was not made by [`Call::new`] in this process or in one of its relatives, before it uses
/// any address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Call {
    record: i64,
    function: i64,
    types: u64,
    seal: u64,
}

impl Call {
    /// Names the entry `E` with the function `f`.
    ///
    /// # Errors
    ///
    /// [`SpawnError::NotMainImage`] when `f` or this crate lies in a shared object, where another
    /// process of the program would not find it.
    pub fn new<E: Entry>(f: E::Fn) -> Result<Self, SpawnError> {
        let Place { record, function, types } = record::name::<E>(f)?;
        Ok(Self { record, function, types, seal: seal::seal(record, function, types) })
    }

    /// Names the function `f` to be applied to a tuple of arguments.
    ///
    /// # Errors
    ///
    /// As [`Call::new`].
    pub fn apply<A: Args, R: Serialize>(f: A::Fn<R>) -> Result<Self, SpawnError> {
        Self::new::<Apply<A, R>>(f)
    }

    /// Returns the name as words, for a place that has room for no more.
    #[must_use]
    pub fn to_words(self) -> [u64; 4] {
        [self.record.cast_unsigned(), self.function.cast_unsigned(), self.types, self.seal]
    }

    /// Takes what [`to_words`](Self::to_words) returned; from any other words comes a name that
    /// [`run`](Self::run) refuses.
    #[must_use]
    pub fn from_words([record, function, types, seal]: [u64; 4]) -> Self {
        let (record, function) = (record.cast_signed(), function.cast_signed());
        Self { record, function, types, seal }
    }

    /// Runs the entry on a message, in this process and on this thread.
    ///
    /// # Errors
    ///
    /// [`Fault`]: what the entry returned, the panic in which it ended, or why this is not the name
    /// of anything here.
    pub fn run<'b>(
        &self,
        bytes: impl Into<Cow<'b, [u8]>>,
        fds: Vec<OwnedFd>,
    ) -> Result<Encoded, Fault> {
        self.resolve()?.run(bytes, fds)
    }

    /// Follows the name, for a call that is to be made more than once.
    ///
    /// # Errors
    ///
    /// [`Fault::Rejected`] says why this is not the name of anything here.
    pub fn resolve(&self) -> Result<Resolved, Fault> {
        if self.seal != seal::seal(self.record, self.function, self.types) {
            return Err(Fault::Rejected(
                "the call was made by a process that is no relative of this one, \
                 or was garbled on the way"
                    .into(),
            ));
        }
        let place = Place { record: self.record, function: self.function, types: self.types };
        place.find().map(Resolved).map_err(Fault::Rejected)
    }
}

/// What a [`Call`] leads to in this process.
#[derive(Clone, Copy, Debug)]
pub struct Resolved(Found);

impl Resolved {
    /// Does as [`Call::run`].
    ///
    /// # Errors
    ///
    /// [`Fault`]: what the entry returned, or the panic in which it ended.
    pub fn run<'b>(
        self,
        bytes: impl Into<Cow<'b, [u8]>>,
        fds: Vec<OwnedFd>,
    ) -> Result<Encoded, Fault> {
        let bytes = bytes.into();
        catch(|| self.0.call(bytes, fds)).unwrap_or_else(|panic| Err(Fault::Panicked(panic)))
    }
}

/// Why a [`Call`] has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fault {
    /// It panicked.
    Panicked(PanicInfo),
    /// The call or its arguments could not be understood; no user function ran.
    Rejected(String),
    /// The function ran and its result could not be encoded.
    Unencodable(String),
}

impl Fault {
    /// Makes [`Fault::Rejected`] of the error with which the arguments could not be read.
    #[must_use]
    pub fn rejected(error: CodecError) -> Self {
        Self::Rejected(error.0)
    }

    /// Makes [`Fault::Unencodable`] of the error with which the result could not be written.
    #[must_use]
    pub fn unencodable(error: CodecError) -> Self {
        Self::Unencodable(error.0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the function panicked: {panic}"),
            Self::Rejected(text) => write!(f, "the call was rejected: {text}"),
            Self::Unencodable(text) => write!(f, "the result cannot be sent: {text}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Runs `f` and returns the panic in which it ended, with message and place.
///
/// The panic is printed once: in a process of ours under the process's name, elsewhere by the panic
/// hook that was there. With `panic = "abort"` nothing is caught.
///
/// # Errors
///
/// The panic in which `f` ended.
pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R, PanicInfo> {
    panics::catch(f)
}

/// A value as bytes, and the descriptors of the handles inside it.
#[derive(Debug)]
pub struct Encoded {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The descriptors, in the order in which the bytes count them; open until they are sent.
    pub fds: Vec<Arc<OwnedFd>>,
}

/// Why a value could not be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError(pub(crate) String);

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}

/// Encodes a value; handles inside it put their descriptors beside the bytes.
///
/// # Errors
///
/// The sentence of the handle that refused to travel, or the serialiser's.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Encoded, CodecError> {
    let (bytes, out) = carry::outgoing(|| postcard::serialize_with_flavor(value, Growing::new()));
    match (bytes, out.refusal) {
        (_, Some(refusal)) => Err(CodecError(refusal.to_string())),
        (Err(error), None) => Err(CodecError(error.to_string())),
        (Ok(bytes), None) => Ok(Encoded { bytes, fds: out.fds }),
    }
}

/// Decodes a value; handles inside it take their descriptors from `fds`.
///
/// # Errors
///
/// The sentence of the handle that could not be made, the deserialiser's, or that bytes are left
/// over.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], fds: Vec<OwnedFd>) -> Result<T, CodecError> {
    decode_with(PhantomData, bytes, fds)
}

/// Does as [`decode`], with a seed that decides what becomes of the bytes.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_with<'b, S: DeserializeSeed<'b>>(
    seed: S,
    bytes: &'b [u8],
    fds: Vec<OwnedFd>,
) -> Result<S::Value, CodecError> {
    let (value, refusal) = carry::incoming(fds, || {
        let mut deserializer = postcard::Deserializer::from_bytes(bytes);
        let value = seed.deserialize(&mut deserializer)?;
        Ok::<_, postcard::Error>((value, deserializer.finalize()?))
    });
    match (value, refusal) {
        (_, Some(refusal)) => Err(CodecError(refusal.to_string())),
        (Err(error), None) => Err(CodecError(error.to_string())),
        (Ok((value, [])), None) => Ok(value),
        (Ok((_, rest)), None) => {
            let name = std::any::type_name::<S::Value>();
            Err(CodecError(format!("{} bytes are left over after a value of {name}", rest.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call::apply::<(u8,), u8>(|x| x + 1).unwrap()
    }

    fn garble(mut change: impl FnMut(&mut Call)) -> Fault {
        let mut call = call();
        change(&mut call);
        call.run(vec![1], vec![]).unwrap_err()
    }

    #[test]
    fn every_flipped_bit_of_a_name_is_refused() {
        assert_eq!(call().run(vec![1], vec![]).unwrap().bytes, [2]);
        for bit in 0..64 {
            assert!(matches!(garble(|c| c.record ^= 1 << bit), Fault::Rejected(_)));
            assert!(matches!(garble(|c| c.function ^= 1 << bit), Fault::Rejected(_)));
            assert!(matches!(garble(|c| c.types ^= 1 << bit), Fault::Rejected(_)));
            assert!(matches!(garble(|c| c.seal ^= 1 << bit), Fault::Rejected(_)));
        }
    }

    #[test]
    fn even_a_sealed_name_must_lie_in_the_program() {
        let resealed = |change: &dyn Fn(&mut Call)| {
            garble(|c| {
                change(c);
                c.seal = seal::seal(c.record, c.function, c.types);
            })
        };
        for far in [i64::MIN, -1 << 40, 1 << 40, i64::MAX, 1, 4096, 0] {
            assert!(matches!(resealed(&|c| c.record = far), Fault::Rejected(_)), "{far}");
        }
        for far in [i64::MIN, -1 << 40, 1 << 40, i64::MAX, 0] {
            assert!(matches!(resealed(&|c| c.function = far), Fault::Rejected(_)), "{far}");
        }
        assert!(matches!(resealed(&|c| c.types ^= 1), Fault::Rejected(_)));
    }

    #[test]
    fn leftover_and_missing_bytes_are_told() {
        assert!(
            decode::<u8>(&[1, 2], vec![]).unwrap_err().to_string().contains("1 bytes are left")
        );
        assert!(decode::<String>(&[9], vec![]).is_err());
        // A length prefix far beyond the message must fail before memory is asked for.
        assert!(decode::<Vec<u64>>(&[0xff, 0xff, 0xff, 0xff, 0x7f], vec![]).is_err());
    }

    #[test]
    fn arguments_of_other_types_are_rejected_and_a_panic_has_its_place() {
        let call = Call::apply::<(String,), usize>(|s| s.parse().unwrap()).unwrap();
        assert!(matches!(call.run(vec![200], vec![]), Err(Fault::Rejected(_))));
        let args = encode(&("x".to_string(),)).unwrap();
        let Err(Fault::Panicked(panic)) = call.run(args.bytes, vec![]) else { panic!("no panic") };
        assert!(panic.message().contains("InvalidDigit"), "{panic}");
        assert!(panic.location().unwrap().file().ends_with("call.rs"));
    }
}

//! File descriptors that travel beside serialised bytes.
//!
//! A handle (a queue end, a lock, a pipe) is a descriptor, and bytes cannot hold one. So whoever
//! encodes a message opens a *scope* on its thread; a handle's `Serialize` puts its descriptor into
//! the scope and writes the index; the descriptors go over a socket (`SCM_RIGHTS`) with the bytes;
//! `Deserialize` takes them out of the receiver's scope by index. The same descriptor put twice is
//! sent once.
//!
//! Outside a scope there is no way for a descriptor to travel, and the handle is refused with a
//! sentence. Serialisers drop such sentences (postcard does), so the scope keeps the first one.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What a handle may be told when it is put where no descriptor can go.
pub const NO_SCOPE: &str = "a handle can travel only as an argument or result of a process, \
                            as an argument of a pool's task, or inside a pipe message";

enum Scope {
    Outgoing { fds: Vec<Arc<OwnedFd>>, refusal: Option<Refused> },
    Incoming { fds: Vec<Arc<OwnedFd>>, refusal: Option<Refused> },
    Closed { refusal: Option<Refused> },
}

thread_local! {
    // A stack: a handle's own encoding may encode a message of its own.
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
}

/// Works on the scopes; `None` in the destructors of a thread that is ending, where there are none.
fn with_scopes<R>(f: impl FnOnce(&mut Vec<Scope>) -> R) -> Option<R> {
    SCOPES.try_with(|scopes| f(&mut scopes.borrow_mut())).ok()
}

/// Why a handle could not be encoded or decoded here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// What an encoding put into its scope.
#[derive(Debug)]
pub struct Outgoing {
    /// The descriptors to send beside the bytes, in the order of their indices.
    pub fds: Vec<Arc<OwnedFd>>,
    /// The first sentence with which a handle was refused, if one was.
    pub refusal: Option<Refused>,
}

/// Pops its scope on drop, so that a panic in a `Serialize` leaves the stack as it was.
struct Popped;

impl Popped {
    fn push(scope: Scope) -> Self {
        with_scopes(|scopes| scopes.push(scope));
        Self
    }

    fn pop(self) -> Option<Scope> {
        std::mem::forget(self);
        with_scopes(Vec::pop).flatten()
    }
}

impl Drop for Popped {
    fn drop(&mut self) {
        with_scopes(Vec::pop);
    }
}

/// Runs `encode` in a scope that takes descriptors, and returns what it put there.
pub fn outgoing<R>(encode: impl FnOnce() -> R) -> (R, Outgoing) {
    let scope = Popped::push(Scope::Outgoing { fds: Vec::new(), refusal: None });
    let result = encode();
    match scope.pop() {
        Some(Scope::Outgoing { fds, refusal }) => (result, Outgoing { fds, refusal }),
        _ => (result, Outgoing { fds: Vec::new(), refusal: None }),
    }
}

/// Runs `decode` in a scope that hands out `fds` by index, and returns the first refusal.
pub fn incoming<R>(fds: Vec<OwnedFd>, decode: impl FnOnce() -> R) -> (R, Option<Refused>) {
    let fds = fds.into_iter().map(Arc::new).collect();
    let scope = Popped::push(Scope::Incoming { fds, refusal: None });
    let result = decode();
    (result, scope.pop().and_then(refusal))
}

/// Runs `f` where no descriptor can travel (a queue item), and returns the first refusal.
pub fn closed<R>(f: impl FnOnce() -> R) -> (R, Option<Refused>) {
    let scope = Popped::push(Scope::Closed { refusal: None });
    let result = f();
    (result, scope.pop().and_then(refusal))
}

fn refusal(scope: Scope) -> Option<Refused> {
    match scope {
        Scope::Outgoing { refusal, .. }
        | Scope::Incoming { refusal, .. }
        | Scope::Closed { refusal } => refusal,
    }
}

/// Puts a descriptor into the innermost scope and returns the index under which it travels.
///
/// # Errors
///
/// [`Refused`] when the thread is not encoding anything that can carry a descriptor.
pub fn put(fd: &Arc<OwnedFd>) -> Result<u32, Refused> {
    let index = with_scopes(|scopes| match scopes.last_mut() {
        Some(Scope::Outgoing { fds, .. }) => {
            let known = fds.iter().position(|other| Arc::ptr_eq(other, fd));
            let index = known.unwrap_or_else(|| {
                fds.push(Arc::clone(fd));
                fds.len() - 1
            });
            u32::try_from(index).ok()
        }
        _ => None,
    });
    index.flatten().ok_or_else(|| refuse(NO_SCOPE))
}

/// Takes the descriptor with this index out of the innermost scope.
///
/// # Errors
///
/// [`Refused`] when the thread is not decoding a message, or the message has no such descriptor.
pub fn get(index: u32) -> Result<Arc<OwnedFd>, Refused> {
    let found = with_scopes(|scopes| match scopes.last() {
        Some(Scope::Incoming { fds, .. }) => {
            let fd = usize::try_from(index).ok().and_then(|index| fds.get(index));
            Ok((fd.cloned(), fds.len()))
        }
        _ => Err(NO_SCOPE),
    });
    match found.unwrap_or(Err(NO_SCOPE)) {
        Ok((Some(fd), _)) => Ok(fd),
        Ok((None, len)) => {
            Err(refuse(format!("the message names descriptor {index} and carries {len}")))
        }
        Err(text) => Err(refuse(text)),
    }
}

/// Records why a handle cannot be encoded or decoded, and returns it for the serialiser's error.
pub fn refuse(why: impl fmt::Display) -> Refused {
    let refused = Refused(why.to_string());
    with_scopes(|scopes| {
        if let Some(
            Scope::Outgoing { refusal, .. }
            | Scope::Incoming { refusal, .. }
            | Scope::Closed { refusal },
        ) = scopes.last_mut()
        {
            refusal.get_or_insert_with(|| refused.clone());
        }
    });
    refused
}

/// Makes a handle travel: `travels!([T: Bound] Handle<T>)` or `travels!([] Handle)`.
///
/// The handle has `fn fd(&self) -> &Arc<OwnedFd>` and `fn attach(Arc<OwnedFd>) -> Result<Self, E>`,
/// where `E` is an error with a source. The caller has `serde` as a dependency; this crate has not.
#[macro_export]
macro_rules! travels {
    ([$($generics:tt)*] $handle:ty) => {
        impl<$($generics)*> serde::Serialize for $handle {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let index = $crate::carry::put(self.fd()).map_err(serde::ser::Error::custom)?;
                serializer.serialize_u32(index)
            }
        }

        impl<'de, $($generics)*> serde::Deserialize<'de> for $handle {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let index = u32::deserialize(deserializer)?;
                $crate::carry::get(index)
                    .and_then(|fd| Self::attach(fd).map_err($crate::carry::refuse_error))
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

/// As [`refuse`], with an error and its cause in one sentence.
pub fn refuse_error(error: impl std::error::Error) -> Refused {
    match error.source() {
        Some(cause) => refuse(format!("{error}: {cause}")),
        None => refuse(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fd() -> Arc<OwnedFd> {
        Arc::new(std::fs::File::open("/dev/null").unwrap().into())
    }

    #[test]
    fn one_descriptor_put_twice_travels_once() {
        let (a, b) = (fd(), fd());
        let (indices, out) = outgoing(|| (put(&a), put(&b), put(&a)));
        assert_eq!(indices, (Ok(0), Ok(1), Ok(0)));
        assert_eq!(out.fds.len(), 2);
        assert_eq!(out.refusal, None);
    }

    #[test]
    fn outside_a_scope_the_refusal_says_where_handles_can_go() {
        assert!(put(&fd()).unwrap_err().to_string().contains("pipe message"));
        let (_, refusal) = closed(|| put(&fd()));
        assert!(refusal.unwrap().to_string().contains("pipe message"));
    }

    #[test]
    fn an_index_beyond_the_message_is_refused_with_both_numbers() {
        let (got, refusal) = incoming(vec![], || get(3).map(|_| ()));
        assert_eq!(got.unwrap_err(), refusal.clone().unwrap());
        assert_eq!(refusal.unwrap().to_string(), "the message names descriptor 3 and carries 0");
    }

    #[test]
    fn a_panic_while_encoding_closes_its_scope() {
        let _ = std::panic::catch_unwind(|| outgoing(|| panic!("in serialize")));
        assert!(put(&fd()).is_err());
    }
}

//! Atomics in shared memory.

#![allow(unsafe_code, reason = "references to atomics in shared memory")]

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize,
};

use multiproc_core::header::Item;
use multiproc_core::segment::Segment;

use crate::error::Error;
use crate::handle::{Handle, Kind, by_path};

/// What a [`SharedAtomic`] may hold: an atomic integer, an array of them, or a slice.
pub trait Atomics: sealed::Layout {}

impl<A: sealed::Layout + ?Sized> Atomics for A {}

mod sealed {
    use std::ptr::NonNull;

    use multiproc_core::header::Item;

    /// How atomics lie in memory.
    ///
    /// # Safety
    ///
    /// Any bytes are a value, shared references are used for atomic accesses only, and `view` gives a
    /// pointer to as many bytes as `bytes` says.
    pub unsafe trait Layout: Send + Sync + 'static {
        /// As the header has it.
        const KIND: &'static str = "atomic";
        /// Names the integers, for the type's own name changes between versions of Rust.
        fn item() -> Item;
        fn bytes(len: u64) -> Option<usize>;
        fn view(at: NonNull<u8>, len: u64) -> NonNull<Self>;
    }

    /// One atomic integer.
    pub trait Integer: Layout + Sized {
        type Value;
    }
}

use sealed::{Integer, Layout};

macro_rules! integers {
    ($($atomic:ident $value:ident)*) => {$(
        // SAFETY: one atomic integer, as large as its value; any bytes are one.
        unsafe impl Layout for $atomic {
            fn item() -> Item {
                Item::of::<$value>()
            }

            fn bytes(_: u64) -> Option<usize> {
                Some(size_of::<Self>())
            }

            fn view(at: NonNull<u8>, _: u64) -> NonNull<Self> {
                at.cast()
            }
        }

        impl Integer for $atomic {
            type Value = $value;
        }
    )*};
}

integers! {
    AtomicI8 i8 AtomicI16 i16 AtomicI32 i32 AtomicI64 i64 AtomicIsize isize
    AtomicU8 u8 AtomicU16 u16 AtomicU32 u32 AtomicU64 u64 AtomicUsize usize
}

// SAFETY: `N` atomic integers one behind the other.
unsafe impl<A: Integer, const N: usize> Layout for [A; N] {
    fn item() -> Item {
        Item::of::<[A::Value; N]>()
    }

    fn bytes(_: u64) -> Option<usize> {
        Some(size_of::<Self>())
    }

    fn view(at: NonNull<u8>, _: u64) -> NonNull<Self> {
        at.cast()
    }
}

// SAFETY: `len` atomic integers one behind the other.
unsafe impl<A: Integer> Layout for [A] {
    const KIND: &'static str = "atomic slice";

    fn item() -> Item {
        Item::of::<A::Value>()
    }

    fn bytes(len: u64) -> Option<usize> {
        usize::try_from(len).ok()?.checked_mul(size_of::<A>())
    }

    fn view(at: NonNull<u8>, len: u64) -> NonNull<Self> {
        // It fits: `bytes` was asked first.
        NonNull::slice_from_raw_parts(at.cast(), usize::try_from(len).unwrap_or(0))
    }
}

/// Atomic integers in shared memory, with no lock: `SharedAtomic<AtomicU64>`, or `[AtomicU32; 8]`, or
/// `[AtomicU64]` for a length that is known when the program runs.
///
/// It derefs to them, so every operation of [`std::sync::atomic`] is there. Each is one step: a process
/// that is killed has done it or not. There is nothing to wait for.
///
/// A peer that may write the memory can write any number.
///
/// # Examples
///
/// ```
/// use proc_lock::SharedAtomic;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// let hits = SharedAtomic::new(AtomicU64::new(0))?;
/// hits.fetch_add(2, Relaxed);
/// assert_eq!(hits.load(Relaxed), 2);
///
/// let workers = 5; // known now
/// let done = SharedAtomic::<[AtomicU64]>::zeroed(workers)?;
/// done[4].store(1, Relaxed);
/// assert_eq!(done.iter().map(|done| done.load(Relaxed)).sum::<u64>(), 1);
/// # Ok::<(), proc_lock::Error>(())
/// ```
#[doc(alias = "RawValue")]
#[doc(alias = "RawArray")]
pub struct SharedAtomic<A: ?Sized> {
    handle: Handle,
    at: NonNull<A>,
}

// SAFETY: a handle to memory that lives as long as it does, and that is reached through `&A` only.
unsafe impl<A: Send + Sync + ?Sized> Send for SharedAtomic<A> {}
// SAFETY: as above.
unsafe impl<A: Send + Sync + ?Sized> Sync for SharedAtomic<A> {}

impl<A: ?Sized> Clone for SharedAtomic<A> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), at: self.at }
    }
}

by_path!([A: Atomics + ?Sized] SharedAtomic<A>, plain: SharedAtomic<AtomicU64>, "atomic");

impl<A: Atomics> SharedAtomic<A> {
    /// Puts `value` into memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// As [`Mutex::new`](crate::Mutex::new).
    pub fn new(value: A) -> Result<Self, Error> {
        Self::kind().new(1, |segment| copy(segment, &value)).map(Self::from_handle)
    }

    /// Puts `value` into a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; [`unlink`](SharedAtomic::unlink) removes
    /// it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as [`new`](Self::new).
    pub fn create(path: impl AsRef<Path>, value: A) -> Result<Self, Error> {
        Self::kind()
            .create(path.as_ref(), 1, |segment| copy(segment, &value))
            .map(Self::from_handle)
    }

    /// Opens the atomic at `path`, or puts `value` there if there is nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(path: impl AsRef<Path>, value: A) -> Result<Self, Error> {
        Self::kind()
            .open_or_create(path.as_ref(), 1, |segment| copy(segment, &value))
            .map(Self::from_handle)
    }
}

impl<A> SharedAtomic<[A]>
where
    [A]: Atomics,
{
    /// Makes `len` atomics, all zero, in memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// As [`new`](SharedAtomic::new), and `InvalidInput` when they would be larger than memory.
    pub fn zeroed(len: usize) -> Result<Self, Error> {
        Self::kind().new(len as u64, |_| ()).map(Self::from_handle)
    }

    /// Opens the atomics at `path`, or makes `len` of them, all zero, if there is nothing.
    ///
    /// What is there already may have another length.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](SharedAtomic::create).
    pub fn open_or_zeroed(path: impl AsRef<Path>, len: usize) -> Result<Self, Error> {
        Self::kind().open_or_create(path.as_ref(), len as u64, |_| ()).map(Self::from_handle)
    }
}

impl<A: Atomics + ?Sized> SharedAtomic<A> {
    fn kind() -> Kind {
        Kind { name: A::KIND, item: A::item(), bytes: A::bytes }
    }

    fn from_handle(handle: Handle) -> Self {
        let len = handle.capacity();
        // The bytes were checked against the body when it was made or opened.
        let at = A::view(handle.segment().body(0, A::bytes(len).unwrap_or(0)), len);
        Self { handle, at }
    }
}

/// Puts the first value into a segment that nobody else has yet.
fn copy<A: Atomics>(segment: &Segment, value: &A) {
    let to = segment.body(0, size_of::<A>());
    // SAFETY: `body` checked the bounds; the memory is new. The value has nothing to drop.
    unsafe { to.cast::<A>().as_ptr().copy_from_nonoverlapping(value, 1) };
}

impl<A: ?Sized> Deref for SharedAtomic<A> {
    type Target = A;

    #[inline]
    fn deref(&self) -> &A {
        // SAFETY: in bounds, and aligned, for a body begins at a multiple of 128; mapped as long as the
        // handle. `Layout`, of which alone handles are made, promises the rest.
        unsafe { self.at.as_ref() }
    }
}

impl<A: fmt::Debug + ?Sized> fmt::Debug for SharedAtomic<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedAtomic").field(&&**self).finish()
    }
}

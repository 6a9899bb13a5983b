//! The records that name an entry's code, and the checks before one is used.
//!
//! For each entry type the compiler makes one constant record that holds a pointer to its code. A
//! name holds the distance of that record, and of the user function, from a fixed static: both are
//! link-time constants of the file, whatever address the loader chose.
#![allow(unsafe_code, reason = "records are read at addresses that arrived as numbers")]

use super::{Encoded, Entry, Fault, plain_hash};
use crate::args::FnPointer;
use crate::error::SpawnError;
use crate::image::{Image, Memory};
use std::borrow::Cow;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

/// From where distances are measured. A `static`, because a function may exist more than once.
static ANCHOR: u64 = 0;

const MAGIC: [u64; 2] = [0x9d1c_57e2_b8a4_603f, 0x4ae0_f16b_27d5_983c];
const ABI: u64 = 1;

type Code = unsafe fn(usize, Cow<'_, [u8]>, Vec<OwnedFd>) -> Result<Encoded, Fault>;

/// What a name leads to. The first three words are compared before the pointers are used.
#[repr(C)]
struct Record {
    magic: [u64; 2],
    abi: u64,
    name: fn() -> &'static str,
    code: Code,
}

const _: () = assert!(size_of::<Record>() == 40);

struct Of<E>(PhantomData<E>);

impl<E: Entry> Of<E> {
    const RECORD: &'static Record =
        &Record { magic: MAGIC, abi: ABI, name: std::any::type_name::<E>, code: code::<E> };
}

/// # Safety
///
/// `function` is the address of a function of type `E::Fn`.
unsafe fn code<E: Entry>(
    function: usize,
    bytes: Cow<'_, [u8]>,
    fds: Vec<OwnedFd>,
) -> Result<Encoded, Fault> {
    // SAFETY: the caller upholds it.
    let f = unsafe { E::Fn::from_address(function) };
    E::call(f, bytes, fds)
}

/// Where a record and a function are, seen from the anchor, and the hash of the entry's type name.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) record: i64,
    pub(super) function: i64,
    pub(super) types: u64,
}

fn anchor() -> usize {
    (&raw const ANCHOR).addr()
}

#[allow(clippy::cast_possible_wrap, reason = "a distance modulo the address space; undone below")]
fn distance(address: usize) -> i64 {
    address.wrapping_sub(anchor()) as i64
}

#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "undoes `distance`")]
fn address(distance: i64) -> usize {
    anchor().wrapping_add(distance as usize)
}

/// Names the entry `E` and the function `f`, if other processes of this program can find them.
pub(super) fn name<E: Entry>(f: E::Fn) -> Result<Place, SpawnError> {
    let record = std::ptr::from_ref(Of::<E>::RECORD).addr();
    let function = f.address();
    let image = Image::of_program();
    if !image.holds(record, size_of::<Record>(), Memory::Data)
        || !image.holds(anchor(), size_of::<u64>(), Memory::Data)
        || !image.holds(function, 1, Memory::Code)
    {
        return Err(SpawnError::NotMainImage);
    }
    Ok(Place {
        record: distance(record),
        function: distance(function),
        types: plain_hash(std::any::type_name::<E>().as_bytes()),
    })
}

/// An entry with its function, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    code: Code,
    function: usize,
}

impl Place {
    /// Follows the name, checking every step before the next.
    pub(super) fn find(self) -> Result<Found, String> {
        let (record, function) = (address(self.record), address(self.function));
        let image = Image::of_program();
        if !record.is_multiple_of(align_of::<Record>())
            || !image.holds(record, size_of::<Record>(), Memory::Data)
        {
            return Err("the call's record lies outside the program's data".into());
        }
        let words = std::ptr::with_exposed_provenance::<u64>(record);
        let word = |index: usize| {
            // SAFETY: the record's 40 bytes lie in a readable segment of the main image, which is
            // never unmapped, and `index` is below 3.
            let word = unsafe { words.add(index) };
            // SAFETY: as above, and aligned; volatile, because what is there may be any data.
            unsafe { word.read_volatile() }
        };
        if [word(0), word(1)] != MAGIC || word(2) != ABI {
            return Err("there is no record where the call says".into());
        }
        // SAFETY: the magic says that a record is here; only `Of::RECORD` contains it, a constant.
        let record = unsafe { &*words.cast::<Record>() };
        let name = (record.name)();
        if plain_hash(name.as_bytes()) != self.types {
            return Err(format!("the call's record is that of {name}, and other types are meant"));
        }
        if !image.holds(function, 1, Memory::Code) {
            return Err("the call's function lies outside the program's code".into());
        }
        Ok(Found { code: record.code, function })
    }
}

impl Found {
    pub(super) fn call(self, bytes: Cow<'_, [u8]>, fds: Vec<OwnedFd>) -> Result<Encoded, Fault> {
        // SAFETY: the name was sealed by a relative, which runs the same file and made it with
        // `name::<E>(f)`: the function has the type that this record's entry expects.
        unsafe { (self.code)(self.function, bytes, fds) }
    }
}

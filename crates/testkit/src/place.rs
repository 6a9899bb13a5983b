//! Addresses as a person can look them up.

#![allow(unsafe_code, reason = "dladdr fills a struct with pointers into the loaded objects")]

use std::ffi::CStr;
use std::fmt;

/// Shows an address of code as `object+0xoffset`, the form that `addr2line` and `objdump` take,
/// with the name of the dynamic symbol where there is one.
pub(crate) struct Place(pub(crate) u64);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: all-zero bytes are a valid Dl_info.
        let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
        let address = usize::try_from(self.0).unwrap_or(0);
        let pointer = std::ptr::without_provenance(address);
        // SAFETY: dladdr only compares the address, and `info` is valid for writes.
        let found = unsafe { libc::dladdr(pointer, &mut info) } != 0;
        if !found || info.dli_fname.is_null() {
            return write!(f, "{:#x}", self.0);
        }
        // SAFETY: dladdr returned the name of a loaded object, which the test does not unload.
        let object = unsafe { CStr::from_ptr(info.dli_fname) }.to_string_lossy();
        let object = object.rsplit('/').next().unwrap_or_default();
        write!(f, "{object}+{:#x}", address.wrapping_sub(info.dli_fbase.addr()))?;
        if info.dli_sname.is_null() {
            return Ok(());
        }
        // SAFETY: as above, the name of a symbol of that object.
        let symbol = unsafe { CStr::from_ptr(info.dli_sname) }.to_string_lossy();
        write!(f, " ({symbol})")
    }
}

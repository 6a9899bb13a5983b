//! The failures of this crate: the operating system said no.

multiproc_core::opaque_error! {
    /// A mutex could not be made or opened: which, and why.
    pub struct Error;
}

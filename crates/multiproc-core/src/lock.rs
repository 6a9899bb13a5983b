//! Locks that survive the death of their holder at any instruction.
//!
//! One protocol on two words (`word`), in two forms. [`section`] is for what this workspace
//! does inside itself: short, no foreign code, one at a time per thread; its recovery is empty.
//! [`linked`] is for guards that live across a user's code, as many as the user likes.
//!
//! What the kernel does for a dying thread is described in `crate::robust`; why glibc's own robust
//! mutex is not enough (a sleeper can be left on a free lock) shows in the word's state table.

pub mod linked;
pub mod section;
pub(crate) mod word;

//! The atomic that lock words are made of: under loom, which runs their code too, it is loom's.

pub(crate) use core::sync::atomic::AtomicU32;

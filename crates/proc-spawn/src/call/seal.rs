//! The key that relatives share, and the seal on the names that they exchange.
//!
//! A name is two addresses in disguise, so only our own may be followed. The first process draws a
//! key; each child is told it in its start message; a name is sealed with it. This protects against
//! garbled and forged bytes, not against a relative that has been taken over: it has the key.
#![allow(deprecated, reason = "std's keyed SipHash has no other stable name")]

use std::hash::{BuildHasher, Hasher, RandomState, SipHasher};
use std::sync::OnceLock;

/// The key of this process and its relatives.
pub(crate) type Key = [u64; 2];

static KEY: OnceLock<Key> = OnceLock::new();

/// Returns the key, drawing it when this is the first process of its family.
pub(crate) fn key() -> Key {
    *KEY.get_or_init(|| {
        // std seeds these from the system's random source; the hash of nothing is as secret.
        [RandomState::new().build_hasher().finish(), RandomState::new().build_hasher().finish()]
    })
}

/// Takes over the key of the parent. Does nothing when there is one already.
pub(crate) fn learn_key(key: Key) {
    let _ = KEY.set(key);
}

/// Returns the seal for a name.
pub(super) fn seal(record: i64, function: i64, types: u64) -> u64 {
    let [a, b] = key();
    let mut hasher = SipHasher::new_with_keys(a, b);
    hasher.write_i64(record);
    hasher.write_i64(function);
    hasher.write_u64(types);
    hasher.finish()
}

/// Returns a hash that is equal in all processes of one program.
pub(crate) fn plain_hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

//! Many values encoded, or many messages decoded, for the price of one scope.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use multiproc_core::carry;
use serde::Serialize;
use serde::de::DeserializeSeed;

use super::growing::Growing;
use super::{CodecError, Encoded, encode};

/// Encodes many values, which costs less than one after the other when there are no handles in them.
///
/// Of each value is kept what `keep` makes of the buffer with its bytes, and of its descriptors. A buffer that
/// is left serves for the next value.
/// A value that has handles, or cannot be encoded, has all of them encoded a second time.
///
/// # Errors
///
/// As [`encode`], of the first value that has one.
pub fn encode_each<'v, T: Serialize + ?Sized + 'v, B>(
    values: impl ExactSizeIterator<Item = &'v T> + Clone,
    mut keep: impl FnMut(&mut Vec<u8>, Vec<Arc<OwnedFd>>) -> B,
) -> Result<Vec<B>, CodecError> {
    let mut kept = Vec::with_capacity(values.len());
    let together = || {
        let mut buffer = Vec::new();
        for value in values.clone() {
            buffer = postcard::serialize_with_flavor(value, Growing::on(buffer))?;
            kept.push(keep(&mut buffer, Vec::new()));
        }
        Ok::<_, postcard::Error>(())
    };
    match carry::outgoing(together) {
        (Ok(()), out) if out.fds.is_empty() && out.refusal.is_none() => Ok(kept),
        _ => {
            let each = values.map(|value| {
                let Encoded { mut bytes, fds } = encode(value)?;
                Ok(keep(&mut bytes, fds))
            });
            each.collect()
        }
    }
}

/// Decodes messages that carry no descriptors. Made by [`together`].
#[derive(Debug)]
pub struct Together(());

impl Together {
    /// Does as [`decode_with`](super::decode_with), and says less of an error.
    pub fn decode_with<'b, S: DeserializeSeed<'b>>(
        &self,
        seed: S,
        bytes: &'b [u8],
    ) -> Option<S::Value> {
        let mut deserializer = postcard::Deserializer::from_bytes(bytes);
        let value = seed.deserialize(&mut deserializer).ok()?;
        deserializer.finalize().ok()?.is_empty().then_some(value)
    }
}

/// Has `f` decode many messages, which costs less than one after the other.
///
/// `None` if one of them names a handle. What is wrong with one says [`decode`](super::decode).
pub fn together<R>(f: impl FnOnce(&Together) -> R) -> Option<R> {
    let (result, refusal) = carry::incoming(Vec::new(), || f(&Together(())));
    refusal.is_none().then_some(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::marker::PhantomData;
    use std::mem::take;

    #[test]
    fn many_are_encoded_as_they_are_one_by_one() {
        let values = [vec![1u64, 300], vec![], vec![u64::MAX; 5]];
        let copied = encode_each(values.iter(), |buffer, fds| (buffer.clone(), fds.len())).unwrap();
        let taken = encode_each(values.iter(), |buffer, _| take(buffer)).unwrap();
        for ((value, copied), taken) in values.iter().zip(&copied).zip(&taken) {
            assert_eq!(copied.0, encode(value).unwrap().bytes);
            assert_eq!((&copied.0, copied.1), (taken, 0));
        }
    }

    #[test]
    fn many_are_decoded_as_they_are_one_by_one() {
        let encoded = [1u64, 300, u64::MAX].map(|value| encode(&value).unwrap().bytes);
        let decode = |together: &Together, bytes| together.decode_with(PhantomData::<u64>, bytes);
        let decoded = together(|t| encoded.each_ref().map(|bytes| decode(t, bytes)));
        assert_eq!(decoded, Some([Some(1), Some(300), Some(u64::MAX)]));
        assert_eq!(together(|t| decode(t, &[1, 2])), Some(None), "left over");
        assert_eq!(together(|t| decode(t, &[0x80])), Some(None), "missing");
        assert_eq!(together(|_| carry::get(0).is_ok()), None, "a handle");
    }

    struct Never;

    impl Serialize for Never {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }

    #[test]
    fn one_that_cannot_be_encoded_is_the_error_of_all() {
        let error = encode(&Never).unwrap_err();
        assert_eq!(
            encode_each([Never, Never].iter(), |buffer, _| take(buffer)).unwrap_err(),
            error
        );
    }
}

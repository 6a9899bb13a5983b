//! Numbers in bulk: many of one type go as one run of bytes, not each by itself.
//!
//! Both sides run the same program, so both know by the type alone how it goes, and in which order the
//! bytes of a number lie.

#![allow(unsafe_code, reason = "views numbers as their bytes, and makes them of bytes")]

use std::any::TypeId;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A slice as it is encoded.
#[derive(Debug)]
pub(crate) struct Run<'a, T>(pub(crate) &'a [T]);

/// What a [`Run`] is decoded to.
#[derive(Debug)]
pub(crate) struct Decoded<T>(pub(crate) Vec<T>);

/// Decodes a [`Run`] of so many values at most onto values that came before.
pub(crate) struct Onto<'v, T>(pub(crate) &'v mut Vec<T>, pub(crate) usize);

/// Says whether `T` is a number, or a tuple of one that lies in memory as the number does: all its bytes
/// are the number's, and any bytes are one.
pub(crate) fn is_number<T: 'static>() -> bool {
    let this = TypeId::of::<T>();
    macro_rules! is_one_of {
        ($($number:ty)*) => {
            $(this == TypeId::of::<$number>()
                || this == TypeId::of::<($number,)>()
                    && size_of::<($number,)>() == size_of::<$number>())||*
        };
    }
    is_one_of!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64)
}

/// Returns the bytes of numbers.
fn bytes_of<T: 'static>(values: &[T]) -> Option<&[u8]> {
    is_number::<T>().then(|| {
        // SAFETY: the bytes of the slice, all of which belong to numbers, as `is_number` says.
        unsafe { core::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) }
    })
}

/// Appends the numbers with these bytes; `false` if there are more than `most`, or the last is a part of one.
fn append<T: 'static>(values: &mut Vec<T>, bytes: &[u8], most: usize) -> bool {
    if !is_number::<T>() || !bytes.len().is_multiple_of(size_of::<T>()) {
        return false;
    }
    let more = bytes.len() / size_of::<T>();
    if more > most {
        return false;
    }
    values.reserve(more);
    let to = values.spare_capacity_mut().as_mut_ptr().cast::<u8>();
    // SAFETY: there is room for `more` values, which is as many bytes, and nobody else sees it.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    // SAFETY: written just now, and any bytes are a number, as `is_number` says.
    unsafe { values.set_len(values.len() + more) };
    true
}

impl<T: Serialize + 'static> Serialize for Run<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes_of(self.0) {
            Some(bytes) => serializer.serialize_bytes(bytes),
            None => self.0.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned + 'static> Deserialize<'de> for Decoded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut values = Vec::new();
        Onto(&mut values, usize::MAX).deserialize(deserializer)?;
        Ok(Self(values))
    }
}

impl<'de, T: DeserializeOwned + 'static> DeserializeSeed<'de> for Onto<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if is_number::<T>() {
            deserializer.deserialize_bytes(self)
        } else {
            deserializer.deserialize_seq(self)
        }
    }
}

/// A length that somebody claims is believed up to so many bytes.
const BELIEVED: usize = 1 << 20;

impl<'de, T: DeserializeOwned + 'static> Visitor<'de> for Onto<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "many {}", std::any::type_name::<T>())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<(), E> {
        append(self.0, bytes, self.1)
            .then_some(())
            .ok_or_else(|| E::invalid_length(bytes.len(), &self))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut values: S) -> Result<(), S::Error> {
        let Self(to, most) = self;
        let believed = values.size_hint().unwrap_or(0).min(BELIEVED / size_of::<T>().max(1));
        to.reserve(believed.min(most));
        let mut count = 0;
        while let Some(value) = values.next_element()? {
            // At once: values without bytes could go on for ever.
            if count == most {
                return Err(S::Error::custom("too many values"));
            }
            count += 1;
            to.push(value);
        }
        Ok(())
    }
}

/// For a field: `#[serde(serialize_with = "bulk::serialize")]`.
pub(crate) fn serialize<T, S>(values: &[T], serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + 'static,
    S: Serializer,
{
    Run(values).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_spawn::call;

    fn comes_back<T>(values: &[T], bytes: usize)
    where
        T: Serialize + DeserializeOwned + PartialEq + fmt::Debug + 'static,
    {
        let encoded = call::encode(&Run(values)).unwrap();
        assert_eq!(encoded.bytes.len(), bytes, "{}", std::any::type_name::<T>());
        let decoded: Decoded<T> = call::decode(&encoded.bytes, Vec::new()).unwrap();
        assert_eq!(decoded.0, values);
    }

    #[test]
    fn numbers_go_as_their_bytes_and_all_else_one_by_one() {
        comes_back(&[0u8, 255], 1 + 2);
        comes_back(&[1u64, u64::MAX], 1 + 16);
        comes_back(&[(1i128,), (i128::MIN,)], 1 + 32);
        comes_back(&(0..1000).map(|x| (f64::from(x),)).collect::<Vec<_>>(), 2 + 8000);
        comes_back::<usize>(&[], 1);
        comes_back(&["a".to_owned(), String::new()], 1 + 3);
        comes_back(&[(1u64, 2u64)], 1 + 2);
    }

    #[test]
    fn a_part_of_a_number_is_refused() {
        let seven = call::encode(&Run(&[7u8; 7])).unwrap();
        assert!(call::decode::<Decoded<u32>>(&seven.bytes, Vec::new()).is_err());
        assert_eq!(call::decode::<Decoded<u8>>(&seven.bytes, Vec::new()).unwrap().0, [7; 7]);
    }

    #[test]
    fn more_values_than_there_may_be_are_refused() {
        fn decode<T: DeserializeOwned + 'static>(bytes: &[u8], most: usize) -> Option<usize> {
            let mut values = vec![];
            call::decode_with(Onto::<T>(&mut values, most), bytes, Vec::new()).ok()?;
            Some(values.len())
        }
        let numbers = call::encode(&Run(&[7u32; 3])).unwrap().bytes;
        assert_eq!([2, 3, 4].map(|most| decode::<u32>(&numbers, most)), [None, Some(3), Some(3)]);
        let texts = call::encode(&Run(&["a", "b", "c"])).unwrap().bytes;
        assert_eq!([2, 3, 4].map(|most| decode::<String>(&texts, most)), [None, Some(3), Some(3)]);
        // 2^63 of them, in ten bytes.
        let nothings = [&[0x80; 9][..], &[1]].concat();
        assert_eq!(decode::<()>(&nothings, 1_000), None);
    }
}

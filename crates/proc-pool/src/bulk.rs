//! Numbers in bulk: many of one type go as one run of bytes, not each by itself.
//!
//! Both sides run the same program, so both know by the type alone how it goes, and in which order the
//! bytes of a number lie.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// So many bytes need no allocation on their way.
const SHORT: usize = 64;

/// A slice as it is encoded.
#[derive(Debug)]
pub(crate) struct Run<'a, T>(pub(crate) &'a [T]);

/// What a [`Run`] is decoded to.
#[derive(Debug)]
pub(crate) struct Decoded<T>(pub(crate) Vec<T>);

/// Calls the macro with each type of number, alone and as the only argument of a function.
macro_rules! for_each_number {
    ($call:ident) => {
        $call!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64)
    };
}

/// Returns how many bytes one `T` takes, if it is a number, or a tuple of one.
fn width<T: 'static>() -> Option<usize> {
    let none: &dyn Any = &PhantomData::<T>;
    macro_rules! widths {
        ($($number:ty)*) => {$(
            if none.is::<PhantomData<$number>>() || none.is::<PhantomData<($number,)>>() {
                return Some(size_of::<$number>());
            }
        )*};
    }
    for_each_number!(widths);
    None
}

/// Writes the bytes of numbers, each of which takes `width`, to a place of the right length.
fn write<T: 'static>(values: &[T], width: usize, to: &mut [u8]) {
    let places = to.chunks_exact_mut(width);
    for (value, place) in values.iter().zip(places) {
        let value: &dyn Any = value;
        macro_rules! copy {
            ($($number:ty)*) => {$(
                if let Some(number) = value.downcast_ref::<$number>() {
                    place.copy_from_slice(&number.to_ne_bytes());
                }
                if let Some((number,)) = value.downcast_ref::<($number,)>() {
                    place.copy_from_slice(&number.to_ne_bytes());
                }
            )*};
        }
        for_each_number!(copy);
    }
}

/// Reads what [`write`] wrote; `None` for another type or a part of a number.
fn read<T: 'static>(bytes: &[u8]) -> Option<Vec<T>> {
    fn same<T: 'static, U: 'static>(values: Vec<U>) -> Option<Vec<T>> {
        // The box is of the `Vec`, not of what is in it.
        let values: Box<dyn Any> = Box::new(values);
        values.downcast().ok().map(|values| *values)
    }
    let none: &dyn Any = &PhantomData::<T>;
    macro_rules! collect {
        ($($number:ty)*) => {$(
            if none.is::<PhantomData<$number>>() || none.is::<PhantomData<($number,)>>() {
                let (numbers, []) = bytes.as_chunks::<{ size_of::<$number>() }>() else {
                    return None;
                };
                let numbers = numbers.iter().map(|bytes| <$number>::from_ne_bytes(*bytes));
                return if none.is::<PhantomData<$number>>() {
                    same(numbers.collect::<Vec<$number>>())
                } else {
                    same(numbers.map(|number| (number,)).collect::<Vec<($number,)>>())
                };
            }
        )*};
    }
    for_each_number!(collect);
    None
}

impl<T: Serialize + 'static> Serialize for Run<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(width) = width::<T>() else { return self.0.serialize(serializer) };
        let len = self.0.len() * width;
        let (mut short, mut long) = ([0; SHORT], Vec::new());
        let bytes = match short.get_mut(..len) {
            Some(bytes) => bytes,
            None => {
                long.resize(len, 0);
                &mut long[..]
            }
        };
        write(self.0, width, bytes);
        serializer.serialize_bytes(bytes)
    }
}

impl<'de, T: DeserializeOwned + 'static> Deserialize<'de> for Decoded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match width::<T>() {
            None => Vec::deserialize(deserializer).map(Self),
            Some(_) => deserializer.deserialize_bytes(Numbers(PhantomData)).map(Self),
        }
    }
}

struct Numbers<T>(PhantomData<T>);

impl<T: 'static> Visitor<'_> for Numbers<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the bytes of many {}", std::any::type_name::<T>())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<T>, E> {
        read(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &self))
    }
}

/// For a field: `#[serde(with = "bulk::field")]`.
pub(crate) mod field {
    use super::*;

    pub(crate) fn serialize<T, S>(values: &[T], serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize + 'static,
        S: Serializer,
    {
        Run(values).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: DeserializeOwned + 'static,
        D: Deserializer<'de>,
    {
        Decoded::deserialize(deserializer).map(|Decoded(values)| values)
    }
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
}

//! What comes back for the items of a chunk.

use std::fmt;

use proc_spawn::PanicInfo;
use proc_spawn::call;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};

use crate::bulk;
use crate::error::TaskError;

/// The results of a chunk, and the panics in which some of its items ended, by their places.
///
/// Not a `Result` for each item: one that can hold a panic is many times as large as most results.
#[derive(Debug, Serialize)]
#[serde(bound(serialize = "R: Serialize + 'static"))]
pub(crate) struct Results<R> {
    #[serde(serialize_with = "bulk::serialize")]
    values: Vec<R>,
    panics: Vec<(usize, PanicInfo)>,
}

/// Decodes the [`Results`] of so many items: the values onto others, and returns the panics.
///
/// A worker that sends more or fewer is not believed, whatever it says.
pub(crate) struct Onto<'v, R>(pub(crate) &'v mut Vec<R>, pub(crate) usize);

impl<'de, R: DeserializeOwned + 'static> DeserializeSeed<'de> for Onto<'_, R> {
    type Value = Vec<(usize, PanicInfo)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_struct("Results", &["values", "panics"], self)
    }
}

impl<'de, R: DeserializeOwned + 'static> Visitor<'de> for Onto<'_, R> {
    type Value = Vec<(usize, PanicInfo)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the results of a chunk")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut fields: S) -> Result<Self::Value, S::Error> {
        let Self(values, items) = self;
        let before = values.len();
        let decoded = fields.next_element_seed(bulk::Onto(values, items))?;
        let panics = decoded.and_then(|()| fields.next_element::<Self::Value>().transpose());
        let panics = panics.transpose()?;
        let panics = panics.ok_or_else(|| S::Error::custom("values and no panics"))?;
        let places = panics.iter().map(|(place, _)| *place);
        let in_place = places.clone().is_sorted_by(|a, b| a < b) && places.max() < Some(items);
        if values.len() - before + panics.len() != items || !panics.is_empty() && !in_place {
            return Err(S::Error::custom("not one result for each item"));
        }
        Ok(panics)
    }
}

/// Decodes results onto others, among many; `false`, and nothing, if there is an error or a panic.
pub(crate) fn append_without_panics<R>(
    together: &call::Together,
    bytes: &[u8],
    (values, items): (&mut Vec<R>, usize),
) -> bool
where
    R: DeserializeOwned + 'static,
{
    let before = values.len();
    let panics = together.decode_with(Onto(values, items), bytes);
    let well = panics.is_some_and(|panics| panics.is_empty());
    if !well {
        values.truncate(before);
    }
    well
}

impl<R> Results<R> {
    pub(crate) fn with_capacity(items: usize) -> Self {
        Self { values: Vec::with_capacity(items), panics: Vec::new() }
    }

    /// Puts together what was decoded.
    pub(crate) fn from_parts(values: Vec<R>, panics: Vec<(usize, PanicInfo)>) -> Self {
        Self { values, panics }
    }

    pub(crate) fn push(&mut self, value: R) {
        self.values.push(value);
    }

    pub(crate) fn push_panic(&mut self, panic: PanicInfo) {
        self.panics.push((self.values.len() + self.panics.len(), panic));
    }

    /// Returns the values, or the first panic.
    pub(crate) fn into_values(self) -> Result<Vec<R>, TaskError> {
        match self.panics.into_iter().next() {
            None => Ok(self.values),
            Some((_, panic)) => Err(TaskError::Panicked(panic)),
        }
    }

    /// Returns the result of each item, in order.
    pub(crate) fn into_each(self) -> impl Iterator<Item = Result<R, PanicInfo>> {
        let mut panics = self.panics.into_iter().peekable();
        let mut values = self.values.into_iter();
        (0..).map_while(move |place| match panics.next_if(|(panicked, _)| *panicked == place) {
            Some((_, panic)) => Some(Err(panic)),
            None => values.next().map(Ok),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panic(message: &'static str) -> PanicInfo {
        call::catch(|| std::panic::resume_unwind(Box::new(message))).unwrap_err()
    }

    #[test]
    fn each_result_is_in_its_place() {
        let mut results = Results::with_capacity(5);
        results.push_panic(panic("first"));
        results.push(1);
        results.push(2);
        results.push_panic(panic("fourth"));
        results.push_panic(panic("last"));
        let each: Vec<_> =
            results.into_each().map(|r| r.map_err(|p| p.message().to_owned())).collect();
        let failed = |message: &str| Err(message.to_owned());
        assert_eq!(each, [failed("first"), Ok(1), Ok(2), failed("fourth"), failed("last")]);
    }

    #[test]
    fn the_first_panic_stands_for_all() {
        let mut results = Results::with_capacity(2);
        results.push(1);
        assert_eq!(Results { values: vec![1], panics: vec![] }.into_values(), Ok(vec![1]));
        results.push_panic(panic("this one"));
        results.push_panic(panic("not this one"));
        let error = results.into_values().unwrap_err();
        assert_eq!(error.panic().unwrap().message(), "this one");
    }
    #[test]
    fn results_are_believed_if_there_is_one_for_each_item() {
        let decode = |results: &Results<u64>, items| {
            let bytes = call::encode(results).unwrap().bytes;
            call::decode_with(Onto(&mut Vec::<u64>::new(), items), &bytes, Vec::new()).is_ok()
        };
        let results = |places: &[usize]| {
            let panics = places.iter().map(|&place| (place, panic("there"))).collect();
            Results::from_parts(vec![7, 8], panics)
        };
        assert_eq!([1, 2, 3].map(|items| decode(&results(&[]), items)), [false, true, false]);
        for (places, believed) in [([0, 3], true), ([1, 2], true), ([2, 1], false), ([3, 3], false)]
        {
            assert_eq!(decode(&results(&places), 4), believed, "{places:?}");
        }
        assert!(!decode(&results(&[1, 4]), 4) && !decode(&results(&[0, 1]), 3));
    }
}

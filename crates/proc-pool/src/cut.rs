//! A sequence that is cut into chunks.

/// Items, and how many of them make a chunk. The last chunk may be shorter.
#[derive(Debug)]
pub(crate) struct Cut<A> {
    items: Vec<A>,
    size: usize,
}

impl<A> Cut<A> {
    /// Cuts `items` into chunks of this size, which is not zero.
    pub(crate) fn new(items: Vec<A>, size: usize) -> Self {
        Self { items, size }
    }

    /// Returns how many chunks there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len().div_ceil(self.size)
    }

    /// Returns the chunks where they lie.
    pub(crate) fn slices(&self) -> std::slice::Chunks<'_, A> {
        self.items.chunks(self.size)
    }

    /// Takes the chunks apart.
    pub(crate) fn into_chunks(self) -> impl Iterator<Item = Vec<A>> {
        let (count, size) = (self.len(), self.size);
        let mut items = self.items.into_iter();
        (0..count).map(move |_| items.by_ref().take(size).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Cut;

    #[test]
    fn the_last_chunk_is_what_is_left() {
        let cut = || Cut::new(vec![1, 2, 3], 2);
        assert_eq!(cut().len(), 2);
        assert_eq!(cut().slices().collect::<Vec<_>>(), [&[1, 2][..], &[3]]);
        assert_eq!(cut().into_chunks().collect::<Vec<_>>(), [vec![1, 2], vec![3]]);
        assert_eq!(Cut::new(Vec::<u8>::new(), 2).len(), 0);
    }
}

//! Short byte strings kept in place, longer ones on the heap.

/// Bytes that take no allocation up to 22 of them: most edges have fewer.
#[derive(Clone)]
pub(crate) enum Blob {
    /// Up to [`INLINE`] bytes.
    Inline {
        /// How many.
        len: u8,
        /// The bytes, then zeros.
        data: [u8; INLINE],
    },
    /// More.
    Heap(Box<[u8]>),
}

const INLINE: usize = 22;
const _: () = assert!(size_of::<Blob>() == 24 && size_of::<Option<Blob>>() == 24);

impl Blob {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut data = [0; INLINE];
        match (data.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(head), Ok(len)) => {
                head.copy_from_slice(bytes);
                Self::Inline { len, data }
            }
            _ => Self::Heap(bytes.into()),
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { len, data } => data.get(..usize::from(*len)).unwrap_or_default(),
            Self::Heap(bytes) => bytes,
        }
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_whatever_their_number() {
        for len in [0, 1, 21, 22, 23, 1000] {
            let bytes = vec![7; len];
            assert_eq!(Blob::new(&bytes).as_slice(), bytes);
        }
    }
}

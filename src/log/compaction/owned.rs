//! Rows that own their bytes.

use crate::codec::Encoder;
use crate::model::id::IdRef;
use crate::model::image::Image;
use crate::model::position::{EdgeOrd, NameOrd, NodeOrd};
use crate::model::row::{Row, RowKind};

type Bytes = Box<[u8]>;

/// A row on the heap, or the place of one that is dead.
#[derive(Debug, Clone)]
pub(super) enum OwnedRow {
    Name { text: Box<str> },
    Node { id: Bytes, image: Bytes },
    Edge { src: NodeOrd, dst: NodeOrd, parallel: Option<(EdgeOrd, Bytes)>, image: Bytes },
    Item { key: NameOrd, entry: Option<Bytes>, value: Bytes },
    Graph { image: Bytes },
    Dead,
}

impl OwnedRow {
    pub(super) fn node(id: IdRef<'_>, attrs: Image<'_>) -> Self {
        Self::Node { id: encoded(id), image: attrs.as_bytes().into() }
    }

    pub(super) fn edge(
        src: NodeOrd,
        dst: NodeOrd,
        parallel: Option<(EdgeOrd, IdRef<'_>)>,
        attrs: Image<'_>,
    ) -> Self {
        let parallel = parallel.map(|(slot, key)| (slot, encoded(key)));
        Self::Edge { src, dst, parallel, image: attrs.as_bytes().into() }
    }

    pub(super) fn item(key: NameOrd, entry: Option<IdRef<'_>>, value: &[u8]) -> Self {
        Self::Item { key, entry: entry.map(encoded), value: value.into() }
    }

    /// The row; `None` if it is dead.
    pub(super) fn as_row(&self) -> Option<Row<'_>> {
        Some(match self {
            Self::Name { text } => Row::Name { text },
            Self::Node { id, image } => Row::Node { id, attrs: Image::trusted(image) },
            Self::Edge { src, dst, parallel, image } => Row::Edge {
                src: *src,
                dst: *dst,
                parallel: parallel.as_ref().map(|(slot, key)| (*slot, key.as_ref())),
                attrs: Image::trusted(image),
            },
            Self::Item { key, entry, value } => Row::Item { key: *key, entry: entry.as_deref(), value },
            Self::Graph { image } => Row::Graph { attrs: Image::trusted(image) },
            Self::Dead => return None,
        })
    }

    pub(super) fn kind(&self) -> Option<RowKind> {
        self.as_row().map(|row| row.kind())
    }

    /// The attributes, where it has any.
    pub(super) fn image_mut(&mut self) -> Option<&mut Bytes> {
        match self {
            Self::Node { image, .. } | Self::Edge { image, .. } | Self::Graph { image } => Some(image),
            Self::Name { .. } | Self::Item { .. } | Self::Dead => None,
        }
    }
}

impl From<&Row<'_>> for OwnedRow {
    fn from(row: &Row<'_>) -> Self {
        match *row {
            Row::Name { text } => Self::Name { text: text.into() },
            Row::Node { id, attrs } => Self::Node { id: id.into(), image: attrs.as_bytes().into() },
            Row::Edge { src, dst, parallel, attrs } => Self::Edge {
                src,
                dst,
                parallel: parallel.map(|(slot, key)| (slot, key.into())),
                image: attrs.as_bytes().into(),
            },
            Row::Item { key, entry, value } => {
                Self::Item { key, entry: entry.map(Into::into), value: value.into() }
            }
            Row::Graph { attrs } => Self::Graph { image: attrs.as_bytes().into() },
        }
    }
}

fn encoded(id: IdRef<'_>) -> Bytes {
    let mut encoder = Encoder::new();
    id.encode(&mut encoder);
    encoder.as_slice().into()
}

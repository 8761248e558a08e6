//! Attribute images: the attributes of one entity as canonical bytes.
//!
//! An image is a count, then as many pairs of a name's ordinal (ascending, each once) and an encoded value. The
//! same layout carries the attributes that a change sets; a [`NameSet`] carries those that it removes.

use super::position::NameOrd;
use super::value::{pass_value, skip_value};
use crate::codec::{DecodeError, Decoder, Encoder, len_u64};

/// The image of an entity without attributes.
pub const EMPTY_IMAGE: Image<'static> = Image(&[0]);

/// A checked attribute image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image<'a>(&'a [u8]);

impl<'a> Image<'a> {
    /// Takes an image off the front, checking it.
    ///
    /// # Errors
    /// If the names do not ascend, one is not below `names`, or a value is not canonical.
    pub fn decode(from: &mut Decoder<'a>, names: NameOrd) -> Result<Self, DecodeError> {
        let start = from.rest();
        let count = from.u64("the number of attributes")?;
        let mut last = None;
        for _ in 0..count {
            ascending_name(from, names, &mut last)?;
            skip_value(from)?;
        }
        let used = start.len().saturating_sub(from.rest().len());
        Ok(Self(start.get(..used).unwrap_or_default()))
    }

    /// Bytes that [`Image::decode`] or an encoder of this module made.
    pub(crate) const fn trusted(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there are no attributes.
    pub fn is_empty(self) -> bool {
        self.0.first().is_none_or(|&count| count == 0)
    }

    /// The attributes, names ascending.
    pub fn iter(self) -> ImageIter<'a> {
        let mut decoder = Decoder::new(self.0);
        let left = decoder.u64("the number of attributes").unwrap_or(0);
        ImageIter { decoder, left }
    }

    /// The encoded value of one attribute.
    pub fn get(self, name: NameOrd) -> Option<&'a [u8]> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }
}

/// Iterates over an image: name and encoded value.
#[derive(Debug, Clone)]
pub struct ImageIter<'a> {
    decoder: Decoder<'a>,
    left: u64,
}

impl<'a> Iterator for ImageIter<'a> {
    type Item = (NameOrd, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = NameOrd(self.decoder.u32("a name").ok()?);
        Some((name, pass_value(&mut self.decoder)?))
    }
}

/// A checked set of names: a count, then ordinals, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameSet<'a>(&'a [u8]);

impl<'a> NameSet<'a> {
    /// Takes a set off the front, checking it.
    ///
    /// # Errors
    /// If the names do not ascend or one is not below `names`.
    pub fn decode(from: &mut Decoder<'a>, names: NameOrd) -> Result<Self, DecodeError> {
        let start = from.rest();
        let count = from.u64("the number of names")?;
        let mut last = None;
        for _ in 0..count {
            ascending_name(from, names, &mut last)?;
        }
        let used = start.len().saturating_sub(from.rest().len());
        Ok(Self(start.get(..used).unwrap_or_default()))
    }

    /// Bytes that an encoder of this module made.
    pub(crate) const fn trusted(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The names, ascending.
    pub fn iter(self) -> impl Iterator<Item = NameOrd> + 'a {
        let mut decoder = Decoder::new(self.0);
        let left = decoder.u64("the number of names").unwrap_or(0);
        (0..left).map_while(move |_| decoder.u32("a name").ok().map(NameOrd))
    }
}

fn ascending_name(
    from: &mut Decoder<'_>,
    names: NameOrd,
    last: &mut Option<NameOrd>,
) -> Result<(), DecodeError> {
    let name = NameOrd(from.u32("a name's ordinal")?);
    if name >= names {
        return Err(DecodeError::Invalid { what: "an attribute has a name that was never born" });
    }
    if last.is_some_and(|last| last >= name) {
        return Err(DecodeError::Invalid { what: "the names of an attribute image do not ascend" });
    }
    *last = Some(name);
    Ok(())
}

/// Appends an image made of `attrs`, whose names ascend.
pub(crate) fn encode_image<'v>(attrs: impl ExactSizeIterator<Item = (NameOrd, &'v [u8])>, to: &mut Encoder) {
    to.u64(len_u64(attrs.len()));
    for (name, value) in attrs {
        to.u64(u64::from(name.0));
        to.raw(value);
    }
}

/// Appends a set of `names`, which ascend.
pub(crate) fn encode_names(names: impl ExactSizeIterator<Item = NameOrd>, to: &mut Encoder) {
    to.u64(len_u64(names.len()));
    for name in names {
        to.u64(u64::from(name.0));
    }
}

/// Appends `old` with the attributes of `set` put over it.
pub(crate) fn merge(old: Image<'_>, set: Image<'_>, to: &mut Encoder) {
    let mut merged = Vec::new();
    let mut left = old.iter().peekable();
    for (name, value) in set.iter() {
        while let Some(kept) = left.next_if(|(n, _)| *n < name) {
            merged.push(kept);
        }
        left.next_if(|(n, _)| *n == name);
        merged.push((name, value));
    }
    merged.extend(left);
    encode_image(merged.into_iter(), to);
}

/// Appends `old` without the attributes of `names`.
pub(crate) fn without(old: Image<'_>, names: NameSet<'_>, to: &mut Encoder) {
    let mut gone = names.iter().peekable();
    let kept: Vec<_> = old
        .iter()
        .filter(|(name, _)| {
            while gone.next_if(|g| g < name).is_some() {}
            gone.peek() != Some(name)
        })
        .collect();
    encode_image(kept.into_iter(), to);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(pairs: &[(u32, u8)]) -> Vec<u8> {
        let values: Vec<_> = pairs.iter().map(|(n, v)| (NameOrd(*n), vec![3, *v])).collect();
        let mut to = Encoder::new();
        encode_image(values.iter().map(|(n, v)| (*n, v.as_slice())), &mut to);
        to.into_vec()
    }

    #[test]
    fn merging_puts_new_values_over_old_ones_in_name_order() {
        for (old, set, expected) in [
            (&[][..], &[(1, 1)][..], &[(1, 1)][..]),
            (&[(0, 0), (2, 2)], &[(1, 1)], &[(0, 0), (1, 1), (2, 2)]),
            (&[(0, 0), (1, 0), (3, 0)], &[(1, 9), (4, 9)], &[(0, 0), (1, 9), (3, 0), (4, 9)]),
        ] {
            let mut to = Encoder::new();
            merge(Image(&image(old)), Image(&image(set)), &mut to);
            assert_eq!(to.as_slice(), image(expected));
        }
    }

    #[test]
    fn removing_leaves_the_others() {
        let mut names = Encoder::new();
        encode_names([NameOrd(0), NameOrd(2), NameOrd(7)].into_iter(), &mut names);
        let mut to = Encoder::new();
        without(Image(&image(&[(0, 0), (1, 1), (2, 2), (3, 3)])), NameSet(names.as_slice()), &mut to);
        assert_eq!(to.as_slice(), image(&[(1, 1), (3, 3)]));
    }

    #[test]
    fn an_image_whose_names_do_not_ascend_or_were_never_born_is_refused() {
        for (pairs, names, good) in
            [(&[(0, 0), (1, 1)][..], 2, true), (&[(0, 0), (1, 1)], 1, false), (&[(1, 0), (1, 1)], 2, false)]
        {
            let bytes = image(pairs);
            assert_eq!(Image::decode(&mut Decoder::new(&bytes), NameOrd(names)).is_ok(), good);
        }
    }
}

//! Attribute names and state keys.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::model::position::NameOrd;

/// Attribute names and state keys by ordinal, and back.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: Vec<Box<str>>,
    by_text: HashTable<NameOrd>,
    hasher: DefaultHashBuilder,
}

impl Names {
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.texts.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn text(&self, name: NameOrd) -> &str {
        usize::try_from(name.0).ok().and_then(|at| self.texts.get(at)).map_or("", AsRef::as_ref)
    }

    pub(super) fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    pub(super) fn find(&self, text: &str) -> Option<NameOrd> {
        self.by_text.find(self.hash(text), |name| self.text(*name) == text).copied()
    }

    pub(super) fn push(&mut self, text: &str) {
        let name = NameOrd(self.len());
        self.texts.push(text.into());
        let (texts, hasher) = (&self.texts, &self.hasher);
        self.by_text.insert_unique(hasher.hash_one(text), name, |name| {
            let text = usize::try_from(name.0).ok().and_then(|at| texts.get(at));
            hasher.hash_one(text.map_or("", AsRef::as_ref))
        });
    }

    pub(super) fn pop(&mut self) {
        let last = NameOrd(self.len().saturating_sub(1));
        let hash = self.hasher.hash_one(self.text(last));
        if let Ok(entry) = self.by_text.find_entry(hash, |name| *name == last) {
            entry.remove();
        }
        self.texts.pop();
    }
}

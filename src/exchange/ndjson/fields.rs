//! The operations and the keys of a line's object.

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $type { $($variant),+ }

        impl $type {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub(super) fn find(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

names! {
    /// The operations.
    Op {
        Node = "node", Edge = "edge", DelNode = "del_node", DelEdge = "del_edge", Unset = "unset",
        Graph = "graph", State = "state", Mark = "mark",
    }
}

names! {
    /// The keys of a line's object, over all operations.
    Field {
        Op = "op", Id = "id", Src = "src", Dst = "dst", Key = "key", Attrs = "attrs", Keys = "keys",
        Graph = "graph", Value = "value", Entry = "entry", Put = "put", Label = "label", Tier = "tier",
        Pin = "pin", Ts = "ts",
    }
}

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fields(u16);

impl Fields {
    const fn of(fields: &[Field]) -> Self {
        let mut set = 0;
        let mut rest = fields;
        while let Some((field, tail)) = rest.split_first() {
            set |= field.bit();
            rest = tail;
        }
        Self(set)
    }

    pub(super) const fn has(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// Adds a field; `false` if it was there.
    pub(super) const fn add(&mut self, field: Field) -> bool {
        let new = !self.has(field);
        self.0 |= field.bit();
        new
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn names(self) -> Vec<&'static str> {
        Field::ALL.iter().filter(|field| self.has(**field)).map(|field| field.name()).collect()
    }
}

impl Field {
    const fn bit(self) -> u16 {
        match self {
            Self::Op => 1,
            Self::Id => 1 << 1,
            Self::Src => 1 << 2,
            Self::Dst => 1 << 3,
            Self::Key => 1 << 4,
            Self::Attrs => 1 << 5,
            Self::Keys => 1 << 6,
            Self::Graph => 1 << 7,
            Self::Value => 1 << 8,
            Self::Entry => 1 << 9,
            Self::Put => 1 << 10,
            Self::Label => 1 << 11,
            Self::Tier => 1 << 12,
            Self::Pin => 1 << 13,
            Self::Ts => 1 << 14,
        }
    }
}

impl Op {
    pub(super) const fn fields(self) -> Fields {
        use Field::{Attrs, Dst, Entry, Graph, Id, Key, Keys, Label, Op, Pin, Put, Src, Tier, Ts, Value};
        match self {
            Self::Node => Fields::of(&[Op, Id, Attrs, Ts]),
            Self::Edge => Fields::of(&[Op, Src, Dst, Key, Attrs, Ts]),
            Self::DelNode => Fields::of(&[Op, Id, Ts]),
            Self::DelEdge => Fields::of(&[Op, Src, Dst, Key, Ts]),
            Self::Unset => Fields::of(&[Op, Id, Src, Dst, Key, Graph, Keys, Ts]),
            Self::Graph => Fields::of(&[Op, Attrs, Ts]),
            Self::State => Fields::of(&[Op, Key, Value, Entry, Put, Ts]),
            Self::Mark => Fields::of(&[Op, Label, Tier, Pin, Ts]),
        }
    }

    pub(super) fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|op| op.name()).collect()
    }
}

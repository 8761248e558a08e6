//! What every peer is given: a crawl, the same one in every run.

use std::collections::HashSet;
use std::sync::Arc;

use crate::Outcome;

/// Each node is followed by this many edges among the nodes that are there.
const EDGES: usize = 5;
const EPOCH_MICROS: u64 = 1_767_225_600_000_000;

/// An event as a program has it in hand.
pub enum Item {
    Node { n: u64, name: String, user: String, duration: f64, description: String },
    Edge { src: u64, dst: u64, weight: f64 },
}

impl Item {
    fn ends(&self) -> Option<(u64, u64)> {
        match self {
            Self::Edge { src, dst, .. } => Some((*src, *dst)),
            Self::Node { .. } => None,
        }
    }
}

/// The events, and each as the bytes that a log of bytes is given: 33 for an edge, about 300 for a node.
pub struct Load {
    pub items: Vec<Item>,
    pub payloads: Vec<Vec<u8>>,
    pub nodes: usize,
    /// Edges with the same ends are one.
    pub edges: usize,
}

impl Load {
    pub fn new(events: usize) -> Arc<Self> {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut nodes = 0;
        let mut items = Vec::with_capacity(events);
        for n in 0..events {
            if n % (EDGES + 1) == 0 {
                nodes += 1;
                items.push(node(nodes, &mut random));
            } else {
                let src = nodes - random.below(nodes.min(50));
                let dst = 1 + random.below(nodes);
                let weight = random.below(1_000_000) as f64 / 1e6;
                items.push(Item::Edge { src, dst, weight });
            }
        }
        let payloads = (0..).zip(&items).map(|(n, item)| payload(n, item)).collect();
        let edges = items.iter().filter_map(Item::ends).collect::<HashSet<_>>().len();
        Arc::new(Self { items, payloads, nodes: nodes as usize, edges })
    }

    /// To be given what was read back, in order.
    pub fn check(self: &Arc<Self>) -> Check {
        Check { load: Arc::clone(self), at: 0 }
    }
}

/// Holds what is read back against what was written.
pub struct Check {
    load: Arc<Load>,
    at: usize,
}

impl Check {
    pub fn next(&mut self, payload: &[u8]) -> Outcome<()> {
        match self.load.payloads.get(self.at) {
            Some(expected) if expected == payload => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(format!("event {} is not what was written", self.at).into()),
            None => Err(format!("more than the {} events that were written", self.at).into()),
        }
    }

    pub fn done(self) -> Outcome<()> {
        match self.load.payloads.len() {
            written if written == self.at => Ok(()),
            written => Err(format!("{} events of {written} were read back", self.at).into()),
        }
    }
}

fn node(n: u64, random: &mut Random) -> Item {
    const WORDS: [&str; 16] = [
        "rain", "roof", "tin", "wind", "harbour", "night", "train", "distant", "voices", "market", "stone",
        "stream", "thunder", "gravel", "birds", "dawn",
    ];
    let mut description = String::new();
    while description.len() < 210 {
        description.push_str(WORDS[random.below(16) as usize]);
        description.push(' ');
    }
    Item::Node {
        n,
        name: format!("Field recording, take {n}"),
        user: format!("user-{}", random.below(997)),
        duration: random.below(600_000) as f64 / 1e3,
        description,
    }
}

/// One byte for what it is, eight for when; then the ids and what comes with them.
fn payload(at: u64, item: &Item) -> Vec<u8> {
    let kind = matches!(item, Item::Edge { .. });
    let mut bytes = vec![u8::from(kind)];
    bytes.extend((EPOCH_MICROS + at * 100).to_le_bytes());
    match item {
        Item::Edge { src, dst, weight } => {
            bytes.extend(src.to_le_bytes());
            bytes.extend(dst.to_le_bytes());
            bytes.extend(weight.to_le_bytes());
        }
        Item::Node { n, name, user, duration, description } => {
            bytes.extend(n.to_le_bytes());
            bytes.extend(duration.to_le_bytes());
            for (key, text) in [("name", name), ("user", user), ("description", description)] {
                for part in [key, text] {
                    bytes.extend((part.len() as u16).to_le_bytes());
                    bytes.extend(part.as_bytes());
                }
            }
        }
    }
    bytes
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_said_and_the_same_every_time() {
        let (load, again) = (Load::new(600), Load::new(600));
        assert!(load.payloads == again.payloads);
        for (item, payload) in load.items.iter().zip(&load.payloads) {
            match item {
                Item::Edge { .. } => assert_eq!(payload.len(), 33),
                Item::Node { .. } => assert!((290..=310).contains(&payload.len()), "{}", payload.len()),
            }
        }
    }

    #[test]
    fn what_is_not_what_was_written_is_found() {
        let load = Load::new(6);
        let mut check = load.check();
        assert!(check.next(&load.payloads[1]).is_err());
        for payload in &load.payloads[..5] {
            check.next(payload).unwrap();
        }
        let mut all = load.check();
        load.payloads.iter().for_each(|payload| all.next(payload).unwrap());
        assert!(check.done().is_err(), "one is missing");
        assert!(all.next(&[]).is_err(), "one too many");
        all.done().unwrap();
    }
}

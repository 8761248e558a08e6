//! A story of one log on a disk that fails and loses power, held against a plain model.
//!
//! What is held, and the model, are those of the state machine in tests/proof: after each crash a prefix of what was
//! submitted is there with all that was acknowledged, every marker that retention keeps restores with its fingerprint, and
//! verify says that the log is sound. There the stories are drawn at random, here by what they reach in the code.
//!
//! The input: a byte for the kind of graph and the durability, then operations, each a byte that says which and the
//! arguments that [`Input::op`] reads. A byte that is missing is 0. Stories are short: what a fuzzer learns from a hundred
//! of them it does not learn from one that is as long. With `SNAPLOG_STORY=1` each is printed before it is played.
#![no_main]

mod common;
#[allow(dead_code, reason = "the tapes and the state machine of tests/proof use the rest")]
#[path = "../../tests/proof/ledger.rs"]
mod ledger;
#[allow(dead_code, reason = "the tapes and the state machine of tests/proof use the rest")]
#[path = "../../tests/proof/look.rs"]
mod look;
#[path = "../../tests/model/naive.rs"]
mod naive;
#[path = "../../tests/proof/operations.rs"]
mod operations;
#[path = "../../tests/model/picture.rs"]
mod picture;
#[allow(dead_code, reason = "the tapes and the state machine of tests/proof use the rest")]
#[path = "../../tests/proof/play.rs"]
mod play;
#[allow(dead_code, reason = "the tapes and the state machine of tests/proof use the rest")]
#[path = "../../tests/proof/tape.rs"]
mod tape;

use std::fmt::Write;

use libfuzzer_sys::fuzz_target;
use snaplog::model::event::Attrs;
use snaplog::model::id::Id;
use snaplog::storage::sim::FaultSpan;
use snaplog::{CompactOptions, Event, Value};

use crate::operations::{DURABILITIES, Op, run};
use crate::play::{FAULTS, Fates};

/// Operations of one story at most.
const MOST_OPS: usize = 48;
/// Bytes of the value that fills a segment: three of them, and the next begins.
const LARGE_BYTES: usize = 22 << 10;

struct Input<'d>(&'d [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number from 0 to `below`, which is not in it.
    fn number(&mut self, below: u8) -> usize {
        usize::from(self.byte() % below)
    }

    fn flag(bits: u8, at: u8) -> bool {
        bits >> at & 1 == 1
    }

    fn op(&mut self) -> Op {
        match self.byte() % 32 {
            which @ 0..=12 => Op::Append(self.event(which)),
            13 => Op::Append(Event::PutState { key: "large".into(), value: self.large() }),
            14 | 15 => Op::Batch((0..2 + self.number(4)).map(|_| self.any_event()).collect()),
            16 => Op::Commit,
            17 | 18 => Op::Mark,
            19 => {
                let pick = self.byte();
                Op::Pin(usize::from(pick >> 1), Self::flag(pick, 0))
            }
            20 => Op::Expire(self.number(8)),
            21 => Op::Undelete(self.number(8)),
            22 | 23 => {
                let bits = self.byte();
                Op::Compact(CompactOptions {
                    retention: Self::flag(bits, 0),
                    now: Self::flag(bits, 1),
                    thorough: Self::flag(bits, 2),
                    rekey: false,
                })
            }
            24 => Op::Advance(1 + i64::from(self.byte() % 64)),
            25 => Op::Close,
            26 => Op::Kill,
            27 | 28 => Op::Cut(self.fates()),
            29 => Op::CutAt(1 + u64::from(self.byte() % 64), self.fates()),
            _ => {
                let (call, which) = (1 + u64::from(self.byte() % 64), self.byte());
                let span = if Self::flag(which, 7) { FaultSpan::FromThenOn } else { FaultSpan::Once };
                Op::Fail(call, FAULTS[usize::from(which & 127) % FAULTS.len()], span)
            }
        }
    }

    /// How many bytes, and the bytes: each has the fates of four units, and the last is followed by the first.
    fn fates(&mut self) -> Fates {
        Fates::Chosen((0..self.number(8)).map(|_| self.byte()).collect())
    }

    fn any_event(&mut self) -> Event {
        let which = self.byte();
        self.event(which)
    }

    fn event(&mut self, which: u8) -> Event {
        match which % 13 {
            0 => Event::PutNode { id: self.id(), attrs: self.attrs() },
            1..=3 => Event::PutEdge { src: self.id(), dst: self.id(), key: None, attrs: self.attrs() },
            4 => Event::PutEdge { src: self.id(), dst: self.id(), key: Some(self.id()), attrs: self.attrs() },
            5 => Event::DeleteNode { id: self.id() },
            6 => {
                let ends = (self.id(), self.id());
                let key = self.key();
                Event::DeleteEdge { src: ends.0, dst: ends.1, key }
            }
            7 => Event::UnsetNode { id: self.id(), names: vec![self.name()] },
            8 => {
                let ends = (self.id(), self.id());
                let key = self.key();
                Event::UnsetEdge { src: ends.0, dst: ends.1, key, names: vec![self.name()] }
            }
            9 if Self::flag(which, 7) => Event::UnsetGraph { names: vec![self.name()] },
            9 => Event::PutGraph { attrs: self.attrs() },
            10 if Self::flag(which, 7) => Event::DeleteState { key: self.name() },
            10 => Event::PutState { key: self.name(), value: self.value() },
            11 => Event::PutEntry { key: self.name(), entry: self.id(), value: self.value() },
            _ => Event::DeleteEntry { key: self.name(), entry: self.id() },
        }
    }

    /// Few, so that they meet.
    fn id(&mut self) -> Id {
        match self.byte() % 16 {
            n @ 0..=11 => Id::Int(i64::from(n)),
            12 => Id::from("1"),
            13 => Id::from(""),
            14 => Id::Int(i64::MIN),
            _ => Id::from("an id of more than twenty-two bytes"),
        }
    }

    fn key(&mut self) -> Option<Id> {
        let key = self.byte();
        (key & 1 == 1).then(|| Id::Int(i64::from(key >> 1 & 3)))
    }

    fn name(&mut self) -> String {
        ["a", "b", "queue", ""][self.number(4)].to_owned()
    }

    fn attrs(&mut self) -> Attrs {
        (0..self.number(3)).map(|_| (self.name(), self.value())).collect()
    }

    fn value(&mut self) -> Value {
        match self.byte() % 12 {
            0 => Value::Null,
            1 => true.into(),
            2 => Value::Float(f64::NAN),
            3 => Value::Float(-0.0),
            4 => "1".into(),
            5 => "a text that does not fit the twenty-two bytes of a row".into(),
            6 => Value::Bytes(vec![0, 255, 49]),
            7 => Value::List(vec![1.into(), Value::List(vec![Value::Null])]),
            8 => Value::Map([("k".to_owned(), 1.into())].into()),
            n => i64::from(n).into(),
        }
    }

    /// A text that hardly compresses.
    fn large(&mut self) -> Value {
        let seed = u64::from(self.byte());
        let hash = |n: u64| xxhash_rust::xxh3::xxh3_64_with_seed(&n.to_le_bytes(), seed);
        let mut text = String::new();
        while text.len() < LARGE_BYTES {
            write!(text, "{:016x}", hash(text.len() as u64)).expect("text grows");
        }
        text.into()
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let first = input.byte();
    let kind = common::KINDS[usize::from(first & 3)];
    let durability = DURABILITIES[usize::from(first >> 2) % DURABILITIES.len()];
    let mut ops = Vec::new();
    while !input.0.is_empty() && ops.len() < MOST_OPS {
        ops.push(input.op());
    }
    if std::env::var_os("SNAPLOG_STORY").is_some() {
        eprintln!("{kind:?} {durability}{ops:#?}");
    }
    run(kind, durability, &ops);
});

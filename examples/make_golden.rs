//! Writes the golden logs: one for each kind of graph, with everything that the format knows, the same bytes each time.
//!
//! ```text
//! cargo run --example make_golden -- DIR
//! ```
//!
//! writes `DIR/<kind>/log`, and with `--folded` behind it the same logs after compactions. `tests/golden/README.md` tells what the logs are for and how `expected.json` is made.
#![expect(clippy::disallowed_methods, reason = "it takes the part of a crash, behind the storage's back")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use snaplog::storage::LocalStorage;
use snaplog::{
    CompactOptions, Event, FixedEnvironment, GraphKind, Id, Log, MarkOptions, MarkerId, Timestamp, Value,
    Writer,
};

/// The four kinds, by the names that NetworkX gives them.
pub(crate) const KINDS: [(&str, GraphKind); 4] = [
    ("graph", GraphKind { directed: false, multigraph: false }),
    ("digraph", GraphKind { directed: true, multigraph: false }),
    ("multigraph", GraphKind { directed: false, multigraph: true }),
    ("multidigraph", GraphKind { directed: true, multigraph: true }),
];

const CONFIG: &str = r#"
durability = "marker"
[tiers.few]
every_nodes = 5
keep = 2
[tiers.many]
every_nodes = 20
keep = "all"
[tiers.daily]
every = "day"
keep = 3
[segment]
size = "64 KiB"
"#;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[allow(dead_code, reason = "tests/golden.rs calls `write_all` itself")]
fn main() -> Outcome<()> {
    let dir = std::env::args_os().nth(1).ok_or("which directory?")?;
    write_all(Path::new(&dir), std::env::args_os().nth(2).is_some_and(|arg| arg == "--folded"))
}

/// Writes all golden logs into `dir`; `folded`: those that hold snapshot segments.
pub(crate) fn write_all(dir: &Path, folded: bool) -> Outcome<()> {
    for (name, kind) in KINDS {
        let path = dir.join(name).join("log");
        fs::create_dir_all(&path)?;
        let golden = Golden::new(&path, kind)?;
        golden.write()?;
        if folded {
            golden.fold()?;
        }
        // It says nothing, and a crashed session's is gone already.
        let _ = fs::remove_file(path.join("LOCK"));
    }
    Ok(())
}

struct Golden<'a> {
    path: &'a Path,
    kind: GraphKind,
    environment: Arc<FixedEnvironment>,
    log: Log,
}

impl<'a> Golden<'a> {
    fn new(path: &'a Path, kind: GraphKind) -> Outcome<Self> {
        let start = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").ok_or("no time")?;
        let environment = Arc::new(FixedEnvironment::new(start));
        let storage = Arc::new(LocalStorage::new(path));
        let log = Log::init_in(storage, environment.clone(), kind, CONFIG)?;
        Ok(Self { path, kind, environment, log })
    }

    fn write(&self) -> Outcome<()> {
        self.first_session()?;
        self.crashed_session()?;
        self.torn()?;
        self.third_session()?;
        if self.kind.directed {
            // The log ends with frames that nobody claims, and bytes that are no frame.
            self.crashed_session()?;
            self.torn()?;
        }
        Ok(())
    }

    /// Ends in good order, and is long enough for two segments.
    fn first_session(&self) -> Outcome<()> {
        let writer = self.log.writer()?;
        for (name, value) in values() {
            self.environment.advance_micros(1);
            writer.append(&Event::node(format!("value {name}")).with(name, value))?;
        }
        writer.append_all(&[
            Event::PutGraph { attrs: values() },
            Event::node("a").with("Größe", 1).with("x", Value::Null),
            Event::node(-7).with("x", "−7"),
            Event::node(1).with("kind", "integer"),
            Event::node("1").with("kind", "string"),
            Event::node(i64::MIN),
            Event::node(i64::MAX),
            Event::node("").with("", ""),
        ])?;
        // Merges, and what changes nothing and so writes nothing.
        let merge = Event::node("a").with("x", 2).with("y", vec![Value::from(1), Value::from("zwei")]);
        writer.append(&merge)?;
        writer.append(&merge)?;
        writer.append(&Event::UnsetNode { id: "a".into(), names: vec!["Größe".into(), "none".into()] })?;
        writer.append(&Event::UnsetGraph { names: vec!["null".into(), "true".into()] })?;
        self.edges(&writer)?;
        writer.mark(&MarkOptions { label: Some("Kanten – alle".into()), tier: None, pin: true })?;

        // State: values, maps, a key that goes from one to the other.
        writer.append(&Event::PutState { key: "page".into(), value: 7.into() })?;
        for n in 0..12_i64 {
            let entry = if n % 3 == 0 { Id::from(n) } else { Id::from(format!("entry {n}")) };
            writer.append(&Event::PutEntry { key: "queue".into(), entry, value: (n * n).into() })?;
            writer.append(&Event::PutEntry {
                key: "seen".into(),
                entry: format!("é{n}").into(),
                value: Value::Null,
            })?;
        }
        writer.append(&Event::DeleteEntry { key: "queue".into(), entry: 3.into() })?;
        writer.append(&Event::PutEntry { key: "queue".into(), entry: 3.into(), value: "again".into() })?;
        writer.append(&Event::PutState { key: "turns".into(), value: "value".into() })?;
        writer.append(&Event::DeleteState { key: "turns".into() })?;
        writer.append(&Event::PutEntry { key: "turns".into(), entry: "map".into(), value: true.into() })?;

        // A day later. Much is written and little of it stays; time passes inside frames.
        self.advance(24 * 60 * 60 * 1_000_000);
        for n in 0..70_u8 {
            let time = self.advance(i64::from(n) * 300_000);
            let noise = (0..=255).map(|i: u8| i.wrapping_mul(n | 1).rotate_left(u32::from(n % 8)));
            let value = Value::Bytes(noise.cycle().take(1000).collect());
            writer.append_at(&Event::PutState { key: "cursor".into(), value }, time)?;
            if n % 7 == 0 {
                writer.append_at(&Event::edge("hub", format!("leaf {n}")).with("n", i64::from(n)), time)?;
            }
        }
        self.deaths(&writer)?;
        writer.close()?;
        Ok(())
    }

    /// Edges both ways, self-loops, and in multigraphs parallel ones.
    fn edges(&self, writer: &Writer) -> Outcome<()> {
        for (src, dst) in [("a", "b"), ("b", "a"), ("c", "a"), ("a", "a"), ("b", "c"), ("d", "b"), ("c", "c")]
        {
            writer.append(&Event::edge(src, dst).with("weight", 0.5).with(format!("{src}{dst}"), true))?;
        }
        writer.append(&Event::edge(1, "1").with("between", "1 and \"1\""))?;
        if self.kind.multigraph {
            for key in [Id::from(5), Id::from("5"), Id::from(-1), Id::from("schlüssel")] {
                writer.append(&keyed("a", "b", Some(key.clone())).with("key was", key.to_string()))?;
                writer.append(&keyed("c", "c", Some(key)))?;
            }
            // NetworkX's next key; the newest dies without a key.
            writer.append(&keyed("b", "d", None).with("auto", 1))?;
            writer.append(&keyed("b", "d", None).with("auto", 2))?;
            writer.append(&Event::DeleteEdge { src: "b".into(), dst: "d".into(), key: None })?;
            // The edge that made the slot dies, the slot lives on.
            writer.append(&Event::DeleteEdge { src: "a".into(), dst: "b".into(), key: Some(0.into()) })?;
            writer.append(&keyed("a", "b", Some(5.into())).with("merged", vec![Value::Null]))?;
        }
        let key = self.kind.multigraph.then(|| Id::from(0));
        writer.append(&Event::UnsetEdge {
            src: "c".into(),
            dst: "a".into(),
            key: key.clone(),
            names: vec!["weight".into()],
        })?;
        writer.append(&keyed("d", "b", key).with("weight", f64::NEG_INFINITY))?;
        Ok(())
    }

    /// Nodes and edges die, and some come back: born anew, at the end of the order.
    fn deaths(&self, writer: &Writer) -> Outcome<()> {
        writer.append(&Event::DeleteNode { id: "b".into() })?;
        writer.append(&Event::DeleteNode { id: "leaf 0".into() })?;
        writer.append(&Event::DeleteEdge { src: "hub".into(), dst: "leaf 14".into(), key: None })?;
        writer.append(&Event::edge("hub", "leaf 14").with("n", "again"))?;
        writer.append(&Event::edge("b", "a").with("back", true))?;
        writer.append(&Event::node("leaf 0"))?;
        writer.append(&Event::edge("leaf 21", "hub").with("backwards", 1.0e-300))?;
        self.advance(1_500_000);
        writer.mark(&MarkOptions {
            label: Some("after the deaths".into()),
            tier: Some("many".into()),
            pin: false,
        })?;
        Ok(())
    }

    /// Leaves events, a source and a marker behind that reached the file and were never claimed.
    fn crashed_session(&self) -> Outcome<()> {
        self.advance(60_000_000);
        let writer = self.log.writer()?;
        let round = writer.status()?.last_seq.0;
        writer.append(&Event::node(format!("claimed {round}")).with("round", i64::try_from(round)?))?;
        // The claim ends behind a frame in which time passes.
        for n in 0..3 {
            let time = self.advance(2_000_000);
            writer.append_at(&Event::PutState { key: "clock".into(), value: n.into() }, time)?;
        }
        writer.commit()?;

        writer.set_sync_markers(false)?;
        writer.begin_source("seiten.ndjson", None)?;
        for line in 0..4 {
            let time = self.advance(250_000);
            let event = Event::edge(format!("page {}", line % 2), format!("claimed {round}"))
                .with("line", line)
                .with(
                    "tags",
                    vec!["a".into(), Value::Map(BTreeMap::from([("ü".into(), Value::Float(-0.0))]))],
                );
            writer.append_line(&event, Some(time), format!("line {line}\n").as_bytes())?;
        }
        writer.skip_line(b"\n")?;
        writer.end_source()?;
        writer.mark(&MarkOptions { label: Some(format!("unclaimed {round}")), ..MarkOptions::default() })?;
        writer.append(&Event::PutState { key: "page".into(), value: 8.into() })?;
        // Gets the batch into a frame, not to the disk.
        writer.begin_source("ohne Zeilen", None)?;
        std::mem::forget(writer);
        fs::remove_file(self.path.join("LOCK"))?;
        Ok(())
    }

    /// Bytes after the last frame of the last segment, as a crash leaves them.
    fn torn(&self) -> Outcome<()> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(self.path)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("events-")) {
                segments.push(path);
            }
        }
        let last = segments.into_iter().max().ok_or("no segment")?;
        let mut file = fs::OpenOptions::new().append(true).open(last)?;
        file.write_all(b"\x9eSF\x1a\x01\0\0\0 torn in the middle of a header")?;
        file.write_all(&[0; 100])?;
        Ok(())
    }

    /// Takes over what the crash left, pins, and closes.
    fn third_session(&self) -> Outcome<()> {
        self.advance(3_600_000_000);
        let writer = self.log.writer()?;
        writer.append(&Event::node("after the crash").with("x", -0.0))?;
        writer.mark(&MarkOptions { tier: Some("by hand".into()), ..MarkOptions::default() })?;
        writer.pin(MarkerId(2), true)?;
        writer.append(&Event::DeleteNode { id: "after the crash".into() })?;
        writer.begin_source("seiten.ndjson", None)?;
        writer.append_line(&Event::node("again"), None, "Zeile mit ß\n".as_bytes())?;
        writer.end_source()?;
        writer.begin_source("", None)?;
        writer.skip_line(b"# nothing in it\n")?;
        writer.end_source()?;
        writer.close()?;
        Ok(())
    }

    /// Folds all of it, and what two sessions add; the last one's events stay.
    fn fold(&self) -> Outcome<()> {
        let now = CompactOptions { retention: false, now: true, thorough: false, rekey: false };
        for round in 0..3 {
            self.advance(40 * DAY);
            self.log.compact(now)?;
            let writer = self.log.writer()?;
            for n in 0..4 {
                writer.append(&Event::edge(format!("round {round}"), n).with("n", n).with("round", round))?;
            }
            // What is in a snapshot is changed, removed and born again.
            let cursor = if round == 0 { Value::Null } else { "x".repeat(200).into() };
            writer.append_all(&[
                Event::node("a").with("x", round),
                Event::DeleteNode { id: "hub".into() },
                Event::edge("hub", "a").with("round", round),
                Event::UnsetGraph { names: vec!["nested".into()] },
                Event::PutGraph { attrs: vec![("round".into(), round.into())] },
                Event::PutState { key: "cursor".into(), value: cursor },
                Event::PutEntry { key: "queue".into(), entry: round.into(), value: nested() },
            ])?;
            writer.mark(&MarkOptions::labelled(format!("round {round}")))?;
            writer.close()?;
        }
        Ok(())
    }

    fn advance(&self, micros: i64) -> Timestamp {
        use snaplog::Environment as _;
        self.environment.advance_micros(micros);
        self.environment.now()
    }
}

fn keyed(src: &str, dst: &str, key: Option<Id>) -> Event {
    Event::PutEdge { src: src.into(), dst: dst.into(), key, attrs: Vec::new() }
}

/// One value of every type and at every border of its encoding.
fn values() -> Vec<(String, Value)> {
    let mut values: Vec<(String, Value)> = [
        ("null", Value::Null),
        ("false", false.into()),
        ("true", true.into()),
        ("nan", f64::NAN.into()),
        ("infinity", f64::INFINITY.into()),
        ("minus infinity", f64::NEG_INFINITY.into()),
        ("minus zero", Value::Float(-0.0)),
        ("zero", Value::Float(0.0)),
        ("one", Value::Float(1.0)),
        ("tenth", Value::Float(0.1)),
        ("largest", f64::MAX.into()),
        ("smallest", Value::Float(5.0e-324)),
        ("text", "grün, 緑, 🟢, \"quoted\", \\ and \n\u{1}\u{7f}\u{2028}".into()),
        ("no text", "".into()),
        ("long text", "ä".repeat(130).into()),
        ("bytes", Value::Bytes(vec![0, 1, 127, 128, 255])),
        ("no bytes", Value::Bytes(Vec::new())),
        ("empty list", Value::List(Vec::new())),
        ("empty map", Value::Map(BTreeMap::new())),
        ("looks like bytes", Value::Map(BTreeMap::from([("$bytes".into(), "AAE=".into())]))),
        ("looks like that", Value::Map(BTreeMap::from([("$$bytes".into(), Value::Null)]))),
        ("nested", nested()),
        ("deep", (0..64).fold(Value::from(0), |inner, _| Value::List(vec![inner]))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    // An integer is zigzagged: at these its encoding grows by a byte or more.
    for n in [0, -1, 1, 124, 125, -125, -126, 32_767, 32_768, -32_768, -32_769, 2_147_483_647, 2_147_483_648]
    {
        values.push((format!("integer {n}"), Value::Int(n)));
    }
    values.push(("smallest integer".into(), Value::Int(i64::MIN)));
    values.push(("largest integer".into(), Value::Int(i64::MAX)));
    values
}

fn nested() -> Value {
    let inner = Value::List(vec![
        Value::Null,
        Value::Map(BTreeMap::from([
            ("b".into(), Value::Bytes(b"\xff".to_vec())),
            ("a".into(), Value::List(vec![1.into(), 1.0.into(), true.into(), "1".into()])),
            ("é".into(), f64::NAN.into()),
            (String::new(), Value::Map(BTreeMap::from([("z".into(), Value::Null)]))),
        ])),
    ]);
    Value::Map(BTreeMap::from([("list".into(), inner), ("map".into(), Value::Map(BTreeMap::new()))]))
}

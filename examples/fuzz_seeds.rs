//! Makes the seed corpus of the fuzz targets, `fuzz/corpus/<target>/`, out of real logs: small crawls in every kind of
//! graph, written by the library with a clock that stands still, so that the same program makes the same files.
//!
//! ```console
//! $ cargo run --example fuzz_seeds
//! ```
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that writes files and says so"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snaplog::exchange::{ndjson, node_link};
use snaplog::format::frame::{self, FrameType, HEADER_BYTES};
use snaplog::format::seal::SealHead;
use snaplog::format::segment::SegmentHead;
use snaplog::remote::{Follower, MemoryBucket, push};
use snaplog::storage::{SimStorage, Storage, read_all};
use snaplog::{
    CompactOptions, Config, Environment, Event, FixedEnvironment, GraphKind, Log, MarkOptions, Timestamp,
    Value,
};

/// A point of time for the logs to start at: 2026-01-01.
const START: Timestamp = Timestamp(1_767_225_600_000_000);
/// Largest file that is read back.
const MAX_BYTES: usize = 1 << 20;

const KINDS: [(&str, GraphKind); 4] = [
    ("undirected", GraphKind { directed: false, multigraph: false }),
    ("undirected-multi", GraphKind { directed: false, multigraph: true }),
    ("directed", GraphKind { directed: true, multigraph: false }),
    ("directed-multi", GraphKind { directed: true, multigraph: true }),
];

const LINES: &str = r#"{"op":"node","id":"a","attrs":{"n":1,"x":-0.5,"t":"\u00e9\n","l":[null,true,{"k":NaN}]},"ts":"2026-01-01T00:00:00Z"}
{"op":"node","id":-7,"attrs":{"b":{"$bytes":"AAE="},"d":{"$$bytes":1},"i":Infinity}}
{"op":"edge","src":"a","dst":-7,"key":null,"attrs":{"weight":0.9}}
{"op":"edge","src":"a","dst":"c","key":3}
{"op":"edge","src":"c","dst":"c"}
{"op":"unset","id":"a","keys":["n","none"]}
{"op":"unset","src":"a","dst":"c","key":3,"keys":["w"]}
{"op":"graph","attrs":{"name":"g"}}
{"op":"unset","graph":true,"keys":["name"]}
{"op":"state","key":"page","value":7}
{"op":"state","key":"seen","entry":"a","value":null,"put":true}
{"op":"state","key":"seen","entry":1,"value":[1,2]}
{"op":"state","key":"page","value":null}
{"op":"del_edge","src":"a","dst":-7}
{"op":"del_node","id":"a"}
{"op":"mark","label":"first pass","tier":"milestone","pin":true}
"#;

const SELECTORS: &[&str] = &[
    "latest",
    "latest~2",
    "m12",
    "seq:4711",
    "2026-01-31T12:00:00.5+01:00",
    "2026-01-31T12:00Z",
    "20260131_120000",
    "2026-03-29",
    "2 hours ago",
    "1d 12h ago",
    "before the second pass",
];

/// The key file of a log that is nowhere any more, for the identity that the target has.
const KEY_FILE: &[u8] = include_bytes!("../tests/data/encrypted/keys.json");

/// Stories for the target `operations`, whose `Input::op` says what each byte means.
const STORIES: &[(&str, &[u8])] = &[
    // Each event durable: two nodes, an edge, a marker; compacted; the power is cut and all that is unsynced lost.
    ("cut", &[0, 0, 1, 0, 0, 2, 0, 1, 1, 2, 0, 17, 22, 6, 27, 0]),
    // Durable at markers: a batch, a marker, a day of 60 hours, one more, compaction with retention and a new thought.
    (
        "compact",
        &[6, 14, 0, 0, 1, 0, 0, 2, 0, 17, 24, 59, 1, 3, 4, 0, 17, 24, 59, 22, 7, 21, 0, 25, 27, 1, 0x1b],
    ),
    // Segments that roll, a kill, and a power cut in the fifth call after it.
    (
        "roll",
        &[5, 13, 0, 13, 1, 13, 2, 13, 3, 16, 26, 1, 1, 2, 0, 29, 4, 2, 0xe4, 0x1b, 13, 4, 17, 0, 5, 0, 25],
    ),
    // A full disk under a marker, which is tried again; then all syncs fail.
    ("faults", &[9, 0, 1, 0, 30, 2, 1, 17, 17, 0, 2, 0, 30, 1, 0x83, 16, 0, 3, 0, 16, 27, 1, 0x55]),
    // Markers that are pinned, dropped, brought back and dropped for good.
    (
        "markers",
        &[7, 0, 1, 0, 17, 0, 2, 0, 17, 0, 3, 0, 17, 19, 1, 20, 1, 21, 0, 20, 2, 24, 20, 23, 3, 26, 22, 1],
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut corpus = Corpus { dir: Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus"), bytes: 0 };
    for (name, kind) in KINDS {
        let storage = Arc::new(SimStorage::new());
        write_log(Arc::clone(&storage), kind, 30, "")?;
        for entry in storage.list("")? {
            if entry.name.starts_with("events-") {
                segment(
                    &mut corpus,
                    name,
                    &entry.name,
                    &read_all(storage.as_ref(), &entry.name, MAX_BYTES)?,
                )?;
            } else if entry.name.starts_with("manifest-") || entry.name == "CURRENT" {
                let bytes = read_all(storage.as_ref(), &entry.name, MAX_BYTES)?;
                corpus.put("manifest", &format!("{name}-{}", entry.name), &bytes)?;
            }
        }
        // As text a small graph says as much, and a fuzzer is faster with it.
        let storage = Arc::new(SimStorage::new());
        write_log(Arc::clone(&storage), kind, 8, "")?;
        graph(&mut corpus, name, storage)?;
        let storage = Arc::new(SimStorage::new());
        write_log(Arc::clone(&storage), kind, 8, "[retention]\nkeep_events = \"none\"\n")?;
        compacted(&mut corpus, name, &storage)?;
        pushed(&mut corpus, name, storage)?;
    }
    corpus.put("sealed", "keys", KEY_FILE)?;
    let head = SealHead { key: 1, salt: [9; 32] };
    corpus.put("sealed", "head", &head.encode()?)?;
    corpus.put("ndjson", "operations", LINES.as_bytes())?;
    corpus.put("config", "template", Config::template().as_bytes())?;
    let uncommented: String = Config::template()
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .flat_map(|l| [l, "\n"])
        .collect();
    corpus.put("config", "uncommented", uncommented.as_bytes())?;
    let tier = "[[tiers]]\nname = \"often\"\nevery_nodes = 25\nkeep = 5\n";
    corpus.put("config", "tier", tier.as_bytes())?;
    for (at, selector) in SELECTORS.iter().enumerate() {
        corpus.put("selector", &format!("{at:02}"), selector.as_bytes())?;
    }
    for (name, story) in STORIES {
        corpus.put("operations", name, story)?;
    }
    println!("{} bytes in {}", corpus.bytes, corpus.dir.display());
    Ok(())
}

/// What pushes of a log leave.
fn pushed(corpus: &mut Corpus, name: &str, storage: Arc<SimStorage>) -> Result<(), Box<dyn Error>> {
    let log = Log::open_in(storage, Arc::new(FixedEnvironment::new(START)))?;
    let bucket = MemoryBucket::new();
    push(&log, &bucket)?;
    let writer = log.writer()?;
    writer.append(&Event::node("pushed later"))?;
    writer.commit()?;
    let mut follower = Follower::new(log.clone(), Arc::new(bucket.clone()));
    follower.step()?;
    writer.append(&Event::node("followed"))?;
    writer.commit()?;
    follower.step()?;
    writer.close()?;
    for (object, bytes) in bucket.dump() {
        if let Some(number) = object.strip_prefix("pushes/") {
            corpus.put("remote", &format!("{name}-{number}"), &bytes)?;
        }
    }
    Ok(())
}

struct Corpus {
    dir: PathBuf,
    bytes: usize,
}

impl Corpus {
    fn put(&mut self, target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let dir = self.dir.join(target);
        std::fs::create_dir_all(&dir)?;
        self.bytes += bytes.len();
        std::fs::write(dir.join(name), bytes)
    }
}

/// A crawl of two sessions, with every kind of event, attributes of every kind, and markers.
fn write_log(storage: Arc<SimStorage>, kind: GraphKind, nodes: i64, config: &str) -> snaplog::Result<()> {
    let environment = Arc::new(FixedEnvironment::new(START));
    let clock: Arc<dyn Environment> = environment.clone();
    let log = Log::init_in(storage, clock, kind, config)?;
    for session in 0..2 {
        let writer = log.writer()?;
        for n in 0..nodes {
            environment.advance_micros(1_700_000);
            let (from, to) = (format!("s{session}-{n}"), n / 2);
            writer.append(&Event::node(from.as_str()).with("depth", n).with("title", "thirty words"))?;
            writer.append(
                &Event::edge(from.as_str(), to)
                    .with("weight", f64::from(i32::try_from(n).unwrap_or(0)) / 8.0),
            )?;
            let (key, entry) = ("frontier".to_owned(), from.as_str().into());
            writer.append(&Event::PutEntry { key, entry, value: Value::Int(n) })?;
            if n % 10 == 0 {
                writer.commit()?;
            }
        }
        let nested: Value =
            vec![Value::Null, Value::Bytes(vec![0, 255]), vec![0.5.into(), false.into()].into()].into();
        let map = Value::Map([("k".to_owned(), nested), ("n".to_owned(), Value::Float(f64::NAN))].into());
        writer.append_all(&[
            Event::PutGraph { attrs: vec![("name".to_owned(), "crawl".into()), ("deep".to_owned(), map)] },
            Event::UnsetNode { id: format!("s{session}-3").into(), names: vec!["title".to_owned()] },
            Event::DeleteEdge { src: format!("s{session}-4").into(), dst: 2.into(), key: None },
            Event::DeleteNode { id: format!("s{session}-5").into() },
            Event::DeleteEntry { key: "frontier".to_owned(), entry: format!("s{session}-6").into() },
            Event::PutState { key: "page".to_owned(), value: session.into() },
        ])?;
        writer.mark(&MarkOptions::labelled(format!("session {session}")))?;
        writer.close()?;
    }
    Ok(())
}

/// The snapshot segments that a log is folded into, and its manifest then.
fn compacted(corpus: &mut Corpus, kind: &str, storage: &Arc<SimStorage>) -> Result<(), Box<dyn Error>> {
    let log = Log::open_in(storage.clone(), Arc::new(FixedEnvironment::new(START)))?;
    log.compact(CompactOptions { now: true, thorough: true, ..CompactOptions::default() })?;
    for entry in storage.list("")? {
        let bytes = |name: &str| read_all(storage.as_ref(), name, MAX_BYTES);
        if entry.name.starts_with("snapshot-") {
            corpus.put("snapshot", &format!("{kind}-{}", entry.name), &bytes(&entry.name)?)?;
        } else if entry.name.starts_with("manifest-") {
            corpus.put("manifest", &format!("{kind}-compacted-{}", entry.name), &bytes(&entry.name)?)?;
        } else if entry.name.starts_with("events-") {
            segment(corpus, &format!("{kind}-rewritten"), &entry.name, &bytes(&entry.name)?)?;
        }
    }
    Ok(())
}

/// Header, frames and payloads of a segment.
fn segment(corpus: &mut Corpus, kind: &str, file: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let (prefix, _) = SegmentHead::decode(bytes)?;
    let (head, frames) = bytes.split_at(prefix.length);
    corpus.put("segment_header", &format!("{kind}-{file}"), head)?;
    corpus.put("frame", &format!("{kind}-{file}"), frames)?;
    let mut rest = frames;
    let mut number = 0;
    while let Ok(header) = frame::header(rest) {
        let length = usize::try_from(header.frame_len())?;
        let (frame, after) = rest.split_at(length);
        if header.frame_type == FrameType::Events {
            let (_, payload) = frame.split_at(HEADER_BYTES);
            let payload =
                if header.compressed { frame::decompress(&header, payload)? } else { payload.to_vec() };
            corpus.put("events", &format!("{kind}-{file}-{number:02}"), &payload)?;
        }
        rest = after;
        number += 1;
    }
    Ok(())
}

/// The graph at the end, as text.
fn graph(corpus: &mut Corpus, kind: &str, storage: Arc<SimStorage>) -> Result<(), Box<dyn Error>> {
    let log = Log::open_in(storage, Arc::new(FixedEnvironment::new(START)))?;
    let reader = log.reader()?;
    let newest = reader.markers().last().ok_or("the log has markers")?;
    let graph = reader.restore(newest)?;
    let mut text = Vec::new();
    ndjson::write_graph_to(&graph, &mut text)?;
    corpus.put("ndjson", kind, &text)?;
    let mut text = Vec::new();
    node_link::write_graph_to(&graph, None, &mut text)?;
    corpus.put("node_link", kind, &text)?;
    let small = r#"{"directed":true,"multigraph":true,"graph":{},"nodes":[{"id":"a"},{"x":1}],"links":[{"source":"a","target":1,"key":2},{"source":"a","target":1}]}"#;
    corpus.put("node_link", "links", small.as_bytes())?;
    Ok(())
}

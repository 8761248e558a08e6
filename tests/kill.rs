//! `kill -9` at random moments: nothing that was acknowledged is lost, and what is there is a prefix of what was sent.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{Fingerprint, Log, MarkerId, Seq};

/// How often a process is killed, over both tests together.
const KILLS_OF_INGEST: usize = 35;
const KILLS_OF_DEMO: usize = 15;

/// Random numbers; the seed is printed, and `SNAPLOG_SEED` sets it.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = std::env::var("SNAPLOG_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(now.subsec_nanos().into());
        println!("SNAPLOG_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn snaplog(log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_snaplog"));
    command.arg("-d").arg(log).arg("--quiet").stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// What a reader beside the live writer was shown: it counts as acknowledged.
#[derive(Default)]
struct Shown {
    seq: Seq,
    markers: BTreeMap<MarkerId, Fingerprint>,
}

impl Shown {
    fn look(&mut self, log: &Path) {
        let Ok(reader) = Log::open(log).and_then(|log| log.reader()) else { return };
        assert!(
            reader.last_seq() >= self.seq,
            "the log went back from {} to {}",
            self.seq,
            reader.last_seq()
        );
        self.seq = reader.last_seq();
        self.markers.extend(reader.markers().iter().map(|marker| (marker.id, marker.fingerprint)));
    }

    /// Lets the child run for a random time, looking on; true if it ended by itself.
    fn run_and_kill(&mut self, mut child: Child, dice: &mut Dice, log: &Path) -> bool {
        let steps = dice.below(40);
        for _ in 0..steps {
            self.look(log);
            if let Some(status) = child.try_wait().unwrap() {
                let output = child.wait_with_output().unwrap();
                assert!(status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                return true;
            }
            std::thread::sleep(Duration::from_micros(200 + dice.below(4000)));
        }
        // Unix: SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        false
    }

    /// After the kill: all of it is still there, and the log is sound.
    fn check(&mut self, path: &Path) {
        let log = match Log::open(path) {
            Ok(log) => log,
            Err(error) => {
                assert_eq!(self.seq, Seq(0), "{error}");
                return;
            }
        };
        let seen = (self.seq, self.markers.clone());
        self.look(path);
        assert!(self.seq >= seen.0);
        let reader = log.reader().unwrap();
        for (id, fingerprint) in seen.1 {
            let marker = reader.markers().iter().find(|marker| marker.id == id).expect("a marker was lost");
            assert_eq!(marker.fingerprint, fingerprint, "{id}");
        }
        let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
        assert!(report.sound && report.complete, "{report:#?}");
        assert_eq!(report.markers_good, u64::try_from(reader.markers().len()).unwrap());
    }
}

/// A graph as plain maps, and its nodes in order: an independent replay.
#[derive(Default, Debug, PartialEq)]
struct Plain {
    order: Vec<String>,
    nodes: BTreeMap<String, BTreeMap<String, Json>>,
    edges: BTreeMap<(String, String), BTreeMap<String, Json>>,
    state: BTreeMap<String, Json>,
}

impl Plain {
    fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut plain = Self::default();
        for line in lines {
            let event: Json = serde_json::from_str(line).unwrap();
            let text = |key: &str| event[key].as_str().unwrap().to_owned();
            let attrs = event["attrs"].as_object().into_iter().flatten();
            let attrs = attrs.map(|(name, value)| (name.clone(), value.clone()));
            match event["op"].as_str().unwrap() {
                "node" => plain.node(&text("id")).extend(attrs),
                "edge" => {
                    let ends = (text("src"), text("dst"));
                    plain.node(&ends.0);
                    plain.node(&ends.1);
                    plain.edges.entry(ends).or_default().extend(attrs);
                }
                "state" => drop(plain.state.insert(text("key"), event["value"].clone())),
                other => panic!("{other}"),
            }
        }
        plain
    }

    fn node(&mut self, id: &str) -> &mut BTreeMap<String, Json> {
        if !self.nodes.contains_key(id) {
            self.order.push(id.to_owned());
        }
        self.nodes.entry(id.to_owned()).or_default()
    }
}

#[test]
fn ingest_killed_at_random_loses_nothing_that_was_acknowledged() {
    let compressed = include_bytes!("data/debian-2000.ndjson.zst");
    let text = String::from_utf8(zstd::decode_all(compressed.as_slice()).unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("events.ndjson");
    std::fs::write(&input, &text).unwrap();
    let mut dice = Dice::new();
    let (mut kills, mut number) = (0, 0);
    while kills < KILLS_OF_INGEST {
        number += 1;
        let path = dir.path().join(format!("log-{number}"));
        assert!(snaplog(&path).arg("init").status().unwrap().success());
        let mut shown = Shown::default();
        loop {
            let child = snaplog(&path).arg("ingest").arg(&input).spawn().unwrap();
            let ended = shown.run_and_kill(child, &mut dice, &path);
            shown.check(&path);
            let log = Log::open(&path).unwrap();
            let reader = log.reader().unwrap();
            let restored = reader.restore_seq(reader.last_seq()).unwrap();
            let mut ndjson = Vec::new();
            snaplog::exchange::ndjson::write_graph_to(&restored.graph, &mut ndjson).unwrap();
            // Each line of this input is one event that changes something.
            let count = usize::try_from(restored.seq.0).unwrap();
            let expected = Plain::of(lines.iter().take(count).copied());
            assert_eq!(Plain::of(std::str::from_utf8(&ndjson).unwrap().lines()), expected);
            if ended {
                assert_eq!(count, lines.len());
                break;
            }
            kills += 1;
        }
    }
}

#[test]
fn demo_killed_at_random_ends_like_one_that_was_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    for a in 0..12 {
        for b in 0..12 {
            let inner = tree.join(format!("{a}/{b}"));
            std::fs::create_dir_all(&inner).unwrap();
            for file in 0..6 {
                std::fs::write(inner.join(format!("{file}.txt")), "x").unwrap();
            }
        }
    }
    let demo = |log: &Path| {
        let mut command = snaplog(log);
        command.arg("demo").arg(&tree).current_dir(dir.path());
        command
    };
    let final_sum = |path: &Path| {
        let reader = Log::open(path).unwrap().reader().unwrap();
        let restored = reader.restore_seq(reader.last_seq()).unwrap();
        (restored.graph.counts().nodes, restored.graph.counts().edges, restored.graph.fingerprint().content)
    };
    let alone = dir.path().join("alone");
    assert!(demo(&alone).status().unwrap().success());
    let expected = final_sum(&alone);
    assert_eq!(expected.0, 12 * 12 * 7 + 12 + 1);

    let mut dice = Dice::new();
    let (mut kills, mut number) = (0, 0);
    while kills < KILLS_OF_DEMO {
        number += 1;
        let path = dir.path().join(format!("log-{number}"));
        let mut shown = Shown::default();
        loop {
            let child = demo(&path).spawn().unwrap();
            let ended = shown.run_and_kill(child, &mut dice, &path);
            shown.check(&path);
            if ended {
                break;
            }
            kills += 1;
        }
        assert_eq!(final_sum(&path), expected);
    }
}

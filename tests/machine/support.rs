//! Dice, the binary, and what must hold of a log whatever happened to it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{Fingerprint, Log, MarkerId, Reader, Seq};

/// Random numbers; the seed is printed, and `SNAPLOG_SEED` sets it.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = std::env::var("SNAPLOG_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(now.subsec_nanos().into());
        println!("SNAPLOG_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }

    /// A pause of at most `most`, for a kill to come at any moment of it.
    pub(crate) fn pause(&mut self, most: Duration) {
        let micros = u64::try_from(most.as_micros()).unwrap();
        std::thread::sleep(Duration::from_micros(self.below(micros.max(1))));
    }
}

/// Whether the long campaign was asked for.
pub(crate) fn exhaustive() -> bool {
    std::env::var_os("SNAPLOG_EXHAUSTIVE").is_some()
}

/// A number that an environment variable may set.
pub(crate) fn count(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().expect(variable))
}

/// Says that a test cannot run here, past the test harness, which keeps to itself what passing tests print. Where
/// everything must run, `SNAPLOG_NO_SKIP` makes a failure of it.
pub(crate) fn skipped(test: &str, reason: &str) {
    assert!(std::env::var_os("SNAPLOG_NO_SKIP").is_none(), "{test} cannot run here: {reason}");
    std::io::stderr().write_all(format!("skipped: {test}: {reason}\n").as_bytes()).unwrap();
}

/// The binary, with a log.
pub(crate) fn snaplog(log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_snaplog"));
    command.env_remove("SNAPLOG_DIR").arg("-d").arg(log).arg("--quiet");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs a command that must not fail.
#[track_caller]
pub(crate) fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The events of `tests/data`, a line each; every one of them changes something.
pub(crate) fn debian() -> String {
    let compressed = include_bytes!("../data/debian-2000.ndjson.zst");
    String::from_utf8(zstd::decode_all(compressed.as_slice()).unwrap()).unwrap()
}

/// Copies a log, files and directories below it.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All files below a directory, with their bytes.
pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            } else {
                files.insert(entry.path(), std::fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

/// That a log is sound: `verify` finds nothing, and every marker that is listed restores.
#[track_caller]
pub(crate) fn assert_sound(log: &Log) -> Reader {
    let report = verify(log, Options { level: Level::Replay, max_duration: None }).unwrap();
    let reader = log.reader().unwrap();
    assert!(report.sound && report.complete, "{report:#?}");
    assert_eq!(report.markers_good, u64::try_from(reader.markers().len()).unwrap());
    reader
}

/// Nodes, edges and content at the end of a log.
pub(crate) fn final_sum(path: &Path) -> (u64, u64, u128) {
    let reader = Log::open(path).unwrap().reader().unwrap();
    let restored = reader.restore_seq(reader.last_seq()).unwrap();
    let counts = restored.graph.counts();
    (counts.nodes, counts.edges, restored.graph.fingerprint().content.0)
}

/// What a reader beside the live writer was shown: it counts as acknowledged.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) seq: Seq,
    pub(crate) markers: BTreeMap<MarkerId, Fingerprint>,
}

impl Shown {
    pub(crate) fn of(reader: &Reader) -> Self {
        let markers = reader.markers().iter().map(|marker| (marker.id, marker.fingerprint)).collect();
        Self { seq: reader.last_seq(), markers }
    }

    pub(crate) fn look(&mut self, log: &Path) {
        let Ok(reader) = Log::open(log).and_then(|log| log.reader()) else { return };
        let now = Self::of(&reader);
        assert!(
            now.seq >= self.seq,
            "the log went back from {} to {}: {:?}, {:?}",
            self.seq,
            now.seq,
            reader.damage(),
            reader.segments()
        );
        self.seq = now.seq;
        self.markers.extend(now.markers);
    }

    /// That a log has all of it. `may_go`: a marker that retention has dropped and whose grace is over is not missed.
    #[track_caller]
    pub(crate) fn assert_in(&self, reader: &Reader, may_go: impl Fn(MarkerId) -> bool) {
        assert!(reader.last_seq() >= self.seq, "{} was shown, {} is there", self.seq, reader.last_seq());
        for (id, fingerprint) in &self.markers {
            match reader.markers().iter().find(|marker| marker.id == *id) {
                Some(marker) => assert_eq!(marker.fingerprint, *fingerprint, "{id}"),
                None => assert!(may_go(*id), "{id} was lost"),
            }
        }
    }
}

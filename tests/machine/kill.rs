//! `kill -9` at random moments of `ingest` and `demo`: nothing that was acknowledged is lost, and what is there is a prefix
//! of what was sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use serde_json::Value as Json;
use snaplog::Log;

use super::support::{Dice, Shown, assert_sound, count, debian, exhaustive, final_sum, snaplog, succeeds};

/// How often a process is killed.
fn kills(in_ci: u64) -> u64 {
    count("SNAPLOG_KILLS", if exhaustive() { in_ci * 20 } else { in_ci })
}

/// Lets the child run for a random time, looking on; true if it ended by itself.
fn run_and_kill(shown: &mut Shown, mut child: Child, dice: &mut Dice, log: &Path) -> bool {
    let steps = dice.below(40);
    for _ in 0..steps {
        shown.look(log);
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

/// After the kill: all that was shown is still there, and the log is sound.
fn check(shown: &mut Shown, path: &Path) {
    match Log::open(path) {
        Ok(log) => shown.assert_in(&assert_sound(&log), |_| false),
        Err(error) => assert_eq!(shown.seq.0, 0, "{error}"),
    }
    shown.look(path);
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
    let text = debian();
    let lines: Vec<&str> = text.lines().collect();
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("events.ndjson");
    std::fs::write(&input, &text).unwrap();
    let mut dice = Dice::new();
    let (mut done, mut number) = (0, 0);
    while done < kills(35) {
        number += 1;
        let path = dir.path().join(format!("log-{number}"));
        succeeds(snaplog(&path).arg("init"));
        let mut shown = Shown::default();
        loop {
            let child = snaplog(&path).arg("ingest").arg(&input).spawn().unwrap();
            let ended = run_and_kill(&mut shown, child, &mut dice, &path);
            check(&mut shown, &path);
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
            done += 1;
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
    let alone = dir.path().join("alone");
    succeeds(&mut demo(&alone));
    let expected = final_sum(&alone);
    assert_eq!(expected.0, 12 * 12 * 7 + 12 + 1);

    let mut dice = Dice::new();
    let (mut done, mut number) = (0, 0);
    while done < kills(15) {
        number += 1;
        let path = dir.path().join(format!("log-{number}"));
        let mut shown = Shown::default();
        loop {
            let child = demo(&path).spawn().unwrap();
            let ended = run_and_kill(&mut shown, child, &mut dice, &path);
            check(&mut shown, &path);
            if ended {
                break;
            }
            done += 1;
        }
        assert_eq!(final_sum(&path), expected);
    }
}

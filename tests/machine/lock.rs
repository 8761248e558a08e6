//! Two writers that begin at once: one gets the log, the other is told so.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use snaplog::Log;

use super::mounts::tool;
use super::story;
use super::support::{Dice, Shown, assert_sound, count, exhaustive, skipped, snaplog, succeeds};

/// Long enough for a process on any machine to begin; a guard against a wait for ever, not a measure.
const PATIENCE: Duration = Duration::from_mins(1);

/// The first of two processes that ends; the other one is waiting for its input then.
fn first_to_end(pair: &mut [Child; 2]) -> usize {
    let began = Instant::now();
    loop {
        for (at, child) in pair.iter_mut().enumerate() {
            if child.try_wait().unwrap().is_some() {
                return at;
            }
        }
        assert!(began.elapsed() < PATIENCE, "both of two writers have the log");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn of_two_writers_at_once_exactly_one_gets_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    succeeds(snaplog(&path).arg("init"));
    let rounds = count("SNAPLOG_ROUNDS", if exhaustive() { 500 } else { 25 });
    for round in 0..rounds {
        let begin = |who: usize| {
            let source = format!("writer {who} of round {round}");
            let mut command = snaplog(&path);
            command.args(["ingest", "--no-compact", "--source", &source]).stdin(Stdio::piped());
            command.spawn().unwrap()
        };
        let mut pair = [begin(0), begin(1)];
        // Neither comes to the end of its input before this process lets it: who ends was turned away.
        let mut inputs = [0, 1].map(|at| pair[at].stdin.take().unwrap());
        let loser = first_to_end(&mut pair);
        let [first, second] = pair;
        let (lost, mut won) = if loser == 0 { (first, second) } else { (second, first) };
        let output = lost.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains(&format!("pid {}", won.id())), "who has it? {said}");
        assert!(won.try_wait().unwrap().is_none(), "nobody got it");
        let line = format!("{{\"op\":\"node\",\"id\":\"round {round}\"}}\n");
        inputs[1 - loser].write_all(line.as_bytes()).unwrap();
        drop(inputs);
        let output = won.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let reader = Log::open(&path).unwrap().reader().unwrap();
        assert_eq!(reader.last_seq().0, round + 1);
    }
    assert_sound(&Log::open(&path).unwrap());
}

/// A kill leaves no lock behind: the next writer begins at once.
#[test]
fn the_lock_of_a_writer_that_was_killed_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    succeeds(snaplog(&path).arg("init"));
    let log = Log::open(&path).unwrap();
    for round in 0..10 {
        let mut child = snaplog(&path).arg("ingest").stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(format!("{{\"op\":\"node\",\"id\":{round}}}\n").as_bytes()).unwrap();
        let began = Instant::now();
        while log.reader().unwrap().last_seq().0 == round {
            assert!(began.elapsed() < PATIENCE, "the event of round {round} does not become durable");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let writer = log.writer().unwrap();
        assert_eq!(writer.status().unwrap().last_seq.0, round + 1);
        writer.close().unwrap();
    }
    assert_sound(&log);
}

/// Beside a live writer a reader is shown what is durable, after a dead one all that is there. Who comes next must not be
/// taken for the dead one, or what was shown would be hidden again: strace holds it up at each change of the lock's file.
#[test]
fn a_new_writer_is_never_taken_for_the_one_that_was_killed() {
    if let Err(reason) = tool("strace", &["-qq", "-e", "trace=none", "--", "true"]) {
        return skipped("a writer that is slow to say who it is", &reason);
    }
    let dir = tempfile::tempdir().unwrap();
    let (path, said) = (dir.path().join("log"), dir.path().join("said"));
    story::init(&path);
    let mut dice = Dice::new();
    for _ in 0..count("SNAPLOG_ROUNDS", if exhaustive() { 200 } else { 12 }) {
        let mut child = story::begin(&path, &said, dice.below(u64::MAX));
        dice.pause(Duration::from_millis(300));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut shown = Shown::default();
        shown.look(&path);
        let mut next = Command::new("strace");
        next.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(path.join("LOCK"));
        next.args([
            "-e",
            "trace=ftruncate,write,flock",
            "-e",
            "inject=ftruncate,write:delay_enter=20000",
            "--",
        ]);
        let ingest = snaplog(&path);
        next.arg(ingest.get_program()).args(ingest.get_args()).arg("ingest");
        let mut next = next.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while next.try_wait().unwrap().is_none() {
            shown.look(&path);
        }
        assert!(next.wait().unwrap().success());
        shown.look(&path);
    }
    assert_sound(&Log::open(&path).unwrap());
}

//! `kill -9` at random moments of `compact` and `prune`: every marker that retention keeps restores as before, and the same
//! command, run again, finishes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use snaplog::{GraphKind, Log, MarkerId};

use super::support::{
    Dice, Shown, assert_sound, copy_tree, count, debian, exhaustive, final_sum, snaplog, succeeds,
};

/// Small segments and short tiers, so that a small crawl leaves much to be dropped, folded, merged and rewritten.
const CONFIG: &str = "[tiers.few]\nevery_nodes = 25\nkeep = 5\n\
    [tiers.more]\nevery_nodes = 100\nkeep = 4\n\
    [tiers.all]\nevery_nodes = 500\nkeep = \"all\"\n\
    [retention]\nkeep_events = \"none\"\n\
    [segment]\nsize = \"64 KiB\"\n";

/// A crawl in several segments that nothing was ever folded or dropped of.
pub(crate) fn crawl(dir: &Path) -> PathBuf {
    crawl_of(dir, usize::MAX)
}

/// As much of it as the first so many events give.
pub(crate) fn crawl_of(dir: &Path, events: usize) -> PathBuf {
    let (path, input) = (dir.join("crawl"), dir.join("events.ndjson"));
    std::fs::write(&input, debian().split_inclusive('\n').take(events).collect::<String>()).unwrap();
    Log::init(&path, GraphKind { directed: true, multigraph: false }).unwrap();
    // While a writer reads it in, it keeps everything.
    let keeps_all = CONFIG.replace("\"none\"", "\"all\"").replace("keep = 5", "").replace("keep = 4", "");
    std::fs::write(path.join("snaplog.toml"), keeps_all).unwrap();
    succeeds(snaplog(&path).args(["ingest", "--no-compact"]).arg(&input));
    std::fs::write(path.join("snaplog.toml"), CONFIG).unwrap();
    path
}

/// Kills `args` on copies of `template` until it has come to its end after `kills` of them.
fn kill_and_repeat(template: &Path, args: &[&str], kills: u64) {
    let mut dice = Dice::new();
    let dir = tempfile::tempdir().unwrap();
    let before = Shown::of(&Log::open(template).unwrap().reader().unwrap());
    let sum = final_sum(template);

    let alone = dir.path().join("alone");
    copy_tree(template, &alone);
    let began = Instant::now();
    succeeds(snaplog(&alone).args(args));
    let takes = began.elapsed();
    let kept: Vec<MarkerId> =
        Shown::of(&assert_sound(&Log::open(&alone).unwrap())).markers.into_keys().collect();

    let (mut done, mut number) = (0, 0);
    while done < kills {
        number += 1;
        let path = dir.path().join(format!("log-{number}"));
        copy_tree(template, &path);
        loop {
            let mut child = snaplog(&path).args(args).spawn().unwrap();
            dice.pause(takes + Duration::from_millis(2));
            let ended = child.try_wait().unwrap();
            // SIGKILL; one that has ended is not there to get it.
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            let log = Log::open(&path).unwrap();
            before.assert_in(&assert_sound(&log), |id| !kept.contains(&id));
            assert_eq!(final_sum(&path), sum);
            if ended.is_some() || output.status.code().is_some() {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                break;
            }
            done += 1;
        }
        let left = Shown::of(&assert_sound(&Log::open(&path).unwrap()));
        assert_eq!(left.markers.keys().copied().collect::<Vec<_>>(), kept, "it did not finish");
        std::fs::remove_dir_all(&path).unwrap();
    }
    println!("{done} kills of {args:?}, which takes {takes:?} alone, in {number} logs");
}

fn kills(in_ci: u64) -> u64 {
    count("SNAPLOG_KILLS", if exhaustive() { in_ci * 20 } else { in_ci })
}

#[test]
fn compact_killed_at_random_keeps_every_marker_and_finishes_when_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let template = crawl(dir.path());
    kill_and_repeat(&template, &["compact", "--no-retention", "--thorough", "--now"], kills(12));
    kill_and_repeat(&template, &["compact"], kills(6));
}

#[test]
fn prune_killed_at_random_keeps_what_retention_keeps_and_finishes_when_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let template = crawl(dir.path());
    kill_and_repeat(&template, &["prune", "--yes", "--now"], kills(12));
    kill_and_repeat(&template, &["prune", "--yes"], kills(6));
}

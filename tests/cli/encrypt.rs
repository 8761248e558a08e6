//! Encrypted logs, and who can open them.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::support::{Run, run_in};

const STRANGER: &str = "AGE-SECRET-KEY-1Y78GA9C32G9VXYXTDRMQL3A4K6EW4DNF3PWPHSKEQEPZLDUXC20QS0KEPP";

/// A directory with an identity, `mine`, and an encrypted log, `crawl`, that it opens.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        let recipient = world.bare(&["key", "new", "mine"]).exits(0).out;
        let made = world.bare(&["init", "crawl", "--encrypt", "--recipient", recipient.trim()]).exits(0);
        assert!(made.err.contains("has lost the log") && made.err.contains("key add"), "{}", made.err);
        fs::write(
            world.path().join("events"),
            "{\"op\":\"node\",\"id\":\"canary\",\"attrs\":{\"canary\":1}}\n",
        )
        .unwrap();
        world.run(&["-d", "crawl", "ingest", "events"]).exits(0);
        world.run(&["-d", "crawl", "mark", "--label", "canary"]).exits(0);
        world
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Without anything that opens a log.
    fn bare(&self, args: &[&str]) -> Run {
        run_in(self.path(), args, &[])
    }

    fn run(&self, args: &[&str]) -> Run {
        run_in(self.path(), args, &[("SNAPLOG_IDENTITY", "mine")])
    }

    fn secret(&self) -> String {
        let text = fs::read_to_string(self.path().join("mine")).unwrap();
        text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap().to_owned()
    }
}

#[test]
fn an_identity_is_taken_from_a_file_the_environment_or_a_command() {
    let world = World::new();
    let list = ["-d", "crawl", "list", "--json"];
    let labelled = |run: Run| assert_eq!(run.exits(0).json()["markers"][1]["label"], "canary");
    labelled(world.run(&list));
    labelled(world.bare(&["--identity", "mine", "-d", "crawl", "list", "--json"]));
    labelled(run_in(world.path(), &list, &[("SNAPLOG_IDENTITY", &world.secret())]));
    labelled(run_in(world.path(), &list, &[("SNAPLOG_IDENTITY_COMMAND", "cat mine")]));
}

#[test]
fn a_wrong_or_missing_identity_is_exit_status_6_and_a_plain_sentence() {
    let world = World::new();
    let shut = world.bare(&["-d", "crawl", "list"]).exits(6);
    assert!(shut.err.starts_with("error: crawl is encrypted, and no identity was given"), "{}", shut.err);
    assert!(shut.err.contains("hint: ") && shut.out.is_empty());
    for (args, kind) in [
        (&["-d", "crawl", "restore", "-o", "graph.json"][..], "wrong-identity"),
        (&["-d", "crawl", "ingest", "events"], "wrong-identity"),
        (&["-d", "crawl", "verify", "--level", "replay"], "wrong-identity"),
        (&["-d", "crawl", "key", "rotate"], "wrong-identity"),
    ] {
        let args: Vec<&str> = ["--json"].iter().chain(args).copied().collect();
        let run = run_in(world.path(), &args, &[("SNAPLOG_IDENTITY", STRANGER)]).exits(6);
        assert_eq!(run.error()["kind"], kind, "{args:?}");
        assert!(!run.err.contains("AGE-SECRET-KEY"), "{}", run.err);
    }
    assert!(!world.path().join("graph.json").exists());
    let typed = world.bare(&["--identity", STRANGER, "-d", "crawl", "list"]).exits(6);
    assert!(typed.err.contains("does not belong on a command line") && !typed.err.contains(STRANGER));
    let lost = world.bare(&["--identity", "gone", "-d", "crawl", "list"]).exits(6);
    assert!(lost.err.contains("gone gives no identity"), "{}", lost.err);
    let failed = run_in(world.path(), &["-d", "crawl", "list"], &[("SNAPLOG_IDENTITY_COMMAND", "exit 3")]);
    assert!(failed.exits(6).err.contains("SNAPLOG_IDENTITY_COMMAND gives no identity"));
    // Checksums need no key.
    let sums = world.bare(&["-d", "crawl", "verify", "--level", "checksums"]).exits(0);
    assert!(sums.out.starts_with("sound:") && sums.err.contains("markers are not known"), "{}", sums.err);
    // With an identity only an encrypted log is opened.
    world.bare(&["init", "plain"]).exits(0);
    let refused = world.run(&["init", "another"]).exits(6);
    assert!(refused.err.contains("would not be encrypted") && !world.path().join("another").exists());
    let plain = world.run(&["-d", "plain", "--json", "list"]).exits(6);
    assert_eq!(plain.error()["kind"], "not-encrypted");
}

#[test]
fn an_identity_is_made_for_its_owner_alone_and_never_overwritten() {
    let world = World::new();
    let file = world.path().join("mine");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = fs::read(&file).unwrap();
    let again = world.bare(&["key", "new", "mine"]).exits(1);
    assert!(again.err.contains("is there already") && again.out.is_empty());
    assert_eq!(fs::read(&file).unwrap(), before);
    let made = world.bare(&["--json", "key", "new", "second"]).exits(0).json();
    assert_eq!(made["file"], "second");
    assert!(made["recipient"].as_str().unwrap().starts_with("age1"));
}

#[test]
fn recipients_are_added_listed_and_taken_off_and_keys_changed() {
    let world = World::new();
    let second = world.bare(&["key", "new", "second"]).exits(0).out.trim().to_owned();
    world.bare(&["-d", "crawl", "key", "add", &second]).exits(6);
    world.run(&["-d", "crawl", "key", "add", &second]).exits(0);
    world.run(&["-d", "crawl", "key", "add"]).exits(2);
    let listed = world.bare(&["-d", "crawl", "key", "list", "--json"]).exits(0).json();
    assert_eq!(listed["recipients"].as_array().unwrap().len(), 2);
    assert_eq!(listed["recipients"][1], json!({ "recipient": second, "passphrase": false }));
    let by_second = |args: &[&str]| run_in(world.path(), args, &[("SNAPLOG_IDENTITY", "second")]);
    by_second(&["-d", "crawl", "restore", "-o", "graph.json"]).exits(0);
    world.run(&["-d", "crawl", "key", "remove", &second]).exits(0);
    by_second(&["-d", "crawl", "list"]).exits(6);
    world.run(&["-d", "crawl", "key", "rotate"]).exits(0);
    world.run(&["-d", "crawl", "compact", "--rekey", "--now"]).exits(0);
    let report = world.run(&["-d", "crawl", "verify", "--level", "replay"]).exits(0);
    assert!(report.out.contains("2 of 2 markers good"), "{}", report.out);
}

#[test]
fn a_passphrase_comes_from_a_command() {
    let world = World::new();
    let with = |args: &[&str], name: &str, command: &str| run_in(world.path(), args, &[(name, command)]);
    with(&["init", "one", "--encrypt", "--passphrase"], "SNAPLOG_PASSPHRASE_COMMAND", "echo horse").exits(0);
    with(&["-d", "one", "mark"], "SNAPLOG_PASSPHRASE_COMMAND", "echo horse").exits(0);
    with(&["-d", "one", "list"], "SNAPLOG_PASSPHRASE_COMMAND", "echo mule").exits(6);
    let none = world.bare(&["init", "two", "--encrypt", "--passphrase"]).exits(2);
    assert!(none.err.contains("SNAPLOG_NEW_PASSPHRASE_COMMAND"), "{}", none.err);
    assert!(!world.path().join("two").exists());
}

#[test]
fn init_needs_somebody_who_can_open_the_log() {
    let world = World::new();
    world.bare(&["init", "two", "--encrypt"]).exits(2);
    world.bare(&["init", "two", "--recipient", "age1x"]).exits(2);
    world.bare(&["init", "two", "--encrypt", "--recipient", "age1x"]).exits(6);
    assert!(!world.path().join("two").exists());
}

#[test]
fn a_log_is_encrypted_into_a_new_one_and_copied_cloned_and_restored_from_there() {
    let world = World::new();
    world.bare(&["init", "plain"]).exits(0);
    world.bare(&["-d", "plain", "ingest", "events"]).exits(0);
    world.bare(&["-d", "plain", "mark", "--label", "canary"]).exits(0);
    let digest = |run: Run| run.exits(0).json()["digest"].clone();
    let verify = |dir| ["--json", "-d", dir, "verify", "--level", "replay"];
    let before = digest(world.bare(&verify("plain")));
    let recipient = world.bare(&["-d", "crawl", "key", "list"]).exits(0).out;
    world.run(&["-d", "plain", "encrypt", "sealed", "--recipient", recipient.trim()]).exits(0);
    assert_eq!(digest(world.run(&verify("sealed"))), before);
    world.run(&["-d", "sealed", "encrypt", "twice", "--recipient", recipient.trim()]).exits(1);
    let bucket = format!("file://{}", world.path().join("bucket").display());
    world.run(&["-d", "sealed", "push", &bucket]).exits(0);
    world.bare(&["clone", &bucket, "cloned"]).exits(6);
    world.run(&["clone", &bucket, "cloned"]).exits(0);
    world.run(&["-d", "cloned", "copy", "copied"]).exits(0);
    world.run(&["-d", &bucket, "restore", "--to", "canary", "--format", "log", "-o", "restored"]).exits(0);
    world.run(&["salvage", "copied", "-o", "salvaged"]).exits(0);
    for dir in ["sealed", "cloned", "copied", "restored", "salvaged"] {
        world.run(&["-d", dir, "verify", "--level", "replay"]).exits(0);
        for file in fs::read_dir(world.path().join(dir)).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"canary"), "{}", path.display());
        }
    }
    world.bare(&["-d", &bucket, "verify", "--level", "checksums"]).exits(0);
    world.bare(&["-d", &bucket, "verify", "--level", "quick"]).exits(0);
    world.bare(&["-d", &bucket, "list"]).exits(6);
    world.bare(&["-d", "sealed", "dump", "CURRENT"]).exits(0);
}

//! Help, completions, manual pages, colour, and what goes for every command.

use std::process::Stdio;

use super::support::{Crawl, command, run, run_in};

const COMMANDS: [&str; 20] = [
    "init",
    "list",
    "stats",
    "mark",
    "pin",
    "unpin",
    "restore",
    "verify",
    "prune",
    "undelete",
    "compact",
    "copy",
    "encrypt",
    "key",
    "push",
    "pull",
    "clone",
    "dump",
    "completions",
    "man",
];

#[test]
fn short_help_fits_on_a_screen() {
    let lines = |args: &[&str]| run(args).exits(0).out.lines().count();
    assert!(lines(&["-h"]) <= 46);
    for name in COMMANDS {
        assert!(lines(&[name, "-h"]) <= 40, "{name}");
    }
}

#[test]
fn long_help_ends_with_exit_statuses_and_an_example() {
    for name in COMMANDS {
        let help = run(&[name, "--help"]).exits(0).out;
        let (_, end) = help.split_once("\nExit status:\n").unwrap_or_else(|| panic!("{name}"));
        assert!(end.contains("\n  2  "), "{name}: {end}");
        let (_, examples) = end.split_once("\nExample").unwrap_or_else(|| panic!("{name}"));
        assert!(examples.contains("  snaplog "), "{name}: {examples}");
    }
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).exits(0).out;
        for name in COMMANDS {
            assert!(script.contains(name), "{shell} {name}");
        }
    }
    run(&["completions", "tcsh"]).exits(2);
}

#[test]
fn bash_reads_its_completions() {
    let script = run(&["completions", "bash"]).out;
    let Ok(output) = std::process::Command::new("bash").args(["-n", "-c", &script]).output() else { return };
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn manual_pages_are_there_for_every_command() {
    assert!(run(&["man"]).exits(0).out.contains(".TH snaplog 1"));
    assert!(run(&["man", "restore"]).exits(0).out.contains("snaplog\\-restore"));
    run(&["man", "nothing"]).exits(2);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new/man1");
    run(&["man", "--out", out.to_str().unwrap()]).exits(0);
    for name in COMMANDS {
        let page = std::fs::read_to_string(out.join(format!("snaplog-{name}.1"))).unwrap();
        assert!(page.contains("Exit status"), "{name}");
    }
}

#[test]
fn a_command_line_that_means_nothing_is_2() {
    for args in [
        &["lst"][..],
        &["list", "--bogus"],
        &["list", "--color", "pink"],
        &["restore", "--format", "docx"],
        &["restore", "--format", "log"],
        &["restore", "--format", "log", "-o", "-"],
        &["init", "--directed", "--undirected"],
        &["stats", "--json", "--prometheus"],
        &["--json", "stats", "--prometheus"],
        &["pin"],
        &["undelete"],
        &["copy"],
        &["undelete", "m1", "--all"],
    ] {
        let plain = run(args).exits(2);
        assert_eq!(plain.out, "", "{args:?}");
        let mut with_json = args.to_vec();
        with_json.push("--json");
        let error = run(&with_json).exits(2).error();
        assert_eq!(error["kind"], "usage", "{args:?}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn without_a_command_the_help_is_shown() {
    let shown = run(&[]).exits(2);
    assert!(shown.err.contains("Commands:"), "{shown:?}");
}

#[test]
fn where_no_log_is_every_command_is_3() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    for args in [
        &["list"][..],
        &["stats"],
        &["mark"],
        &["pin", "m1"],
        &["unpin", "m1"],
        &["restore"],
        &["prune", "--yes"],
        &["undelete", "--all"],
        &["compact"],
        &["copy", "/tmp/nowhere/copy"],
    ] {
        let mut all = vec!["-d", at];
        all.extend(args);
        let told = run(&all).exits(3);
        assert!(
            told.err.contains("is not a snaplog log") && told.err.contains("hint: `snaplog init"),
            "{told:?}"
        );
        all.push("--json");
        assert_eq!(run(&all).exits(3).error()["kind"], "not-a-log");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn the_directory_comes_from_the_flag_before_the_environment_before_here() {
    let (one, other) = (Crawl::new(), Crawl::empty());
    let count = |args: &[&str], variables: &[(&str, &str)]| {
        let mut all = vec!["list", "--json"];
        all.extend(args);
        run_in(&other.path(), &all, variables).exits(0).json()["markers"].as_array().unwrap().len()
    };
    let path = one.path();
    let (path, here) = (path.to_str().unwrap(), other.path());
    assert_eq!(count(&[], &[]), 0);
    assert_eq!(count(&[], &[("SNAPLOG_DIR", path)]), 6);
    assert_eq!(count(&["-d", here.to_str().unwrap()], &[("SNAPLOG_DIR", path)]), 0);
}

#[test]
fn colour_is_used_when_asked_for_and_not_in_a_pipe() {
    let crawl = Crawl::new();
    let escapes = |args: &[&str]| crawl.run(args).out.contains('\x1b');
    assert!(!escapes(&["list"]));
    assert!(!escapes(&["list", "--color", "never"]));
    assert!(escapes(&["list", "--color", "always"]));
    assert!(!escapes(&["list", "--color", "always", "--json"]));
    assert!(crawl.run(&["--color=always", "list", "--help"]).out.contains('\x1b'));
    assert!(crawl.run(&["--color=always", "pin", "m99"]).err.contains('\x1b'));
}

#[test]
fn quiet_leaves_data_and_errors() {
    let crawl = Crawl::new();
    assert_eq!(crawl.run(&["-q", "mark", "--label", "x"]).exits(0).err, "");
    assert_eq!(crawl.run(&["-q", "list"]).exits(0).err, "");
    assert_ne!(crawl.run(&["-q", "pin", "m99"]).exits(3).err, "");
}

#[test]
fn what_acts_on_a_terminal_is_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let told = run_in(dir.path(), &["-d", "\x1b[2Jlog", "list"], &[]).exits(3);
    assert!(told.err.contains("\\u{1b}[2Jlog") && !told.err.contains('\x1b'), "{told:?}");
    let told = run_in(dir.path(), &["init", "\x1b[2Jlog"], &[]).exits(0);
    assert!(!told.err.contains('\x1b'), "{told:?}");
}

#[test]
fn a_broken_pipe_ends_quietly() {
    let crawl = Crawl::new();
    let path = crawl.path();
    for args in [
        &["list"][..],
        &["list", "--json"],
        &["stats"],
        &["restore"],
        &["restore", "--format", "node-link"],
        &["restore", "--dry-run"],
        &["prune", "--dry-run"],
        &["completions", "zsh"],
        &["man"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(args);
        command.env("SNAPLOG_DIR", &path).stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn an_output_that_takes_nothing_is_1() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let crawl = Crawl::new();
    for args in [&["list"][..], &["restore"], &["stats", "--json"]] {
        let mut command = command(args);
        command.env("SNAPLOG_DIR", crawl.path()).stdout(full.try_clone().unwrap());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to standard output"));
    }
}

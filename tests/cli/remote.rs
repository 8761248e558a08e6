//! `push`, `pull`, `clone`, and the commands that read a remote copy, by way of a directory as the store.

use std::fs;

use snaplog::{Event, Log};

use super::support::{Crawl, NODES, run, time};

/// A crawl that was pushed, and the address.
fn pushed() -> (Crawl, String) {
    let crawl = Crawl::new();
    let url = format!("file://{}", crawl.beside("bucket").display());
    fs::create_dir(crawl.beside("bucket")).unwrap();
    crawl.run(&["push", &url]).exits(0);
    (crawl, url)
}

fn at(url: &str, args: &[&str]) -> super::support::Run {
    let mut all = vec!["-d", url];
    all.extend(args);
    run(&all)
}

#[test]
fn what_was_pushed_is_read_as_the_log_is() {
    let (crawl, url) = pushed();
    for args in [
        &["list", "--json", "--digest"][..],
        &["diff", "m1", "m5", "--json", "--entities"],
        &["restore", "--to", "first", "-o", "-"],
        &["restore", "--to", "seq:33", "-o", "-", "--format", "node-link"],
    ] {
        let (here, there) = (crawl.run(args).exits(0), at(&url, args).exits(0));
        if args.contains(&"--json") {
            let mut there = there.json();
            assert!(there["fetched"].as_u64().is_some(), "{there}");
            there.as_object_mut().unwrap().remove("fetched");
            assert_eq!(there, here.json(), "{args:?}");
        } else {
            assert_eq!(there.out, here.out, "{args:?}");
            assert!(there.err.contains("fetched from file://"), "{there:?}");
        }
    }
    let stats = at(&url, &["stats", "--json"]).exits(0).json();
    assert_eq!((stats["last_seq"].as_u64(), stats["nodes"].as_u64()), (Some(220), Some(110)));
    let drill = at(&url, &["drill", "--markers", "all", "--json"]).exits(0).json();
    assert_eq!(drill["markers_checked"], 6);
    let quick = at(&url, &["verify", "--level", "quick", "--json"]).exits(0).json();
    assert_eq!(
        (&quick["sound"], &quick["fetched"], &quick["markers_good"]),
        (&true.into(), &0.into(), &6.into())
    );
    let replayed = at(&url, &["verify", "--json"]).exits(0).json();
    assert_eq!((&replayed["sound"], &replayed["markers_good"]), (&true.into(), &6.into()));
    assert!(replayed["fetched"].as_u64() > Some(0));
}

#[test]
fn what_writes_refuses_a_remote_copy_and_says_what_to_do() {
    let (crawl, url) = pushed();
    let before = fs::read_dir(crawl.beside("bucket/parts")).unwrap().count();
    for args in [
        &["mark"][..],
        &["pin", "m1"],
        &["prune", "--yes"],
        &["compact"],
        &["undelete", "--all"],
        &["ingest", "-"],
        &["copy", "elsewhere"],
        &["push", &url],
        &["pull", &url],
        &["init"],
        &["demo", "."],
        &["salvage", "-o", "elsewhere"],
    ] {
        let mut all = vec!["--json"];
        all.extend(args);
        let error = at(&url, &all).exits(2).error();
        assert!(error["hint"].as_str().unwrap().contains("snaplog clone"), "{args:?}: {error}");
    }
    assert_eq!(fs::read_dir(crawl.beside("bucket/parts")).unwrap().count(), before);
}

#[test]
fn a_clone_goes_on_and_of_two_the_second_push_is_refused() {
    let (crawl, url) = pushed();
    let dir = crawl.beside("clone");
    let dir = dir.to_str().unwrap();
    let cloned = run(&["clone", &url, dir, "--json"]).exits(0).json();
    assert_eq!(
        (&cloned["last_seq"], &cloned["markers"], &cloned["number"]),
        (&220.into(), &6.into(), &1.into())
    );
    let again = run(&["clone", &url, dir, "--json"]).exits(1).error();
    assert_eq!(again["kind"], "not-empty");
    let append = |log: &Log, id: &str| {
        let writer = log.writer().unwrap();
        writer.append_at(&Event::node(id), time(NODES)).unwrap();
        writer.close().unwrap();
    };
    append(&Log::open(dir).unwrap(), "from the clone");
    append(&crawl.log, "from the first");
    let pushed = at(dir, &["push", &url, "--json"]).exits(0).json();
    assert_eq!(pushed["pushes"][0]["number"], 2);
    let error = crawl.run(&["push", &url, "--json"]).exits(1).error();
    assert_eq!(error["kind"], "diverged");
    assert!(error["hint"].as_str().unwrap().contains("snaplog clone"), "{error}");
    let error = crawl.run(&["pull", &url, "--json"]).exits(1).error();
    assert_eq!(error["kind"], "ahead");
    // To a prefix of its own it goes.
    crawl.run(&["push", &format!("{url}-2")]).exits(0);
    // And a directory that has nothing of its own is brought up to it.
    let mirror = crawl.beside("mirror");
    let mirror = mirror.to_str().unwrap();
    run(&["clone", &url, mirror]).exits(0);
    append(&Log::open(dir).unwrap(), "later");
    at(dir, &["push", &url]).exits(0);
    let pulled = at(mirror, &["pull", &url, "--json"]).exits(0).json();
    assert_eq!((&pulled["last_seq"], &pulled["up_to_date"]), (&222.into(), &false.into()));
    assert_eq!(at(mirror, &["pull", &url, "--json"]).exits(0).json()["up_to_date"], true);
}

#[test]
fn the_remotes_of_snaplog_toml_are_pushed_to_each_by_itself() {
    let crawl = Crawl::new();
    let error = crawl.run(&["push", "--json"]).exits(2).error();
    assert!(error["hint"].as_str().unwrap().contains("[remote]"), "{error}");
    let config = crawl.path().join("snaplog.toml");
    let text = fs::read_to_string(&config).unwrap();
    let urls = |first: &str| {
        let second = crawl.beside("second");
        text.replace("urls = []", &format!("urls = [\"{first}\", \"file://{}\"]", second.display()))
    };
    fs::write(crawl.beside("a-file"), "").unwrap();
    let blocked = format!("file://{}/bucket", crawl.beside("a-file").display());
    fs::write(&config, urls(&blocked)).unwrap();
    let run = crawl.run(&["push", "--json"]).exits(1);
    assert_eq!(run.json()["pushes"].as_array().unwrap().len(), 1, "{run:?}");
    assert_eq!(run.error()["kind"], "remote");
    assert!(crawl.beside("second/pushes/0000000001").exists());
    // A slip in the file is told with its place.
    fs::write(&config, urls("freesound")).unwrap();
    let error = crawl.run(&["push", "--json"]).exits(1).error();
    assert!(
        error["causes"][0].as_str().unwrap().contains("no `://`")
            || error["hint"].as_str().unwrap().contains("no `://`"),
        "{error}"
    );
    assert!(error["line"].as_u64().is_some());
}

#[test]
fn stats_shows_how_far_a_remote_copy_is_behind() {
    let (crawl, url) = pushed();
    let remotes = || crawl.run(&["stats", "--json"]).exits(0).json()["remotes"].clone();
    let expected = |behind: u64| serde_json::json!([{"remote": url, "number": 1, "last_seq": 220, "events_behind": behind}]);
    assert_eq!(remotes(), expected(0));
    let writer = crawl.log.writer().unwrap();
    writer.append_at(&Event::node("later"), time(NODES)).unwrap();
    writer.close().unwrap();
    assert_eq!(remotes(), expected(1));
    assert!(crawl.run(&["stats"]).exits(0).out.contains(&format!("{url}, 1 events behind (push 1)")));
    let metrics = crawl.run(&["stats", "--prometheus"]).exits(0).out;
    assert!(metrics.contains("snaplog_remote_events_behind{"), "{metrics}");
}

#[test]
fn a_writer_brings_its_remote_copies_along_if_it_is_to() {
    let crawl = Crawl::new();
    let config = crawl.path().join("snaplog.toml");
    let text = fs::read_to_string(&config).unwrap();
    let bucket = format!("file://{}", crawl.beside("bucket").display());
    fs::write(crawl.beside("a-file"), "").unwrap();
    let blocked = format!("file://{}/bucket", crawl.beside("a-file").display());
    let text = text.replace("urls = []", &format!("urls = [\"{bucket}\", \"{blocked}\"]"));
    fs::write(&config, text.replace("follow = \"never\"", "follow = \"100 ms\"")).unwrap();
    fs::write(crawl.beside("more.ndjson"), "{\"op\":\"node\",\"id\":\"followed\"}\n").unwrap();
    let more = crawl.beside("more.ndjson");
    let told = crawl.run(&["ingest", more.to_str().unwrap()]).exits(0);
    assert!(told.err.contains("is behind"), "{told:?}");
    let there = at(&bucket, &["stats", "--json"]).exits(0).json();
    assert_eq!(there["last_seq"], 221);
    crawl.run(&["push", "--follow", "--json", &bucket]).exits(2);
}

#[test]
fn what_is_not_there_is_told() {
    let crawl = Crawl::new();
    let nowhere = format!("file://{}", crawl.beside("nowhere").display());
    for args in [&["-d", &nowhere, "list", "--json"][..], &["clone", &nowhere, "dir", "--json"]] {
        assert_eq!(run(args).exits(3).error()["kind"], "not-a-log", "{args:?}");
    }
    for url in ["ftp://a/b", "s3://", "bucket/prefix", "file://relative"] {
        let error = crawl.run(&["push", url, "--json"]).exits(2).error();
        assert_eq!(error["kind"], "remote-address", "{url}");
    }
}

#[test]
fn a_part_that_is_gone_is_named_with_the_markers_that_it_costs() {
    let (crawl, url) = pushed();
    let part = fs::read_dir(crawl.beside("bucket/parts")).unwrap().next().unwrap().unwrap().path();
    let name = part.file_name().unwrap().to_str().unwrap().to_owned();
    fs::remove_file(part).unwrap();
    for level in ["quick", "replay"] {
        let report = at(&url, &["verify", "--level", level, "--json"]).exits(4).json();
        let fault = &report["faults"][0];
        assert!(fault["message"].as_str().unwrap().contains(&name), "{fault}");
        assert_eq!(report["markers_good"], 0, "{report}");
    }
    let error = at(&url, &["restore", "-o", "-", "--json"]).exits(4).error();
    assert!(error.to_string().contains(&name), "{error}");
    assert_eq!(
        run(&["clone", &url, crawl.beside("c").to_str().unwrap(), "--json"]).exits(4).error()["kind"],
        "missing"
    );
}

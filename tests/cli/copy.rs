//! `copy`.

use std::process::Stdio;

use snaplog::{Event, Log};

use super::support::{Crawl, NODES, command, time};

#[test]
fn a_copy_is_the_same_log_and_restores_the_same() {
    let crawl = Crawl::new();
    let dest = crawl.beside("copy");
    let document = crawl.run(&["copy", dest.to_str().unwrap(), "--json"]).exits(0).json();
    assert_eq!((document["last_seq"].as_u64(), document["markers"].as_u64()), (Some(220), Some(6)));
    let copy = Log::open(&dest).unwrap();
    assert_eq!(copy.id(), crawl.log.id());
    assert_eq!(copy.reader().unwrap().markers(), crawl.log.reader().unwrap().markers());
    let verified = command(&["-d", dest.to_str().unwrap(), "verify"]).stdout(Stdio::null()).status().unwrap();
    assert!(verified.success());
}

#[test]
fn a_copy_is_made_beside_a_live_writer() {
    let crawl = Crawl::new();
    let writer = crawl.log.writer().unwrap();
    writer.append_at(&Event::node("while the crawler runs"), time(NODES)).unwrap();
    writer.commit().unwrap();
    let dest = crawl.beside("copy");
    let told = crawl.run(&["copy", dest.to_str().unwrap()]).exits(0);
    assert!(told.err.contains("6 markers"), "{told:?}");
    writer.close().unwrap();
    let copy = Log::open(&dest).unwrap();
    assert_eq!(copy.reader().unwrap().markers().len(), 6);
}

#[test]
fn a_copy_goes_nowhere_where_something_is_and_not_into_the_log() {
    let crawl = Crawl::new();
    let dest = crawl.beside("copy");
    std::fs::create_dir(&dest).unwrap();
    std::fs::write(dest.join("notes.txt"), "x").unwrap();
    crawl.run(&["copy", dest.to_str().unwrap()]).exits(1);
    assert_eq!(std::fs::read_dir(&dest).unwrap().count(), 1);
    let inside = crawl.path().join("copy");
    assert_eq!(
        crawl.run(&["copy", inside.to_str().unwrap(), "--json"]).exits(1).error()["kind"],
        "inside-log"
    );
}

//! `salvage`.

use std::fs;

use serde_json::json;
use snaplog::Log;
use snaplog::format::frame;

use super::support::{Crawl, run};

#[test]
fn what_can_be_read_of_a_damaged_log_is_in_the_new_one() {
    let crawl = Crawl::new();
    let damaged = crawl.path();
    let file = damaged.join("events-000001");
    let mut bytes = fs::read(&file).unwrap();
    let is_of_events = |at: &usize| frame::header(&bytes[*at..]).is_ok_and(|header| header.events > 0);
    let at = (bytes.len() / 2..bytes.len()).find(is_of_events).unwrap();
    bytes[at + frame::HEADER_BYTES] ^= 1;
    fs::write(&file, &bytes).unwrap();
    fs::remove_file(damaged.join("CURRENT")).unwrap();
    let before: Vec<_> = fs::read_dir(&damaged).unwrap().map(|entry| entry.unwrap().file_name()).collect();

    let new = crawl.beside("new");
    let args = ["salvage", damaged.to_str().unwrap(), "-o", new.to_str().unwrap()];
    let told = run(&args).exits(4);
    assert!(told.out.contains("CURRENT") && told.out.contains("events-000001"), "{told:?}");
    assert!(told.out.contains("lost: events ") && told.out.contains("lost: marker m"), "{told:?}");
    let after: Vec<_> = fs::read_dir(&damaged).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!((before, bytes), (after, fs::read(&file).unwrap()), "the damaged log was written to");

    assert!(Log::open(&new).unwrap().reader().unwrap().markers().len() > 2);
    run(&["-d", new.to_str().unwrap(), "verify"]).exits(0);
    // A second time it does not write over the first.
    run(&args).exits(1);
    run(&["salvage", damaged.to_str().unwrap(), "-o", damaged.join("new").to_str().unwrap()]).exits(2);
    run(&["salvage", crawl.beside("nothing").to_str().unwrap(), "-o", "x"]).exits(3);
}

#[test]
fn a_sound_log_is_salvaged_whole() {
    let crawl = Crawl::new();
    let new = crawl.beside("new");
    let report = crawl.run(&["salvage", "--json", "-o", new.to_str().unwrap()]).exits(0).json();
    assert_eq!((&report["complete"], &report["lost"]), (&json!(true), &json!([])));
    assert_eq!(report["markers_kept"].as_array().unwrap().len(), 6);
    assert_eq!(report["nodes"], super::support::NODES);
}

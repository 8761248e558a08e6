//! docs/json.md against what the commands print.

use serde_json::Value as Json;

use super::support::{Crawl, keys, run};

const TEXT: &str = include_str!("../../docs/json.md");

/// The fields of the first table behind `heading`, sorted.
#[track_caller]
fn documented(heading: &str) -> Vec<&'static str> {
    let (_, section) = TEXT.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading}"));
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let mut fields: Vec<&str> =
        rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`')).map(|(field, _)| field).collect();
    fields.sort_unstable();
    fields
}

/// The documents in the code blocks.
fn examples() -> Vec<Json> {
    let blocks = TEXT.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| serde_json::from_str(block).unwrap()).collect()
}

#[test]
fn every_field_is_described_and_every_described_field_is_there() {
    let crawl = Crawl::new();
    let document = |args: &[&str]| {
        let mut all = vec!["--json"];
        all.extend(args);
        crawl.run(&all).exits(0).json()
    };
    let list = document(&["list"]);
    let stats = document(&["stats"]);
    let restore = document(&["restore", "-o", "graph.ndjson"]);
    let prune = document(&["prune", "--dry-run"]);
    let diff = document(&["diff", "m1", "--entities"]);
    let bucket = format!("file://{}", crawl.beside("bucket").display());
    let pushed = document(&["push", "--prune", &bucket]);
    let pulled = document(&["pull", &bucket]);
    let identity = document(&["key", "new", "identity"]);
    let recipient = identity["recipient"].as_str().unwrap().to_owned();
    document(&["init", "encrypted", "--encrypt", "--recipient", &recipient]);
    let encrypted = crawl.beside("encrypted");
    let holders = run(&["--json", "-d", encrypted.to_str().unwrap(), "key", "list"]).exits(0).json();
    let error = serde_json::from_str::<Json>(&run(&["--json", "list"]).exits(3).err).unwrap();
    for (heading, found) in [
        ("## A marker", &list["markers"][0]),
        ("## `list`", &list),
        ("## `init`", &document(&["init", "new"])),
        ("## `mark`, `pin`, `unpin`", &document(&["mark"])),
        ("## `mark`, `pin`, `unpin`", &document(&["pin", "m1"])),
        ("## `mark`, `pin`, `unpin`", &document(&["unpin", "m1"])),
        ("## `restore`", &restore),
        ("## `restore`", &document(&["restore", "--dry-run", "--to", "seq:33"])),
        ("A segment:", &restore["segments"][0]),
        ("## `verify`", &document(&["verify"])),
        ("## `salvage`", &document(&["salvage", "-o", crawl.beside("salvaged").to_str().unwrap()])),
        ("## `drill`", &document(&["drill"])),
        ("## `stats`", &stats),
        ("`markers`:", &stats["markers"]),
        ("`bytes`:", &stats["bytes"]),
        ("## `prune`", &prune),
        ("## `prune`", &document(&["prune", "--yes"])),
        ("A verdict:", &prune["markers"][0]),
        ("## `undelete`", &document(&["undelete", "--all"])),
        ("## `compact`", &document(&["compact"])),
        ("## `copy`, `encrypt`", &document(&["copy", "copied"])),
        ("## `copy`, `encrypt`", &document(&["encrypt", "sealed", "--recipient", &recipient])),
        ("## `key list`, `key add`, `key remove`, `key rotate`", &holders),
        ("A recipient:", &holders["recipients"][0]),
        ("## `key new`", &identity),
        ("A remote copy:", &document(&["stats"])["remotes"][0]),
        ("## `push`", &pushed),
        ("A push:", &pushed["pushes"][0]),
        ("A prune:", &pushed["prunes"][0]),
        ("## `pull`, `clone`", &pulled),
        ("## `pull`, `clone`", &document(&["clone", &bucket, "cloned"])),
        ("## `diff`", &diff),
        ("A point:", &diff["from"]),
        ("`nodes`, `edges`, `state`:", &diff["nodes"]),
        ("An entity:", &diff["entities"][0]),
        ("## An error", &error),
        ("`error`:", &error["error"]),
    ] {
        assert_eq!(keys(found), documented(heading), "{heading}");
    }
}

#[test]
fn the_examples_have_the_described_fields() {
    let described = [
        "## `list`",
        "## `init`",
        "## `mark`, `pin`, `unpin`",
        "## `restore`",
        "## `stats`",
        "## `prune`",
        "## `undelete`",
        "## `compact`",
        "## `copy`, `encrypt`",
        "## `key list`, `key add`, `key remove`, `key rotate`",
        "## `key new`",
        "## `push`",
        "## `pull`, `clone`",
        "## `diff`",
        "## An error",
    ];
    for heading in described {
        let fields = documented(heading);
        assert!(examples().iter().any(|example| keys(example) == fields), "{heading}");
    }
}

//! What ARCHITECTURE.md says of the layers, read off the sources: imports run one way, one module names bincode, few
//! name `std::fs`, and no file grows past what fits a head.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each layer may use besides itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("codec", &[]),
    ("model", &["codec"]),
    ("format", &["codec", "model"]),
    // A storage carries the keys to what is in it, and knows nothing else of that.
    ("storage", &["codec", "format"]),
    ("policy", &["codec", "model"]),
    ("log", &["codec", "model", "format", "storage", "policy"]),
    ("upkeep", &["codec", "model", "format", "storage", "policy", "log"]),
    ("remote", &["codec", "model", "format", "storage", "policy", "log", "upkeep"]),
    ("exchange", &["codec", "model", "format", "storage", "policy", "log", "upkeep"]),
    ("cli", &["codec", "model", "format", "storage", "policy", "log", "upkeep", "remote", "exchange"]),
];

/// The files that may name `std::fs`: the local storage, and those that have to do with the user's own files.
const MAY_NAME_FS: &[&str] = &[
    "storage/local.rs",
    "log/identities.rs",
    "cli/demo/look.rs",
    "cli/files.rs",
    "cli/ingest/input.rs",
    "cli/restore/target.rs",
];

/// Files that may be longer than [`LINES_WANTED`] say so here, until somebody divides them.
const LINES_WANTED: usize = 500;
const LINES_MAX: usize = 600;

/// A source file: its path below `src/` and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module that it is: `["log", "writer", "core"]`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        let mut parts: Vec<&str> = path.split('/').collect();
        if parts.last() == Some(&"mod") {
            parts.pop();
        }
        parts
    }

    fn layer(&self) -> &str {
        self.module()[0]
    }

    fn is_root(&self) -> bool {
        ["lib.rs", "main.rs"].contains(&self.path.as_str())
    }

    /// The lines with their numbers, without comments and without what only documentation says.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
    }
}

fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut dirs = vec![src.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 20, "the sources are somewhere else");
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The layers that a line of `source` names, after `crate::`, `snaplog::` or enough `super::`.
fn layers_named(source: &Source, line: &str) -> Vec<String> {
    let mut named = Vec::new();
    for start in ["crate::", "snaplog::"] {
        for (at, _) in line.match_indices(start) {
            if !line[..at].ends_with(is_word) {
                named.extend(heads(&line[at + start.len()..]));
            }
        }
    }
    let mut rest = line;
    while let Some(at) = rest.find("super::") {
        let ups = rest[at..].split("super::").take_while(|part| part.is_empty()).count().max(1);
        let after = &rest[at + ups * "super::".len()..];
        let depth = source.module().len();
        // In a module inside the file one `super` leads to the file itself: indented lines have one up less.
        let ups = if line.starts_with(' ') { ups.saturating_sub(1) } else { ups };
        if ups >= depth {
            named.extend(heads(after));
        }
        rest = after;
    }
    named
}

/// The first names of a path or of a group `{a::…, b::…}`.
fn heads(path: &str) -> Vec<String> {
    let word = |text: &str| text.trim_start().chars().take_while(|&c| is_word(c)).collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let mut depth = 0;
    let mut heads = vec![word(group)];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    heads
}

#[test]
fn imports_run_one_way() {
    let mut wrong = BTreeSet::new();
    for source in sources().iter().filter(|source| !source.is_root()) {
        let layer = source.layer();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == layer) else {
            panic!("src/{} is in no layer; tell MAY_USE where it belongs", source.path);
        };
        for (number, line) in source.code() {
            for used in layers_named(source, line) {
                let is_layer = MAY_USE.iter().any(|(name, _)| *name == used);
                if is_layer && used != layer && !allowed.contains(&used.as_str()) {
                    wrong.insert(format!("src/{}:{number}: {layer} uses {used}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_layer_uses_only_those_listed_before_it() {
    for (at, (layer, allowed)) in MAY_USE.iter().enumerate() {
        for used in *allowed {
            assert!(MAY_USE[..at].iter().any(|(earlier, _)| earlier == used), "{layer} uses {used}");
        }
    }
}

#[test]
fn paths_are_understood() {
    let at = |path: &str| Source { path: path.to_owned(), text: String::new() };
    let file = at("policy/choose.rs");
    assert_eq!(layers_named(&file, "use crate::log::Log;"), ["log"]);
    assert_eq!(layers_named(&file, "use crate::{log::{Log, view}, model};"), ["log", "model"]);
    assert_eq!(layers_named(&file, "    fn f() -> crate::format::Fault {"), ["format"]);
    assert_eq!(layers_named(&file, "use super::config::Tier;"), [""; 0]);
    assert_eq!(layers_named(&file, "use super::super::log::Log;"), ["log"]);
    assert_eq!(layers_named(&file, "    use super::super::config;"), [""; 0]);
    assert_eq!(layers_named(&at("policy/mod.rs"), "use super::log;"), ["log"]);
    assert_eq!(layers_named(&at("cli/list.rs"), "use snaplog::policy::config;"), ["policy"]);
}

#[test]
fn one_module_names_bincode() {
    for source in sources().iter().filter(|source| source.path != "codec.rs") {
        for (number, line) in source.code() {
            assert!(!line.contains("bincode"), "src/{}:{number} names bincode", source.path);
        }
    }
}

#[test]
fn the_file_system_is_named_where_it_belongs() {
    for source in sources().iter().filter(|source| !MAY_NAME_FS.contains(&source.path.as_str())) {
        for (number, line) in source.code() {
            assert!(!line.contains("std::fs"), "src/{}:{number} names std::fs", source.path);
        }
    }
}

#[test]
fn files_stay_readable() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= LINES_MAX, "src/{} has {lines} lines; {LINES_MAX} is the end", source.path);
        if lines > LINES_WANTED {
            println!("src/{} has {lines} lines; think of dividing it at {LINES_WANTED}", source.path);
        }
    }
}

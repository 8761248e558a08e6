//! What is shown once the crawl is complete: the markers, that all of them are good, and a restore.

use std::path::{Path, PathBuf};

use snaplog::model::marker::Counts;
use snaplog::upkeep::verify::{self, Level, verify};
use snaplog::{Log, Marker, Reader, Selector};

use super::crawl::Crawled;
use crate::cli::Context;
use crate::cli::failure::{Exit, Failure, Report};
use crate::cli::json::DemoDocument;
use crate::cli::list::{documents, quoted, table};
use crate::cli::output::number;
use crate::cli::restore;

/// How many markers are listed.
const MARKERS_SHOWN: usize = 10;
/// The tier whose newest marker is restored.
const TIER: &str = "milestone";

/// A crawl that is complete.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) root: PathBuf,
    /// The log's directory, as the user named it.
    pub(super) dir: PathBuf,
    pub(super) crawled: Crawled,
    pub(super) counts: Counts,
    /// Whether anything was left to do in this run.
    pub(super) is_new: bool,
    pub(super) seconds: f64,
}

impl Done {
    /// Lists, verifies, restores, and says what can be done next.
    pub(super) fn show(&self, log: &Log, context: &Context) -> Result<(), Failure> {
        let whole = |n: i64| u64::try_from(n).unwrap_or_default();
        let unreadable = match self.crawled.errors {
            0 => String::new(),
            n => format!(", {} of them unreadable", number(whole(n))),
        };
        context.out.say(&format!(
            "{} directories{unreadable}: {} nodes and {} edges{}",
            number(whole(self.crawled.directories)),
            number(self.counts.nodes),
            number(self.counts.edges),
            if self.is_new { format!(", in {:.1} s", self.seconds) } else { String::new() }
        ));
        let reader = log.reader()?;
        let markers = documents(&reader);
        let newest = markers.get(markers.len().saturating_sub(MARKERS_SHOWN)..).unwrap_or(&markers);
        if !context.json {
            if newest.len() < markers.len() {
                let all = number(u64::try_from(markers.len()).unwrap_or_default());
                context.out.say(&format!("\nthe newest {MARKERS_SHOWN} of {all} markers, each restorable:"));
            } else {
                context.out.say("\nthe markers, each restorable:");
            }
            context.out.table(&table(newest))?;
        }
        let verified = check(log)?;
        context.out.say(&format!(
            "\nverified: the log was replayed, and at all {} markers the graph is what the marker says ({:.1} s)",
            number(verified.markers_good),
            verified.seconds
        ));
        let (marker, path) = (self.choose(&reader, context)?, restored_path(&self.dir));
        restore::node_link_file(&reader, marker, log, &path, context)?;
        self.tell_restored(marker, &path, context);
        if context.json {
            return context.out.json(&DemoDocument {
                root: self.root.display().to_string(),
                log: self.dir.display().to_string(),
                directories: whole(self.crawled.directories),
                entries: whole(self.crawled.entries),
                unreadable: whole(self.crawled.errors),
                nodes: self.counts.nodes,
                edges: self.counts.edges,
                markers: verified.markers_checked,
                markers_good: verified.markers_good,
                restored: marker.id.to_string(),
                output: path.display().to_string(),
                seconds: self.seconds,
            });
        }
        Ok(())
    }

    /// The newest milestone, or in a small tree the newest marker.
    fn choose<'r>(&self, reader: &'r Reader, context: &Context) -> Result<&'r Marker, Failure> {
        if let Ok(choice) = reader.select(&Selector::Latest, Some(TIER)) {
            return Ok(choice.marker);
        }
        context.out.say(&format!(
            "no {TIER} yet (one comes every 500 nodes, and there are {}): the newest marker is restored instead",
            number(self.counts.nodes)
        ));
        Ok(reader.select(&Selector::Latest, None)?.marker)
    }

    fn tell_restored(&self, marker: &Marker, path: &Path, context: &Context) {
        let tier = if marker.tiers.iter().any(|tier| tier == TIER) { "the newest milestone, " } else { "" };
        let (nodes, edges) = (number(marker.counts.nodes), number(marker.counts.edges));
        let name = path.display().to_string();
        let load = format!(
            "import json, networkx; print(networkx.node_link_graph(json.load(open({name:?})), edges=\"edges\"))"
        );
        context.out.say(&format!(
            "restored {tier}{} ({nodes} nodes, {edges} edges), as {name}\n  NetworkX loads it: python3 -c {}",
            marker.id,
            quoted(&load)
        ));
        context.out.say(&format!(
            "\nnext:\n  {}\n  {}\n  {}",
            command(&self.dir, "list"),
            command(&self.dir, "restore --to complete -o graph.ndjson"),
            command(&self.dir, "stats")
        ));
    }
}

/// That every marker can be restored.
fn check(log: &Log) -> Result<verify::Report, Failure> {
    let report = verify(log, verify::Options { level: Level::Replay, max_duration: None })?;
    if report.sound {
        return Ok(report);
    }
    let mut failure = Report::new(Exit::Damage, "damage", "the log is damaged")
        .hint("`snaplog verify` lists every damaged place and the markers that are still good");
    failure.path = report.faults.first().map(|fault| fault.file.clone());
    failure.causes = report.faults.into_iter().map(|fault| fault.message).collect();
    Err(failure.into())
}

/// Where the restored graph goes: beside the log.
fn restored_path(dir: &Path) -> PathBuf {
    let beside = |dir: &Path| {
        let mut name = dir.file_name()?.to_owned();
        name.push("-restored.json");
        Some(dir.with_file_name(name))
    };
    // `.` and `..` have a name only when they are spelt out.
    beside(dir)
        .or_else(|| beside(&dir.canonicalize().ok()?))
        .unwrap_or_else(|| PathBuf::from("snaplog-restored.json"))
}

/// A command on the log, as it can be typed here: also where the program is not on the path.
pub(super) fn command(dir: &Path, rest: &str) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "snaplog".to_owned());
    format!("{} -d {} {rest}", quoted(&program), quoted(&dir.display().to_string()))
}

/// The failure of a log whose graph is of another kind than a tree's.
pub(super) fn wrong_kind(log: &Log) -> Failure {
    let message = format!("{} holds another kind of graph than `snaplog demo` makes", log.location());
    let report = Report::new(Exit::Failed, "wrong-kind", message).path(log.location());
    report.hint("name a directory that is empty or does not exist yet: `snaplog -d OTHER demo`").into()
}

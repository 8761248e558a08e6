//! Drills: restoring markers to nowhere, to know that they can be restored.
//!
//! `verify` replays the log once and compares all markers on the way. A drill does what a restore does: for each marker
//! it opens the files, takes the cheapest road, builds the graph, compares it with the marker, and then looks at the graph
//! itself, entity by entity. A writer's maintenance runs drills too, which is why they are here and not in `upkeep`.

use std::time::Duration;

use serde::Serialize;

use super::checks::DrillCheck;
use super::environment::Environment;
use super::error::{Error, Result};
use super::reader::Reader;
use crate::model::graph::Graph;
use crate::model::marker::Marker;
use crate::model::position::MarkerId;
use crate::model::time::Timestamp;
use crate::policy::drill::Choice;
use crate::policy::selector::Selector;

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Whether every marker that was restored is what it says.
    pub good: bool,
    /// Whether all that were chosen were restored.
    pub complete: bool,
    /// Markers that were chosen.
    pub markers_chosen: u64,
    /// Those of them that were restored, or could not be.
    pub markers_checked: u64,
    /// Those that could not be restored, or gave something else.
    pub markers_failed: u64,
    /// Each restore, in the order of the drill: the newest marker first.
    pub restores: Vec<Restore>,
    /// Nodes, edges and items of state in all good restores together.
    pub entities: u64,
    /// Those, a second of restoring.
    pub entities_per_second: Option<f64>,
    /// The most memory that the process ever held, in bytes, where the system tells.
    pub peak_memory: Option<u64>,
    /// When it began.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// How long it took.
    pub seconds: f64,
}

/// One marker's restore.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Restore {
    /// The marker.
    pub marker: String,
    /// What it is called by its user.
    pub label: Option<String>,
    /// The event after which it stands.
    pub seq: u64,
    /// Nodes, edges and items that are alive there, by the marker's word.
    pub entities: u64,
    /// How long the restore took.
    pub seconds: f64,
    /// What is wrong, if something is.
    pub fault: Option<Fault>,
}

/// Why a marker failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// A stable name for the kind of fault.
    pub kind: &'static str,
    /// What is wrong, in words.
    pub message: String,
    /// The file, if it is one file.
    pub file: Option<String>,
    /// Where in it, in bytes.
    pub offset: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn as_text<S: serde::Serializer>(time: &Timestamp, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_str(time)
}

/// Restores markers to nowhere. `max_duration`: the marker that is being restored by then is the last one. `stop` is asked
/// before each. It needs memory for one graph at a time.
///
/// # Errors
/// Only what keeps it from beginning: a tier that no marker is of. What goes wrong with a marker is in the report.
pub(crate) fn drill(
    reader: &Reader,
    environment: &dyn Environment,
    choice: &Choice,
    max_duration: Option<Duration>,
    stop: &dyn Fn() -> bool,
) -> Result<Report> {
    let began = environment.now();
    let chosen = choose(reader, environment, choice)?;
    let mut restores: Vec<Restore> = Vec::new();
    for marker in &chosen {
        let late = max_duration.is_some_and(|limit| since(began, environment.now()) >= limit);
        if stop() || late {
            break;
        }
        restores.push(restore(reader, environment, marker));
    }
    if let Some(damage) = reader.damage() {
        // What the newest part of the log held is not known: nothing chosen stands for it.
        restores.push(Restore {
            marker: "latest".to_owned(),
            label: None,
            seq: reader.last_seq().0,
            entities: 0,
            seconds: 0.0,
            fault: Some(fault(damage)),
        });
    }
    let good = || restores.iter().filter(|restore| restore.fault.is_none());
    let entities = good().map(|restore| restore.entities).sum();
    let spent: f64 = good().map(|restore| restore.seconds).sum();
    let failed = restores.len().saturating_sub(good().count());
    Ok(Report {
        good: failed == 0,
        complete: restores.len() >= chosen.len(),
        markers_chosen: count(chosen.len()),
        markers_checked: count(restores.len()),
        markers_failed: count(failed),
        entities,
        entities_per_second: (spent > 0.0).then(|| float(entities) / spent),
        restores,
        peak_memory: environment.peak_memory(),
        time: began,
        seconds: since(began, environment.now()).as_secs_f64(),
    })
}

impl Report {
    /// What goes on record; `before`: what was on record.
    pub(crate) fn check(&self, before: Option<&DrillCheck>) -> DrillCheck {
        let failed = self.restores.iter().filter(|restore| restore.fault.is_some());
        // One that came to nothing proves nothing.
        let proves = self.good && self.markers_checked > 0;
        DrillCheck {
            time: self.time,
            good: self.good,
            complete: self.complete,
            checked: self.markers_checked,
            failed: failed.map(|restore| restore.marker.clone()).collect(),
            seconds: self.seconds,
            last_good: if proves { Some(self.time) } else { before.and_then(|before| before.last_good) },
        }
    }

    /// What is wrong, in a line; nothing if all is well.
    pub fn summary(&self) -> Option<String> {
        let failed: Vec<_> = self.restores.iter().filter(|restore| restore.fault.is_some()).collect();
        let first = failed.first()?;
        let message = first.fault.as_ref().map(|fault| fault.message.as_str()).unwrap_or_default();
        let more = failed.len().saturating_sub(1);
        let others = if more == 0 { String::new() } else { format!(", and {more} more") };
        Some(format!("a drill could not restore {}: {message}{others}", first.marker))
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Exact up to 2^53, and near enough beyond.
fn float(n: u64) -> f64 {
    let (high, low) = (n >> 32, n & u64::from(u32::MAX));
    let part = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    part(high).mul_add(4_294_967_296.0, part(low))
}

fn since(began: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(now.0.saturating_sub(began.0).max(0).cast_unsigned())
}

/// The markers of a choice, the newest first; none that is dropped.
fn choose(reader: &Reader, environment: &dyn Environment, choice: &Choice) -> Result<Vec<Marker>> {
    let mut markers: Vec<Marker> =
        reader.markers().iter().filter(|marker| marker.expired.is_none()).cloned().collect();
    match choice {
        Choice::All => {}
        Choice::Tier(name) => {
            markers.retain(|marker| marker.tiers.iter().any(|tier| tier == name));
            if markers.is_empty() && reader.config().tier(name).is_none() {
                // It says which tiers there are.
                reader.select(&Selector::Latest, Some(name))?;
            }
        }
        Choice::Random(wanted) => {
            let newest = markers.pop();
            let mut drawn: Vec<Marker> = newest.into_iter().collect();
            while count(drawn.len()) < *wanted && !markers.is_empty() {
                let dice =
                    u64::from_le_bytes(environment.random().first_chunk().copied().unwrap_or_default());
                let at = dice.checked_rem(count(markers.len())).unwrap_or_default();
                drawn.push(markers.swap_remove(usize::try_from(at).unwrap_or_default()));
            }
            markers = drawn;
            markers.sort_by_key(|marker| marker.id);
        }
    }
    markers.reverse();
    Ok(markers)
}

fn restore(reader: &Reader, environment: &dyn Environment, marker: &Marker) -> Restore {
    let began = environment.now();
    let outcome = reader.restore_marker(marker);
    let seconds = since(began, environment.now()).as_secs_f64();
    let fault = match outcome {
        // A sum can agree by a writer's mistake that was made in both.
        Ok(restored) => unsound(marker.id, &restored.graph),
        Err(error) => Some(fault(&error)),
    };
    let counts = marker.counts;
    Restore {
        marker: marker.id.to_string(),
        label: marker.label.clone(),
        seq: marker.seq.0,
        entities: counts.nodes.saturating_add(counts.edges).saturating_add(counts.items),
        seconds,
        fault,
    }
}

fn unsound(id: MarkerId, graph: &Graph) -> Option<Fault> {
    let unsound = graph.check_sound().err()?;
    let message = format!("the graph at {id} is none: {unsound}");
    Some(Fault { kind: "unsound-graph", message, file: None, offset: None })
}

fn fault(error: &Error) -> Fault {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let file = error.path().map(|path| path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned());
    Fault { kind: error.kind(), message, file, offset: error.offset() }
}

/// Whether a drill is due.
pub(crate) fn is_due(every: Option<Duration>, last: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(every) = every else { return false };
    // One that lies ahead of the clock was made by a clock that was wrong.
    last.is_none_or(|last| last > now || since(last, now) >= every)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::Image;
    use crate::model::marker::GraphKind;
    use crate::model::row::Row;

    #[test]
    fn a_drill_is_due_when_the_last_one_is_long_enough_ago() {
        let day = Some(Duration::from_hours(24));
        let last = |time| Some(Timestamp(time));
        let now = Timestamp(100_000_000_000);
        assert!(!is_due(None, None, now));
        assert!(is_due(day, None, now));
        assert!(!is_due(day, last(100_000_000_000 - 86_399_999_999), now));
        assert!(is_due(day, last(100_000_000_000 - 86_400_000_000), now));
        assert!(is_due(day, last(100_000_000_001), now), "from the future");
    }

    #[test]
    fn a_graph_with_the_right_sums_is_looked_at_all_the_same() {
        let mut graph = Graph::new(GraphKind { directed: true, multigraph: false });
        let node = Row::Node { id: &[0, 10], attrs: Image::trusted(&[0]) };
        graph.load(0, &node).unwrap();
        assert_eq!(unsound(MarkerId(7), &graph), None);
        graph.load(1, &node).unwrap();
        let fault = unsound(MarkerId(7), &graph).unwrap();
        assert!(fault.kind == "unsound-graph" && fault.message.contains("m7"), "{fault:?}");
    }

    #[test]
    fn large_numbers_become_floats() {
        for (n, f) in [(0, 0.0), (7, 7.0), (1 << 40, 1_099_511_627_776.0), ((1 << 32) + 1, 4_294_967_297.0)] {
            assert!((float(n) - f).abs() < f64::EPSILON, "{n}");
        }
    }
}

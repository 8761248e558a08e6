//! Functions that look at a log, or look after it, without a session.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;

use snaplog::upkeep::diff::report;
use snaplog::upkeep::drill::{Choice, VerifyCheck, last_checks, record_verify};
use snaplog::upkeep::verify::{Level, Options, verify_expecting};
use snaplog::{
    CompactOptions, Digest, Environment, Graph, GraphKind, Log, Maintained, Marker, MarkerId, Reader, Result,
    Selector, Seq, SystemEnvironment, Timestamp,
};

use crate::errors::{OrRaise, exception, own};
use crate::keys::open_local;
use crate::remote::{open_log, open_storage};
use crate::{fill, markers as marker_fields};

/// A graph as it was at a marker.
#[pyclass(frozen, module = "snaplog._native")]
pub(crate) struct Restored {
    graph: Graph,
    kind: GraphKind,
    log_id: String,
    marker: Option<Marker>,
    seq: Seq,
    time: Timestamp,
}

#[pymethods]
impl Restored {
    #[new]
    #[pyo3(signature = (path, to, tier=None))]
    fn new(py: Python<'_>, path: PathBuf, to: &str, tier: Option<&str>) -> PyResult<Self> {
        py.detach(|| Self::load(path, to, tier)).or_raise(py)
    }

    #[getter]
    fn directed(&self) -> bool {
        self.kind.directed
    }

    #[getter]
    fn multigraph(&self) -> bool {
        self.kind.multigraph
    }

    #[getter]
    fn log_id(&self) -> &str {
        &self.log_id
    }

    /// The marker's fields; none if it was asked for a single event and no marker stands there.
    #[getter]
    fn marker<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.marker.as_ref().map(|marker| marker_fields::fields(py, marker)).transpose()
    }

    #[getter]
    fn seq(&self) -> u64 {
        self.seq.0
    }

    /// Microseconds since 1970, UTC.
    #[getter]
    fn time(&self) -> i64 {
        self.time.0
    }

    fn fill(&self, py: Python<'_>, graph: &Bound<'_, PyAny>) -> PyResult<()> {
        fill::fill(py, &self.graph, graph)
    }

    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        fill::state(py, &fill::items(&self.graph))
    }
}

impl Restored {
    fn load(path: PathBuf, to: &str, tier: Option<&str>) -> Result<Self> {
        let log = open_log(&path)?;
        let reader = log.reader()?;
        let selector = Selector::parse(to, log.environment().now(), reader.config().time_zone)?;
        let (kind, log_id) = (reader.kind(), reader.log_id().to_string());
        let (marker, restored) = match selector {
            Selector::Seq(seq) if tier.is_none() => {
                let restored = reader.restore_seq(seq)?;
                (reader.markers().iter().find(|marker| marker.seq == seq).cloned(), restored)
            }
            selector => {
                let marker = reader.select(&selector, tier)?.marker.clone();
                let restored = reader.restore_marker(&marker)?;
                (Some(marker), restored)
            }
        };
        let time = marker.as_ref().map_or(restored.time, |marker| marker.time);
        Ok(Self { graph: restored.graph, kind, log_id, marker, seq: restored.seq, time })
    }
}

/// The fields of all markers, oldest first.
#[pyfunction]
pub(crate) fn markers(py: Python<'_>, path: PathBuf) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = py.detach(|| Result::Ok(open_log(&path)?.reader()?.markers().to_vec())).or_raise(py)?;
    found.iter().map(|marker| marker_fields::fields(py, marker)).collect()
}

/// Verifies; the report as JSON.
#[pyfunction]
pub(crate) fn verify(
    py: Python<'_>,
    path: PathBuf,
    level: &str,
    expect: Vec<String>,
    max_duration: Option<f64>,
) -> PyResult<String> {
    let level = match level {
        "quick" => Level::Quick,
        "checksums" => Level::Checksums,
        "replay" => Level::Replay,
        other => {
            let message =
                format!("there is no level {other:?}: it is \"quick\", \"checksums\" or \"replay\"");
            return Err(own(py, "RefusedError", "usage", &message, None));
        }
    };
    let mut digests = Vec::new();
    for text in &expect {
        digests.push(Digest::parse(text.trim()).ok_or_else(|| {
            let message =
                format!("{text:?} is not a digest: 64 hexadecimal digits, as `snaplog list --digest` shows");
            own(py, "RefusedError", "usage", &message, None)
        })?);
    }
    let max_duration = seconds(py, max_duration)?;
    let work = || {
        let storage = open_storage(&path)?;
        let began = SystemEnvironment.now();
        let options = Options { level, max_duration };
        let report = verify_expecting(&storage, &SystemEnvironment, options, &digests)?;
        if let Ok(log) = Log::open(&path) {
            let (sound, complete) = (report.sound, report.complete);
            let level = format!("{level:?}").to_lowercase();
            record_verify(&log, VerifyCheck { time: began, level, sound, complete });
        }
        Result::Ok(json!(report).to_string())
    };
    py.detach(work).or_raise(py)
}

/// Restores markers to nowhere; the report as JSON.
#[pyfunction]
pub(crate) fn drill(
    py: Python<'_>,
    path: PathBuf,
    markers: &str,
    max_duration: Option<f64>,
) -> PyResult<String> {
    let choice: Choice = match markers.parse() {
        Ok(choice) => choice,
        Err(error) => return Err(own(py, "RefusedError", "usage", &error.to_string(), None)),
    };
    let max_duration = seconds(py, max_duration)?;
    let work =
        || Ok(json!(snaplog::upkeep::drill::drill(&open_log(&path)?, &choice, max_duration)?).to_string());
    py.detach(work).or_raise(py)
}

/// A log in figures, as JSON.
#[pyfunction]
pub(crate) fn stats(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    py.detach(|| Ok(figures(&open_log(&path)?)?.to_string())).or_raise(py)
}

fn figures(log: &Log) -> Result<serde_json::Value> {
    let reader = log.reader()?;
    let (usage, segments, checks) = (log.usage()?, reader.segments(), last_checks(log));
    let last = reader.last_seq();
    let counts = match reader.markers().last().filter(|marker| marker.seq == last) {
        Some(marker) => marker.counts,
        None => reader.restore_seq(last)?.graph.counts(),
    };
    let live: Vec<&Marker> = reader.markers().iter().filter(|marker| marker.expired.is_none()).collect();
    let tiers: Vec<&String> = live.iter().flat_map(|marker| &marker.tiers).collect();
    let of_tier = |tier: &str| tiers.iter().filter(|name| name.as_str() == tier).count();
    let configured = reader.config().tiers.iter().map(|tier| tier.name.clone());
    let by_tier: serde_json::Map<String, serde_json::Value> = configured
        .chain(tiers.iter().map(|tier| (*tier).clone()))
        .map(|tier| (tier.clone(), json!(of_tier(&tier))))
        .collect();
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    Ok(json!({
        "log_id": reader.log_id().to_string(),
        "created": reader.created().to_string(),
        "directed": reader.kind().directed,
        "multigraph": reader.kind().multigraph,
        "last_seq": last.0,
        "nodes": counts.nodes,
        "edges": counts.edges,
        "markers": {
            "total": live.len(),
            "by_tier": by_tier,
            "pinned": live.iter().filter(|marker| marker.pinned).count(),
            "expired": reader.markers().len().saturating_sub(live.len()),
        },
        "bytes": {
            "total": usage.total,
            "events": usage.events,
            "snapshots": usage.snapshots,
            "trash": usage.trash,
            "raw": segments.iter().map(|segment| segment.raw_bytes).sum::<u64>(),
        },
        "segments": segments.len(),
        "compressed_segments": segments.iter().filter(|segment| segment.compressed).count(),
        "last_marker": text(live.last().map(|marker| marker.time)),
        "last_prune": text(reader.last_prune()),
        "last_verify": text(checks.verify.as_ref().map(|check| check.time)),
        "last_verify_sound": checks.verify.as_ref().map(|check| check.sound),
        "last_drill": text(checks.drill.as_ref().map(|check| check.time)),
        "last_drill_good": checks.drill.as_ref().map(|check| check.good),
        "last_good_drill": text(checks.drill.and_then(|check| check.last_good)),
    }))
}

/// Applies retention; what it said of each marker, and what was dropped, as JSON.
#[pyfunction]
pub(crate) fn prune(py: Python<'_>, path: PathBuf, dry_run: bool, now: bool) -> PyResult<String> {
    let work = || {
        let log = open_local(&path)?;
        let reader = log.reader()?;
        // By a snaplog.toml that cannot be read nothing is dropped.
        log.config()?;
        if let Some(fault) = fault(&reader) {
            return Ok(Err(fault));
        }
        let verdicts = reader.retention();
        let is_new = |id: MarkerId| reader.markers().iter().any(|m| m.id == id && m.expired.is_none());
        let drops: Vec<MarkerId> =
            verdicts.iter().filter(|v| !v.keep && is_new(v.id)).map(|verdict| verdict.id).collect();
        let (mut dropped, mut done) = (Vec::new(), Maintained::default());
        if !dry_run {
            if !drops.is_empty() {
                dropped = log.expire(&drops)?;
            }
            if now {
                done = log.compact(CompactOptions {
                    retention: false,
                    now: true,
                    thorough: false,
                    rekey: false,
                })?;
            }
        }
        let markers: Vec<_> = verdicts
            .iter()
            .map(|verdict| {
                let reasons: Vec<String> = verdict.reasons.iter().map(ToString::to_string).collect();
                json!({ "id": verdict.id.to_string(), "keep": verdict.keep, "reasons": reasons })
            })
            .collect();
        Result::Ok(Ok(json!({
            "markers": markers,
            "would_drop": names(&drops),
            "dropped": names(&dropped),
            "reclaimed": names(&done.reclaimed),
            "bytes_freed": done.bytes_removed.saturating_sub(done.bytes_written),
            "done": !dry_run,
        })
        .to_string()))
    };
    py.detach(work).or_raise(py)?
}

/// The exception for what is wrong with the log, as far as a reader sees: nothing is dropped from such a log.
fn fault(reader: &Reader) -> Option<PyErr> {
    let restorable = reader.restorable();
    let missing = restorable.fault().filter(|_| !restorable.is_whole());
    let fault = reader.damage().or(missing)?;
    Some(Python::attach(|py| exception(py, fault)))
}

/// Folds, merges and compresses what is due; what was done, as JSON.
#[pyfunction]
pub(crate) fn compact(py: Python<'_>, path: PathBuf, now: bool) -> PyResult<String> {
    let work = || {
        let log = open_local(&path)?;
        let before = log.usage()?.total;
        let done = log.compact(CompactOptions { retention: true, now, thorough: false, rekey: false })?;
        Result::Ok(
            json!({
                "dropped": names(&done.dropped),
                "reclaimed": names(&done.reclaimed),
                "steps": done.steps,
                "bytes_before": before,
                "bytes_after": log.usage()?.total,
            })
            .to_string(),
        )
    };
    py.detach(work).or_raise(py)
}

fn names(markers: &[MarkerId]) -> Vec<String> {
    markers.iter().map(ToString::to_string).collect()
}

fn seconds(py: Python<'_>, given: Option<f64>) -> PyResult<Option<Duration>> {
    given
        .map(|seconds| {
            Duration::try_from_secs_f64(seconds).map_err(|error| {
                own(py, "RefusedError", "usage", &format!("max_duration={seconds}: {error}"), None)
            })
        })
        .transpose()
}

/// What changed from one point to another, as JSON.
#[pyfunction]
pub(crate) fn diff(py: Python<'_>, path: PathBuf, a: &str, b: &str, entities: bool) -> PyResult<String> {
    let work = || {
        let log = open_log(&path)?;
        let reader = log.reader()?;
        let (now, zone) = (log.environment().now(), reader.config().time_zone);
        let (from, to) = (Selector::parse(a, now, zone)?, Selector::parse(b, now, zone)?);
        Result::Ok(json!(report(&reader, &from, &to, entities)?).to_string())
    };
    py.detach(work).or_raise(py)
}

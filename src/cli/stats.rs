//! `snaplog stats`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use snaplog::remote::{KnownRemote, known_remotes};
use snaplog::upkeep::drill::{Checks, last_checks};
use snaplog::{Environment, Error, GraphKind, Log, Marker, Reader, SystemEnvironment, Timestamp};

use super::Context;
use super::failure::Failure;
use super::json::{ByteTotals, MarkerDocument, MarkerTotals, RemoteDocument, StatsDocument};
use super::list::{documents, soundness};
use super::output::{escaped, number, size};

/// Show the log in figures: graph, markers by tier, sizes
///
/// Nodes and edges are those after the last event. If no marker stands there, the log is replayed to count them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  done
  2  the command line cannot be used
  3  no log there
  4  files of the log are missing or damaged; what is known is shown all the same

Example:
  snaplog -d crawl stats --prometheus > /var/lib/node_exporter/crawl.prom")]
pub(super) struct StatsArgs {
    /// Print metrics in Prometheus' text format
    #[arg(long)]
    prometheus: bool,
}

/// Shows the figures.
pub(super) fn run(args: StatsArgs, context: &Context) -> Result<(), Failure> {
    if args.prometheus && context.json {
        return Err(Failure::usage("--prometheus and --json are two forms of the same: choose one"));
    }
    let log = context.open_log()?;
    let reader = context.reader_of(&log)?;
    let end = End::of(&reader)?;
    let document = collect(&log, &reader, &end)?;
    if context.json {
        context.document(&document)?;
    } else if args.prometheus {
        context.out.data(&prometheus(&document, &log, &reader))?;
    } else {
        let text = for_people(&document, &last_checks(&log), SystemEnvironment.now());
        context.out.data(&escaped(&text))?;
    }
    match end.damage {
        Some(damage) => Err(Failure::of(&damage)),
        None => soundness(&reader),
    }
}

fn collect(log: &Log, reader: &Reader, end: &End) -> Result<StatsDocument, Failure> {
    let markers = documents(reader);
    let GraphKind { directed, multigraph } = reader.kind();
    let (usage, segments) = (log.usage()?, reader.segments());
    let checks = last_checks(log);
    Ok(StatsDocument {
        log_id: reader.log_id().to_string(),
        created: reader.created().to_string(),
        directed,
        multigraph,
        last_seq: reader.last_seq().0,
        nodes: end.nodes,
        edges: end.edges,
        markers: count(&markers, reader),
        bytes: ByteTotals {
            total: usage.total,
            events: usage.events,
            snapshots: usage.snapshots,
            trash: usage.trash,
            raw: segments.iter().map(|segment| segment.raw_bytes).sum(),
        },
        segments: length(segments.len()),
        compressed_segments: length(segments.iter().filter(|segment| segment.compressed).count()),
        last_marker: newest(reader).map(|marker| marker.time.to_string()),
        last_prune: reader.last_prune().map(|time| time.to_string()),
        last_verify: checks.verify.as_ref().map(|check| check.time.to_string()),
        last_verify_sound: checks.verify.as_ref().map(|check| check.sound),
        last_drill: checks.drill.as_ref().map(|check| check.time.to_string()),
        last_drill_good: checks.drill.as_ref().map(|check| check.good),
        last_good_drill: checks.drill.and_then(|check| check.last_good).map(|time| time.to_string()),
        remotes: remotes(log, reader)?,
    })
}

/// How far the remote copies are behind.
fn remotes(log: &Log, reader: &Reader) -> Result<Vec<RemoteDocument>, Failure> {
    let last = reader.last_seq().0;
    let document = |KnownRemote { remote, number, last_seq }| RemoteDocument {
        remote,
        number,
        last_seq,
        events_behind: last.saturating_sub(last_seq),
    };
    Ok(known_remotes(log)?.into_iter().map(document).collect())
}

/// The newest marker that is not dropped.
fn newest(reader: &Reader) -> Option<&Marker> {
    reader.markers().iter().rfind(|marker| marker.expired.is_none())
}

/// What is alive after the last event; unknown if the log cannot be read to there.
#[derive(Debug, Default)]
struct End {
    nodes: Option<u64>,
    edges: Option<u64>,
    /// Why it is not known, if events are damaged.
    damage: Option<Error>,
}

impl End {
    fn of(reader: &Reader) -> Result<Self, Failure> {
        let last = reader.last_seq();
        if !reader.restorable().is_whole() {
            return Ok(Self::default());
        }
        let counts = match reader.markers().last().filter(|marker| marker.seq == last) {
            Some(marker) => marker.counts,
            None => match reader.restore_seq(last) {
                Ok(restored) => restored.graph.counts(),
                Err(damage) if damage.is_damage() => {
                    return Ok(Self { damage: Some(damage), ..Self::default() });
                }
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Self { nodes: Some(counts.nodes), edges: Some(counts.edges), damage: None })
    }
}

fn count(markers: &[MarkerDocument], reader: &Reader) -> MarkerTotals {
    let tiers = reader.config().tiers.iter().map(|tier| (tier.name.clone(), 0));
    let mut by_tier: BTreeMap<String, u64> = tiers.collect();
    let live: Vec<&MarkerDocument> = markers.iter().filter(|marker| marker.expired.is_none()).collect();
    for tier in live.iter().flat_map(|marker| &marker.tiers) {
        let count = by_tier.entry(tier.clone()).or_default();
        *count = count.saturating_add(1);
    }
    let of = |is: fn(&MarkerDocument) -> bool| length(live.iter().filter(|marker| is(marker)).count());
    MarkerTotals {
        total: length(live.len()),
        by_tier,
        pinned: of(|marker| marker.pinned),
        expired: length(markers.len().saturating_sub(live.len())),
        restorable: of(|marker| marker.restorable),
    }
}

fn length(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn for_people(stats: &StatsDocument, checks: &Checks, now: Timestamp) -> String {
    let StatsDocument { markers, bytes, .. } = stats;
    let kind = GraphKind { directed: stats.directed, multigraph: stats.multigraph };
    let known = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), number);
    let tiers: Vec<String> =
        markers.by_tier.iter().map(|(tier, n)| format!("{tier} {}", number(*n))).collect();
    let plus = |n: u64, what: &str| if n == 0 { String::new() } else { format!(", {} {what}", number(n)) };
    let lost = plus(markers.total.saturating_sub(markers.restorable), "not restorable");
    let never = |time: &Option<String>| time.clone().unwrap_or_else(|| "never".to_owned());
    let lines = [
        ("log", format!("{}, of {}", stats.log_id, super::init::name(kind))),
        ("created", stats.created.clone()),
        ("events", number(stats.last_seq)),
        ("nodes", known(stats.nodes)),
        ("edges", known(stats.edges)),
        (
            "markers",
            format!(
                "{}{}{}{lost}",
                number(markers.total),
                plus(markers.pinned, "pinned"),
                plus(markers.expired, "dropped that can be had back"),
            ),
        ),
        ("  by tier", tiers.join(", ")),
        ("last marker", never(&stats.last_marker)),
        ("size", size(bytes.total)),
        (
            "  segments",
            format!("{}, {} of them compressed", number(stats.segments), number(stats.compressed_segments)),
        ),
        ("  raw", format!("{}{}", size(bytes.raw), ratio(bytes))),
        ("  events", size(bytes.events)),
        ("  snapshots", size(bytes.snapshots)),
        ("  trash", size(bytes.trash)),
        ("last prune", never(&stats.last_prune)),
        (
            "last verify",
            check(checks.verify.as_ref().map(|check| (check.time, check.sound, check.complete)), now),
        ),
        (
            "last drill",
            check(checks.drill.as_ref().map(|check| (check.time, check.good, check.complete)), now),
        ),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        let _ = writeln!(text, "{name:<12} {value}");
    }
    for RemoteDocument { remote, number: push, events_behind, .. } in &stats.remotes {
        let _ = match events_behind {
            0 => writeln!(text, "{:<12} {remote}, up to date (push {push})", "remote"),
            n => writeln!(text, "{:<12} {remote}, {} events behind (push {push})", "remote", number(*n)),
        };
    }
    text
}

/// When something was checked, how that went, and how long ago it is.
fn check(check: Option<(Timestamp, bool, bool)>, now: Timestamp) -> String {
    let Some((time, good, complete)) = check else { return "never".to_owned() };
    let verdict = match (good, complete) {
        (false, _) => "FAILED",
        (true, true) => "good",
        (true, false) => "good as far as time allowed",
    };
    let minutes = now.0.saturating_sub(time.0).max(0) / 60_000_000;
    let (n, unit) = match minutes {
        ..1 => return format!("{time}, {verdict}, just now"),
        1..60 => (minutes, "minute"),
        60..2880 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    format!("{time}, {verdict}, {n} {unit}{} ago", if n == 1 { "" } else { "s" })
}

/// How many bytes there would be for each one that is stored, in tenths.
fn ratio(bytes: &ByteTotals) -> String {
    let stored = bytes.events.saturating_add(bytes.snapshots);
    match bytes.raw.saturating_mul(10).checked_div(stored) {
        Some(tenths) => format!(" before compression, ratio {}.{}", tenths / 10, tenths % 10),
        None => String::new(),
    }
}

fn prometheus(stats: &StatsDocument, log: &Log, reader: &Reader) -> String {
    let id = &stats.log_id;
    let mut text = String::new();
    let mut metric = |name: &str, help: &str, samples: &[(String, String)]| {
        if !samples.is_empty() {
            let _ = writeln!(text, "# HELP snaplog_{name} {help}\n# TYPE snaplog_{name} gauge");
        }
        for (labels, value) in samples {
            let _ = writeln!(text, "snaplog_{name}{{log=\"{id}\"{labels}}} {value}");
        }
    };
    let one = |n: Option<u64>| n.map(|n| (String::new(), n.to_string())).into_iter().collect::<Vec<_>>();
    let labelled = |label: &str, value: &str, n: u64| {
        (
            format!(",{label}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")),
            n.to_string(),
        )
    };
    metric("last_seq", "Position of the last event.", &one(Some(stats.last_seq)));
    let behind = |remote: &RemoteDocument| labelled("remote", &remote.remote, remote.events_behind);
    let behind: Vec<_> = stats.remotes.iter().map(behind).collect();
    metric("remote_events_behind", "Events that a remote copy is known to lack.", &behind);
    metric("nodes", "Nodes after the last event.", &one(stats.nodes));
    metric("edges", "Edges after the last event.", &one(stats.edges));
    metric("markers", "Markers that can be chosen.", &one(Some(stats.markers.total)));
    metric("markers_restorable", "Markers whose files are all there.", &one(Some(stats.markers.restorable)));
    metric("markers_pinned", "Markers that are pinned.", &one(Some(stats.markers.pinned)));
    let dropped = [(String::new(), stats.markers.expired.to_string())];
    metric("markers_dropped", "Markers that were dropped and can be had back.", &dropped);
    let tiers: Vec<_> = stats.markers.by_tier.iter().map(|(tier, n)| labelled("tier", tier, *n)).collect();
    metric("tier_markers", "Markers by tier; a marker may be of several.", &tiers);
    let ByteTotals { total, events, snapshots, trash, raw } = stats.bytes;
    metric("bytes", "Size of all files of the log.", &one(Some(total)));
    let parts = [("events", events), ("snapshots", snapshots), ("trash", trash)];
    metric("part_bytes", "Size of files by kind.", &parts.map(|(part, n)| labelled("part", part, n)));
    metric("raw_bytes", "Size of the segments before compression.", &one(Some(raw)));
    metric("segments", "Segments.", &one(Some(stats.segments)));
    metric("segments_compressed", "Segments that are compressed.", &one(Some(stats.compressed_segments)));
    let at = |time: Option<Timestamp>| {
        time.map(|time| (String::new(), seconds(time.0))).into_iter().collect::<Vec<_>>()
    };
    let checks = last_checks(log);
    let good_drill = checks.drill.as_ref().and_then(|check| check.last_good);
    let newest = newest(reader).map(|marker| marker.time);
    metric("last_marker_timestamp_seconds", "Time of the newest marker.", &at(newest));
    metric("last_prune_timestamp_seconds", "When markers were last dropped.", &at(reader.last_prune()));
    let verified = checks.verify.filter(|check| check.sound).map(|check| check.time);
    metric(
        "last_verify_timestamp_seconds",
        "When the log was last verified, if it was sound.",
        &at(verified),
    );
    metric("last_good_drill_timestamp_seconds", "When the last good drill began.", &at(good_drill));
    let sound = u64::from(reader.restorable().is_whole());
    metric("sound", "1 if all files are there with sound headers, 0 if not.", &one(Some(sound)));
    text
}

/// Microseconds as a decimal number of seconds.
pub(super) fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

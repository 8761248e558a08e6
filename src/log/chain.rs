//! Chains: the increments that lead from the empty graph to a position, and the graph that they give.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Builder;

use super::compaction::Source;
use super::error::{Error, Result};
use super::snapshot::SnapshotFile;
use super::spans;
use super::view::View;
use crate::format::Fault;
use crate::format::snapshot::{Chunk, DecodedChunk, Increment, Stand};
use crate::model::graph::Graph;
use crate::model::position::{SegmentId, Seq};
use crate::model::record::Inconsistency;
use crate::model::row::RowKind;
use crate::policy::compaction::cheapest_path;

/// Chunks are decoded by this many threads at most, beside the one that puts them into the graph.
const MAX_THREADS: usize = 4;
/// Less than this, in stored bytes, is not worth a thread.
const THREADS_FROM_BYTES: u64 = 1 << 20;

/// What is to be done next.
#[derive(Clone, Copy)]
struct Task<'a> {
    file: &'a SnapshotFile,
    increment: &'a Increment,
    /// The chunk to read; `None`: the increment ends here.
    chunk: Option<&'a Chunk>,
    /// Whether only the tombstones are carried out.
    deaths_only: bool,
}

/// Puts the increments of `chain` into `graph`, which is as the first of them expects it; `reached` is called at the end
/// of each. While the graph tracks its sums, they hold there.
pub(crate) fn load(
    chain: &[Source],
    graph: &mut Graph,
    mut reached: impl FnMut(&mut Graph, &Stand) -> Result<()>,
) -> Result<()> {
    let mut tasks = Vec::new();
    for source in chain {
        let Source::File { file, at } = source else { continue };
        let Some(increment) = file.footer.increments.get(*at) else { continue };
        let task = |chunk, deaths_only| Task { file, increment, chunk, deaths_only };
        let of = |kind: RowKind| increment.chunks.iter().filter(move |chunk| chunk.kind == kind);
        tasks.extend(of(RowKind::Name).map(|chunk| task(Some(chunk), false)));
        // The death of an edge is taken out of the sums by the ids of its ends: before they die in their turn.
        let with_deaths = of(RowKind::Edge).filter(|chunk| chunk.tombstones > 0);
        tasks.extend(with_deaths.map(|chunk| task(Some(chunk), true)));
        for kind in [RowKind::Node, RowKind::Edge, RowKind::Item, RowKind::Graph] {
            tasks.extend(of(kind).map(|chunk| task(Some(chunk), false)));
        }
        tasks.push(task(None, false));
    }
    decode_in_order(&tasks, |task, decoded| {
        if let (Some(chunk), Some(decoded)) = (task.chunk, decoded) {
            return put(task, chunk, &decoded, graph);
        }
        let to = &task.increment.to;
        let damage = |inconsistency: Inconsistency| task.file.damage(0, Fault::Inconsistent(inconsistency));
        graph.finish_load(to.ordinals, to.counts.high_water).map_err(damage)?;
        if graph.counts() != to.counts {
            let what = "an increment gives other numbers of nodes, edges or items than it says";
            return Err(task.file.damage(0, Fault::Meaning { what }));
        }
        reached(graph, to)
    })
}

fn put(task: &Task<'_>, chunk: &Chunk, decoded: &DecodedChunk, graph: &mut Graph) -> Result<()> {
    let damage = |inconsistency: Inconsistency| {
        let offset = chunk.offset;
        task.file.damage(offset, Fault::Inconsistent(inconsistency))
    };
    for at in 0..decoded.len() {
        let Some(entry) = decoded.entry(at) else { continue };
        match entry.row {
            Some(row) if !task.deaths_only => graph.load(entry.ordinal, &row).map_err(damage)?,
            None if (task.deaths_only || chunk.kind != RowKind::Edge)
                && !graph.unload(chunk.kind, entry.ordinal) =>
            {
                let what = "an entity that an increment removes";
                return Err(damage(Inconsistency::NotAlive { what, ordinal: entry.ordinal }));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Decodes all chunks, in several threads if there is much to do, and hands them out in order.
fn decode_in_order<'a>(
    tasks: &[Task<'a>],
    mut take: impl FnMut(&Task<'a>, Option<DecodedChunk>) -> Result<()>,
) -> Result<()> {
    let stored = tasks
        .iter()
        .filter_map(|task| task.chunk)
        .flat_map(|chunk| &chunk.columns)
        .map(|block| u64::from(block.stored));
    // Asking how many processors there are reads files of the system: more than a small restore costs.
    let is_small = stored.sum::<u64>() < THREADS_FROM_BYTES;
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if is_small { 1 } else { processors().min(MAX_THREADS) };
    if threads == 1 {
        for task in tasks {
            take(task, decode(task)?)?;
        }
        return Ok(());
    }
    std::thread::scope(|scope| {
        // Thread k decodes every threads-th chunk from the k-th on, a few ahead of their turn. A thread that cannot be had
        // leaves its chunks to this one.
        let lanes: Vec<Option<Receiver<_>>> = (0..threads)
            .map(|lane| {
                let (to, from) = sync_channel(4);
                let decode_all = move || {
                    for task in tasks.iter().skip(lane).step_by(threads) {
                        // Nobody takes it any more: something went wrong elsewhere.
                        if to.send(decode(task)).is_err() {
                            return;
                        }
                    }
                };
                Builder::new().spawn_scoped(scope, decode_all).is_ok().then_some(from)
            })
            .collect();
        for (task, lane) in tasks.iter().zip(lanes.iter().cycle()) {
            let gone = |_| task.file.damage(0, Fault::Meaning { what: "a chunk was not decoded" });
            let decoded = match lane {
                Some(lane) => lane.recv().map_err(gone)?,
                None => decode(task),
            };
            take(task, decoded?)?;
        }
        Ok(())
    })
}

fn decode(task: &Task<'_>) -> Result<Option<DecodedChunk>> {
    task.chunk.map(|chunk| task.file.rows(task.increment, chunk)).transpose()
}

/// The increments that lead to the position `at`, and no events: the cheapest chain of them.
pub(crate) fn to(view: &View, at: Seq) -> Result<Vec<Source>> {
    let (increments, _) = spans::spans(&view.in_force.manifest);
    let path = cheapest_path(&increments, &[], at)
        .ok_or(Error::Folded { asked: at, kept_from: view.kept_from() })?;
    open(view, &path.increments)
}

/// Opens the files of increments, given by their places in the manifest: each file once, and all before anything is read.
pub(crate) fn open(view: &View, increments: &[usize]) -> Result<Vec<Source>> {
    let manifest = &view.in_force.manifest;
    let places =
        || manifest.snapshots.iter().flat_map(|entry| (0..entry.increments.len()).map(move |at| (entry, at)));
    let places: Vec<_> = places().collect();
    let mut opened: HashMap<SegmentId, Arc<SnapshotFile>> = HashMap::new();
    let mut sources = Vec::with_capacity(increments.len());
    for (entry, at) in increments.iter().filter_map(|place| places.get(*place)) {
        let file = if let Some(file) = opened.get(&entry.id) {
            Arc::clone(file)
        } else {
            let log_id = view.in_force.log_id;
            let file = SnapshotFile::open(view.storage.as_ref(), log_id, manifest.kind, entry)?;
            Arc::clone(opened.entry(entry.id).or_insert_with(|| Arc::new(file)))
        };
        sources.push(Source::File { file, at: *at });
    }
    Ok(sources)
}

/// Where a chain has come to.
pub(crate) fn end_of(chain: &[Source]) -> Stand {
    chain.last().and_then(Source::increment).map_or_else(Stand::empty, |increment| increment.to.clone())
}

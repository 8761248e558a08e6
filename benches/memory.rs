//! What the graph in a writer's memory takes beyond its payload, for each node and each edge, counted by the allocator.
//!
//! The payload is what the log stores of an entity: the encoded id (or, of a parallel edge, slot and key) and the
//! encoded attributes. What is beyond it is tables, the blobs' own heads and the index that events are resolved
//! against; the promise is about 100 bytes a node and 60 an edge. `malloc` is what is beyond the payload with the
//! rounding and the heads that glibc adds to each allocation; `peak` is the most that was held while growing.
//!
//! ```console
//! $ SNAPLOG_BENCH_SCALE=0.1 cargo bench --bench memory
//! ```
#![expect(
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program that measures, and rounds what it prints"
)]

#[path = "../tests/support/counting.rs"]
mod counting;
#[path = "common/lines.rs"]
mod lines;

use std::error::Error;

use lines::Line;
use snaplog::codec::Encoder;
use snaplog::model::graph::{Changes, Graph};
use snaplog::{Event, GraphKind, IdRef};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let scale: f64 = std::env::var("SNAPLOG_BENCH_SCALE").map_or(Ok(1.0), |text| text.parse())?;
    let nodes = ((200_000.0 * scale) as usize).max(100);
    println!("the writer's graph: {nodes} nodes, {} edges, bytes of each", nodes * 5);
    println!("{:<40}{:>9}{:>9}{:>9}{:>9}{:>9}", "", "payload", "held", "beyond", "malloc", "peak");
    for (directed, multigraph) in [(true, false), (false, false), (true, true), (false, true)] {
        let kind = GraphKind { directed, multigraph };
        let name = format!(
            "{}{}",
            if directed { "directed" } else { "undirected" },
            if multigraph { ", multigraph" } else { "" }
        );
        measure(&name, kind, nodes)?;
    }
    Ok(())
}

fn measure(name: &str, kind: GraphKind, nodes: usize) -> Outcome<()> {
    let start = Start::now();
    let mut graph = Graph::new(kind);
    graph.track_fingerprint(true);
    let mut changes = Changes::new();
    let text = "x".repeat(270);

    let (outcome, peak) = counting::peak(|| {
        (0..nodes).try_for_each(|n| {
            let event = Event::node(id(n)).with("name", format!("{n:08}")).with("text", text.as_str());
            put(&mut graph, &event, &mut changes)
        })
    });
    outcome?;
    let held = start.held();
    let payload: usize = graph.nodes().map(|node| encoded(node.id()) + image(node.attrs().iter())).sum();
    show(&format!("{name}: node"), payload, held, peak, nodes)?;

    // Five distinct targets for each source; then five more, of edges that do not fit into their row of the table.
    let short = |event: Event, n: usize| event.with("weight", n as f64 / 8.0);
    let long = |event: Event, n: usize| short(event, n).with("type", "x".repeat(40));
    measure_edges(&format!("{name}: edge"), &mut graph, nodes, 7, short)?;
    measure_edges(&format!("{name}: longer edge"), &mut graph, nodes, 11, long)?;
    let alive = usize::try_from(graph.counts().edges)?;

    let before = Start::now();
    let (outcome, peak) =
        counting::peak(|| put(&mut graph, &Event::DeleteNode { id: id(0).into() }, &mut changes));
    outcome?;
    let held = before.held();
    show(&format!("{name}: first death, an edge"), 0, held, peak, alive)
}

/// Five edges from each node, whose targets are `stride` apart.
fn measure_edges(
    what: &str,
    graph: &mut Graph,
    nodes: usize,
    stride: usize,
    with: impl Fn(Event, usize) -> Event,
) -> Outcome<()> {
    let mut changes = Changes::new();
    let (start, first) = (Start::now(), graph.ordinals().edge);
    let (outcome, peak) = counting::peak(|| {
        (0..nodes * 5).try_for_each(|n| {
            let src = n / 5;
            let dst = (src + stride - 6 + n % 5 * stride) % nodes;
            put(graph, &with(Event::edge(id(src), id(dst)), n), &mut changes)
        })
    });
    outcome?;
    let held = start.held();
    // A parallel edge stores its slot and its key too.
    let of = |key: Option<IdRef<'_>>| key.map_or(0, |key| encoded(key) + 3);
    let (mut payload, mut count) = (0, 0);
    for edge in graph.edges().filter(|edge| edge.ord() >= first) {
        payload += of(edge.key()) + image(edge.attrs().iter());
        count += 1;
    }
    show(what, payload, held, peak, count)
}

fn put(graph: &mut Graph, event: &Event, changes: &mut Changes) -> Outcome<()> {
    graph.resolve(event, changes)?;
    for record in changes.records() {
        graph.apply(&record)?;
    }
    Ok(())
}

fn id(n: usize) -> String {
    format!("node-{n:08}")
}

fn encoded(id: IdRef<'_>) -> usize {
    let mut to = Encoder::new();
    id.encode(&mut to);
    to.len()
}

/// Bytes of an image: a count, and for each attribute its name's ordinal and its value.
fn image<'a>(attrs: impl Iterator<Item = (&'a str, &'a [u8])>) -> usize {
    1 + attrs.map(|(_, value)| 1 + value.len()).sum::<usize>()
}

/// What was held when a stage began.
struct Start {
    live: i64,
    in_malloc: i64,
}

/// What a stage has added: bytes asked for, and bytes with what malloc adds.
#[derive(Clone, Copy)]
struct Held {
    live: i64,
    in_malloc: i64,
}

impl Start {
    fn now() -> Self {
        Self { live: counting::live(), in_malloc: counting::live_in_malloc() }
    }

    fn held(&self) -> Held {
        Held { live: counting::live() - self.live, in_malloc: counting::live_in_malloc() - self.in_malloc }
    }
}

fn show(what: &str, payload: usize, held: Held, peak: i64, count: usize) -> Outcome<()> {
    let each = |bytes: f64| bytes / count as f64;
    let (payload, live) = (each(payload as f64), each(held.live as f64));
    let (in_malloc, peak) = (each(held.in_malloc as f64) - payload, each(peak as f64));
    println!("{what:<40}{payload:>9.1}{live:>9.1}{:>9.1}{in_malloc:>9.1}{peak:>9.1}", live - payload);
    let one = Line { bench: "memory", subject: what, n: count as u64, unit: "bytes", ..Line::default() };
    for (case, figure) in [("payload", payload), ("beyond it", live - payload), ("with malloc's", in_malloc)]
    {
        Line { case, ..one }.with(&[figure]).emit()?;
    }
    Ok(())
}

//! The failure that an input is which could not be read to its end.

use std::error::Error as _;

use snaplog::GraphKind;
use snaplog::exchange::Fault;
use snaplog::exchange::ingest::{BadLine, Cause, LineFault, Stopped};

use crate::cli::failure::{Exit, Failure, Report};
use crate::cli::output::number;

/// Keys that stand first in a node-link document, and in no event.
const NODE_LINK_KEYS: [&str; 5] = ["directed", "multigraph", "nodes", "edges", "links"];

/// What to tell of the input `title`.
pub(super) fn failure(stopped: Stopped, title: &str) -> Failure {
    let Stopped { report, cause } = stopped;
    let durable = format!("everything before it is in the log ({} events read)", number(report.events_read));
    let told = |kind: &'static str, text: String| {
        let mut told = Report::new(Exit::Failed, kind, format!("{title}: {text}")).path(title);
        told.line = cause.line();
        told
    };
    let text = cause.to_string();
    let told = match &cause {
        Cause::Log(error) => return Failure::of(error),
        Cause::Bad(bad) if looks_like_node_link(bad) => told("bad-line", text)
            .hint("this looks like NetworkX's node-link JSON: --format node-link reads it"),
        Cause::Bad(_) => told("bad-line", text).hint(format!(
            "{durable}: mend the line and send the file again, or pass --skip-bad to count such lines and go on"
        )),
        Cause::LineTooLong { .. } => {
            told("line-too-long", text).hint(format!("{durable}; is it one event a line?"))
        }
        Cause::Document(_) => told("bad-document", text).hint(durable),
        Cause::Kind { document, .. } => told("wrong-kind", text)
            .hint(format!("`snaplog init DIR{}` makes a log for it", init_flags(*document))),
        other => {
            let told = told("io", text).hint(durable);
            match other.source() {
                Some(source) => told.caused_by(source),
                None => told,
            }
        }
    };
    told.into()
}

fn looks_like_node_link(bad: &BadLine) -> bool {
    match &bad.fault {
        LineFault::Text(Fault::Unknown { name, .. }) => {
            bad.line == 1 && NODE_LINK_KEYS.contains(&name.as_str())
        }
        _ => false,
    }
}

/// What `init` is to be told to make a log of that kind.
fn init_flags(kind: GraphKind) -> String {
    let direction = if kind.directed { " --directed" } else { " --undirected" };
    let parallel = if kind.multigraph { " --multigraph" } else { "" };
    format!("{direction}{parallel}")
}

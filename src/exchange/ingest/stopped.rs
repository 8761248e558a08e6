//! Why reading an input stopped.

use std::fmt;
use std::io;

use super::Report;
use crate::exchange::fault::{Fault, Place};
use crate::exchange::ndjson::LineError;
use crate::exchange::node_link::NodeLinkError;
use crate::log::Error;
use crate::model::event::Refusal;
use crate::model::marker::GraphKind;

/// Reading ended before the input did. What was read before is durable, unless the cause is the log itself.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Stopped {
    /// How far it went.
    pub report: Box<Report>,
    /// Why.
    #[source]
    pub cause: Cause,
}

/// Why reading ended before the input did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// A line, or an element of a document, that cannot be used.
    #[error(transparent)]
    Bad(BadLine),
    /// A line longer than any that could be used.
    #[error("line {line} is longer than {max} bytes")]
    LineTooLong {
        /// Its number, from 1.
        line: u64,
        /// The bound.
        max: u64,
    },
    /// The document is not what it should be.
    #[error(transparent)]
    Document(Box<NodeLinkError>),
    /// The document holds another kind of graph than the log.
    #[error("the document holds {}, the log {}", in_words(*.document), in_words(*.log))]
    Kind {
        /// The document's.
        document: GraphKind,
        /// The log's.
        log: GraphKind,
    },
    /// The input cannot be read.
    #[error("the input cannot be read after line {line}")]
    Read {
        /// The last line that was read; 0 before the first.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] Error),
}

impl Cause {
    /// Where in the input, in lines from 1.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Bad(bad) => Some(bad.line),
            Self::LineTooLong { line, .. } => Some(*line),
            Self::Document(error) => Some(error.place.line),
            Self::Kind { .. } | Self::Read { .. } | Self::Log(_) => None,
        }
    }
}

/// A line, or an element of a document, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {fault}", in_line(*.column))]
pub struct BadLine {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters, where it is known.
    pub column: Option<u64>,
    /// What is wrong.
    pub fault: LineFault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineFault {
    /// It is not what a line should be.
    Text(Fault),
    /// The graph refuses its event.
    Refused(Refusal),
    /// The marker that it asks for cannot be placed.
    Marker(String),
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(fault) => fault.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Marker(message) => f.write_str(message),
        }
    }
}

impl BadLine {
    pub(super) fn unreadable(line: u64, error: LineError) -> Self {
        Self { line, column: Some(error.column), fault: LineFault::Text(error.fault) }
    }

    /// What the log said to the content of `line`, if it is about that and not about the log.
    pub(super) fn refused(line: u64, error: Error) -> Result<Self, Error> {
        let fault = match error {
            Error::Refused(refusal) => LineFault::Refused(refusal),
            Error::BadMarker { message } => LineFault::Marker(message),
            other => return Err(other),
        };
        Ok(Self { line, column: None, fault })
    }

    pub(super) fn refused_at(place: Place, refusal: Refusal) -> Self {
        Self { line: place.line, column: Some(place.column), fault: LineFault::Refused(refusal) }
    }
}

fn in_line(column: Option<u64>) -> String {
    column.map(|column| format!(", column {column}")).unwrap_or_default()
}

fn in_words(kind: GraphKind) -> &'static str {
    match (kind.directed, kind.multigraph) {
        (true, false) => "a directed graph",
        (false, false) => "an undirected graph",
        (true, true) => "a directed multigraph",
        (false, true) => "an undirected multigraph",
    }
}

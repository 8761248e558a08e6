//! Replaying a log that is verified, and comparing the graph with every marker.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Clock, Finding, Inspection, finding};
use crate::format::Fault;
use crate::format::names;
use crate::log::{Error, Place, Replay, Result, Until, Visitor, chain, check_marker};
use crate::model::graph::Graph;
use crate::model::marker::Marker;
use crate::model::position::{MarkerId, Seq};

impl Inspection<'_> {
    /// Replays the log and compares the graph with every marker.
    ///
    /// One pass goes to the end of the log and compares all markers that it comes by. Where a full snapshot begins a new
    /// chain, the markers on the older ones are not on that road: further passes go to the last one of those.
    pub(super) fn replay(&mut self) -> Result<()> {
        let mut compared = BTreeSet::new();
        let mut until = Until::End;
        loop {
            self.pass(until, &mut compared)?;
            if !self.complete {
                break;
            }
            let unseen = |marker: &&Marker| !compared.contains(&marker.id) && !self.lost.contains(&marker.id);
            let Some(marker) = self.view.markers.iter().rev().find(unseen) else { break };
            let (id, seq) = (marker.id, marker.seq);
            if until == Until::Seq(seq) {
                // The road to it was gone without coming by it.
                self.not_there(id);
            }
            until = Until::Seq(seq);
        }
        self.compared = Some(compared);
        Ok(())
    }

    fn not_there(&mut self, id: MarkerId) {
        self.faults.push(Finding {
            file: names::manifest(self.view.in_force.manifest.generation),
            offset: None,
            kind: "missing-marker",
            message: format!("{id} is listed, but its frame is not in the log"),
            markers: vec![id.to_string()],
        });
        self.lost.insert(id);
    }

    fn pass(&mut self, until: Until, compared: &mut BTreeSet<MarkerId>) -> Result<()> {
        let target = match until {
            Until::Seq(seq) => seq,
            Until::End | Until::Time(_) => self.view.last_seq(),
        };
        let Some(path) = self.view.path(target) else {
            let kept_from = self.view.kept_from();
            self.cut(&Error::Folded { asked: target, kept_from }, Seq(target.0.saturating_sub(1)));
            return Ok(());
        };
        let mut visitor = Comparer {
            listed: &self.view.markers,
            clock: self.clock,
            limit: self.limit,
            late: false,
            wrong: Vec::new(),
            compared,
        };
        let mut graph = Graph::new(self.view.in_force.manifest.kind);
        graph.track_fingerprint(true);
        let view = self.view;
        let loaded = chain::open(view, &path.increments).and_then(|sources| {
            chain::load(&sources, &mut graph, |graph, stand| visitor.at(graph, stand.seq))?;
            Ok(chain::end_of(&sources))
        });
        let from = match loaded {
            Ok(stand) => stand,
            Err(_) if visitor.late => {
                self.complete = false;
                return Ok(());
            }
            // Which increments are damaged, their checksums and sums have told.
            Err(error) if error.is_unreadable() => {
                let touched = self.view.markers.iter().filter(|marker| {
                    let road = self.view.path(marker.seq);
                    !visitor.compared.contains(&marker.id)
                        && road.is_some_and(|road| !road.increments.is_empty())
                });
                let touched = touched.map(|marker| marker.id).collect();
                self.fault(&error, touched);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut replay = Replay::from(graph, from.seq.next(), from.time);
        // Markers that stand where the replay ends are looked at as well.
        let until = if target == self.view.last_seq() { Until::End } else { until };
        let outcome = replay.run(view, until, &mut visitor);
        let last = Seq(replay.next_seq.0.saturating_sub(1));
        let late = visitor.late;
        if !late {
            // The frames of markers right after the last event may not have been reached, but their graph was.
            visitor.at(&mut replay.graph, last)?;
        }
        for (error, id, file) in visitor.wrong {
            let mut found = finding(&error);
            found.file = file;
            found.markers = vec![id.to_string()];
            self.faults.push(found);
            self.lost.insert(id);
        }
        match outcome {
            Ok(()) => {
                if let Err(inconsistency) = replay.graph.check_names() {
                    let fault = Fault::Inconsistent(inconsistency);
                    let error = Error::Damage { path: String::new(), offset: None, fault };
                    self.cut(&error, last);
                }
                Ok(())
            }
            Err(_) if late => {
                self.complete = false;
                Ok(())
            }
            Err(error) if error.is_unreadable() => {
                self.cut(&error, last);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Compares each marker that a replay comes by.
struct Comparer<'a> {
    listed: &'a [Marker],
    clock: Clock<'a>,
    limit: Option<Duration>,
    late: bool,
    wrong: Vec<(Error, MarkerId, String)>,
    compared: &'a mut BTreeSet<MarkerId>,
}

impl Comparer<'_> {
    /// Compares the graph with all markers that are listed for a position.
    fn at(&mut self, graph: &mut Graph, seq: Seq) -> Result<()> {
        self.late = self.clock.is_past(self.limit);
        if self.late {
            return Err(Error::Closed);
        }
        for marker in self.listed.iter().filter(|marker| marker.seq == seq) {
            if self.compared.insert(marker.id)
                && let Err(error) = check_marker(marker, graph)
            {
                self.wrong.push((error, marker.id, String::new()));
            }
        }
        Ok(())
    }
}

impl Visitor for Comparer<'_> {
    fn marker(&mut self, graph: &mut Graph, marker: Marker, place: Place<'_>) -> Result<()> {
        self.late = self.clock.is_past(self.limit);
        if self.late {
            return Err(place.damage(Fault::Meaning { what: "out of time" }));
        }
        self.compared.insert(marker.id);
        let mut outcome = check_marker(&marker, graph);
        let known = self.listed.binary_search_by_key(&marker.id, |listed| listed.id);
        let known = known.ok().and_then(|at| self.listed.get(at));
        if let (Ok(()), Some(known)) = (&outcome, known) {
            // Pins and expiry are the manifest's to change; nothing else is.
            let now = Marker { pinned: known.pinned, expired: known.expired, ..marker.clone() };
            if *known != now {
                outcome = Err(
                    place.damage(Fault::Meaning { what: "a marker is not what the manifest says of it" })
                );
            }
        }
        if let Err(error) = outcome {
            let file = place.path.rsplit(['/', '\\']).next().unwrap_or(place.path).to_owned();
            self.wrong.push((error, marker.id, file));
        }
        Ok(())
    }
}

//! Markers as Python sees them.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use snaplog::Marker;

/// The fields of `snaplog.Marker`; times in microseconds since 1970, UTC.
pub(crate) fn fields<'py>(py: Python<'py>, marker: &Marker) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("id", marker.id.to_string())?;
    dict.set_item("seq", marker.seq.0)?;
    dict.set_item("time", marker.time.0)?;
    dict.set_item("tiers", &marker.tiers)?;
    dict.set_item("label", marker.label.as_deref())?;
    dict.set_item("pinned", marker.pinned)?;
    dict.set_item("expired", marker.expired.map(|time| time.0))?;
    dict.set_item("nodes", marker.counts.nodes)?;
    dict.set_item("edges", marker.counts.edges)?;
    dict.set_item("fingerprint", marker.fingerprint.content.to_string())?;
    Ok(dict)
}

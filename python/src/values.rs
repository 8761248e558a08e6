//! Python's values as the log's, and back.

use std::collections::BTreeMap;
use std::fmt;

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use snaplog::codec::Decoder;
use snaplog::model::limits::{MAX_DEPTH, MAX_VALUE_BYTES};
use snaplog::{Attrs, Id, IdRef, Value};

use crate::entries::entries;
use crate::errors::bad_type;

/// What an event speaks of, for messages.
#[derive(Clone, Copy)]
pub(crate) enum About<'a, 'py> {
    Node(&'a Bound<'py, PyAny>),
    Edge(&'a Bound<'py, PyAny>, &'a Bound<'py, PyAny>),
    Graph,
    State,
}

impl fmt::Display for About<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |any: &Bound<'_, PyAny>| any.repr().map_or_else(|_| "?".to_owned(), |r| r.to_string());
        match self {
            Self::Node(id) => write!(f, "node {}", name(id)),
            Self::Edge(u, v) => write!(f, "edge ({}, {})", name(u), name(v)),
            Self::Graph => f.write_str("the graph"),
            Self::State => f.write_str("state"),
        }
    }
}

/// Why a value cannot be taken.
enum Bad {
    /// There is no such value in a log.
    Type(String),
    /// What Python said while it was looked at.
    Python(PyErr),
}

impl From<PyErr> for Bad {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

/// Turns Python's values into the log's, and keeps the account of how large they are.
#[derive(Debug, Default)]
pub(crate) struct Converter {
    /// Whether dates and times become ISO 8601 text; else they are refused.
    pub(crate) iso: bool,
    /// Whether a tuple was met.
    pub(crate) met_tuple: bool,
    /// No less than the bytes that what was converted takes.
    pub(crate) bytes: usize,
    /// Whether something is so long that the log had better be asked at once.
    pub(crate) is_long: bool,
}

/// Names and texts beyond this many bytes may be beyond a bound of the log.
const LONG: usize = 2 << 10;

impl Converter {
    pub(crate) fn new(iso: bool) -> Self {
        Self { iso, ..Self::default() }
    }

    /// A dictionary of attributes.
    pub(crate) fn attrs(&mut self, dict: &Bound<'_, PyDict>, about: About<'_, '_>) -> PyResult<Attrs> {
        let mut attrs = Attrs::with_capacity(dict.len());
        for entry in entries(dict) {
            let (name, value) = entry?;
            let name = self.name(&name, about)?;
            let value = self.value(&value, 0).map_err(|bad| refuse(bad, about, &name))?;
            attrs.push((name, value));
        }
        Ok(attrs)
    }

    /// A name of an attribute or of state.
    pub(crate) fn name(&mut self, any: &Bound<'_, PyAny>, about: About<'_, '_>) -> PyResult<String> {
        let Ok(text) = any.cast::<PyString>() else {
            let found = described(any);
            return Err(bad_type(format!("{about}: names of attributes and state are str, not {found}")));
        };
        let text = text.to_cow().map_err(|e| refuse(unpaired(e, any), about, "a name"))?.into_owned();
        self.take_account(text.len());
        self.is_long |= text.len() > LONG;
        Ok(text)
    }

    /// One value, of `name`.
    pub(crate) fn one(
        &mut self,
        any: &Bound<'_, PyAny>,
        about: About<'_, '_>,
        name: &str,
    ) -> PyResult<Value> {
        self.value(any, 0).map_err(|bad| refuse(bad, about, name))
    }

    fn take_account(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(10);
    }

    fn value(&mut self, any: &Bound<'_, PyAny>, depth: usize) -> Result<Value, Bad> {
        self.take_account(0);
        if let Ok(text) = any.cast::<PyString>() {
            let text = text.to_cow().map_err(|e| unpaired(e, any))?.into_owned();
            self.take_account(text.len());
            return Ok(Value::Str(text));
        }
        if let Ok(truth) = any.cast::<PyBool>() {
            return Ok(Value::Bool(truth.is_true()));
        }
        if let Ok(n) = any.cast::<PyInt>() {
            return match n.extract() {
                Ok(n) => Ok(Value::Int(n)),
                Err(_) => {
                    Err(Bad::Type("an int beyond 64 bits cannot be stored; store it as text".to_owned()))
                }
            };
        }
        if let Ok(x) = any.cast::<PyFloat>() {
            return Ok(Value::Float(x.extract()?));
        }
        if any.is_none() {
            return Ok(Value::Null);
        }
        if let Ok(dict) = any.cast::<PyDict>() {
            deeper(depth)?;
            let mut map = BTreeMap::new();
            for entry in entries(dict) {
                let (key, value) = entry?;
                let Ok(key) = key.cast::<PyString>() else {
                    return Err(Bad::Type(format!("keys of a dict are str, not {}", described(&key))));
                };
                let key = key.to_cow().map_err(|e| unpaired(e, key))?.into_owned();
                self.take_account(key.len());
                self.is_long |= key.len() > LONG;
                map.insert(key, self.value(&value, depth.saturating_add(1))?);
            }
            return Ok(Value::Map(map));
        }
        if let Ok(list) = any.cast::<PyList>() {
            return self.list(list.iter(), depth);
        }
        if let Ok(tuple) = any.cast::<PyTuple>() {
            self.met_tuple = true;
            return self.list(tuple.iter(), depth);
        }
        if let Ok(bytes) = any.cast::<PyBytes>() {
            self.take_account(bytes.as_bytes().len());
            return Ok(Value::Bytes(bytes.as_bytes().to_vec()));
        }
        self.rarer(any, depth)
    }

    fn list<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        depth: usize,
    ) -> Result<Value, Bad> {
        deeper(depth)?;
        items
            .map(|item| self.value(&item, depth.saturating_add(1)))
            .collect::<Result<_, _>>()
            .map(Value::List)
    }

    /// numpy's scalars, and dates by choice.
    fn rarer(&mut self, any: &Bound<'_, PyAny>, depth: usize) -> Result<Value, Bad> {
        if let Some(scalar) = numpy_scalar(any)? {
            return self.value(&scalar, depth);
        }
        let found = described(any);
        let date = date(any)?;
        if date.as_deref() == Some("NaT") {
            return Err(Bad::Type(format!("{found} is no time, and cannot be stored; store None")));
        }
        let is_date = date.is_some();
        if let Some(text) = date.filter(|_| self.iso) {
            self.take_account(text.len());
            return Ok(Value::Str(text));
        }
        Err(Bad::Type(if is_date {
            format!(
                "{found} cannot be stored: open the log with datetimes=\"iso\" to store it as ISO 8601 text"
            )
        } else {
            format!(
                "{found} cannot be stored: values are None, bool, int, float, str, bytes, and lists and dicts (with str \
                 keys) of these"
            )
        }))
    }
}

/// What Python's own type a numpy scalar holds.
fn numpy_scalar<'py>(any: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let module = any.get_type().module()?;
    if module != "numpy" || any.hasattr("__len__")? || !any.hasattr("item")? {
        return Ok(None);
    }
    // Of a time `item` gives a number whose unit nobody knows any more.
    let kind: String = any.getattr("dtype")?.getattr("kind")?.extract()?;
    if !["b", "i", "u", "f", "S", "U"].contains(&kind.as_str()) {
        return Ok(None);
    }
    let item = any.call_method0("item")?;
    // A long double stays what it is.
    Ok((!item.get_type().is(any.get_type())).then_some(item))
}

/// A date or a time, Python's, pandas' or numpy's, as ISO 8601 text.
fn date(any: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let py = any.py();
    let classes = py.import("datetime")?;
    for class in ["date", "time"] {
        // A datetime is a date, and a pandas.Timestamp is a datetime.
        if any.is_instance(&classes.getattr(class)?)? {
            return any.call_method0("isoformat")?.extract().map(Some);
        }
    }
    if any.get_type().module()? == "numpy" && any.get_type().name()? == "datetime64" {
        return Ok(Some(any.str()?.to_string()));
    }
    Ok(None)
}

fn deeper(depth: usize) -> Result<(), Bad> {
    if depth < MAX_DEPTH {
        return Ok(());
    }
    Err(Bad::Type(format!("lists and dicts nest deeper than {MAX_DEPTH}, or hold themselves")))
}

fn described(any: &Bound<'_, PyAny>) -> String {
    let class = any.get_type().qualname().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    let text = any.repr().map_or_else(|_| String::new(), |repr| repr.to_string());
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{class} ({short}{dots})")
}

fn unpaired(error: PyErr, any: &Bound<'_, PyAny>) -> Bad {
    if error.is_instance_of::<PyUnicodeEncodeError>(any.py()) {
        return Bad::Type(format!("{} has an unpaired surrogate: it is no text", described(any)));
    }
    Bad::Python(error)
}

fn refuse(bad: Bad, about: About<'_, '_>, name: &str) -> PyErr {
    match bad {
        Bad::Type(message) => bad_type(format!("{about}, {name:?}: {message}")),
        Bad::Python(error) => error,
    }
}

/// A node's id, an edge's key, or an entry of a map. `what`: which of them, for messages.
pub(crate) fn id(any: &Bound<'_, PyAny>, what: &str) -> PyResult<Id> {
    if let Ok(text) = any.cast::<PyString>() {
        let text = text.to_cow().map_err(|e| match unpaired(e, any) {
            Bad::Type(message) => bad_type(format!("{what}: {message}")),
            Bad::Python(error) => error,
        })?;
        return Ok(Id::Str(text.into()));
    }
    if !any.is_instance_of::<PyBool>() {
        if let Ok(n) = any.cast::<PyInt>() {
            return n.extract().map(Id::Int).map_err(|_| {
                bad_type(format!("{what} {} does not fit 64 bits; store it as text", described(any)))
            });
        }
        if let Some(scalar) = numpy_scalar(any)?
            && (scalar.is_instance_of::<PyInt>() || scalar.is_instance_of::<PyString>())
        {
            return id(&scalar, what);
        }
    }
    Err(bad_type(format!("{what} is {}: it must be a str or an int", described(any))))
}

/// Whether an id may be longer than the log allows.
pub(crate) fn is_long(id: &Id) -> bool {
    matches!(id, Id::Str(text) if text.len() > LONG)
}

/// An id as Python's.
pub(crate) fn id_object<'py>(py: Python<'py>, id: IdRef<'_>) -> PyResult<Bound<'py, PyAny>> {
    match id {
        IdRef::Int(n) => Ok(n.into_pyobject(py)?.into_any()),
        IdRef::Str(text) => Ok(PyString::new(py, text).into_any()),
    }
}

/// A value as Python's.
pub(crate) fn object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(truth) => PyBool::new(py, *truth).to_owned().into_any(),
        Value::Int(n) => n.into_pyobject(py)?.into_any(),
        Value::Float(x) => PyFloat::new(py, *x).into_any(),
        Value::Str(text) => PyString::new(py, text).into_any(),
        Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Value::List(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(object(py, item)?)?;
            }
            list.into_any()
        }
        Value::Map(map) => {
            let dict = PyDict::new(py);
            for (key, value) in map {
                dict.set_item(key, object(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

/// A value as Python's, from its canonical encoding. The commonest kinds are read off the bytes; FORMAT.md has their tags.
pub(crate) fn encoded_object<'py>(py: Python<'py>, encoded: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut bytes = Decoder::new(encoded);
    match bytes.u8("a value's tag") {
        Ok(INT) => {
            if let Ok(n) = bytes.i64("an integer value") {
                return Ok(n.into_pyobject(py)?.into_any());
            }
        }
        Ok(FLOAT) => {
            if let Ok(x) = bytes.f64("a float value") {
                return Ok(PyFloat::new(py, x).into_any());
            }
        }
        Ok(STR) => {
            if let Ok(text) = bytes.str(MAX_VALUE_BYTES, "a string value") {
                return Ok(PyString::new(py, text).into_any());
            }
        }
        _ => {}
    }
    let value = Value::decode(&mut Decoder::new(encoded));
    // It was checked on its way in.
    object(py, &value.unwrap_or(Value::Null))
}

const INT: u8 = 3;
const FLOAT: u8 = 4;
const STR: u8 = 5;

impl Converter {
    /// That a dictionary of attributes can be stored, without storing it.
    pub(crate) fn check(&mut self, dict: &Bound<'_, PyDict>, about: About<'_, '_>) -> PyResult<()> {
        for entry in entries(dict) {
            let (name, value) = entry?;
            let is_plain = name.is_exact_instance_of::<PyString>()
                && (value.is_exact_instance_of::<PyString>()
                    || value.is_exact_instance_of::<PyFloat>()
                    || value.is_exact_instance_of::<PyBool>()
                    || value.is_none());
            if !(is_plain && is_text(&name) && is_text(&value)) {
                let name = self.name(&name, about)?;
                self.one(&value, about, &name)?;
            }
        }
        Ok(())
    }

    /// That an id can be stored.
    #[allow(clippy::unused_self, reason = "beside `check`")]
    pub(crate) fn check_id(&self, any: &Bound<'_, PyAny>, what: &str) -> PyResult<()> {
        if any.is_exact_instance_of::<PyString>() && is_text(any) { Ok(()) } else { id(any, what).map(drop) }
    }
}

/// Whether it is no string, or one that is surely well-formed without a closer look.
fn is_text(any: &Bound<'_, PyAny>) -> bool {
    any.cast::<PyString>().map_or(true, |text| text.to_cow().is_ok())
}

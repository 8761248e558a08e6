//! Errors of the log as the exceptions of `snaplog._errors`.

use std::error::Error as _;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use snaplog::Error;
use snaplog::format::Fault;
use snaplog::policy::selector::SelectorError;

/// The exception for an error. If the exceptions cannot be had, what Python says about that.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let build = || -> PyResult<PyErr> {
        let said = PyDict::new(py);
        said.set_item("kind", error.kind())?;
        said.set_item("path", error.path())?;
        said.set_item("offset", error.offset())?;
        said.set_item("hint", error.hint())?;
        raised(py, class_of(error), &in_full(error), Some(&said))
    };
    build().unwrap_or_else(|failure| failure)
}

/// A `snaplog.Error` that the log itself does not know, of the class `name`.
pub(crate) fn own(py: Python<'_>, name: &str, kind: &str, message: &str, hint: Option<&str>) -> PyErr {
    let build = || -> PyResult<PyErr> {
        let said = PyDict::new(py);
        said.set_item("kind", kind)?;
        said.set_item("hint", hint)?;
        raised(py, name, message, Some(&said))
    };
    build().unwrap_or_else(|failure| failure)
}

/// A value or an id that no log can hold.
pub(crate) fn bad_type(message: String) -> PyErr {
    PyTypeError::new_err(message)
}

fn raised(py: Python<'_>, class: &str, message: &str, said: Option<&Bound<'_, PyDict>>) -> PyResult<PyErr> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || PyResult::Ok(py.import("snaplog._errors")?.unbind()))?;
    let instance = module.bind(py).getattr(class)?.call((message,), said)?;
    Ok(PyErr::from_value(instance))
}

fn class_of(error: &Error) -> &'static str {
    match error {
        Error::Poisoned { cause } => class_of(cause),
        Error::Locked { .. } | Error::NoAnswer { .. } => "LockedError",
        Error::Closed => "ClosedError",
        Error::Refused(_)
        | Error::BatchRefused { .. }
        | Error::BadMarker { .. }
        | Error::Selector(SelectorError::BadSelector { .. }) => "RefusedError",
        Error::Selector(_) | Error::NotALog { .. } | Error::NoSuchSeq { .. } | Error::Folded { .. } => {
            "NotFoundError"
        }
        error if error.is_damage() => "DamageError",
        Error::Key(_) | Error::Damage { fault: Fault::NoKey { .. }, .. } => "IdentityError",
        _ => "Error",
    }
}

/// An error with its causes, in one line.
fn in_full(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

/// What a call into the log gave, or the exception for it.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| exception(py, &error))
    }
}

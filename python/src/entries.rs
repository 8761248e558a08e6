//! The entries of a dictionary that other code may change in the middle.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::dict::BoundDictIterator;
use pyo3::types::{PyDict, PyDictMethods};

/// The entries of a dictionary, one after another; an error if it has been changed meanwhile, by another thread or by code
/// that an entry brought along. `PyDict::iter` panics there.
pub(crate) struct Entries<'py> {
    dict: Bound<'py, PyDict>,
    rest: BoundDictIterator<'py>,
    length: usize,
    left: usize,
}

/// The entries of `dict`.
pub(crate) fn entries<'py>(dict: &Bound<'py, PyDict>) -> Entries<'py> {
    let length = dict.len();
    Entries { dict: dict.clone(), rest: dict.iter(), length, left: length }
}

impl<'py> Iterator for Entries<'py> {
    type Item = PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

    fn next(&mut self) -> Option<Self::Item> {
        // Nothing of Python's runs between the look at the length and the step.
        let is_as_it_was = self.dict.len() == self.length;
        let left = self.left.checked_sub(1);
        if is_as_it_was && left.is_none() {
            return None;
        }
        if let Some(left) = left.filter(|_| is_as_it_was)
            && let Some(entry) = self.rest.next()
        {
            self.left = left;
            return Some(Ok(entry));
        }
        self.left = 0;
        self.length = self.dict.len();
        Some(Err(PyRuntimeError::new_err(
            "a dictionary was changed while it was read: by another thread, or by a method of what is in it",
        )))
    }
}

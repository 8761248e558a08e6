//! Collector state out of a document.

use std::collections::HashSet;

use jiter::Peek;

use super::read::Stop;
use crate::codec::len_u64;
use crate::exchange::fault::{self, Fault};
use crate::exchange::json_read::Reader;
use crate::model::event::Event;
use crate::model::id::Id;
use crate::model::limits::MAX_ID_BYTES;

/// Reads the object of collector state; `maps` are those of its keys that have entries.
pub(super) fn read_state<E>(
    reader: &mut Reader<'_>,
    maps: &HashSet<String>,
    deliver: &mut dyn FnMut(usize, Event) -> Result<(), Stop<E>>,
) -> Result<(), Stop<E>> {
    let (mut seen, mut first) = (HashSet::new(), true);
    while let Some((key, at)) = reader.name(&mut first)? {
        if seen.contains(&key) {
            return Err(at.duplicate(reader, key).into());
        }
        if maps.contains(&key) {
            read_map(reader, &key, deliver)?;
        } else {
            reader.peek()?;
            let offset = reader.offset();
            let value = reader.value()?;
            deliver(offset, Event::PutState { key: key.clone(), value })?;
        }
        seen.insert(key);
    }
    Ok(())
}

/// A map of collector state: an object, or a list of pairs.
fn read_map<E>(
    reader: &mut Reader<'_>,
    key: &str,
    deliver: &mut dyn FnMut(usize, Event) -> Result<(), Stop<E>>,
) -> Result<(), Stop<E>> {
    let mut seen = HashSet::new();
    let mut first = true;
    match reader.peek()? {
        Peek::Object => loop {
            let before = reader.offset();
            let Some(entry) = reader.key(&mut first)? else { break };
            let (len, entry) = (entry.len(), Id::from(entry));
            if len > MAX_ID_BYTES {
                let (found, max) = (len_u64(len), len_u64(MAX_ID_BYTES));
                let fault = Fault::TooLarge { what: "an entry of a state map".into(), found, max };
                return Err(fault::at(reader.key_offset(before), fault).into());
            }
            if !seen.insert(entry.clone()) {
                let fault = Fault::DuplicateKey { key: entry.to_string() };
                return Err(fault::at(reader.key_offset(before), fault).into());
            }
            reader.peek()?;
            let offset = reader.offset();
            let value = reader.value()?;
            deliver(offset, Event::PutEntry { key: key.to_owned(), entry, value })?;
        },
        Peek::Array => {
            while reader.item(&mut first)? {
                let offset = reader.offset();
                reader.expect_list("a list [entry, value]")?;
                let mut start = true;
                let expected = "an entry and a value";
                if !reader.item(&mut start)? {
                    return Err(reader.unexpected_at(offset, expected).into());
                }
                let at = reader.offset();
                let entry = reader.id("entry")?;
                if !seen.insert(entry.clone()) {
                    return Err(fault::at(at, Fault::DuplicateKey { key: entry.to_string() }).into());
                }
                if !reader.item(&mut start)? {
                    return Err(reader.unexpected_at(offset, expected).into());
                }
                let value = reader.value()?;
                if reader.item(&mut start)? {
                    return Err(reader.unexpected("the end of the pair").into());
                }
                deliver(offset, Event::PutEntry { key: key.to_owned(), entry, value })?;
            }
        }
        _ => return Err(reader.unexpected("an object or a list of [entry, value] pairs").into()),
    }
    Ok(())
}

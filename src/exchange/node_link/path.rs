//! The way to a place in a document, for messages.

use jiter::Peek;

use crate::exchange::json_read::Reader;

/// The way from the top of a document to what stands at `offset`: `nodes[3].id`. Takes a second look at a
/// document that is known to be wrong, and goes as far as that one is well formed.
#[cold]
pub(super) fn path_to(document: &[u8], offset: usize) -> String {
    const MAX_STEPS: usize = 8;
    let (mut path, mut reader) = (String::new(), Reader::new(document));
    for _ in 0..MAX_STEPS {
        let step = step_to(&mut reader, offset);
        let Some(step) = step else { break };
        if step.starts_with('[') || path.is_empty() {
            path.push_str(&step);
        } else {
            path.push('.');
            path.push_str(&step);
        }
    }
    path
}

/// Goes to the element of the list or object here that holds `offset`; `None` if none does.
fn step_to(reader: &mut Reader<'_>, offset: usize) -> Option<String> {
    let kind = reader.peek().ok()?;
    if reader.offset() >= offset {
        return None;
    }
    let (mut first, mut index) = (true, 0_u64);
    loop {
        let step = match kind {
            Peek::Object => {
                let before = reader.offset();
                let name = reader.key(&mut first).ok()??.to_owned();
                if reader.key_offset(before) > offset {
                    return None;
                }
                name
            }
            Peek::Array if reader.item(&mut first).ok()? => format!("[{index}]"),
            _ => return None,
        };
        reader.peek().ok()?;
        let here = reader.clone();
        if reader.skip().is_err() || reader.offset() > offset {
            let within = here.offset() <= offset || kind == Peek::Object;
            *reader = here;
            return within.then_some(step);
        }
        index = index.saturating_add(1);
    }
}

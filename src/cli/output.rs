//! The only place that prints. Data goes to standard output, everything else to standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use snaplog::MarkerId;

use super::failure::{Exit, Failure, Report};
use super::json::ErrorDocument;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();
const HEADING: Style = Style::new().bold();

/// The way to the user.
#[derive(Debug)]
pub(crate) struct Output {
    color: ColorChoice,
    quiet: bool,
}

#[expect(clippy::unused_self, reason = "who prints needs the handle, whether or not it is asked for colour")]
impl Output {
    pub(super) fn new(color: ColorChoice, quiet: bool) -> Self {
        Self { color, quiet }
    }

    /// Whether somebody sits in front of standard error.
    pub(super) fn is_attended(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Prints data for people or programs, as it is.
    pub(crate) fn data(&self, text: &str) -> Result<(), Failure> {
        let mut to = AutoStream::new(io::stdout().lock(), self.color);
        to.write_all(text.as_bytes()).and_then(|()| to.flush()).map_err(|e| Failure::output(&e))
    }

    /// Prints a document, or an object of a stream, on a line.
    pub(crate) fn json(&self, document: &impl Serialize) -> Result<(), Failure> {
        let text = one_line(document)?;
        let mut to = io::stdout().lock();
        to.write_all(text.as_bytes()).and_then(|()| to.flush()).map_err(|e| Failure::output(&e))
    }

    /// Prints a document where standard output carries other data.
    pub(crate) fn json_beside_data(&self, document: &impl Serialize) -> Result<(), Failure> {
        let text = one_line(document)?;
        // Nobody is told where nobody listens; the data is out.
        let _ = io::stderr().lock().write_all(text.as_bytes());
        Ok(())
    }

    /// Standard output, for data that is too much for a string. What it refuses is [`Failure::output`].
    pub(crate) fn stdout(&self) -> impl Write {
        io::stdout().lock()
    }

    /// Tells something by the way. Not heard by those who asked for quiet.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            self.to_stderr(&format!("{}\n", escaped(text)));
        }
    }

    /// Tells something that the user should know.
    pub(crate) fn warn(&self, text: &str) {
        self.to_stderr(&format!("{WARNING}warning:{WARNING:#} {}\n", escaped(text)));
    }

    /// Prints a table.
    pub(crate) fn table(&self, table: &Table) -> Result<(), Failure> {
        self.data(&table.render())
    }

    /// Asks a question that is answered with yes or no. Without a terminal there is nobody to ask: `None`.
    pub(crate) fn ask(&self, question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        self.to_stderr(&format!("{} [y/N] ", escaped(question)));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Tells why the command failed, and returns the exit status.
    pub(super) fn failure(&self, failure: &Failure, json: bool) -> Exit {
        match failure {
            Failure::Told(exit) => *exit,
            Failure::Untold(report) => {
                self.to_stderr(&if json { as_json(report) } else { for_people(report) });
                report.exit
            }
        }
    }

    fn to_stderr(&self, text: &str) {
        // There is nobody to tell that nobody can be told.
        let _ = AutoStream::new(io::stderr().lock(), self.color).write_all(text.as_bytes());
    }
}

/// Tells what clap says: help and versions, which are no errors, and what is wrong with a command line.
pub(super) fn usage(error: &clap::Error, json: bool, color: ColorChoice) -> Exit {
    let wrong = error.use_stderr();
    if wrong && json {
        let rendered = error.render().to_string();
        let text = rendered.trim_start_matches("error: ");
        let message = text.split("\n\n").next().unwrap_or(text).trim().to_owned();
        let report = Report::new(Exit::Usage, "usage", message).hint("`snaplog help` shows the commands");
        return Output::new(color, true).failure(&report.into(), true);
    }
    // A broken pipe under the help ends quietly too.
    let _ = error.print();
    if wrong { Exit::Usage } else { Exit::Done }
}

fn one_line(document: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string(document)
        .map_err(|e| Report::new(Exit::Failed, "json", "the report cannot be written").caused_by(&e))?;
    text.push('\n');
    Ok(text)
}

fn as_json(report: &Report) -> String {
    // The document has nothing that JSON has not.
    let text = serde_json::to_string(&ErrorDocument::of(report)).unwrap_or_default();
    format!("{text}\n")
}

fn for_people(report: &Report) -> String {
    let mut text = format!("{ERROR}error:{ERROR:#} {}\n", escaped(&report.message));
    for cause in &report.causes {
        let _ = writeln!(text, "  because: {}", escaped(cause));
    }
    if let Some(hint) = &report.hint {
        let _ = writeln!(text, "{HINT}hint:{HINT:#} {}", escaped(hint));
    }
    text
}

/// A text from a log or a path, with what could act on a terminal or turn the line around made visible.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if turns || (c.is_control() && c != '\n') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A marker's label behind its id, in one line, whatever is in it; nothing if it has none.
pub(crate) fn labelled(label: Option<&str>) -> String {
    label.map(|label| format!(" ({})", escaped(label).replace('\n', "\\n"))).unwrap_or_default()
}

/// Where the words of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table for people.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[(&'static str, Align)]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row. The cells are escaped.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| escaped(&cell).replace('\n', "\\n")).collect());
    }

    fn render(&self) -> String {
        let width = |column: usize, name: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).chain([name.len()]).max().unwrap_or_default()
        };
        let columns: Vec<(usize, Align)> =
            self.head.iter().enumerate().map(|(at, (name, align))| (width(at, name), *align)).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for (at, (cell, (width, align))) in cells.zip(&columns).enumerate() {
                let gap = if at == 0 { "" } else { "  " };
                let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
                let _ = match align {
                    Align::Left => write!(text, "{gap}{cell}{padding}"),
                    Align::Right => write!(text, "{gap}{padding}{cell}"),
                };
            }
            text.truncate(text.trim_end().len());
            text
        };
        let head = line(&mut self.head.iter().map(|(name, _)| *name));
        let mut text = format!("{HEADING}{head}{HEADING:#}\n");
        for row in &self.rows {
            text.push_str(&line(&mut row.iter().map(String::as_str)));
            text.push('\n');
        }
        text
    }
}

/// A size for people: three significant digits, powers of 1024.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths, so that no float rounds: a tenth of the unit is exact enough for people.
    let mut tenths = u128::from(bytes).saturating_mul(10) / 1024;
    let mut unit = UNITS.iter();
    let mut name = unit.next();
    while tenths >= 10_240 {
        tenths /= 1024;
        name = unit.next();
    }
    let name = name.copied().unwrap_or_default();
    if tenths < 1000 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", tenths / 10)
    }
}

/// A number for people, with its thousands apart.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `m1-m5, m7` for ids in ascending order.
pub(crate) fn ranges(ids: &[MarkerId]) -> String {
    let mut runs: Vec<(MarkerId, MarkerId)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((_, last)) if last.0.saturating_add(1) == id.0 => *last = *id,
            _ => runs.push((*id, *id)),
        }
    }
    if runs.is_empty() {
        return "none".to_owned();
    }
    let show = |(first, last): &(MarkerId, MarkerId)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    runs.iter().map(show).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_made_visible() {
        assert_eq!(escaped("a\x1b[31mb\u{202e}c\td\n"), "a\\u{1b}[31mb\\u{202e}c\\td\n");
        assert_eq!(escaped("état 日本"), "état 日本");
        assert_eq!(escaped("\u{61c}\u{2028}\u{2029}\u{85}"), "\\u{61c}\\u{2028}\\u{2029}\\u{85}");
        assert_eq!(
            labelled(Some("a\nlost: b")),
            " (a\\nlost: b)",
            "a log that came from elsewhere may hold any label"
        );
        assert_eq!(labelled(None), "");
    }

    #[test]
    fn sizes_and_numbers_read_easily() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (200 << 10, "200 KiB"),
            (12 << 20, "12.0 MiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(n), text);
        }
    }

    #[test]
    fn markers_are_listed_as_ranges() {
        let ids = |ids: &[u64]| ids.iter().copied().map(MarkerId).collect::<Vec<_>>();
        assert_eq!(ranges(&ids(&[])), "none");
        assert_eq!(ranges(&ids(&[1, 2, 3, 5, 7, 8])), "m1-m3, m5, m7-m8");
    }

    #[test]
    fn columns_line_up_and_lines_end_without_spaces() {
        let mut table = Table::new(&[("a", Align::Left), ("nodes", Align::Right), ("b", Align::Left)]);
        table.row(["x\ny".to_owned(), "1".to_owned(), String::new()]);
        let text = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(text, "a     nodes  b\nx\\ny      1\n");
    }
}

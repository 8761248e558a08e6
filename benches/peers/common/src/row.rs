//! Samples, and the lines and tables they end up in.

use serde::{Deserialize, Serialize};

use crate::case::{BYTES, CASES, READ_BACK};

/// The samples of one case of one peer, as a line of JSON.
#[derive(Clone, Serialize, Deserialize)]
pub struct Row {
    pub bench: String,
    pub case: String,
    pub subject: String,
    pub unit: String,
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub n: usize,
    pub note: String,
}

impl Row {
    /// The same case and subject of several runs as one row: the median of their medians.
    pub fn merged(rows: &[&Self]) -> Option<Self> {
        let mut medians: Vec<f64> = rows.iter().map(|row| row.median).collect();
        medians.sort_by(f64::total_cmp);
        let mut row = (*rows.first()?).clone();
        row.median = *medians.get(medians.len() / 2)?;
        row.least = rows.iter().map(|row| row.least).fold(f64::INFINITY, f64::min);
        row.most = rows.iter().map(|row| row.most).fold(0.0, f64::max);
        Some(row)
    }

    /// All rows, those of one case and subject merged, in the order in which they first came.
    pub fn merge_all(rows: &[Self]) -> Vec<Self> {
        let key = |row: &Self| (row.case.clone(), row.subject.clone());
        let mut keys = Vec::new();
        for row in rows {
            if !keys.contains(&key(row)) {
                keys.push(key(row));
            }
        }
        let of =
            |wanted: &(String, String)| rows.iter().filter(|row| key(row) == *wanted).collect::<Vec<_>>();
        keys.iter().filter_map(|wanted| Self::merged(&of(wanted))).collect()
    }
}

/// A line for each subject with its medians, then the spread and the notes.
pub fn print_table(rows: &[Row]) {
    let cases: Vec<&str> = CASES.iter().map(|(name, _)| *name).chain([READ_BACK, BYTES]).collect();
    let mut subjects: Vec<&str> = Vec::new();
    for row in rows {
        if !subjects.contains(&row.subject.as_str()) {
            subjects.push(&row.subject);
        }
    }
    let cell = |subject: &str, case: &str, show: fn(&Row) -> String| {
        let row = rows.iter().find(|row| row.subject == subject && row.case == case);
        row.map_or_else(|| "-".to_owned(), show)
    };
    let line = |head: &str, show: &dyn Fn(&str) -> String| {
        print!("{head:30}");
        for case in &cases {
            print!("{:>25}", show(case));
        }
        println!();
    };
    println!("medians, events/s (and bytes on disk for each event)");
    line("", &|case| case.to_owned());
    for subject in &subjects {
        line(subject, &|case| cell(subject, case, |row| grouped(row.median)));
    }
    println!("\nleast to most");
    for subject in &subjects {
        let spread = |row: &Row| format!("{} – {}", grouped(row.least), grouped(row.most));
        line(subject, &|case| cell(subject, case, spread));
    }
    println!();
    for subject in &subjects {
        if let Some(row) = rows.iter().find(|row| row.subject == *subject) {
            println!("{subject}: {}", row.note);
        }
    }
}

/// 1234567 as 1,234,567; below a thousand with one decimal.
fn grouped(x: f64) -> String {
    if x < 1_000.0 {
        return format!("{x:.1}");
    }
    let digits = format!("{x:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

//! `table FILE...`: the rows of several runs as one table of medians. `table --json FILE...`: as lines of JSON.

use workload::Outcome;
use workload::row::{Row, print_table};

fn main() -> Outcome<()> {
    let mut paths: Vec<String> = std::env::args().skip(1).collect();
    let json = paths.first().is_some_and(|word| word == "--json");
    if json {
        paths.remove(0);
    }
    let mut rows: Vec<Row> = Vec::new();
    for path in paths {
        for line in std::fs::read_to_string(path)?.lines() {
            rows.push(serde_json::from_str(line)?);
        }
    }
    let rows = Row::merge_all(&rows);
    if json {
        for row in &rows {
            println!("{}", serde_json::to_string(row)?);
        }
    } else {
        print_table(&rows);
    }
    Ok(())
}

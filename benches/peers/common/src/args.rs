//! The command line of every program.

use std::path::PathBuf;

use crate::Outcome;

pub const USAGE: &str = "--rounds N    how often each case is measured (3)
--scale F     1 is 1,200,000 events, and 6,000 that are synced one by one
--dir DIR     where the files go while they are measured (the system's directory for temporary files)
--json FILE   append a line of JSON for each case
--case NAME   only this one: \"sync at the end\" (with \"read back\" and \"bytes per event\"),
              \"sync every 1,000\" or \"sync each\"
--events N    this many events instead of those that the scale gives";

pub struct Args {
    pub rounds: usize,
    pub scale: f64,
    pub dir: PathBuf,
    pub json: Option<PathBuf>,
    pub case: Option<String>,
    pub events: Option<usize>,
    /// In the process that measures one case of one peer: which, in `dir`.
    pub measure: Option<usize>,
}

impl Args {
    pub fn parse() -> Outcome<Self> {
        let mut args = Self {
            rounds: 3,
            scale: 1.0,
            dir: std::env::temp_dir(),
            json: None,
            case: None,
            events: None,
            measure: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--rounds" => args.rounds = value()?.parse()?,
                "--scale" => args.scale = value()?.parse()?,
                "--dir" => args.dir = value()?.into(),
                "--json" => args.json = Some(value()?.into()),
                "--case" => args.case = Some(value()?),
                "--events" => args.events = Some(value()?.parse()?),
                "--measure" => args.measure = Some(value()?.parse()?),
                _ => return Err(format!("{word} is none of these:\n{USAGE}").into()),
            }
        }
        Ok(args)
    }
}

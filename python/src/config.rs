//! The configuration of a session: snaplog.toml, and over it what the caller said.

use snaplog::policy::config::Config;
use snaplog::{Error, Log, Result};
use toml::{Table, Value};

/// Where the caller's configuration comes from, for messages.
const GIVEN: &str = "the configuration given to snaplog.open()";

/// The text of a new log's snaplog.toml. `given`: JSON, shaped as snaplog.toml.
pub(crate) fn new_text(given: Option<&str>) -> Result<String> {
    let Some(given) = given else { return Ok(Config::template().to_owned()) };
    let text = format!(
        "# The configuration of this log, as snaplog.open() was given it; what is not here has its default.\n\
         # `snaplog init` in an empty directory writes a file that explains every key.\n\n{}",
        written(&table(given)?)
    );
    parse(&text)?;
    Ok(text)
}

/// The configuration of a session of a log that is there.
pub(crate) fn of_session(log: &Log, given: Option<&str>) -> Result<Config> {
    let Some(given) = given else { return log.config() };
    // What is wrong with the file is told as the file's fault.
    log.config()?;
    let mut table_of_file: Table = match log.config_text()? {
        Some(text) => text.parse().unwrap_or_default(),
        None => Table::new(),
    };
    lay_over(&mut table_of_file, table(given)?);
    parse(&written(&table_of_file))
}

fn table(given: &str) -> Result<Table> {
    // JSON's null is nothing that TOML has: `None` means that the key is not given.
    let mut json: serde_json::Value = serde_json::from_str(given).unwrap_or_default();
    without_nulls(&mut json);
    serde_json::from_value(json).map_err(|error| Error::BadMarker { message: format!("{GIVEN}: {error}") })
}

fn without_nulls(json: &mut serde_json::Value) {
    if let serde_json::Value::Object(map) = json {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(without_nulls);
    }
}

fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            // Tiers are told apart by name: whoever gives tiers gives all of them.
            (Some(Value::Table(old)), Value::Table(new)) if key != "tiers" && key != "durability" => {
                lay_over(old, new);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn written(table: &Table) -> String {
    toml::to_string(table).unwrap_or_default()
}

fn parse(text: &str) -> Result<Config> {
    Config::parse(text).map_err(|source| Error::Config { path: GIVEN.to_owned(), source })
}

//! `snaplog verify`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use snaplog::policy::units::parse_duration;
use snaplog::remote::verify_listing;
use snaplog::storage::Storage;
use snaplog::upkeep::drill::{VerifyCheck, record_verify};
use snaplog::upkeep::verify::{Finding, Level, Options, Report as Verified, verify_expecting};
use snaplog::{Digest, Environment, Log, MarkerId, SystemEnvironment};

use super::failure::{Exit, Failure, Report};
use super::output::{number, size};
use super::{Context, identity};

/// Prove that the log can be restored; changes nothing
///
/// Three levels, each with all of the ones before it. `quick` looks at CURRENT, the manifest, the headers and sizes of all
/// files and how they follow each other; at a remote copy, by a listing, whether all that it rests on is there. `checksums` reads every byte that counts. `replay` replays the log once and
/// compares the graph with the fingerprint of every marker on the way: what it calls good restores.
///
/// With --expect, which takes a digest that was kept elsewhere, it also shows whether anybody has changed what was before
/// that marker, as far as its events are not folded yet, or has put the whole log back to an earlier state.
///
/// Every damaged place is listed, with the markers that it costs and those that are still good. Beside a live writer it
/// looks at what is durable by then. The outcome is noted beside the log, in checks.json, for `stats`; where that cannot be
/// written the outcome counts all the same.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  sound
  2  the command line cannot be used
  3  no log there
  4  damage was found

Examples:
  snaplog -d crawl verify
  snaplog -d crawl verify --level quick --json
  snaplog -d crawl verify --expect \"$(cat digest-of-yesterday)\"")]
pub(super) struct VerifyArgs {
    /// How closely to look
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = LevelArg::Replay)]
    level: LevelArg,

    /// Also a fault: no marker of the log ever had this digest, as `list --digest` once gave it; may be given several times
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    expect: Vec<Digest>,

    /// Stop after so long, such as `10 min`; the report says that it is not complete
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_duration: Option<Duration>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LevelArg {
    Quick,
    Checksums,
    Replay,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "give a number and a unit: `30s`, `10 min`, `2h`".to_owned())
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text.trim())
        .ok_or_else(|| "a digest has 64 hexadecimal digits, as `list --digest` shows them".to_owned())
}

/// Verifies the log.
pub(super) fn run(args: VerifyArgs, context: &Context) -> Result<(), Failure> {
    let level = match args.level {
        LevelArg::Quick => Level::Quick,
        LevelArg::Checksums => Level::Checksums,
        LevelArg::Replay => Level::Replay,
    };
    if !args.expect.is_empty() && level != Level::Replay {
        let message = "--expect needs --level replay: only a replay hashes the events";
        return Err(Report::new(Exit::Usage, "usage", message).into());
    }
    let began = SystemEnvironment.now();
    let options = Options { level, max_duration: args.max_duration };
    let report = match context.remote()? {
        // What is there with the right size, a listing says.
        Some(remote) if level == Level::Quick => verify_listing(remote, &SystemEnvironment)?,
        remote => {
            let storage: Arc<dyn Storage> = match remote {
                Some(remote) => remote.storage(),
                None => identity::storage(&context.dir, context, level == Level::Replay)?,
            };
            verify_expecting(&storage, &SystemEnvironment, options, &args.expect)?
        }
    };
    let check = VerifyCheck {
        time: began,
        level: format!("{level:?}").to_lowercase(),
        sound: report.sound,
        complete: report.complete,
    };
    if context.remote()?.is_none()
        && let Ok(log) = Log::open(&context.dir)
    {
        record_verify(&log, check);
    }
    if context.json {
        context.document(&report)?;
    } else {
        tell(&report, context)?;
    }
    if report.sound { Ok(()) } else { Err(Failure::Told(Exit::Damage)) }
}

/// Tells people what was found.
pub(super) fn tell(report: &Verified, context: &Context) -> Result<(), Failure> {
    let mut text = String::new();
    for fault in &report.faults {
        text.push_str(&place(fault));
        text.push('\n');
    }
    let level = match report.level {
        Level::Quick => "headers and sizes",
        Level::Checksums => "every checksum",
        Level::Replay => "every checksum and, by replay, every marker's fingerprint",
    };
    let level = if report.complete { level.to_owned() } else { format!("not complete: asked for {level}") };
    let verdict = if !report.sound {
        "DAMAGED"
    } else if report.complete {
        "sound"
    } else {
        "sound as far as time allowed"
    };
    let _ = writeln!(
        text,
        "{verdict}: looked at {} files, {}; {level}; {} of {} markers good",
        number(report.files),
        size(report.bytes),
        number(report.markers_good),
        number(report.markers_checked),
    );
    for expected in &report.expected {
        if let Some(marker) = &expected.marker {
            let _ = writeln!(text, "{}: the digest of {marker}", expected.digest);
        }
    }
    context.out.data(&super::output::escaped(&text))?;
    if !report.expected.is_empty() && report.history_folded > 0 {
        context.out.say(&format!(
            "note: of {} markers the events are folded: what was before them is taken on trust, the events of {} were hashed",
            number(report.history_folded),
            number(report.history_proven)
        ));
    }
    for note in &report.notes {
        context.out.say(&format!("note: {}: {}", note.file, note.message));
    }
    if !report.sound {
        context.out.say(&format!(
            "lost: {}; what the damaged files alone knew of, if anything, is lost too",
            ranges(&report.lost)
        ));
        context.out.say(&format!("still good: {}", ranges(&report.good)));
        if let Some(newest) = report.good.last() {
            context.out.say(&format!(
                "hint: `snaplog restore --to {newest}` gives the newest state that is whole; copy the log before you \
                 change anything in it"
            ));
        }
    }
    Ok(())
}

fn place(fault: &Finding) -> String {
    let touched = match fault.markers.len() {
        0 => String::new(),
        _ => format!(" (touches {})", ranges(&fault.markers)),
    };
    format!("{}{touched}", fault.message)
}

/// `m1-m5, m7` for a list of names in order.
fn ranges(names: &[String]) -> String {
    let ids: Vec<MarkerId> =
        names.iter().filter_map(|name| name.strip_prefix('m')?.parse().ok().map(MarkerId)).collect();
    super::output::ranges(&ids)
}

//! The stories: all that a log goes through.

use snaplog::storage::SimStorage;
use snaplog::upkeep::copy::copy_in;
use snaplog::{CompactOptions, Error, Event, GraphKind, Timestamp};

use crate::explore::{CONFIG, Workload, compact_and_tidy, explore};
use crate::fates::Numbers;
use crate::faults::{fail_everywhere, misread_everywhere};
use crate::play::{DAY, HOUR, Play};

const DIRECTED: GraphKind = GraphKind { directed: true, multigraph: false };

fn node(n: i64) -> Event {
    Event::node(n)
}

fn link(a: i64, b: i64) -> Event {
    Event::edge(a, b).with("w", a)
}

fn gone(n: i64) -> Event {
    Event::DeleteNode { id: n.into() }
}

fn frontier(n: i64) -> Event {
    Event::PutEntry { key: "frontier".into(), entry: n.into(), value: n.into() }
}

/// An event of some sectors, no two of them alike.
fn large(n: i64, sectors: usize) -> Event {
    let mut numbers = Numbers(n.cast_unsigned());
    let words: Vec<String> = (0..sectors * 28).map(|_| format!("{:016x}", numbers.next())).collect();
    Event::node(n).with("text", words.join(" "))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where others may fail")]
fn nothing(_: &mut Play) -> Result<(), Error> {
    Ok(())
}

fn init(play: &mut Play) -> Result<(), Error> {
    play.init(CONFIG)
}

/// From nothing: made, written, marked, rolled, closed, opened again, closed without a word.
fn write(play: &mut Play) -> Result<(), Error> {
    play.init(CONFIG)?;
    play.open()?;
    play.append(&node(1))?;
    play.append(&link(1, 2))?;
    play.commit()?;
    play.batch(&[link(2, 3), node(3).with("a", 1), frontier(1)])?;
    let first = play.mark("first")?;
    for n in 3..7 {
        play.append(&link(n, n + 1))?;
    }
    play.pin(first, true)?;
    play.batch(&[gone(2), large(8, 2), node(9)])?;
    play.commit()?;
    play.append(&node(10))?;
    play.close()?;
    // Nothing new: no segment.
    play.open()?;
    play.append(&node(10))?;
    play.commit()?;
    play.close()?;
    play.open()?;
    // A day's events in one segment: the next rolls.
    for hours in [1, 30, 31, 60] {
        let time = Timestamp(play.now().0 + hours * HOUR);
        play.advance(hours * HOUR);
        play.append_at(&link(10 + hours, 11 + hours), Some(time))?;
        play.commit()?;
    }
    play.close()
}

/// Sessions that are killed, and those that take over what they left.
fn adopt(play: &mut Play) -> Result<(), Error> {
    play.open()?;
    play.append(&link(1, 2))?;
    play.commit()?;
    // Handed to the system, not synced: the frame of a batch is written by what comes after it.
    play.batch(&[link(2, 3), frontier(1)])?;
    play.append(&node(4))?;
    play.batch(&[large(5, 2), gone(1)])?;
    play.writer().set_sync_markers(false)?;
    play.writer().mark(&snaplog::MarkOptions::labelled("not synced"))?;
    play.kill();
    play.open()?;
    // Rests on what the one before left.
    play.append(&node(4))?;
    play.commit()?;
    play.append(&link(4, 6))?;
    play.kill();
    play.open()?;
    play.append(&link(6, 7))?;
    play.append(&link(7, 8))?;
    play.mark("marked")?;
    play.kill();
    // Only looked at, then killed again.
    play.open()?;
    play.kill();
    play.open()?;
    play.batch(&[link(8, 9), node(10)])?;
    play.close()
}

/// A log of some days, with markers of two tiers.
fn grow(play: &mut Play) -> Result<(), Error> {
    play.init(CONFIG)?;
    for session in 0..3 {
        play.open()?;
        for n in session * 14..(session + 1) * 14 {
            play.advance(2 * HOUR);
            let event = match n % 7 {
                3 if n > 7 => gone(n - 2),
                5 => frontier(n % 3).clone(),
                6 if n > 7 => Event::node(n - 5).with("seen", n),
                _ => link(n, n + 1),
            };
            // Births in the middle of a deletion's neighbours are events, too; what changes nothing is none.
            play.append(&event)?;
        }
        play.close()?;
    }
    Ok(())
}

const NOW: CompactOptions = CompactOptions { retention: false, now: true, thorough: true, rekey: false };
const RETENTION: CompactOptions =
    CompactOptions { retention: true, now: false, thorough: false, rekey: false };

/// Retention, undelete, pins, folds and merges, and a writer that goes on between them.
fn rewrite(play: &mut Play) -> Result<(), Error> {
    let dropped = play.compact(RETENTION)?;
    assert!(dropped.len() >= 2, "{dropped:?}");
    play.undelete(dropped[0])?;
    play.pin(dropped[0], true)?;
    play.open()?;
    for n in 100..108 {
        play.advance(HOUR);
        play.append(&link(n, n + 1))?;
    }
    let dropped = play.mark("dropped by hand")?;
    play.expire(dropped)?;
    play.compact(RETENTION)?;
    play.undelete(dropped)?;
    play.close()?;
    play.compact(NOW).map(drop)
}

/// Time goes by: what is old is folded whole and compressed, grace ends, the trash is emptied.
fn compress(play: &mut Play) -> Result<(), Error> {
    play.advance(3 * DAY);
    play.open()?;
    play.append(&node(1000))?;
    play.close()?;
    let bytes = |play: &Play| play.tape.disk.dump().values().map(Vec::len).sum::<usize>();
    let before = bytes(play);
    play.compact(RETENTION)?;
    play.advance(3 * DAY);
    play.compact(NOW)?;
    play.advance(DAY);
    play.compact(NOW)?;
    assert!(bytes(play) < before, "{before}, then {}", bytes(play));
    assert!(play.log()?.reader()?.segments().iter().any(|segment| segment.compressed));
    Ok(())
}

const SOURCE: &str = "crawl.ndjson";

/// Edges without keys: each reading of a line gives a new one, so a line that is read twice shows.
fn input() -> (String, Vec<Event>) {
    let line = |n: i64| format!("{{\"op\":\"edge\",\"src\":{},\"dst\":{}}}", n % 5, n % 3);
    (
        (0..20).map(line).collect::<Vec<_>>().join("\n") + "\n",
        (0..20).map(|n| Event::edge(n % 5, n % 3)).collect(),
    )
}

/// An input that is read in two parts, the second by a session after a kill.
fn import(play: &mut Play) -> Result<(), Error> {
    let (text, events) = input();
    let half: String = text.split_inclusive('\n').take(9).collect();
    play.open()?;
    play.append(&node(100))?;
    play.ingest(SOURCE, &half, &events[..9])?;
    play.kill();
    play.open()?;
    play.append(&node(101))?;
    play.ingest(SOURCE, &text, &events)?;
    play.close()
}

/// Whatever was read before: once the whole input has been sent again, each line is there once.
fn import_again(play: &mut Play) -> Result<(), Error> {
    let (text, events) = input();
    play.ingest(SOURCE, &text, &events)?;
    let edges = play.writer().with_graph(|graph| graph.counts().edges)?;
    assert_eq!(edges, 20, "lines of the input are missing or there twice");
    Ok(())
}

/// A copy of a log with all kinds of files, of which the moments are those of the copy's disk.
fn copy(play: &mut Play) -> Result<(), Error> {
    let mut original = Play::new(SimStorage::new(), crate::ledger::Ledger::new(DIRECTED), 2);
    grow(&mut original)?;
    rewrite(&mut original)?;
    // A copy shows all or nothing, but nobody is promised anything before it is told to be done.
    let ledger = original.with(|ledger| ledger.clone());
    let mut unpromised = ledger.clone();
    (unpromised.born, unpromised.acknowledged) = (false, 0);
    unpromised.batches = vec![(1, ledger.count())];
    unpromised.markers.values_mut().for_each(|promise| promise.listed = false);
    play.with(|ledger| *ledger = unpromised);
    copy_in(&original.log()?, std::sync::Arc::new(play.tape.clone()))?;
    play.with(|kept| *kept = ledger);
    Ok(())
}

/// An encrypted log through all of it: made, taken over from a killed session, folded, its key changed, sealed anew.
#[cfg(feature = "encryption")]
fn seal(play: &mut Play) -> Result<(), Error> {
    play.init_encrypted(CONFIG)?;
    play.open()?;
    play.append(&link(1, 2))?;
    play.mark("sealed")?;
    play.append(&node(3))?;
    play.kill();
    play.open()?;
    for n in 4..12 {
        play.advance(20 * HOUR);
        play.append(&link(n, n + 1))?;
    }
    play.close()?;
    play.compact(RETENTION)?;
    drop(play.log()?.rotate()?);
    play.open()?;
    play.append(&link(20, 21))?;
    play.mark("under the second key")?;
    play.close()?;
    play.compact(CompactOptions { rekey: true, ..NOW }).map(drop)
}

const NOTHING: Workload =
    Workload { name: "", kind: DIRECTED, before: nothing, story: nothing, after: nothing };
const WRITE: Workload = Workload { name: "write", story: write, ..NOTHING };
const ADOPT: Workload = Workload { name: "adopt", before: init, story: adopt, ..NOTHING };
const REWRITE: Workload =
    Workload { name: "rewrite", before: grow, story: rewrite, after: compact_and_tidy, ..NOTHING };
const COMPRESS: Workload = Workload { name: "compress", story: compress, ..REWRITE };
const IMPORT: Workload = Workload {
    name: "import",
    kind: GraphKind { directed: false, multigraph: true },
    before: init,
    story: import,
    after: import_again,
};
#[cfg(feature = "encryption")]
const SEAL: Workload = Workload { name: "seal", story: seal, ..NOTHING };
const COPY: Workload = Workload { name: "copy", story: copy, ..NOTHING };

#[test]
fn a_crash_while_a_log_is_made_written_marked_rolled_and_closed() {
    explore(&WRITE);
}

#[test]
fn a_crash_while_a_session_takes_over_what_a_killed_one_left() {
    explore(&ADOPT);
}

#[test]
fn a_crash_while_history_is_pruned_undeleted_folded_and_merged() {
    explore(&REWRITE);
}

#[test]
fn a_crash_while_what_is_old_is_compressed_and_what_was_dropped_is_reclaimed() {
    explore(&COMPRESS);
}

#[test]
fn a_crash_while_an_input_is_read_line_by_line() {
    explore(&IMPORT);
}

#[cfg(feature = "encryption")]
#[test]
fn a_crash_while_an_encrypted_log_is_made_written_folded_and_sealed_anew() {
    explore(&SEAL);
}

#[cfg(feature = "encryption")]
#[test]
fn a_call_that_fails_while_an_encrypted_log_is_made_written_folded_and_sealed_anew() {
    fail_everywhere(&SEAL);
}

#[test]
fn a_crash_while_a_log_is_copied() {
    explore(&COPY);
}

#[test]
fn a_call_that_fails_while_a_log_is_made_written_marked_rolled_and_closed() {
    fail_everywhere(&WRITE);
}

#[test]
fn a_call_that_fails_while_a_session_takes_over_what_a_killed_one_left() {
    fail_everywhere(&ADOPT);
}

#[test]
fn a_call_that_fails_while_history_is_pruned_undeleted_folded_and_merged() {
    fail_everywhere(&REWRITE);
}

#[test]
fn a_call_that_fails_while_what_is_old_is_compressed_and_what_was_dropped_is_reclaimed() {
    fail_everywhere(&COMPRESS);
}

#[test]
fn a_call_that_fails_while_an_input_is_read_line_by_line() {
    fail_everywhere(&IMPORT);
}

#[test]
fn a_call_that_fails_while_a_log_is_copied() {
    fail_everywhere(&COPY);
}

#[test]
fn a_read_that_fails_or_comes_short_is_an_error_or_nothing_at_all_never_another_log() {
    misread_everywhere(&ADOPT);
    misread_everywhere(&REWRITE);
}

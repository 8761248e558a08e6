//! What a power cut may leave: every subset of what was not synced, where there is little of it, else chosen ones.
#![allow(dead_code, clippy::indexing_slicing, reason = "tests; each file uses its part")]

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use snaplog::storage::SimStorage;
use snaplog::storage::sim::{Fate, Unit};

/// Whether everything is to be tried, which takes long.
pub(crate) fn exhaustive() -> bool {
    std::env::var_os("SNAPLOG_EXHAUSTIVE").is_some()
}

/// Counts what was visited.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    seen: HashSet<u64>,
    /// Moments at which the power was cut.
    pub(crate) points: u64,
    /// Disks that were left, each looked at once.
    pub(crate) states: u64,
    /// Fates that led to a disk that was seen before.
    pub(crate) again: u64,
}

impl Visits {
    /// Cuts the power at this moment in every way that is to be tried, and hands out each disk that is left and was not seen
    /// before. `promised` is what tells two moments with the same disk apart: what the caller was told until then.
    pub(crate) fn cut(
        &mut self,
        at: &SimStorage,
        promised: &impl Hash,
        mut look: impl FnMut(&SimStorage, &str),
    ) {
        self.points += 1;
        let units = at.unsynced();
        for fates in plans(&units, self.points) {
            let disk = at.fork();
            let mut asked = 0;
            disk.crash(&mut |unit| {
                // In the order of `units`, without those that an earlier answer made pointless.
                asked += units.iter().skip(asked).position(|one| *one == unit).unwrap_or_default();
                let fate = fates.get(asked).copied().unwrap_or(Fate::Lost);
                asked += 1;
                fate
            });
            let mut hasher = DefaultHasher::new();
            (disk.dump(), promised).hash(&mut hasher);
            if self.seen.insert(hasher.finish()) {
                self.states += 1;
                look(&disk, &format!("{} units: {}", units.len(), told(&fates)));
            } else {
                self.again += 1;
            }
        }
    }

    /// Says what was visited.
    pub(crate) fn say(&self, what: &str) {
        #[expect(clippy::print_stdout, reason = "what a test visited is worth telling")]
        {
            println!(
                "{what}: {} crash points, {} states, {} seen before",
                self.points, self.states, self.again
            );
        }
    }
}

fn told(fates: &[Fate]) -> String {
    let letter = |fate: &Fate| match fate {
        Fate::Survives => 'S',
        Fate::Lost => '-',
        Fate::Zeroed => '0',
        Fate::Torn => 't',
    };
    fates.iter().map(letter).collect()
}

/// The fates to try for these units. Up to 12 of them (4 in the short form): every subset, what is missing lost, and then
/// zeroed. More: none, all, each one missing, each one alone, and drawn ones.
fn plans(units: &[Unit], seed: u64) -> Vec<Vec<Fate>> {
    let count = units.len();
    let (most, drawn, singles) = if exhaustive() { (12, 200, count) } else { (4, 3, 6) };
    let mut plans = Vec::new();
    let sectors = units.iter().any(|unit| matches!(unit, Unit::Sector { .. }));
    let missing: &[Fate] = if sectors { &[Fate::Lost, Fate::Zeroed] } else { &[Fate::Lost] };
    if count <= most {
        for kept in 0_u32..1 << count {
            for gone in missing {
                let fate = |bit: usize| if kept >> bit & 1 == 1 { Fate::Survives } else { *gone };
                plans.push((0..count).map(fate).collect());
            }
        }
        return plans;
    }
    plans.push(vec![Fate::Lost; count]);
    plans.push(vec![Fate::Survives; count]);
    for one in (0..count).step_by(count.div_ceil(singles.max(1))) {
        let with = |fate: Fate, others: Fate| {
            (0..count).map(|at| if at == one { fate } else { others }).collect::<Vec<_>>()
        };
        plans.push(with(Fate::Survives, Fate::Lost));
        plans.extend(missing.iter().map(|gone| with(*gone, Fate::Survives)));
    }
    let mut state = seed;
    let mut random = || {
        // SplitMix64, Steele, Lea and Flood 2014.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    for _ in 0..drawn {
        // Out of 8: nearly all, half, or nearly nothing.
        let survive = [1, 4, 7][usize::try_from(random() % 3).unwrap_or_default()];
        let fate = |draw: u64| match draw % 8 {
            draw if draw < survive => Fate::Survives,
            _ => [Fate::Lost, Fate::Zeroed, Fate::Torn][usize::try_from(draw / 8 % 3).unwrap_or_default()],
        };
        plans.push((0..count).map(|_| fate(random())).collect());
    }
    plans
}

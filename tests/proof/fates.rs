//! Which crashes are tried at a moment: what becomes of each unsynced unit.

use snaplog::storage::sim::{Fate, Unit};

/// How closely to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closeness {
    /// Every subset, where so many units are unsynced at most.
    pub(crate) every_up_to: usize,
    /// Else so many subsets from a seed, besides none, all, each one missing and each one alone.
    pub(crate) seeds: u64,
    /// Whether each one missing, alone and torn is tried, too.
    pub(crate) each: bool,
}

/// The fates of the units, crash by crash.
///
/// A sector that holds zeros needs no case of its own: files only grow, so its unsynced bytes read as zeros when they are
/// lost and the length survives.
pub(crate) fn plan(units: &[Unit], close: Closeness, seed: u64) -> Vec<Vec<Fate>> {
    let count = units.len();
    let all = |fate: Fate| vec![fate; count];
    let but = |fate: Fate, at: usize, other: Fate| {
        let mut fates = all(fate);
        fates[at] = other;
        fates
    };
    let can_tear = |at: &usize| matches!(units[*at], Unit::Sector { .. } | Unit::Growth { .. });
    let mut crashes = Vec::new();
    if count <= close.every_up_to {
        for subset in 0_u32..1 << count {
            let fate = |at: usize| if subset >> at & 1 == 1 { Fate::Survives } else { Fate::Lost };
            crashes.push((0..count).map(fate).collect());
        }
    } else {
        crashes.extend([all(Fate::Lost), all(Fate::Survives)]);
        if close.each {
            crashes.extend((0..count).map(|at| but(Fate::Survives, at, Fate::Lost)));
            crashes.extend((0..count).map(|at| but(Fate::Lost, at, Fate::Survives)));
        }
        for n in 0..close.seeds {
            let mut numbers = Numbers(seed ^ (n << 40));
            // Some seeds lose nearly all, some nearly nothing.
            let survive = [1, 4, 7][usize::try_from(n % 3).unwrap()];
            let mut fate = |_| match numbers.below(8) {
                draw if draw < survive => Fate::Survives,
                _ if numbers.below(3) == 0 => Fate::Torn,
                _ => Fate::Lost,
            };
            crashes.push((0..count).map(&mut fate).collect());
        }
    }
    if close.each {
        crashes.extend((0..count).filter(can_tear).map(|at| but(Fate::Survives, at, Fate::Torn)));
    }
    crashes
}

/// A deterministic row of numbers.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

//! The word that was probably meant.

/// How alike two words must be, from 0 (nothing in common) to 1 (equal), for one to be offered for the other.
const ALIKE: f64 = 0.45;

/// The candidate nearest to `word`, if any is near enough to be what was meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A likeness is at most the shorter length over the longer: what cannot be near is not compared, however long it is.
    let length = chars(word);
    let may_be_near = |one: &&str| {
        let other = chars(one);
        f64::from(length.min(other)) >= ALIKE * f64::from(length.max(other))
    };
    let mut candidates = candidates.into_iter().filter(may_be_near).peekable();
    candidates.peek()?;
    let lower = word.to_lowercase();
    candidates
        .map(|one| (strsim::normalized_damerau_levenshtein(&lower, &one.to_lowercase()), one))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, one)| one)
}

fn chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let known = ["every", "every_nodes", "keep", "keep_within"];
        for (word, meant) in [
            ("keeep", Some("keep")),
            ("Keep", Some("keep")),
            ("every_node", Some("every_nodes")),
            ("evrey", Some("every")),
            ("keep-within", Some("keep_within")),
            ("colour", None),
            ("", None),
            ("kee", Some("keep")),
            ("keepkeepkeep", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        // Compared with each candidate, a text as long as a file may be would take hours.
        let zones: Vec<String> = (0..600).map(|n| format!("Europe/City {n}")).collect();
        assert_eq!(nearest(&"Europe".repeat(1 << 17), zones.iter().map(String::as_str)), None);
    }
}

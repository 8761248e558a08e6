//! The word that was probably meant.

/// How alike two words must be, from 0 (nothing in common) to 1 (equal), for one to be offered for the other.
const ALIKE: f64 = 0.45;

/// The candidate nearest to `word`, if any is near enough to be what was meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|one| (strsim::normalized_damerau_levenshtein(&lower, &one.to_lowercase()), one))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, one)| one)
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
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}

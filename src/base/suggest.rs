//! "Did you mean": the nearest of the known words.

/// The candidate nearest to `word`, if it is near enough to be what was meant (a third of the letters may differ).
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 200 {
        return None;
    }
    let folded = |text: &str| text.to_lowercase().replace('_', "-");
    let word = folded(word);
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= allowed + 1)
        .map(|candidate| (strsim::damerau_levenshtein(&word, &folded(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["inputs", "outputs", "deps", "pass_env"];
        let table =
            [("input", Some("inputs")), ("ouptuts", Some("outputs")), ("pass-env", Some("pass_env")), ("x", None)];
        for (word, expected) in table {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}

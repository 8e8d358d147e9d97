//! The known word that a mistyped one most likely means.

/// The candidate with the fewest edits from `word`, if at most a third of the word is edited.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // The distance takes memory in the product of both lengths, and a file may hold any word.
    const WORD_MAX: usize = 128;
    let length = word.chars().count();
    let edits_max = length.max(3) / 3;
    candidates
        .into_iter()
        .filter(|_| length <= WORD_MAX)
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean NEAREST? `, or nothing; stands before the list of what is known.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    nearest(word, candidates).map_or_else(String::new, |known| format!("did you mean `{known}`? "))
}

/// The first few items joined by commas; says how many were left out.
pub(crate) fn list(items: impl IntoIterator<Item = String>) -> String {
    const SHOWN_MAX: usize = 8;
    let mut items: Vec<String> = items.into_iter().collect();
    let rest = items.len().saturating_sub(SHOWN_MAX);
    items.truncate(SHOWN_MAX);
    let mut text = items.join(", ");
    if rest > 0 {
        text.push_str(&format!(" and {rest} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_typos_but_not_other_words() {
        let known = ["cpus", "burst", "idle_sleep_us"];
        assert_eq!(nearest("burts", known), Some("burst"));
        assert_eq!(nearest("idle_sleep", known), Some("idle_sleep_us"));
        assert_eq!(nearest("cpu", known), Some("cpus"));
        assert_eq!(nearest("queues", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(list((0..3).map(|n| n.to_string())), "0, 1, 2");
        assert!(list((0..20).map(|n| n.to_string())).ends_with("7 and 12 more"));
    }
}

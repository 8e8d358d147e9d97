//! Scenarios by name or glob.

/// A name, or a glob (`*` is any text, `?` any character) that at least one scenario has.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// `text` as a pattern of scenarios with these `names`; who means none of them hears the nearest.
    pub(crate) fn among<'a>(
        text: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let mut names: Vec<_> = names.collect();
        if names.iter().any(|name| matches(text, name)) {
            return Ok(Self(text.to_owned()));
        }
        names.sort_by_key(|name| strsim::damerau_levenshtein(text, name));
        names.truncate(3);
        Err(format!(
            "no scenario is called that; the nearest are {}; --list shows all",
            names.join(", ")
        ))
    }
}

/// Those of `all` that any of `patterns` means, or all if there are none; each once, in the order in which they run.
pub(crate) fn select<T>(patterns: &[Pattern], all: Vec<T>, name: impl Fn(&T) -> &str) -> Vec<T> {
    let wanted = |item: &T| patterns.iter().any(|Pattern(pattern)| matches(pattern, name(item)));
    all.into_iter().filter(|item| patterns.is_empty() || wanted(item)).collect()
}

/// Whether the whole of `name` is what `pattern` says.
fn matches(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    let after_one = || name.chars().next().map(|c| (c, &name[c.len_utf8()..]));
    match first {
        '*' => matches(rest, name) || after_one().is_some_and(|(_, name)| matches(pattern, name)),
        '?' => after_one().is_some_and(|(_, name)| matches(rest, name)),
        _ => after_one().is_some_and(|(c, name)| c == first && matches(rest, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let table = [
            ("read-cur-each", "read-cur-each", true),
            ("read-cur", "read-cur-each", false),
            ("read-*", "read-cur-each", true),
            ("*each", "read-cur-each", true),
            ("*-?", "init-read-4", true),
            ("*-?", "init-read-16", false),
            ("*", "", true),
            ("?", "", false),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}

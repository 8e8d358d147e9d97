//! Scenarios by name or glob.

use std::convert::Infallible;
use std::str::FromStr;

use anyhow::Result;

use crate::Usage;

/// A name, or a glob: `*` is any text, `?` any character.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(String);

impl FromStr for Pattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// Those of `all` that any of `patterns` means, or all if there are none; each once, in the order in which they run. A
/// pattern that means nothing is bad usage.
pub(crate) fn select<T>(
    patterns: &[Pattern],
    all: Vec<T>,
    name: impl Fn(&T) -> &str,
) -> Result<Vec<T>> {
    for Pattern(pattern) in patterns {
        if !all.iter().any(|item| matches(pattern, name(item))) {
            let mut names: Vec<_> = all.iter().map(&name).collect();
            names.sort_by_key(|name| strsim::damerau_levenshtein(pattern, name));
            names.truncate(3);
            return Err(Usage(format!(
                "no scenario is called {pattern}; the nearest are {}; --list shows all",
                names.join(", ")
            ))
            .into());
        }
    }
    let wanted = |item: &T| patterns.iter().any(|Pattern(pattern)| matches(pattern, name(item)));
    Ok(all.into_iter().filter(|item| patterns.is_empty() || wanted(item)).collect())
}

/// Whether the whole of `name` is what `pattern` says.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
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

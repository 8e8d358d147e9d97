//! Which scenarios to run, by name or glob.

use std::str::FromStr;

use super::catalogue::{Scenario, all};
use crate::pattern::matches;

/// A name, or a glob (`*` is any text, `?` any character) that at least one scenario has.
#[derive(Clone, Debug)]
pub(super) struct Pattern(String);

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = all();
        if all.iter().any(|scenario| matches(text, &scenario.name)) {
            return Ok(Self(text.to_owned()));
        }
        let mut names: Vec<_> = all.iter().map(|scenario| scenario.name.as_str()).collect();
        names.sort_by_key(|name| strsim::damerau_levenshtein(text, name));
        names.truncate(3);
        Err(format!(
            "no scenario is called that; the nearest are {}; --list shows all",
            names.join(", ")
        ))
    }
}

/// The scenarios of any of `patterns`, or all if there are none; each once, in the order in which they run.
pub(super) fn select(patterns: &[Pattern]) -> Vec<Scenario> {
    let wanted = |scenario: &Scenario| patterns.iter().any(|Pattern(p)| matches(p, &scenario.name));
    all().into_iter().filter(|scenario| patterns.is_empty() || wanted(scenario)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select_in_order_and_once() {
        let pattern = |text: &str| text.parse::<Pattern>().expect("a known name");
        let patterns = [pattern("write-*"), pattern("read-hoisted"), pattern("*-hoisted")];
        let names: Vec<_> = select(&patterns).into_iter().map(|scenario| scenario.name).collect();
        assert_eq!(names, ["read-hoisted", "write-hoisted", "write-cur-each", "counter-hoisted"]);
        assert_eq!(select(&[]).len(), all().len());
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let error = "read-curr-each".parse::<Pattern>().expect_err("no such name");
        assert!(error.contains("nearest are read-cur-each,"), "{error}");
        let _none = "nothing*".parse::<Pattern>().expect_err("no such glob");
    }
}

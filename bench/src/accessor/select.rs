//! Which scenarios to run, by name or glob.

use super::catalogue::{Scenario, all};
use crate::pattern::{self, Pattern};

/// A pattern of this command's scenarios.
pub(super) fn known(text: &str) -> Result<Pattern, String> {
    Pattern::among(text, all().iter().map(|scenario| scenario.name.as_str()))
}

/// The scenarios of any of `patterns`, or all if there are none.
pub(super) fn select(patterns: &[Pattern]) -> Vec<Scenario> {
    pattern::select(patterns, all(), |scenario| &scenario.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select_in_order_and_once() {
        let pattern = |text: &str| known(text).expect("a known name");
        let patterns = [pattern("write-*"), pattern("read-hoisted"), pattern("*-hoisted")];
        let names: Vec<_> = select(&patterns).into_iter().map(|scenario| scenario.name).collect();
        assert_eq!(names, ["read-hoisted", "write-hoisted", "write-cur-each", "counter-hoisted"]);
        assert_eq!(select(&[]).len(), all().len());
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let error = known("read-curr-each").expect_err("no such name");
        assert!(error.contains("nearest are read-cur-each,"), "{error}");
        let _none = known("nothing*").expect_err("no such glob");
    }
}

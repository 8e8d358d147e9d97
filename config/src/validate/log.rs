//! `[log]`: how the program tells what it does, and to whom.

use toml::Spanned;

use super::{Check, scalars};
use crate::defaults::LOG_LEVEL_DEFAULT;
use crate::diagnostic::{Diagnostic, Rule};
use crate::model::{Log, LogFormat, LogTarget};
use crate::raw;

const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
const TARGETS: &[(&str, LogTarget)] =
    &[("stderr", LogTarget::Stderr), ("journal", LogTarget::Journal)];
/// The names of tracing's levels.
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn check(check: &mut Check<'_>, raw: Option<raw::Log>) -> Log {
    let raw::Log { format, target, level } =
        raw.unwrap_or(raw::Log { format: None, target: None, level: None });
    let place = format.as_ref().map(Spanned::span);
    let format = format.and_then(|given| scalars::choice(check, "format", &given, FORMATS));
    let target = target.and_then(|given| scalars::choice(check, "target", &given, TARGETS));
    if let (Some(place), Some(LogTarget::Journal)) = (place, target) {
        check.report(Diagnostic::at(
            Rule::LogFormatUnused,
            place,
            "`format` has no effect: the journal has a form of its own",
            "not used with target = \"journal\"",
            "remove the line; journalctl -o json shows the journal as JSON",
        ));
    }
    Log {
        format: format.unwrap_or_default(),
        target: target.unwrap_or_default(),
        level: level
            .and_then(|given| directives(check, given))
            .unwrap_or_else(|| LOG_LEVEL_DEFAULT.to_owned()),
    }
}

/// The first part of a log's level that is neither `LEVEL` nor `TARGET=LEVEL`; between parts are commas.
pub fn wrong_log_directive(text: &str) -> Option<&str> {
    let is_target = |target: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        !target.is_empty() && target.chars().all(allowed)
    };
    text.split(',').find(|directive| {
        let (target, level) = directive.split_once('=').unwrap_or(("curvnet", directive));
        !is_target(target) || !LEVELS.contains(&level)
    })
}

fn directives(check: &mut Check<'_>, given: Spanned<String>) -> Option<String> {
    let Some(wrong) = wrong_log_directive(given.get_ref()) else { return Some(given.into_inner()) };
    check.report(Diagnostic::at(
        Rule::BadLogLevel,
        given.span(),
        format!("`level` does not know `{wrong}`"),
        format!("neither one of {} nor TARGET=LEVEL", LEVELS.join(", ")),
        "write level = \"info\", or with another level for a part: level = \"info,pmd=debug\"",
    ));
    None
}

//! Rules for single keys and values: ranges, choices, names, texts, MAC addresses.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use toml::Spanned;
use wire::MacAddr;

use super::Check;
use crate::defaults::limits;
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::model::{IfName, check_name};
use crate::nearest::did_you_mean;

/// A number of `unit` within `range`, or `default` if the key is not there or wrong.
pub(super) fn number<T: TryFrom<i64>>(
    check: &mut Check<'_>,
    key: &str,
    given: Option<Spanned<i64>>,
    (range, unit): (RangeInclusive<i64>, &str),
    default: T,
) -> T {
    given.and_then(|given| in_range(check, key, &given, range, unit)).unwrap_or(default)
}

/// A number of `unit` within `range`.
pub(super) fn in_range<T: TryFrom<i64>>(
    check: &mut Check<'_>,
    key: &str,
    given: &Spanned<i64>,
    range: RangeInclusive<i64>,
    unit: &str,
) -> Option<T> {
    let value = *given.get_ref();
    if let (true, Ok(number)) = (range.contains(&value), T::try_from(value)) {
        return Some(number);
    }
    let (low, high) = (range.start(), range.end());
    let nearest = value.clamp(*low, *high);
    check.report(Diagnostic::at(
        Rule::OutOfRange,
        given.span(),
        format!("`{key}` is out of range"),
        format!("must be {low} to {high} {unit}"),
        format!("the nearest value: {key} = {nearest}"),
    ));
    None
}

/// One of a key's words.
pub(super) fn choice<T: Clone>(
    check: &mut Check<'_>,
    key: &str,
    given: &Spanned<String>,
    choices: &[(&str, T)],
) -> Option<T> {
    let word = given.get_ref().as_str();
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
        return Some(value.clone());
    }
    let names = || choices.iter().map(|(name, _)| *name);
    let known = names().map(|name| format!("{key} = \"{name}\"")).collect::<Vec<_>>().join(" or ");
    let hint = did_you_mean(word, names());
    check.report(Diagnostic::at(
        Rule::UnknownChoice,
        given.span(),
        format!("`{key}` does not know `{word}`"),
        "none of the key's words",
        format!("{hint}write {known}"),
    ));
    None
}

/// Reports keys that have no place beside others of their table; whether there are any.
pub(super) fn foreign_keys<const N: usize>(
    check: &mut Check<'_>,
    keys: [(&str, Option<Span>); N],
    diagnostic: impl Fn(&str, Span) -> Diagnostic,
) -> bool {
    let mut any = false;
    for (key, span) in keys {
        if let Some(span) = span {
            any = true;
            check.report(diagnostic(key, span));
        }
    }
    any
}

/// A text that can be handed to C and to a terminal: not empty, no control characters.
pub(super) fn plain_text(check: &mut Check<'_>, key: &str, given: &Spanned<String>) -> bool {
    let text = given.get_ref();
    let label = if text.is_empty() {
        "this is empty"
    } else if text.contains(char::is_control) {
        "this holds a control character"
    } else {
        return true;
    };
    check.report(Diagnostic::at(
        Rule::BadText,
        given.span(),
        format!("`{key}` is no plain text"),
        label,
        "write at least one character, and none such as a newline, a tab or NUL",
    ));
    false
}

/// The kind of thing that a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Port,
    Vnet,
    Interface,
    Epair,
}

impl Named {
    fn word(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Vnet => "vnet",
            Self::Interface => "interface",
            Self::Epair => "epair",
        }
    }

    fn bytes_max(self) -> usize {
        match self {
            Self::Port | Self::Vnet => limits::NAME_BYTES,
            Self::Interface | Self::Epair => limits::INTERFACE_NAME_BYTES,
        }
    }
}

/// Whether the text can be a name.
pub(super) fn name(check: &mut Check<'_>, what: Named, given: &Spanned<String>) -> bool {
    let text = given.get_ref().as_str();
    let Err(bad) = check_name(text, what.bytes_max()) else { return true };
    let (article, example) = match what {
        Named::Port => ("a", "name = \"p0\""),
        Named::Vnet => ("a", "name = \"red\""),
        Named::Interface => ("an", "name = \"em0\""),
        Named::Epair => ("an", "epair = \"epair0\""),
    };
    check.report(Diagnostic::at(
        Rule::BadName,
        given.span(),
        format!("`{text}` cannot be the name of {article} {}", what.word()),
        bad.to_string(),
        format!(
            "use at most {} letters, digits, `_`, `-` and `.`, the first one a letter: {example}",
            what.bytes_max()
        ),
    ));
    false
}

/// Remembers a name; reports it if it is taken.
pub(super) fn unique(
    check: &mut Check<'_>,
    what: Named,
    given: &Spanned<String>,
    taken: &mut BTreeMap<String, Span>,
) -> bool {
    let name = given.get_ref();
    let Some(first) = taken.get(name) else {
        let _ = taken.insert(name.clone(), given.span());
        return true;
    };
    let cure = match (what, name.as_str()) {
        (Named::Interface, IfName::LOOPBACK) => {
            "give all addresses of lo0 in one [[vnet.interface]]".to_owned()
        }
        _ => format!("give each {} a name of its own", what.word()),
    };
    check.report(
        Diagnostic::at(
            Rule::DuplicateName,
            given.span(),
            format!("two {}s are called `{name}`", what.word()),
            "the name is taken",
            cure,
        )
        .also(first.clone(), "first used here"),
    );
    false
}

/// The address of one station (IEEE 802-2014 section 8.2: the first bit sent is the group bit).
pub(super) fn mac(check: &mut Check<'_>, given: &Spanned<String>) -> Option<MacAddr> {
    let text = given.get_ref();
    let parsed = text.parse::<MacAddr>().ok().filter(|_| text.len() == MacAddr::TEXT_LEN);
    let Some(mac) = parsed else {
        check.report(Diagnostic::at(
            Rule::BadMac,
            given.span(),
            format!("`{text}` is no MAC address"),
            "expected six bytes in hexadecimal",
            "write two digits a byte and colons between: mac = \"02:00:00:00:00:99\"",
        ));
        return None;
    };
    if mac.is_unicast() {
        return Some(mac);
    }
    let octets = mac.0;
    let example = MacAddr([octets[0] & 0xfc | 2, octets[1], octets[2], octets[3], octets[4], 1]);
    check.report(Diagnostic::at(
        Rule::MacNotUnicast,
        given.span(),
        format!("`{text}` is not the MAC address of one station"),
        if mac.is_group() { "a multicast or broadcast address" } else { "the zero address" },
        format!("use an address whose first byte is even, such as the local {example}"),
    ));
    None
}

//! TOML values into the shapes of [`tables!`](crate::tables!), leaving a diagnostic for everything that does
//! not fit and going on.
//!
//! This is what serde's derive would do, but serde ends at the first error; a person who corrects
//! a file wants to see all of them at once.

mod values;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::nearest::{did_you_mean, nearest};

pub use self::values::List;
pub(crate) use self::values::OneOrMany;

/// A value with the key that holds it, for the messages.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The key's name.
    pub key: &'a str,
    /// The key's place.
    pub key_span: Span,
    /// The value and its place.
    pub value: &'a Spanned<DeValue<'a>>,
    /// Whether the value is not the key's own but one of its array.
    pub is_entry: bool,
}

impl Input<'_> {
    /// The start of a line with this value, for a cure: `key = `, or nothing for an entry.
    fn assignment(&self) -> String {
        if self.is_entry { String::new() } else { format!("{} = ", self.key) }
    }
}

/// A shape that a value can have.
pub trait Decode: Sized {
    /// The value, or `None` after at least one diagnostic.
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self>;
}

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it stands in the file.
    pub name: &'static str,
    /// For a key that must be there: a line that would do.
    pub example: Option<&'static str>,
}

/// A TOML table with a fixed set of keys.
pub trait Table: Sized {
    /// How the table's header looks: `[workers]`, `[[port]]`; of a file itself, what messages call it.
    const HEADER: &'static str;
    /// Every key, in the order in which documentation lists them.
    const KEYS: &'static [Key];
    /// Keys of which one must be there, with a line that would do.
    const ONE_OF: Option<(&'static [&'static str], &'static str)>;
    /// Header and keys of all tables of the file, for a key that stands in a wrong one.
    const FILE: &'static [(&'static str, &'static [Key])];
    /// A table without any key.
    fn empty() -> Self;
    /// Stores the value of one key; false if the table has no such key.
    fn set(&mut self, input: &Input<'_>, found: &mut Vec<Diagnostic>) -> bool;
}

/// Decodes a whole file.
pub fn document<T: Table>(table: &Spanned<DeTable<'_>>, found: &mut Vec<Diagnostic>) -> T {
    keys(table.span(), table.get_ref(), found)
}

/// Decodes a table within a file.
pub fn inner<T: Table>(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<T> {
    if let DeValue::Table(table) = input.value.get_ref() {
        return Some(keys(input.value.span(), table, found));
    }
    let cure = format!("write a table: {} with its keys below", T::HEADER);
    found.push(wrong_type(input, "a table", cure));
    None
}

/// Decodes all keys of a table and reports those that are unknown or missing.
fn keys<T: Table>(span: Span, table: &DeTable<'_>, found: &mut Vec<Diagnostic>) -> T {
    let mut decoded = T::empty();
    for (key, value) in table {
        let input = Input { key: key.get_ref(), key_span: key.span(), value, is_entry: false };
        if !decoded.set(&input, found) {
            found.push(unknown_key::<T>(&input));
        }
    }
    for key in T::KEYS {
        if let Some(example) = key.example.filter(|_| !table.contains_key(key.name)) {
            found.push(missing_key::<T>(span.clone(), format!("`{}`", key.name), example));
        }
    }
    if let Some((names, example)) = T::ONE_OF
        && !names.iter().any(|name| table.contains_key(*name))
    {
        let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        found.push(missing_key::<T>(span, names.join(" or "), example));
    }
    decoded
}

fn missing_key<T: Table>(span: Span, what: String, example: &str) -> Diagnostic {
    Diagnostic::at(
        Rule::MissingKey,
        span,
        format!("{} without {what}", T::HEADER),
        format!("{what} is missing here"),
        format!("add a line such as {example}"),
    )
}

fn unknown_key<T: Table>(input: &Input<'_>) -> Diagnostic {
    let names: Vec<&str> = T::KEYS.iter().map(|key| key.name).collect();
    let hint = match elsewhere(T::FILE, input.key) {
        Some(header) if nearest(input.key, names.iter().copied()).is_none() => {
            format!("`{}` is a key of {header}; ", input.key)
        }
        _ => did_you_mean(input.key, names.iter().copied()),
    };
    unknown(input, T::HEADER, &hint, &names)
}

/// The diagnostic for a key that `place` does not have, where it has `known`; `hint` is what may be meant.
pub(crate) fn unknown(input: &Input<'_>, place: &str, hint: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::at(
        Rule::UnknownKey,
        input.key_span.clone(),
        format!("unknown key `{}` in {place}", input.key),
        "nothing reads this key",
        format!("{hint}{place} has: {}", known.join(", ")),
    )
}

/// The table that has a key of this name, if exactly one has.
fn elsewhere(file: &[(&'static str, &[Key])], name: &str) -> Option<&'static str> {
    let has = |keys: &[Key]| keys.iter().any(|key| key.name == name);
    let mut headers = file.iter().filter(|(_, keys)| has(keys)).map(|(header, _)| *header);
    headers.next().filter(|header| header.starts_with('[') && headers.next().is_none())
}

/// The diagnostic for a value of the wrong type.
pub fn wrong_type(input: &Input<'_>, expected: &str, cure: String) -> Diagnostic {
    let found = with_article(input.value.get_ref());
    let of = if input.is_entry { "each entry of " } else { "" };
    Diagnostic::at(
        Rule::WrongType,
        input.value.span(),
        format!("{of}`{}` must be {expected}", input.key),
        format!("this is {found}"),
        cure,
    )
}

fn with_article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a decimal fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::TABLES;

    #[test]
    fn a_key_of_one_table_is_found_and_one_of_many_is_not() {
        assert_eq!(elsewhere(TABLES, "vlan"), Some("[[vnet.interface]]"));
        assert_eq!(elsewhere(TABLES, "name"), None);
        assert_eq!(elsewhere(TABLES, "nothing"), None);
    }
}

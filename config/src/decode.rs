//! TOML values into the shapes of [`crate::raw`], leaving a diagnostic for everything that does
//! not fit and going on.
//!
//! This is what serde's derive would do, but serde ends at the first error; a person who corrects
//! a configuration wants to see all of them at once.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::nearest::did_you_mean;

/// A value with the key that holds it, for the messages.
pub(crate) struct Input<'a> {
    /// The key's name.
    pub(crate) key: &'a str,
    /// The key's place.
    pub(crate) key_span: Span,
    /// The value and its place.
    pub(crate) value: &'a Spanned<DeValue<'a>>,
    /// Whether the value is not the key's own but one of its array.
    pub(crate) is_entry: bool,
}

impl Input<'_> {
    /// The start of a line with this value, for a cure: `key = `, or nothing for an entry.
    fn assignment(&self) -> String {
        if self.is_entry { String::new() } else { format!("{} = ", self.key) }
    }
}

/// A shape that a value can have.
pub(crate) trait Decode: Sized {
    /// The value, or `None` after at least one diagnostic.
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self>;
}

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// As it stands in the file.
    pub(crate) name: &'static str,
    /// For a key that must be there: a line that would do.
    pub(crate) example: Option<&'static str>,
}

/// A TOML table with a fixed set of keys.
pub(crate) trait Table: Sized {
    /// How the table's header looks: `[workers]`, `[[port]]`.
    const HEADER: &'static str;
    /// Every key, in the order in which documentation lists them.
    const KEYS: &'static [Key];
    /// Keys of which one must be there, with a line that would do.
    const ONE_OF: Option<(&'static [&'static str], &'static str)>;
    /// A table without any key.
    fn empty() -> Self;
    /// Stores the value of one key; false if the table has no such key.
    fn set(&mut self, input: &Input<'_>, found: &mut Vec<Diagnostic>) -> bool;
}

/// Decodes all keys of a table and reports those that are unknown or missing.
pub(crate) fn table<T: Table>(
    span: Span,
    table: &DeTable<'_>,
    found: &mut Vec<Diagnostic>,
    elsewhere: impl Fn(&str) -> Option<&'static str>,
) -> T {
    let mut decoded = T::empty();
    for (key, value) in table {
        let input = Input { key: key.get_ref(), key_span: key.span(), value, is_entry: false };
        if !decoded.set(&input, found) {
            found.push(unknown_key::<T>(&input, &elsewhere));
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

fn unknown_key<T: Table>(
    input: &Input<'_>,
    elsewhere: impl Fn(&str) -> Option<&'static str>,
) -> Diagnostic {
    let names = || T::KEYS.iter().map(|key| key.name);
    let known = names().collect::<Vec<_>>().join(", ");
    let mut hint = did_you_mean(input.key, names());
    if let (true, Some(header)) = (hint.is_empty(), elsewhere(input.key)) {
        hint = format!("`{}` is a key of {header}; ", input.key);
    }
    let place = if T::HEADER.is_empty() { "a configuration" } else { T::HEADER };
    Diagnostic::at(
        Rule::UnknownKey,
        input.key_span.clone(),
        format!("unknown key `{}` in {place}", input.key),
        "nothing reads this key",
        format!("{hint}{place} has: {known}"),
    )
}

/// The diagnostic for a value of the wrong type.
pub(crate) fn wrong_type(input: &Input<'_>, expected: &str, cure: String) -> Diagnostic {
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

/// A scalar as the file has it, to be shown in a cure.
fn scalar_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

impl Decode for Spanned<String> {
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self> {
        if let DeValue::String(text) = input.value.get_ref() {
            return Some(Spanned::new(input.value.span(), text.to_string()));
        }
        let cure = match scalar_text(input.value.get_ref()) {
            Some(text) => format!("put it in quotes: {}\"{text}\"", input.assignment()),
            None => format!("write one text in quotes: {}\"...\"", input.assignment()),
        };
        found.push(wrong_type(input, "a string", cure));
        None
    }
}

impl Decode for Spanned<bool> {
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self> {
        if let DeValue::Boolean(truth) = input.value.get_ref() {
            return Some(Spanned::new(input.value.span(), *truth));
        }
        let cure = format!("write {0} = true or {0} = false, without quotes", input.key);
        found.push(wrong_type(input, "a boolean", cure));
        None
    }
}

impl Decode for Spanned<i64> {
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self> {
        let value = input.value.get_ref();
        if let DeValue::Integer(number) = value {
            let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
            if parsed.is_none() {
                found.push(Diagnostic::at(
                    Rule::OutOfRange,
                    input.value.span(),
                    format!("`{}` is out of range", input.key),
                    "does not fit in 64 bits",
                    format!("write a smaller number: {}1", input.assignment()),
                ));
            }
            return parsed.map(|number| Spanned::new(input.value.span(), number));
        }
        let number = scalar_text(value).and_then(|text| text.trim().parse::<i64>().ok());
        let cure = match number {
            Some(number) => format!("write it without quotes: {}{number}", input.assignment()),
            None => format!("write a whole number without quotes: {}1", input.assignment()),
        };
        found.push(wrong_type(input, "an integer", cure));
        None
    }
}

/// An array of scalars.
#[derive(Debug)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T: Decode> Decode for Spanned<List<T>> {
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self> {
        let value = input.value;
        if let DeValue::Array(array) = value.get_ref() {
            return Some(Spanned::new(value.span(), List(items(input, array, found)?)));
        }
        let cure = match (scalar_text(value.get_ref()), value.get_ref()) {
            (Some(text), DeValue::Integer(_)) => format!("write {} = [{text}]", input.key),
            (Some(text), _) => format!("write {} = [\"{text}\"]", input.key),
            (None, _) => format!("write the values in brackets: {} = [...]", input.key),
        };
        found.push(wrong_type(input, "an array", cure));
        None
    }
}

/// All items, or `None` if one of them has the wrong type.
fn items<T: Decode>(
    input: &Input<'_>,
    array: &DeArray<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Vec<T>> {
    let decoded: Vec<Option<T>> = array
        .iter()
        .map(|value| {
            let key_span = input.key_span.clone();
            T::decode(&Input { key: input.key, key_span, value, is_entry: true }, found)
        })
        .collect();
    decoded.into_iter().collect()
}

/// An array of strings, or one string for an array of one.
#[derive(Debug)]
pub(crate) struct OneOrMany(pub(crate) Vec<Spanned<String>>);

impl Decode for Spanned<OneOrMany> {
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self> {
        let span = input.value.span();
        if let DeValue::String(text) = input.value.get_ref() {
            let one = Spanned::new(span.clone(), text.to_string());
            return Some(Spanned::new(span, OneOrMany(vec![one])));
        }
        let list = Spanned::<List<Spanned<String>>>::decode(input, found)?;
        Some(Spanned::new(span, OneOrMany(list.into_inner().0)))
    }
}

//! A file of `key = value` lines without tables, as measuring programs take them: the same errors as for a
//! configuration, and every value as text, so that a file and a command line are read by one parser.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use crate::decode::{Input, unknown, wrong_type};
use crate::diagnostic::{Diagnostic, Rule, Span};
use crate::error::ConfigErrors;
use crate::load;
use crate::nearest::did_you_mean;

/// The values of a flat TOML file, by key.
#[derive(Clone, Debug, Default)]
pub struct Flat {
    file_name: String,
    text: String,
    values: BTreeMap<String, Value>,
}

#[derive(Clone, Debug)]
struct Value {
    /// A scalar is one text, an array one for each entry.
    texts: Vec<String>,
    span: Span,
}

impl Flat {
    /// Reads a file that may hold these keys.
    ///
    /// # Errors
    /// All keys that are unknown and all values that are neither scalars nor arrays of scalars; or why the file
    /// cannot be read, or is not TOML.
    pub fn load(path: &Path, keys: &[&str]) -> Result<Self, ConfigErrors> {
        Self::parse(&path.display().to_string(), &load::read(path)?, keys)
    }

    /// Reads a text that may hold these keys; `file_name` is for the messages only.
    ///
    /// # Errors
    /// As [`Flat::load`].
    ///
    /// ```
    /// let error = config::Flat::parse("a.toml", "rate = 5\nsise = 64\n", &["rate", "size"]).unwrap_err();
    /// assert!(error.render(false).contains("a.toml:2:1"));
    /// assert!(error.render(false).contains("did you mean `size`?"));
    /// ```
    pub fn parse(file_name: &str, text: &str, keys: &[&str]) -> Result<Self, ConfigErrors> {
        let table = load::toml(file_name, text)?;
        let mut found = Vec::new();
        let mut values = BTreeMap::new();
        for (key, value) in table.get_ref() {
            let input = Input { key: key.get_ref(), key_span: key.span(), value, is_entry: false };
            if !keys.contains(&input.key) {
                let hint = did_you_mean(input.key, keys.iter().copied());
                found.push(unknown(&input, "the file", &hint, keys));
            } else if let Some(texts) = texts_of(value) {
                let value = Value { texts, span: value.span() };
                let _unique = values.insert(input.key.to_owned(), value);
            } else {
                let cure = format!("write one value, or an array of them: {} = 1", input.key);
                found.push(wrong_type(&input, "a value or an array of values", cure));
            }
        }
        if found.is_empty() {
            return Ok(Self { file_name: file_name.to_owned(), text: text.to_owned(), values });
        }
        Err(ConfigErrors::new(file_name, text, found))
    }

    /// The texts of a key: one for a scalar, one for each entry of an array.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(|value| value.texts.as_slice())
    }

    /// An error that points at the value of `key`: what is wrong, and what would be right.
    pub fn error(&self, key: &str, message: &str, cure: &str) -> ConfigErrors {
        let message = format!("`{key}`: {message}");
        let diagnostic = match self.values.get(key) {
            Some(value) => Diagnostic::at(Rule::BadText, value.span.clone(), message, "here", cure),
            None => Diagnostic::general(Rule::MissingKey, message, cure),
        };
        ConfigErrors::new(&self.file_name, &self.text, vec![diagnostic])
    }
}

fn texts_of(value: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
    match value.get_ref() {
        DeValue::Array(array) => array.iter().map(|entry| scalar(entry.get_ref())).collect(),
        other => Some(vec![scalar(other)?]),
    }
}

/// Numbers with the underscores that TOML allows, taken out.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string().replace('_', "")),
        DeValue::Float(number) => Some(number.to_string().replace('_', "")),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 4] = ["rate", "size", "ndr", "dst"];

    #[test]
    fn values_are_texts() {
        let text = "rate = 1_000\nsize = [64, \"imix\"]\nndr = true\n";
        let flat = Flat::parse("a.toml", text, &KEYS).expect("right");
        assert_eq!(flat.get("rate"), Some(["1000".to_owned()].as_slice()));
        assert_eq!(flat.get("size"), Some(["64".to_owned(), "imix".to_owned()].as_slice()));
        assert_eq!(flat.get("ndr"), Some(["true".to_owned()].as_slice()));
        assert_eq!(flat.get("dst"), None);
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let all =
            Flat::parse("a.toml", "raet = 1\n[size]\n", &KEYS).expect_err("wrong").render(false);
        for words in ["a.toml:1:1", "did you mean `rate`?", "a.toml:2:", "this is a table"] {
            assert!(all.contains(words), "{words}: {all}");
        }
        let syntax =
            Flat::parse("a.toml", "rate = fast\n", &KEYS).expect_err("wrong").render(false);
        assert!(syntax.contains("put text in quotes"), "{syntax}");
        let flat = Flat::parse("a.toml", "\nrate = \"fast\"\n", &KEYS).expect("right so far");
        let error = flat.error("rate", "not a rate", "write 1Mpps").render(false);
        for words in ["a.toml:2:8", "not a rate", "help: write 1Mpps"] {
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}

//! The values of a TOML table, each checked where it is read; everything that is wrong is collected.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// A table that is being read.
pub(super) struct Table<'a, 'f> {
    header: &'static str,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// What is wrong so far.
    pub(super) found: &'f mut Vec<Problem>,
}

impl<'a, 'f> Table<'a, 'f> {
    /// `header` is what messages call the table; `span` is where it begins.
    pub(super) fn new(
        header: &'static str,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        found: &'f mut Vec<Problem>,
    ) -> Self {
        Self { header, table, span, found }
    }

    /// Reports a problem.
    pub(super) fn problem(
        &mut self,
        span: Range<usize>,
        message: String,
        label: String,
        cure: String,
    ) {
        self.found.push(Problem { span, message, label, other: None, cure });
    }

    /// Reports the keys that are not among `keys`, each with the nearest that is.
    pub(super) fn known(&mut self, keys: &[&str]) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !keys.contains(&name) {
                let hint = nearest(name, keys)
                    .map_or_else(String::new, |known| format!("did you mean `{known}`? "));
                let header = self.header;
                self.problem(
                    key.span(),
                    format!("unknown key `{name}` in {header}"),
                    "nothing reads this key".to_owned(),
                    format!("{hint}{header} has: {}", keys.join(", ")),
                );
            }
        }
    }

    /// A key that says how to build, in a table that names a program.
    pub(super) fn useless_beside_program(&mut self, key: &str) {
        if let Some((key_in_file, _)) = self.table.get_key_value(key) {
            self.problem(
                key_in_file.span(),
                format!("`{key}` beside `program`"),
                "nothing is built here".to_owned(),
                format!("remove `{key}`, or `program` to build from the sources"),
            );
        }
    }

    /// A text.
    pub(super) fn string(&mut self, key: &str) -> Option<(String, Range<usize>)> {
        let value = self.table.get(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some((text.to_string(), value.span()));
        }
        self.wrong_type(key, value, "a string", format!("write {key} = \"...\""));
        None
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, key: &str, example: &str) -> Option<(String, Range<usize>)> {
        if self.table.contains_key(key) {
            return self.string(key);
        }
        self.problem(
            self.span.clone(),
            format!("{} without `{key}`", self.header),
            format!("`{key}` is missing here"),
            format!("add a line such as {example}"),
        );
        None
    }

    /// Texts.
    pub(super) fn strings(&mut self, key: &str) -> Option<Vec<(String, Range<usize>)>> {
        let value = self.table.get(key)?;
        let texts = match value.get_ref() {
            DeValue::Array(array) => array
                .iter()
                .map(|entry| match entry.get_ref() {
                    DeValue::String(text) => Some((text.to_string(), entry.span())),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        if texts.is_none() {
            let cure = format!("write {key} = [\"...\", \"...\"]");
            self.wrong_type(key, value, "an array of strings", cure);
        }
        texts
    }

    /// A truth value and its place.
    pub(super) fn flag(&mut self, key: &str) -> Option<(bool, Range<usize>)> {
        let value = self.table.get(key)?;
        if let DeValue::Boolean(truth) = value.get_ref() {
            return Some((*truth, value.span()));
        }
        self.wrong_type(key, value, "a boolean", format!("write {key} = true, without quotes"));
        None
    }

    /// A whole number within a range.
    pub(super) fn integer(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.table.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        if number.is_some_and(|number| range.contains(&number)) {
            return number;
        }
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.wrong_type(key, value, &wanted, format!("write {key} = 11, without quotes"));
        None
    }

    /// A time above 0 and up to `max`.
    pub(super) fn seconds(&mut self, key: &str, max: f64) -> Option<f64> {
        let value = self.table.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => number.as_str().parse().ok(),
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            _ => None,
        };
        let number = number.filter(|number| *number > 0.0 && *number <= max);
        if number.is_none() {
            let wanted = format!("a time in seconds, above 0 and at most {max}");
            self.wrong_type(key, value, &wanted, format!("write {key} = 2.5, without quotes"));
        }
        number
    }

    /// The tables of a key: several of them in an array, or the one.
    pub(super) fn tables(
        &mut self,
        key: &str,
        several: bool,
    ) -> Vec<(&'a DeTable<'a>, Range<usize>)> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let entries: Vec<&Spanned<DeValue<'a>>> = match value.get_ref() {
            DeValue::Array(array) if several => array.iter().collect(),
            _ => vec![value],
        };
        let header = if several { format!("[[{key}]]") } else { format!("[{key}]") };
        let mut tables = Vec::new();
        for entry in entries {
            match entry.get_ref() {
                DeValue::Table(table)
                    if several == matches!(value.get_ref(), DeValue::Array(_)) =>
                {
                    tables.push((table, entry.span()));
                }
                _ => {
                    let cure = format!("write {header} on a line of its own, keys below it");
                    self.wrong_type(key, entry, &format!("a table {header}"), cure);
                }
            }
        }
        tables
    }

    /// A reader of one of these tables.
    pub(super) fn inner(
        &mut self,
        header: &'static str,
        (table, span): (&'a DeTable<'a>, Range<usize>),
    ) -> Table<'a, '_> {
        Table { header, table, span, found: self.found }
    }

    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, cure: String) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(number) => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.problem(
            value.span(),
            format!("`{key}` must be {wanted}"),
            format!("this is {found}"),
            cure,
        );
    }
}

/// The known key that a mistyped one most likely means: at most a third of it is edited.
fn nearest<'k>(word: &str, keys: &[&'k str]) -> Option<&'k str> {
    // The distance takes memory in the product of both lengths, and a file may hold any word.
    const WORD_MAX: usize = 64;
    let edits_max = word.len().max(3) / 3;
    keys.iter()
        .filter(|_| word.len() <= WORD_MAX)
        .map(|key| (strsim::damerau_levenshtein(word, key), *key))
        .filter(|(edits, _)| *edits <= edits_max)
        .min()
        .map(|(_, key)| key)
}

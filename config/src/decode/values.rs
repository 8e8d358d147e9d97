//! The shapes of single values and of arrays; what a wrong one should have been.

use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::{Decode, Input, Table, wrong_type};
use crate::diagnostic::{Diagnostic, Rule};

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

impl Decode for Spanned<f64> {
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self> {
        let number = match input.value.get_ref() {
            DeValue::Integer(number) => number.as_str().parse().ok(),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            let cure = format!("write a number without quotes: {}2.5", input.assignment());
            found.push(wrong_type(input, "a number", cure));
        }
        Some(Spanned::new(input.value.span(), number?))
    }
}

/// An array of tables: what is no table in it is reported and left out.
impl<T: Table + Decode> Decode for Vec<T> {
    fn decode(input: &Input<'_>, found: &mut Vec<Diagnostic>) -> Option<Self> {
        if let DeValue::Array(array) = input.value.get_ref() {
            let tables = array.iter().filter_map(|value| {
                let key_span = input.key_span.clone();
                T::decode(&Input { key: input.key, key_span, value, is_entry: true }, found)
            });
            return Some(tables.collect());
        }
        let cure = format!("write {}, in double brackets, once for each", T::HEADER);
        found.push(wrong_type(input, "an array of tables", cure));
        None
    }
}

/// An array of scalars.
#[derive(Debug)]
pub struct List<T>(pub Vec<T>);

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

//! From a file to a configuration or to everything that is wrong with it.

use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use crate::diagnostic::{Diagnostic, Rule, Severity};
use crate::error::{ConfigErrors, Report};
use crate::host::Host;
use crate::model::{Config, Port, PortWish};
use crate::{decode, validate};

/// A configuration of a hundred thousand routes has about 6 MiB.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Reads and checks a configuration file.
///
/// # Errors
///
/// Everything that is wrong with the file; see [`Rule`].
pub fn load(path: &Path, host: &Host) -> Result<Config, ConfigErrors> {
    parse(&path.display().to_string(), &read(path)?, host)
}

/// Reads the text of a configuration file.
///
/// # Errors
///
/// It cannot be read, is too large, or is no text.
pub fn read(path: &Path) -> Result<String, ConfigErrors> {
    let name = path.display().to_string();
    read_text(path).map_err(|found| ConfigErrors::new(&name, "", vec![found]))
}

/// Checks the text of a configuration; `file_name` is for the messages only.
///
/// # Errors
///
/// Everything that is wrong with the text; see [`Rule`].
pub fn parse(file_name: &str, text: &str, host: &Host) -> Result<Config, ConfigErrors> {
    let document = toml(file_name, text)?;
    let mut found = Vec::new();
    let raw = decode::document(&document, &mut found);
    let config = validate::document(raw, &validate::Source { file_name, text }, host, &mut found);
    let wrong = found.iter().any(|diagnostic| diagnostic.severity() == Severity::Error);
    let report = Report::new(file_name, text, found);
    if wrong { Err(ConfigErrors(report)) } else { Ok(Config { warnings: report, ..config }) }
}

/// Reads a text as TOML; `file_name` is for the messages only.
///
/// # Errors
///
/// Every line that is not TOML.
pub fn toml<'a>(file_name: &str, text: &'a str) -> Result<Spanned<DeTable<'a>>, ConfigErrors> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    if syntax.is_empty() {
        return Ok(document);
    }
    Err(ConfigErrors::new(file_name, text, syntax_errors(text, &syntax)))
}

/// Checks a port that comes while the program runs, by the rules of a `[[port]]` of a file.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn port(wish: PortWish, workers: usize, host: &Host) -> Result<Port, ConfigErrors> {
    let mut found = Vec::new();
    let source = validate::Source { file_name: "", text: "" };
    let port = validate::port(wish, workers, &source, host, &mut found);
    port.filter(|_| found.is_empty()).ok_or_else(|| ConfigErrors::new("", "", found))
}

fn read_text(path: &Path) -> Result<String, Diagnostic> {
    let unreadable = |message: String, cure: &str| {
        Diagnostic::general(
            Rule::Unreadable,
            format!("cannot read {}: {message}", path.display()),
            cure,
        )
    };
    let mut bytes = Vec::new();
    let size = std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            let cure = "name a readable TOML file; config/demo.toml is one to begin with";
            unreadable(error.to_string(), cure)
        })?;
    if u64::try_from(size).is_ok_and(|size| size > FILE_BYTES_MAX) {
        let cure = "a configuration has at most 64 MiB; is this the right file?";
        return Err(unreadable("the file is too large".to_owned(), cure));
    }
    String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..position];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let cure = "TOML is UTF-8; convert the file, for example with iconv -t UTF-8";
        unreadable(format!("line {line} is no UTF-8 text"), cure)
    })
}

/// The parser's errors, the first of each line: those behind it are its consequences.
fn syntax_errors(text: &str, errors: &[toml::de::Error]) -> Vec<Diagnostic> {
    let mut lines = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for error in errors {
        let start = error.span().map_or(0, |span| span.start);
        if lines.insert(line_at(text, start).0) {
            found.push(syntax_error(text, error));
        }
    }
    found
}

fn syntax_error(text: &str, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    let (_, line) = line_at(text, span.start);
    let (what, expected) = match error.message().split_once(", ") {
        Some((what, expected)) => (what, expected.to_owned()),
        None => (error.message(), "here".to_owned()),
    };
    let title = format!("not TOML: {what}");
    Diagnostic::at(Rule::Syntax, span, title, expected, syntax_cure(what, line))
}

/// Start and text of the line that holds a byte.
fn line_at(text: &str, index: usize) -> (usize, &str) {
    let before = text.get(..index).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (start, text[start..].lines().next().unwrap_or(""))
}

/// The cure for the line. The usual mistake is a text without quotes.
fn syntax_cure(what: &str, line: &str) -> String {
    if what == "duplicate key" {
        return "write each key once; tables that repeat are written [[port]], [[vnet]]".to_owned();
    }
    let unquoted = line.split_once('=').map(|(key, value)| {
        let value = value.split('#').next().unwrap_or(value);
        (key.trim(), value.trim())
    });
    match unquoted {
        Some((key, value)) if is_unquoted(value) => {
            format!("put text in quotes: {key} = \"{value}\"")
        }
        Some((key, "")) => format!("write a value behind the equals sign: {key} = \"text\""),
        _ => "write `key = value` lines below a [table] or [[table]] line; \
              quotes and brackets come in pairs"
            .to_owned(),
    }
}

fn is_unquoted(value: &str) -> bool {
    let quoted = value.contains(['"', '\'', '[', ']', '{', '}', '\\']);
    let number = value.bytes().all(|byte| byte.is_ascii_digit() || b"_+-".contains(&byte));
    !value.is_empty() && !quoted && !number
}

//! Errors of `load` and `parse` when a file is wrong.

use crate::diagnostic::Diagnostic;
use crate::render;

/// The text of a file and what there is to say about it, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Report {
    file_name: String,
    text: String,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn new(file_name: &str, text: &str, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| (diagnostic.severity(), diagnostic.position()));
        Self { file_name: file_name.to_owned(), text: text.to_owned(), diagnostics }
    }

    /// All diagnostics: errors first, then warnings, each by position.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// True if there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// The report for people: per diagnostic `error:` or `warning:`, `file:line:column`, the line
    /// with a caret under the place, and `help:` with what would be right.
    ///
    /// `color` adds ANSI escapes; leave it off unless the output is a terminal. The text ends with
    /// a newline, except that an empty report renders as nothing. At most 64 diagnostics are
    /// written out; a last line counts the rest.
    pub fn render(&self, color: bool) -> String {
        render::report(&self.file_name, &self.text, &self.diagnostics, color)
    }
}

/// Everything that is wrong with a configuration; holds at least one error.
///
/// Its `Display` is [`Report::render`] without color.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .0.render(false))]
pub struct ConfigErrors(pub(crate) Report);

impl ConfigErrors {
    /// The errors of a file that has this text; at least one of `found` is an error.
    pub fn new(file_name: &str, text: &str, found: Vec<Diagnostic>) -> Self {
        Self(Report::new(file_name, text, found))
    }

    /// The errors and warnings.
    pub fn report(&self) -> &Report {
        &self.0
    }

    /// Same as [`Report::render`].
    pub fn render(&self, color: bool) -> String {
        self.0.render(color)
    }
}

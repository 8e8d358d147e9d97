//! What is wrong with a manifest: the place, why, and what would be right.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Bytes of the file.
    pub(super) span: Range<usize>,
    /// One sentence.
    pub(super) message: String,
    /// What is to be seen at the place.
    pub(super) label: String,
    /// Another place that explains it, and what is to be seen there.
    pub(super) other: Option<(Range<usize>, String)>,
    /// What would be right.
    pub(super) cure: String,
}

impl Problem {
    /// A text that is not TOML.
    pub(super) fn syntax(error: &toml::de::Error, length: usize) -> Self {
        Self {
            span: error.span().unwrap_or(length..length),
            message: "this is not TOML".to_owned(),
            label: error.message().lines().collect::<Vec<_>>().join("; "),
            other: None,
            cure: "see bench/builds.toml for a manifest that works".to_owned(),
        }
    }

    /// A build's name that another build has.
    pub(super) fn twice(span: Range<usize>, first: Range<usize>, name: &str) -> Self {
        Self {
            span,
            message: format!("two builds are called `{name}`"),
            label: "used again".to_owned(),
            other: Some((first, "first used here".to_owned())),
            cure: "give each build its own name: results are told apart by it".to_owned(),
        }
    }

    /// A second mark of the reference.
    pub(super) fn second_reference(span: Range<usize>, first: Range<usize>) -> Self {
        Self {
            span,
            message: "two builds are marked as the reference".to_owned(),
            label: "marked again".to_owned(),
            other: Some((first, "the reference is chosen here".to_owned())),
            cure: "remove one of the two lines".to_owned(),
        }
    }

    /// A file without builds.
    pub(super) fn no_build(end: usize) -> Self {
        Self {
            span: end..end,
            message: "the manifest has no build".to_owned(),
            label: "nothing to compare".to_owned(),
            other: None,
            cure: "add a table such as [[build]] with name = \"native\" and \
                   rustflags = \"-C target-cpu=native\""
                .to_owned(),
        }
    }

    fn groups<'a>(&'a self, file_name: &'a str, text: &'a str) -> [Group<'a>; 2] {
        let primary = AnnotationKind::Primary.span(clamp(text, &self.span)).label(&self.label);
        let other = self.other.as_ref().map(|(span, label)| {
            AnnotationKind::Context.span(clamp(text, span)).label(label.as_str())
        });
        let snippet = Snippet::source(text).path(file_name).annotation(primary).annotations(other);
        [
            Level::ERROR.primary_title(self.message.as_str()).element(snippet),
            Group::with_title(Level::HELP.secondary_title(self.cure.as_str())),
        ]
    }
}

/// A manifest that cannot be used, as text: for each problem file:line:column, the line, a caret, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadManifest(String);

impl BadManifest {
    pub(super) fn new(file_name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.start);
        let renderer = Renderer::plain();
        let render = |problem: &Problem| renderer.render(&problem.groups(file_name, text));
        Self(problems.iter().map(render).collect::<Vec<_>>().join("\n\n"))
    }
}

impl fmt::Display for BadManifest {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "the manifest cannot be used\n{}", self.0)
    }
}

impl std::error::Error for BadManifest {}

/// Within the text, on character boundaries, and not past the first line's end.
fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let boundary = |at: usize| {
        (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
    };
    let start = boundary(span.start);
    let end = boundary(span.end).max(start);
    let line_end = text[start..end].find(['\r', '\n']).map_or(end, |newline| start + newline);
    start..line_end
}

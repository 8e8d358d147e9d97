//! Diagnostics as text, by annotate-snippets.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Label, Severity};

/// A file with thousands of errors has one cause; more than this many help nobody.
const RENDERED_MAX: usize = 64;

pub(crate) fn report(
    file_name: &str,
    text: &str,
    diagnostics: &[Diagnostic],
    color: bool,
) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(RENDERED_MAX) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&renderer.render(&groups(file_name, text, diagnostic)));
        out.push('\n');
    }
    if let Some(rest @ 1..) = diagnostics.len().checked_sub(RENDERED_MAX) {
        out.push_str(&format!("\n... and {rest} more\n"));
    }
    out
}

fn groups<'a>(file_name: &'a str, text: &'a str, diagnostic: &'a Diagnostic) -> [Group<'a>; 2] {
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.message);
    let main = match &diagnostic.label {
        Some(label) => title.element(snippet(file_name, text, label, &diagnostic.related)),
        None => Group::with_title(title),
    };
    [main, Group::with_title(Level::HELP.secondary_title(&diagnostic.cure))]
}

/// The lines from the first place to the last one; what lies between is folded away.
///
/// Only these lines are handed over: annotate-snippets works through all that it is given, and a
/// generated file may have a hundred thousand routes.
fn snippet<'a>(
    file_name: &'a str,
    text: &'a str,
    label: &'a Label,
    related: &'a [Label],
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let places = || std::iter::once(label).chain(related).map(|label| clamp(text, &label.span));
    let first = places().map(|span| span.start).min().unwrap_or(0);
    let last = places().map(|span| span.end).max().unwrap_or(first);
    let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[last..].find('\n').map_or(text.len(), |newline| last + newline);
    let within = |label: &Label| {
        let span = clamp(text, &label.span);
        span.start - start..span.end - start
    };
    Snippet::source(&text[start..end])
        .path(file_name)
        .line_start(1 + text[..start].matches('\n').count())
        .annotation(AnnotationKind::Primary.span(within(label)).label(&label.text))
        .annotations(
            related
                .iter()
                .map(|label| AnnotationKind::Context.span(within(label)).label(&label.text)),
        )
}

/// The span within the text and on character boundaries, whatever the TOML parser reported, and
/// never past the first line's end: a caret under `[[vnet]]` says as much as one under ten lines.
fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor_boundary(text, span.start);
    let end = floor_boundary(text, span.end).max(start);
    let line_end = text[start..end].find(['\r', '\n']).map_or(end, |newline| start + newline);
    start..line_end
}

fn floor_boundary(text: &str, index: usize) -> usize {
    let index = index.min(text.len());
    (0..=index).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

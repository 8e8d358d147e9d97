//! Text on its way to a terminal. All that the program writes goes through [`printable`], because names come from files,
//! arguments and other processes, and a terminal obeys what it is sent.

use std::borrow::Cow;
use std::fmt::Write;

/// The text without anything that a terminal would obey: such characters are written as `\u001b`, which JSON and TOML
/// read as well. Lines and tabs stay, and so do colours.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_obeyed) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let length = match color(from) {
            Some(color) => {
                out.push_str(color);
                color.len()
            }
            None => {
                let obeyed = from.chars().next().unwrap_or_default();
                let _infallible = write!(out, "\\u{:04x}", u32::from(obeyed));
                obeyed.len_utf8()
            }
        };
        rest = &from[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Control characters, and those that show text in another order than it has.
fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The colour that the text begins with, as the program itself writes them: `ESC [ NUMBERS m` (ECMA-48 8.3.117), of which
/// only weight and colours, so that nothing can be hidden.
fn color(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';').filter(|end| *end < 16)?;
    let is_color = |number: &str| match number.parse() {
        Ok(number) => matches!(number, 0..=2 | 22 | 30..=39 | 90..=97),
        Err(_) => number.is_empty(),
    };
    // 38;5;N is one of 256 colours.
    let (parameters, rest) = parameters.split_at(end);
    let simple = parameters.strip_prefix("38;5;").is_some_and(|number| !number.contains(';'))
        || parameters.split(';').all(is_color);
    (simple && rest.starts_with('m')).then(|| &text[..end + 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (text, shown) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("ä \u{1f600}", "ä \u{1f600}"),
            ("\u{1b}[2J", "\\u001b[2J"),
            ("\u{1b}]0;title\u{7}", "\\u001b]0;title\\u0007"),
            ("a\rb\u{8}\u{7f}", "a\\u000db\\u0008\\u007f"),
            ("\u{9b}31m", "\\u009b31m"),
            ("\u{202e}gpj", "\\u202egpj"),
            ("\u{1b}[8mhidden", "\\u001b[8mhidden"),
            ("\u{1b}[1;5H", "\\u001b[1;5H"),
            ("\u{1b}", "\\u001b"),
            ("\u{1b}[", "\\u001b["),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn colours_stay() {
        for text in
            ["\u{1b}[1m\u{1b}[91merror\u{1b}[0m", "\u{1b}[38;5;12m|", "\u{1b}[m", "\u{1b}[1;31m"]
        {
            assert_eq!(printable(text), text);
        }
    }
}

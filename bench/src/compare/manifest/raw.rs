//! The tables of a manifest, key by key.

use config::decode::List;
use toml::Spanned;

/// An array of texts.
pub(super) type Texts = Spanned<List<Spanned<String>>>;

config::tables! {
    /// The file itself.
    Document "a manifest" {
        /// Names of what is measured.
        scenarios: Texts,
        rounds: Spanned<i64>,
        seconds: Spanned<f64>,
        short: Short,
        build: Vec<Build>,
    }

    /// The differences with `--short`.
    Short "[short]" {
        scenarios: Texts,
        rounds: Spanned<i64>,
        seconds: Spanned<f64>,
    }

    /// A build to compare.
    Build "[[build]]" {
        name: Spanned<String> = required("name = \"native\""),
        features: Texts,
        profile: Spanned<String>,
        rustflags: Spanned<String>,
        /// Of git.
        revision: Spanned<String>,
        /// A program that is there, instead of one that is built.
        program: Spanned<String>,
        reference: Spanned<bool>,
    }
}

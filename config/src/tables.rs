//! `tables!`: structs for the tables of a TOML file, key by key.

/// Declares the tables of a file: for each a struct with an `Option` for each key, filled by [`crate::decode`].
///
/// ```text
/// config::tables! {
///     /// The file itself: what messages call it stands where other tables have their headers.
///     Document "a manifest" {
///         rounds: Spanned<i64>,
///         build: Vec<Build>,
///     }
///
///     /// A build. One of two keys must be there; if not, a line is shown that would do.
///     Build "[[build]]" one_of("program" "profile"; "profile = \"release\"") {
///         name: Spanned<String> = required("name = \"native\""),
///         program: Spanned<String>,
///         profile: Spanned<String>,
///         /// A key whose name is a word of Rust's.
///         kind as "type": Spanned<String>,
///     }
/// }
/// ```
///
/// `= required(LINE)` marks a key that must be there and gives a line to show when it is not; `one_of` does the same for
/// keys of which one is needed. `TABLES` has the header and the keys of all tables.
#[macro_export]
macro_rules! tables {
    ($($(#[$doc:meta])*
    $name:ident $header:literal $(one_of($($alternative:literal)+; $alternative_line:literal))? {
        $($(#[$field_doc:meta])*
        $field:ident $(as $key:literal)? : $shape:ty $(= required($line:literal))?,)*
    })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(crate) struct $name {
                $($(#[$field_doc])* pub(crate) $field: Option<$shape>,)*
            }

            impl $crate::decode::Table for $name {
                const HEADER: &'static str = $header;
                const KEYS: &'static [$crate::decode::Key] = &[$($crate::decode::Key {
                    name: $crate::tables!(@name $field $($key)?),
                    example: $crate::tables!(@example $($line)?),
                },)*];
                const ONE_OF: Option<(&'static [&'static str], &'static str)> =
                    $crate::tables!(@one_of $($($alternative)+; $alternative_line)?);
                const FILE: &'static [(&'static str, &'static [$crate::decode::Key])] = TABLES;

                fn empty() -> Self {
                    Self { $($field: None,)* }
                }

                fn set(
                    &mut self,
                    input: &$crate::decode::Input<'_>,
                    found: &mut Vec<$crate::Diagnostic>,
                ) -> bool {
                    $(if input.key == $crate::tables!(@name $field $($key)?) {
                        self.$field = $crate::decode::Decode::decode(input, found);
                        return true;
                    })*
                    false
                }
            }

            impl $crate::decode::Decode for $name {
                fn decode(
                    input: &$crate::decode::Input<'_>,
                    found: &mut Vec<$crate::Diagnostic>,
                ) -> Option<Self> {
                    $crate::decode::inner(input, found)
                }
            }
        )*

        /// Header and keys of every table.
        pub(crate) const TABLES: &[(&str, &[$crate::decode::Key])] =
            &[$(($header, <$name as $crate::decode::Table>::KEYS),)*];
    };
    // The name of a key: that of its field, unless the file's word is reserved in Rust.
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@example) => { None };
    (@example $line:literal) => { Some($line) };
    (@one_of) => { None };
    (@one_of $($name:literal)+; $line:literal) => { Some((&[$($name),+], $line)) };
}

//! The arguments that EAL is started with: derived ones and those of the user, each option once. From DPDK 25.11 on EAL ends
//! the process when one is repeated.

/// Options that may be given several times, with another value each (`eal_parse_common_option`).
const REPEATABLE: [&str; 5] = ["allow", "block", "vdev", "d", "log-level"];
/// Other names of options; those that exclude each other count as one.
const ALIASES: [(&str, &str); 8] = [
    ("a", "allow"),
    ("w", "allow"),
    ("b", "block"),
    ("c", "lcores"),
    ("l", "lcores"),
    ("S", "lcores"),
    ("socket-mem", "m"),
    ("h", "help"),
];

/// One option, and its words as they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    name: String,
    /// The value; empty for a flag.
    value: String,
    words: Vec<String>,
}

impl Parameter {
    fn of(word: &str) -> Self {
        let (name, value) = match word.strip_prefix("--") {
            Some(long) => long.split_once('=').unwrap_or((long, "")),
            // A short option's value may stand in the same word.
            None => {
                let short = word.strip_prefix('-').unwrap_or(word);
                short.split_at(short.chars().next().map_or(0, char::len_utf8))
            }
        };
        let alias = ALIASES.iter().find(|(other, _)| *other == name);
        let name = alias.map_or(name, |(_, name)| name).to_owned();
        Self { name, value: value.to_owned(), words: vec![word.to_owned()] }
    }

    fn is_repeatable(&self) -> bool {
        REPEATABLE.contains(&self.name.as_str())
    }

    /// Whether it makes the other one superfluous.
    fn replaces(&self, other: &Self) -> bool {
        self.name == other.name && (!self.is_repeatable() || self.value == other.value)
    }
}

/// Both together, without repetitions: those of the user win over derived ones, and of two of the user's the last one wins.
pub(super) fn merged(derived: &[String], user: &[String]) -> Vec<String> {
    let mut all = parsed(derived);
    for parameter in parsed(user) {
        all.retain(|other| !parameter.replaces(other));
        all.push(parameter);
    }
    all.into_iter().flat_map(|parameter| parameter.words).collect()
}

/// Whether the user gives this option.
pub(super) fn has(user: &[String], name: &str) -> bool {
    parsed(user).iter().any(|parameter| parameter.name == name)
}

fn parsed(words: &[String]) -> Vec<Parameter> {
    let mut all: Vec<Parameter> = Vec::new();
    for word in words {
        match all.last_mut() {
            // The value of the option before.
            Some(before) if !word.starts_with('-') => {
                before.value.push_str(word);
                before.words.push(word.clone());
            }
            _ => all.push(Parameter::of(word)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn no_option_is_there_twice() {
        for (derived, user, expected) in [
            ("--no-pci", "--no-pci", "--no-pci"),
            ("--no-huge -m1024", "-m 512", "--no-huge -m 512"),
            ("-m1024", "--socket-mem=512", "--socket-mem=512"),
            ("--file-prefix=a --no-pci", "--file-prefix=b", "--no-pci --file-prefix=b"),
            ("--lcores=0@(1)", "-l 3", "-l 3"),
            ("--allow=0:1", "-a 0:2 --allow=0:1", "-a 0:2 --allow=0:1"),
            ("", "--vdev=a --vdev=b --vdev a", "--vdev=b --vdev a"),
            ("", "--iova-mode=pa --iova-mode=va", "--iova-mode=va"),
            (
                "",
                "--log-level=lib.eal:8 --log-level=pmd:8",
                "--log-level=lib.eal:8 --log-level=pmd:8",
            ),
            ("", "stray --no-pci", "stray --no-pci"),
        ] {
            assert_eq!(
                merged(&words(derived), &words(user)),
                words(expected),
                "{derived} + {user}"
            );
        }
    }

    #[test]
    fn options_are_found_under_their_other_names() {
        assert!(has(&words("-a 0:1"), "allow") && has(&words("--allow=0:1"), "allow"));
        assert!(!has(&words("--vdev allow"), "allow"));
    }
}

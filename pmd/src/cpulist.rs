//! The kernel's list format: `0-3,8,10-11`.

/// The numbers of a list, ascending; parts that are no numbers are left out.
#[must_use]
pub(crate) fn parse(list: &str) -> Vec<usize> {
    /// More CPUs or nodes than any kernel is built for.
    const LIMIT: usize = 8192;
    let mut numbers: Vec<usize> = list
        .trim()
        .split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.trim().parse().ok()?..=last.trim().parse::<usize>().ok()?.min(LIMIT))
        })
        .flatten()
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        for (text, numbers) in [
            ("", vec![]),
            ("\n", vec![]),
            ("0", vec![0]),
            ("0-3,8,10-11\n", vec![0, 1, 2, 3, 8, 10, 11]),
            ("nohz,domain,4", vec![4]),
            ("3,1-2,2", vec![1, 2, 3]),
        ] {
            assert_eq!(parse(text), numbers, "{text:?}");
        }
    }
}

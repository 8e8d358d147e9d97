//! Times of day, as tcpdump shows them.

/// `HH:MM:SS.microseconds` of a time in nanoseconds since 1970, UTC.
pub(super) fn clock_time(time_ns: u64) -> String {
    let (seconds, micros) = (time_ns / 1_000_000_000 % 86_400, time_ns / 1_000 % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{micros:06}")
}

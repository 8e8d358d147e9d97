//! EAL's and the drivers' own log: quiet on the terminal, kept in memory, handed out by line.
//!
//! Drivers log from whatever thread they run on, workers included, so the buffer is fixed and nothing
//! here allocates until the control side takes the lines.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dpdk_sys as ffi;

/// Bytes of log kept; the oldest go first.
const CAPACITY: usize = 16 * 1024;
/// `RTE_LOG_NOTICE`: what is less important than this is not kept.
const NOTICE: c_int = 6;

/// A line of EAL's or a driver's log.
pub(crate) type Line = String;

struct Ring {
    bytes: [u8; CAPACITY],
    /// Index of the oldest byte.
    start: usize,
    len: usize,
}

static RING: Mutex<Ring> = Mutex::new(Ring { bytes: [0; CAPACITY], start: 0, len: 0 });

impl Ring {
    fn push(&mut self, text: &[u8]) {
        for &byte in text {
            let at = (self.start + self.len) % CAPACITY;
            self.bytes[at] = byte;
            if self.len < CAPACITY {
                self.len += 1;
            } else {
                self.start = (self.start + 1) % CAPACITY;
            }
        }
    }

    fn take(&mut self) -> Vec<u8> {
        let text = (0..self.len).map(|i| self.bytes[(self.start + i) % CAPACITY]).collect();
        self.len = 0;
        text
    }
}

fn ring() -> MutexGuard<'static, Ring> {
    // The ring is plain bytes: a panic in between leaves nothing broken.
    RING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// stdio calls this for every message of `rte_log`.
unsafe extern "C" fn write(
    _cookie: *mut c_void,
    text: *const c_char,
    len: usize,
) -> ffi::__ssize_t {
    // SAFETY: reads a variable of the calling thread.
    let level = unsafe { ffi::rte_log_cur_msg_loglevel() };
    if level <= NOTICE && !text.is_null() {
        // SAFETY: stdio hands in `len` readable bytes that stay valid during the call.
        ring().push(unsafe { std::slice::from_raw_parts(text.cast(), len) });
    }
    ffi::__ssize_t::try_from(len).unwrap_or(ffi::__ssize_t::MAX)
}

/// Sends the log of EAL and of all drivers into memory. Before `rte_eal_init`, once; without memory
/// for the stream the log stays on stderr.
pub(crate) fn capture() {
    let functions =
        ffi::cookie_io_functions_t { read: None, write: Some(write), seek: None, close: None };
    // SAFETY: the mode is a C string; the functions are valid for ever and use no cookie.
    let stream = unsafe { ffi::fopencookie(ptr::null_mut(), c"w".as_ptr(), functions) };
    if !stream.is_null() {
        // SAFETY: the stream is open and is never closed.
        let _ = unsafe { ffi::rte_openlog_stream(stream) };
    }
}

/// Takes what was logged since the last call, line by line, oldest first.
pub(crate) fn take() -> Vec<Line> {
    let text = ring().take();
    String::from_utf8_lossy(&text)
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// Sends what waits to the program's log, so that errors to come quote their own lines only.
pub(crate) fn forward() {
    for line in take() {
        tracing::debug!("DPDK: {line}");
    }
}

/// The captured lines as the end of an error message; empty if there are none.
pub(crate) fn suffix(lines: &[Line]) -> String {
    if lines.is_empty() { String::new() } else { format!("; DPDK says: {}", lines.join(" | ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_the_newest_bytes() {
        let mut ring = Ring { bytes: [0; CAPACITY], start: 0, len: 0 };
        ring.push(b"first\n");
        assert_eq!(ring.take(), b"first\n");
        ring.push(&[b'a'; CAPACITY]);
        ring.push(b"end");
        let text = ring.take();
        assert_eq!(text.len(), CAPACITY);
        assert!(text.ends_with(b"aend"));
        assert!(ring.take().is_empty());
    }
}

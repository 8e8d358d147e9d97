//! From a worker to the control thread: records of bytes in a ring of words, written by the one and read by the other
//! (FreeBSD has a pair of buffers for each descriptor: net/bpf_buffer.c).
//!
//! A record is a word with its length and the words themselves. One thread writes and one reads; if ever two wrote,
//! records would be spoiled and nothing else: the reader believes no length.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

/// Bytes in a word.
pub(super) const WORD: usize = 8;

/// The ring. Positions count words and never wrap in the life of a machine.
#[derive(Debug)]
pub(super) struct Ring {
    words: Box<[AtomicU64]>,
    /// Words that were ever written.
    written: CachePadded<AtomicU64>,
    /// Words that were ever read.
    read: CachePadded<AtomicU64>,
}

/// A record that is being written; nobody sees it before it is [done](Self::done).
pub(super) struct Writer<'a> {
    ring: &'a Ring,
    begin: u64,
    at: u64,
    /// The end of the room for it.
    end: u64,
}

impl Ring {
    /// A ring of `words` words, which is a power of two.
    pub(super) fn new(words: usize) -> Self {
        Self {
            words: (0..words.next_power_of_two()).map(|_| AtomicU64::new(0)).collect(),
            written: CachePadded::default(),
            read: CachePadded::default(),
        }
    }

    fn word(&self, at: u64) -> &AtomicU64 {
        // The remainder by a length that is never zero, for it is a power of two.
        &self.words[at as usize & (self.words.len() - 1)]
    }

    /// Begins a record of at most `words` words; none when there is no room.
    #[inline]
    pub(super) fn begin(&self, words: usize) -> Option<Writer<'_>> {
        let begin = self.written.load(Ordering::Relaxed);
        let free = self.words.len() as u64 - (begin - self.read.load(Ordering::Acquire));
        let end = begin + 1 + words as u64;
        (end - begin <= free).then_some(Writer { ring: self, begin, at: begin + 1, end })
    }

    /// Takes the next record into `words`; false when there is none.
    pub(super) fn take(&self, words: &mut Vec<u64>) -> bool {
        let read = self.read.load(Ordering::Relaxed);
        let written = self.written.load(Ordering::Acquire);
        words.clear();
        if read == written {
            return false;
        }
        let length = self.word(read).load(Ordering::Relaxed).min(written - read - 1);
        let record = read + 1..read + 1 + length;
        words.extend(record.map(|at| self.word(at).load(Ordering::Relaxed)));
        // Release: the words were loaded before the writer may overwrite them.
        self.read.store(read + 1 + length, Ordering::Release);
        true
    }
}

impl Writer<'_> {
    /// Appends a word, if the record has room for it.
    #[inline]
    pub(super) fn word(&mut self, word: u64) {
        if self.at < self.end {
            self.ring.word(self.at).store(word, Ordering::Relaxed);
            self.at += 1;
        }
    }

    /// The record is whole.
    #[inline]
    pub(super) fn done(self) {
        let length = self.at - self.begin - 1;
        self.ring.word(self.begin).store(length, Ordering::Relaxed);
        // Release: who sees the position sees the words.
        self.ring.written.store(self.at, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(ring: &Ring, words: &[u64]) -> bool {
        let Some(mut writer) = ring.begin(words.len()) else { return false };
        words.iter().for_each(|word| writer.word(*word));
        writer.done();
        true
    }

    #[test]
    fn records_come_out_as_they_went_in_until_it_is_full() {
        let ring = Ring::new(16);
        let mut words = Vec::new();
        for round in 0..100 {
            assert!(write(&ring, &[round, 1, 2, 3, 4]) && write(&ring, &[]));
            assert!(write(&ring, &[9; 8]), "6 + 1 + 9 words fill it");
            assert!(!write(&ring, &[]), "no room for the length");
            assert!(ring.take(&mut words));
            assert_eq!(words, [round, 1, 2, 3, 4]);
            assert!(ring.take(&mut words) && words.is_empty());
            assert!(ring.take(&mut words));
            assert_eq!(words, [9; 8]);
            assert!(!ring.take(&mut words));
        }
        assert!(!write(&ring, &[0; 16]), "longer than the ring");
    }

    #[test]
    fn two_threads() {
        const RECORDS: u64 = 20_000;
        let ring = Ring::new(64);
        std::thread::scope(|scope| {
            let _writer = scope.spawn(|| {
                for record in 0..RECORDS {
                    let words = vec![record; record as usize % 20];
                    while !write(&ring, &words) {
                        std::thread::yield_now();
                    }
                }
            });
            let mut words = Vec::new();
            for record in 0..RECORDS {
                while !ring.take(&mut words) {
                    std::thread::yield_now();
                }
                assert_eq!(words, vec![record; record as usize % 20]);
            }
        });
    }
}

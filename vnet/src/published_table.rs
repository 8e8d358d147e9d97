//! Many values that workers read and the control thread replaces one by one.

use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use crate::Control;
use crate::qsbr::Reader;
use crate::sync::{AtomicPtr, Ordering};

/// `CHUNKS` times `CHUNK` places for values that workers read without a lock and [`Control::put`] replaces one by one,
/// at the same cost however many there are. A chunk takes memory from its first value on, and keeps it.
///
/// It belongs to one domain for ever. Dropping the table drops the values.
pub struct PublishedTable<T, const CHUNKS: usize, const CHUNK: usize> {
    /// The number of the domain: readers of another are not waited for, so they must find nothing.
    domain: u32,
    /// Null until one of its places is used, and from then on the same.
    chunks: [AtomicPtr<[AtomicPtr<T>; CHUNK]>; CHUNKS],
    owns: PhantomData<Arc<T>>,
}

// SAFETY: the table owns handles to values of `T`, which it moves between threads (Send) and lends to many at a time
// (Sync).
unsafe impl<T: Send + Sync, const CHUNKS: usize, const CHUNK: usize> Send
    for PublishedTable<T, CHUNKS, CHUNK>
{
}
// SAFETY: as above.
unsafe impl<T: Send + Sync, const CHUNKS: usize, const CHUNK: usize> Sync
    for PublishedTable<T, CHUNKS, CHUNK>
{
}

impl<T, const CHUNKS: usize, const CHUNK: usize> PublishedTable<T, CHUNKS, CHUNK> {
    /// How many places there are.
    pub const PLACES: usize = CHUNKS * CHUNK;

    /// An empty table for the readers of `control`'s domain.
    #[must_use]
    pub fn new(control: &Control) -> Self {
        let chunks = std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut()));
        Self { domain: control.reader().domain(), chunks, owns: PhantomData }
    }

    /// The value at a place, for as long as the reader has no quiescent state; none where there is no value or no such
    /// place.
    #[inline]
    #[must_use]
    pub fn load<'a>(&'a self, reader: &'a Reader, place: usize) -> Option<&'a T> {
        if !reader.is_present(self.domain) {
            return self.load_later(reader, place);
        }
        let value = self.place(place)?.load(Ordering::Acquire);
        // SAFETY: a pointer that is not null came from an `Arc` in `replace`, by the control of the reader's domain. That
        // handle is dropped by (1) that control, after a grace period that began when the value had left its place and
        // that waits for this online reader, whose report needs `&mut` and so ends 'a; or (2) the drop of the table,
        // which 'a keeps borrowed.
        unsafe { value.as_ref() }
    }

    /// The value for a reader that was offline; none for one of another domain.
    #[cold]
    #[inline(never)]
    fn load_later<'a>(&'a self, reader: &'a Reader, place: usize) -> Option<&'a T> {
        reader.ensure_online();
        if reader.is_present(self.domain) { self.load(reader, place) } else { None }
    }

    #[inline]
    fn place(&self, place: usize) -> Option<&AtomicPtr<T>> {
        // Acquire: a chunk is built before a reader sees it.
        let chunk = self.chunks.get(place / CHUNK)?.load(Ordering::Acquire);
        // SAFETY: null, or a box that `place_to_fill` took apart and that is freed when the table is dropped.
        unsafe { chunk.as_ref() }?.get(place % CHUNK)
    }

    /// The same, with its chunk made if need be; none where there is no such place. For the control of the domain, of
    /// which there is one at a time.
    fn place_to_fill(&self, place: usize) -> Option<&AtomicPtr<T>> {
        let chunk = self.chunks.get(place / CHUNK)?;
        if chunk.load(Ordering::Acquire).is_null() {
            let new = Box::new(std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())));
            // Release: see `place`.
            chunk.store(Box::into_raw(new), Ordering::Release);
        }
        self.place(place)
    }

    /// Replaces the value at a place on behalf of a domain and returns the old one, which readers may still look at.
    pub(crate) fn replace(
        &self,
        domain: u32,
        place: usize,
        new: Option<Arc<T>>,
    ) -> Option<Withdrawn<T>> {
        assert!(self.domain == domain, "the table belongs to another control");
        let place = match &new {
            Some(_) => Some(self.place_to_fill(place).expect("the table has such a place")),
            None => self.place(place),
        };
        let new = new.map_or(ptr::null(), Arc::into_raw).cast_mut();
        // Release: the value is built before a reader sees it.
        let old = place?.swap(new, Ordering::AcqRel);
        (!old.is_null()).then(|| Withdrawn(old))
    }
}

/// A handle that has left its place. A raw pointer and not an `Arc`, because `load` lends what it points to without one.
pub(crate) struct Withdrawn<T>(*const T);

// SAFETY: owns a handle like an `Arc`.
unsafe impl<T: Send + Sync> Send for Withdrawn<T> {}

impl<T> Drop for Withdrawn<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `Arc::into_raw`, has left its place, and this is the only owner of that handle;
        // whoever drops this has waited for the readers.
        drop(unsafe { Arc::from_raw(self.0) });
    }
}

impl<T, const CHUNKS: usize, const CHUNK: usize> Drop for PublishedTable<T, CHUNKS, CHUNK> {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            let chunk = chunk.load(Ordering::Acquire);
            if chunk.is_null() {
                continue;
            }
            // SAFETY: a box that `place_to_fill` took apart; nobody borrows the table any more.
            for place in &*unsafe { Box::from_raw(chunk) } {
                let value = place.load(Ordering::Acquire);
                drop((!value.is_null()).then(|| Withdrawn(value)));
            }
        }
    }
}

impl<T, const CHUNKS: usize, const CHUNK: usize> fmt::Debug for PublishedTable<T, CHUNKS, CHUNK> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishedTable").field("places", &Self::PLACES).finish_non_exhaustive()
    }
}

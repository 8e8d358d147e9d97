//! [`RteFib`]: DPDK's own longest-prefix match.

use std::ffi::CString;
use std::ptr::NonNull;

use dpdk_sys as ffi;

use crate::Eal;

/// DPDK's `rte_fib` (DIR-24-8 with next hops of four bytes), as an oracle for other tables. Takes 64 MiB and more.
#[derive(Debug)]
pub struct RteFib {
    fib: NonNull<ffi::cv_fib>,
    // Gone after the table.
    _eal: Eal,
}

impl RteFib {
    /// An empty table for so many routes and so many groups of 256 addresses with prefixes longer than /24. The name must
    /// be unique in the process.
    ///
    /// # Panics
    /// If the name is taken or there is no memory.
    #[must_use]
    pub fn new(eal: &Eal, name: &str, max_routes: i32, groups: u32) -> Self {
        let c_name = CString::new(name).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        // SAFETY: EAL is initialised, the name is a C string, and DPDK copies it.
        let fib = unsafe { ffi::cv_fib_create(c_name.as_ptr(), max_routes, groups) };
        let fib = NonNull::new(fib).unwrap_or_else(|| panic!("rte_fib_create({name})"));
        Self { fib, _eal: eal.clone() }
    }

    /// Adds or replaces a route; next hop 0 is "none".
    ///
    /// # Panics
    /// If the table is full.
    pub fn add(&mut self, prefix: u32, depth: u8, next_hop: u32) {
        // SAFETY: the table is valid and `&mut self` is its only user.
        let result =
            unsafe { ffi::cv_fib_add(self.fib.as_ptr(), prefix, depth, u64::from(next_hop)) };
        assert_eq!(result, 0, "rte_fib_add({prefix:#x}/{depth})");
    }

    /// Deletes a route.
    ///
    /// # Panics
    /// If it is not there.
    pub fn delete(&mut self, prefix: u32, depth: u8) {
        // SAFETY: as in `add`.
        let result = unsafe { ffi::cv_fib_delete(self.fib.as_ptr(), prefix, depth) };
        assert_eq!(result, 0, "rte_fib_delete({prefix:#x}/{depth})");
    }

    /// Writes the next hop of each address (host byte order) to the same place of `next_hops`, by one call of
    /// `rte_fib_lookup_bulk`.
    ///
    /// # Panics
    /// If the slices differ in length, or are longer than C counts.
    pub fn lookup_bulk(&self, addresses: &[u32], next_hops: &mut [u64]) {
        assert_eq!(addresses.len(), next_hops.len(), "a next hop for each address");
        let count = i32::try_from(addresses.len()).unwrap_or_else(|error| panic!("{error}"));
        // SAFETY: the table is valid and not changed meanwhile, both arrays have `count` elements, and DPDK only reads the
        // addresses: a table whose flags do not say that they are in network byte order looks them up where they are.
        let result = unsafe {
            ffi::cv_fib_lookup_bulk(
                self.fib.as_ptr(),
                addresses.as_ptr().cast_mut(),
                next_hops.as_mut_ptr(),
                count,
            )
        };
        assert_eq!(result, 0, "rte_fib_lookup_bulk");
    }
}

impl Drop for RteFib {
    fn drop(&mut self) {
        // SAFETY: the table is valid and is not used again.
        unsafe { ffi::cv_fib_free(self.fib.as_ptr()) };
    }
}

//! Raw bindings to the system's DPDK (22.11 to 25.11), and nothing else.
//!
//! The declarations are generated at build time from the installed headers. Calls that those headers
//! define `static inline`, mbuf field offsets and flags come from the C shim in `csrc/`, all with the
//! prefix `cv_` / `CV_`. The safe interface is the crate `pmd`.

pub use generated::*;

/// Declares a C type that is only ever handled by pointer.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug)]
        #[allow(non_camel_case_types)] // C's name
        pub struct $name {
            _contents: [u8; 0],
            // Not Send, not Sync, not Unpin: whoever holds a pointer states the rules for it.
            _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// A packet buffer; its fields are reached through the `CV_MBUF_*` offsets.
    rte_mbuf,
    /// A pool of packet buffers.
    rte_mempool,
    /// Receive queue settings; null means the driver's defaults.
    rte_eth_rxconf,
    /// Transmit queue settings; null means the driver's defaults.
    rte_eth_txconf,
    /// The answer of a telemetry command.
    rte_tel_data,
    /// A C stdio stream.
    _IO_FILE,
}

/// Generated code: one declaration per C declaration, documented in DPDK's own API reference.
#[allow(missing_docs, missing_debug_implementations, unused_qualifications)]
#[allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(clippy::all, clippy::undocumented_unsafe_blocks)]
mod generated {
    use super::*;

    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

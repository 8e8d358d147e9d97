//! The accessor arms: four ways in which a variable of a module is found, chosen by cargo features in this one place.
//!
//! | features | a variable is | FreeBSD |
//! |---|---|---|
//! | `vimage` | a field of the container at `vnet.mod_data[module]` | `options VIMAGE` of 2009 |
//! | none | a field of one static struct for each module | the default build |
//! | `vimage-globals` | a static | `options VIMAGE_GLOBALS` |
//! | `vimage-section` | at an offset in each vnet's copy of a linker section | since 8.0 |
//!
//! Every arm exports the same names: here `Data`, `Claim`, `Kept`, `NAME` and `MAX_VNETS` for the rest of the crate, and the
//! macro `__storage!`, which [`module!`](crate::module!) calls for a module's container, base and accessors.

#[cfg(any(
    all(feature = "vimage", feature = "vimage-globals"),
    all(feature = "vimage", feature = "vimage-section"),
    all(feature = "vimage-globals", feature = "vimage-section"),
))]
compile_error!(
    "choose one accessor arm: the features `vimage`, `vimage-globals` and `vimage-section` exclude each other \
     (`vimage` is a default feature of the program: add --no-default-features)"
);

#[cfg(feature = "vimage")]
mod container;
#[cfg(feature = "vimage")]
pub use container::*;

#[cfg(all(feature = "vimage-section", not(feature = "vimage")))]
mod section;
#[cfg(all(feature = "vimage-section", not(feature = "vimage")))]
pub use section::*;

#[cfg(not(any(feature = "vimage", feature = "vimage-section")))]
mod statics;
#[cfg(not(any(feature = "vimage", feature = "vimage-section")))]
pub use statics::*;

/// Memory for a vnet's variables could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for {bytes} bytes of variables: reserve more hugepages or create fewer vnets")]
pub struct AllocError {
    /// How many bytes were asked for.
    pub bytes: usize,
}

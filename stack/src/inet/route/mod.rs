//! The FIB of IPv4: what workers look a destination up in, and how it follows the RIB (`net::route`).
//!
//! | file | plane | subject |
//! |---|---|---|
//! | `fib_control.rs`, `fib_control/` | control | builds and changes the FIB, chooses its layout, owns its arena |
//! | `fib.rs`, `fib/` | datapath | the lookup |
//!
//! Next hops are 16-bit ids of next-hop groups that `net::route::HopTable` gives out; id 0 means "no route".
//!
//! ```
//! use std::num::NonZeroU16;
//! use stack::inet::route::{FibControl, FibPolicy, FibUpdate, NextHopIndex};
//! use stack::net::route::{Rib, RouteEntry, RouteFlags};
//!
//! let mut rib = Rib::new();
//! let mut control = FibControl::new(FibPolicy::default());
//! let prefix = "198.18.0.0/15".parse()?;
//! let nexthop = NonZeroU16::new(7).ok_or("zero")?;
//! rib.insert(prefix, RouteEntry { nexthop, flags: RouteFlags::STATIC })?;
//! match control.update(&rib, prefix) {
//!     FibUpdate::Replaced(fib) => { /* publish `fib` to the workers */ }
//!     FibUpdate::InPlace => { /* workers see it already */ }
//! }
//! if let Some(token) = control.seal() {
//!     drop(token); // after a grace period: `vnet::Control::retire(Box::new(token))`
//! }
//! assert_eq!(control.fib().lookup(0xc612_0001), NextHopIndex(7));
//! assert_eq!(control.fib().lookup(0x0a00_0001), NextHopIndex::NONE);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod fib;
mod fib_control;

pub use fib::{FEW_RANGES_MAX, Fib, NearFib, NextHopIndex};
pub use fib_control::{FibControl, FibPolicy, FibUpdate, GraceToken};

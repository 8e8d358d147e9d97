//! The neighbour table that every address family uses: FreeBSD's `net/if_llatbl.c`, with the timers of
//! `netinet/if_ether.c` and `netinet6/nd6.c`.
//!
//! A pure state machine that the control thread calls: time and news come in, [`NeighborAction`]s go out. A family says by
//! [`Resolution`] how its addresses and its solicitations look, how long an entry stays in a state, and which state
//! follows. `A` is an address of the family, `P` a packet that waits for its neighbour.
//!
//! | file | subject | bound |
//! |---|---|---|
//! | `resolution.rs` | what a family supplies | |
//! | `state.rs` | the states of an entry and their order | |
//! | `table.rs` | [`NeighborTable`]: look up, set, remove | `max_neighbors` entries |
//! | `resolve.rs` | a packet needs a neighbour | |
//! | `update.rs` | a neighbour told its MAC address | |
//! | `deadlines.rs` | an entry's time in its state is over | one deadline an entry |
//! | `hold.rs` | packets that wait for a neighbour | `max_hold` packets an entry |
//! | `eviction.rs` | which entry a full table gives up | 32 looks an entry |
//! | `action.rs` | what the table wants done | |

mod action;
mod deadlines;
mod entry;
mod eviction;
mod hold;
mod resolution;
mod resolve;
mod state;
mod table;
mod update;

pub use action::{NeighborAction, NeighborNews};
pub use entry::{NeighborKey, Source};
pub use resolution::{Actions, NeighborLimits, Resolution};
pub use state::NeighborState;
pub use table::NeighborTable;
pub use update::NeighborUpdate;

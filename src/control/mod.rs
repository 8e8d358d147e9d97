//! The control socket: a thread of its own reads requests, bounds them, and hands them to the control thread, which
//! executes a few in each of its ticks.
//!
//! | file | subject |
//! |---|---|
//! | `socket.rs` | the socket's file: made, guarded, removed |
//! | `lock.rs` | of two instances that start at once, one gets the socket |
//! | `peer.rs` | who may talk to us |
//! | `link.rs` | one client: its buffers and bounds; no I/O of its own |
//! | `queues.rs` | the two queues between the control thread and that of the clients, and their bounds |
//! | `stream.rs` | lines that follow an answer: the control thread's end |
//! | `clients.rs` | the thread that talks to clients |
//! | `server.rs` | the control thread's end: it starts that thread and executes requests |
//!
//! No thread waits for a client. The clients' thread uses poll(2) and non-blocking sockets; both queues are bounded and
//! the number of requests on their way is kept below that bound, so neither side ever waits for the other; a client that
//! does not read is not read from, and is dropped in the end.

mod clients;
mod link;
mod lock;
mod peer;
mod queues;
mod server;
mod socket;
mod stream;

pub(crate) use peer::Rights;
pub(crate) use server::Server;
pub(crate) use socket::Socket;
pub(crate) use stream::{Caller, Outbox};

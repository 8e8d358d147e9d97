//! The whole stack in virtual time: bursts go in, frames and named drops come out.
//!
//! | module | subject |
//! |---|---|
//! | `cases` | how one packet, its drop reason and its answers are written down |
//! | `link`, `header`, `address`, `forward`, `options`, `icmp`, `arp` | what becomes of one packet |
//! | `scarce` | full queues, full tables, empty pools |
//! | `coverage` | that every drop reason is in one of these |
//! | `fragments` | datagrams that are cut, and put together again |
//! | `fast_path` | both paths do the same |
//! | `crossing` | the same for bursts that go on through epairs |
//! | `interleaved` | the same for bursts of many interfaces, and that flows keep their order |
//! | `outcome` | what became of bursts, to be compared |
//! | `limits` | what one vnet may occupy, and that others do not notice |
//! | `next_hops` | hops and neighbours become the next hops that workers read |
//! | `loopback` | packets of a vnet to itself |
//! | `receivers` | which interface has a port and VLAN |
//! | `captures` | what is shown to who looks on |
//! | `vnets` | isolation of vnets, interfaces that come and go |
//! | `peers` | smoltcp's hosts |
//! | `probes` | packets of our own whose answers a client waits for |
//! | `epair` | two vnets joined by an epair |
//! | `speaking` | which of its addresses the vnet speaks with |
//! | `moves` | interfaces that move between vnets |
//! | `live` | a worker thread under load while routes, neighbours and vnets change |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;

mod address;
mod aliases;
mod arp;
mod captures;
mod cases;
mod coverage;
mod crossing;
mod epair;
mod fast_path;
mod forward;
mod fragments;
mod header;
mod icmp;
mod interleaved;
mod limits;
mod link;
mod live;
mod loopback;
mod moves;
mod next_hops;
mod options;
mod outcome;
mod peers;
mod probes;
mod receivers;
mod scarce;
mod speaking;
mod vnets;

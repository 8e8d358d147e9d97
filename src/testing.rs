//! For unit tests: the control side without workers.

use std::alloc::System;

use pmd::SocketId;
use pmd::numa::Pools;
use stack::control::Stack;
use stack::worker::control_queues;
use vnet::{Domain, Vnets};

/// A stack without vnets, with the queues of one worker, which is not there.
pub(crate) fn stack(pools: &Pools) -> Stack {
    let control = Domain::new(1).control().expect("the control thread's part");
    let vnets = Vnets::new(Stack::modules().expect("modules"), &control, &System);
    let pool = pools.get(SocketId::ANY).clone();
    Stack::new(vnets, control, vec![control_queues().1], pool)
}

//! Operations on bursts against the same operations on vectors, with every mbuf accounted for.

use pmd::{Burst, MAX_BURST, Mask, MbufPool, test_support};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Alloc(usize),
    Push,
    Pop,
    Extract(Mask),
    ExtractAll,
    Reorder(Vec<u8>),
    Append,
    DrainAndDrop(usize),
    Clear,
    /// The other burst is operated on from now on.
    Swap,
}

fn ops() -> impl Strategy<Value = Op> {
    let mask = prop_oneof![
        any::<Mask>(),
        (0..MAX_BURST).prop_map(|bit| {
            let mut mask = [0; MAX_BURST / 64];
            mask[bit / 64] = 1 << (bit % 64);
            mask
        }),
        Just([0; MAX_BURST / 64]),
    ];
    prop_oneof![
        4 => (0..=MAX_BURST).prop_map(Op::Alloc),
        2 => Just(Op::Push),
        2 => Just(Op::Pop),
        4 => mask.prop_map(Op::Extract),
        1 => Just(Op::ExtractAll),
        // Any order, and one that names each place once.
        1 => vec(any::<u8>(), MAX_BURST).prop_map(Op::Reorder),
        3 => Just((0..=u8::MAX).collect::<Vec<_>>()).prop_shuffle().prop_map(Op::Reorder),
        2 => Just(Op::Append),
        1 => (0..MAX_BURST).prop_map(Op::DrainAndDrop),
        1 => Just(Op::Clear),
        3 => Just(Op::Swap),
    ]
}

/// Two bursts and what should be in them; packets are told apart by a number in their data.
struct Pair<'a> {
    pool: &'a MbufPool,
    next_id: u32,
    real: [Burst; 2],
    model: [Vec<u32>; 2],
}

impl Pair<'_> {
    fn alloc(&mut self, count: usize) {
        let before = self.real[0].len();
        let fits = before + count <= MAX_BURST;
        assert_eq!(self.pool.alloc_bulk(&mut self.real[0], count), fits);
        for at in before..self.real[0].len() {
            let data = self.real[0][at].append(4).expect("an empty buffer has room");
            data.copy_from_slice(&self.next_id.to_be_bytes());
            self.model[0].push(self.next_id);
            self.next_id += 1;
        }
    }

    fn push(&mut self) {
        let packet = self.pool.from_bytes(&self.next_id.to_be_bytes()).expect("a large pool");
        match self.real[0].push(packet) {
            Ok(()) => {
                self.model[0].push(self.next_id);
                self.next_id += 1;
            }
            Err(_packet) => assert_eq!(self.model[0].len(), MAX_BURST),
        }
    }

    fn extract(&mut self, mask: &Mask) {
        let mut room = MAX_BURST - self.model[1].len();
        let (mut kept, mut moved) = (Vec::new(), Vec::new());
        for (i, &id) in self.model[0].iter().enumerate() {
            let wanted = mask[i / 64] >> (i % 64) & 1 == 1;
            if wanted && room > 0 {
                room -= 1;
                moved.push(id);
            } else {
                kept.push(id);
            }
        }
        let [from, into] = &mut self.real;
        assert_eq!(from.extract(mask, into), moved.len());
        self.model[0] = kept;
        self.model[1].extend(moved);
    }

    fn reorder(&mut self, order: &[u8]) {
        let mut left: Vec<Option<u32>> = self.model[0].iter().copied().map(Some).collect();
        let order: &[u8; MAX_BURST] = order.try_into().expect("a place for each packet");
        let named: Vec<Option<u32>> = order[..left.len()]
            .iter()
            .map(|from| left.get_mut(usize::from(*from)).and_then(Option::take))
            .collect();
        let mut left = left.into_iter().flatten();
        self.model[0] = named.into_iter().filter_map(|id| id.or_else(|| left.next())).collect();
        self.real[0].reorder(order);
    }

    fn append(&mut self) {
        let moved = self.model[1].len().min(MAX_BURST - self.model[0].len());
        let [into, from] = &mut self.real;
        assert_eq!(into.append(from), moved);
        let taken: Vec<u32> = self.model[1].drain(..moved).collect();
        self.model[0].extend(taken);
    }

    fn drain_and_drop(&mut self, take: usize) {
        let drained: Vec<u32> = self.real[0].drain().take(take).map(|packet| id(&packet)).collect();
        let take = take.min(self.model[0].len());
        assert_eq!(drained, self.model[0][..take]);
        self.model[0].clear();
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Alloc(count) => self.alloc(*count),
            Op::Push => self.push(),
            Op::Pop => {
                assert_eq!(self.real[0].pop().map(|packet| id(&packet)), self.model[0].pop());
            }
            Op::Extract(mask) => self.extract(mask),
            Op::ExtractAll => self.extract(&[u64::MAX; MAX_BURST / 64]),
            Op::Reorder(order) => self.reorder(order),
            Op::Append => self.append(),
            Op::DrainAndDrop(take) => self.drain_and_drop(*take),
            Op::Clear => {
                self.real[0].clear();
                self.model[0].clear();
            }
            Op::Swap => {
                self.real.swap(0, 1);
                self.model.swap(0, 1);
            }
        }
    }

    fn check(&self) {
        for (real, model) in self.real.iter().zip(&self.model) {
            assert_eq!(real.len(), model.len());
            assert_eq!(real.is_empty(), model.is_empty());
            assert_eq!(real.room(), MAX_BURST - model.len());
            assert!(real.iter().map(id).eq(model.iter().copied()));
        }
        let owned = self.model[0].len() + self.model[1].len();
        assert_eq!(self.pool.in_use() as usize, owned, "mbufs leaked or freed twice");
    }
}

fn id(packet: &pmd::Mbuf) -> u32 {
    u32::from_be_bytes(packet.data().try_into().expect("four bytes"))
}

#[test]
fn bursts_behave_like_vectors() {
    let pool = test_support::own_pool("burst_model", 1023);
    let config = ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() };
    proptest!(config, |(ops in vec(ops(), 1..40))| {
        let mut pair = Pair {
            pool: &pool,
            next_id: 0,
            real: [Burst::new(), Burst::new()],
            model: [Vec::new(), Vec::new()],
        };
        for op in &ops {
            pair.apply(op);
            pair.check();
        }
        drop(pair);
        prop_assert_eq!(pool.in_use(), 0);
    });
}

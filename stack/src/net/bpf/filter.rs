//! The BPF machine (FreeBSD: net/bpf_filter.c; McCanne and Jacobson, "The BSD Packet Filter", 1993).
//!
//! [`Filter::new`] is `bpf_validate` (`check.rs`), and turns the instructions into a form in which what it refused cannot be written.
//! Jumps only go forward, so a run has at most as many steps as the program has instructions; a load from beyond the
//! packet ends it, and the packet is not taken (`machine.rs`).

mod check;
mod machine;

use self::check::checked;
use self::machine::{Machine, Next};

/// Instructions of the longest program (FreeBSD: BPF_MAXINSNS).
const INSTRUCTIONS: usize = 512;
/// Words of scratch memory (FreeBSD: BPF_MEMWORDS).
const WORDS: usize = 16;

/// An instruction as libpcap's compiler writes it (FreeBSD: `struct bpf_insn`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// Instructions to skip if a condition holds.
    pub jt: u8,
    /// And if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// Why a program is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// None, or too many.
    #[error("a filter has 1 to 512 instructions, and this one has {0}")]
    Length(usize),
    /// Nobody knows it.
    #[error("instruction {at} has the code {code:#06x}, which is none of BPF's")]
    Code {
        /// The instruction's number.
        at: usize,
        /// Its code.
        code: u16,
    },
    /// Out of the program.
    #[error("instruction {0} jumps out of the filter")]
    Jump(usize),
    /// There is no such word.
    #[error("instruction {0} uses a word of memory beyond the 16 that there are")]
    Memory(usize),
    /// It could not be computed.
    #[error("instruction {0} divides by zero")]
    Division(usize),
    /// The last one must be a return.
    #[error("the filter does not end in a return")]
    End,
}

#[derive(Clone, Copy, Debug)]
enum Size {
    Word,
    Half,
    Byte,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    K(u32),
    X,
}

#[derive(Clone, Copy, Debug)]
enum Alu {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
    Lsh,
    Rsh,
}

#[derive(Clone, Copy, Debug)]
enum Test {
    Equal,
    Greater,
    GreaterOrEqual,
    AnyBit,
}

/// A checked instruction.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A from the packet: at `k`, or at `x + k` if it is indexed.
    Load {
        size: Size,
        k: u32,
        indexed: bool,
    },
    /// X: four times the lower half of the byte at `k`, the length of an IPv4 header.
    LoadHeaderLength(u32),
    LoadConstant(u32),
    LoadXConstant(u32),
    LoadMemory(u8),
    LoadXMemory(u8),
    LoadLength,
    LoadXLength,
    Store(u8),
    StoreX(u8),
    Compute(Alu, Source),
    Negate,
    Jump(u32),
    Branch {
        test: Test,
        source: Source,
        jt: u8,
        jf: u8,
    },
    Return(u32),
    ReturnA,
    CopyToX,
    CopyToA,
}

/// A packet that a filter may look at.
pub trait Packet {
    /// Bytes of the packet on the wire.
    fn len(&self) -> u32;

    /// The first bytes, as many as stand in one piece.
    fn front(&self) -> &[u8];

    /// The byte at `at`, wherever it is; none beyond the end.
    fn byte(&self, at: usize) -> Option<u8>;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Packet for [u8] {
    fn len(&self) -> u32 {
        u32::try_from(<[u8]>::len(self)).unwrap_or(u32::MAX)
    }

    fn front(&self) -> &[u8] {
        self
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.get(at).copied()
    }
}

/// A checked program.
#[derive(Clone, Debug)]
pub struct Filter(Box<[Step]>);

impl Filter {
    /// Checks a program (FreeBSD: `bpf_validate`).
    ///
    /// # Errors
    ///
    /// It could leave its instructions, its memory or the numbers.
    pub fn new(program: &[Instruction]) -> Result<Self, FilterError> {
        if program.is_empty() || program.len() > INSTRUCTIONS {
            return Err(FilterError::Length(program.len()));
        }
        let steps = program
            .iter()
            .enumerate()
            .map(|(at, instruction)| checked(program.len(), at, *instruction))
            .collect::<Result<Box<[Step]>, _>>()?;
        match steps.last() {
            Some(Step::Return(_) | Step::ReturnA) => Ok(Self(steps)),
            _ => Err(FilterError::End),
        }
    }

    /// A program that takes every packet whole.
    #[must_use]
    pub fn all() -> Self {
        Self(Box::new([Step::Return(u32::MAX)]))
    }

    /// How many bytes of the packet are wanted; 0 is: not this packet.
    pub fn run<P: Packet + ?Sized>(&self, packet: &P) -> u32 {
        let mut machine = Machine::default();
        let mut at = 0;
        // Every step goes forward, so this ends; the last one is a return.
        while let Some(step) = self.0.get(at) {
            at += 1;
            match machine.step(*step, packet) {
                Some(Next::Skip(steps)) => at += steps,
                Some(Next::Return(bytes)) => return bytes,
                None => return 0,
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(codes: &[(u16, u8, u8, u32)]) -> Result<Filter, FilterError> {
        let program: Vec<_> =
            codes.iter().map(|&(code, jt, jf, k)| Instruction { code, jt, jf, k }).collect();
        Filter::new(&program)
    }

    const RET: (u16, u8, u8, u32) = (0x06, 0, 0, 1);

    #[test]
    fn what_could_go_wrong_is_refused() {
        for (program, error) in [
            (vec![], FilterError::Length(0)),
            (vec![RET; 513], FilterError::Length(513)),
            (vec![(0x106, 0, 0, 1)], FilterError::Code { at: 0, code: 0x106 }),
            (vec![(0x18, 0, 0, 1), RET], FilterError::Code { at: 0, code: 0x18 }),
            (vec![(0xff, 0, 0, 1), RET], FilterError::Code { at: 0, code: 0xff }),
            (vec![(0x05, 0, 0, 1), RET], FilterError::Jump(0)),
            (vec![(0x05, 0, 0, u32::MAX), RET], FilterError::Jump(0)),
            (vec![(0x15, 1, 0, 0), RET], FilterError::Jump(0)),
            (vec![(0x15, 0, 1, 0), RET], FilterError::Jump(0)),
            (vec![(0x02, 0, 0, 16), RET], FilterError::Memory(0)),
            (vec![(0x60, 0, 0, 16), RET], FilterError::Memory(0)),
            (vec![(0x34, 0, 0, 0), RET], FilterError::Division(0)),
            (vec![(0x94, 0, 0, 0), RET], FilterError::Division(0)),
            (vec![RET, (0x00, 0, 0, 0)], FilterError::End),
        ] {
            assert_eq!(of(&program).map(|_| ()), Err(error), "{program:?}");
        }
    }

    #[test]
    fn loads_from_beyond_the_packet_take_nothing() {
        let bytes = [1, 2, 3, 4, 5];
        for (code, k, expected) in [
            (0x20, 1, 0x0203_0405),
            (0x20, 2, 0),
            (0x28, 3, 0x0405),
            (0x28, 4, 0),
            (0x30, 4, 5),
            (0x30, 5, 0),
            (0x20, u32::MAX, 0),
            (0x40, u32::MAX, 0),
        ] {
            let filter = of(&[(code, 0, 0, k), (0x16, 0, 0, 0)]).expect("a filter");
            assert_eq!(filter.run(&bytes[..]), expected, "{code:#x} {k}");
        }
    }

    #[test]
    fn a_division_by_an_x_of_zero_takes_nothing() {
        let filter = of(&[(0x00, 0, 0, 7), (0x3c, 0, 0, 0), RET]).expect("a filter");
        assert_eq!(filter.run(&[0u8; 20][..]), 0);
    }

    #[test]
    fn everything_is_everything() {
        assert_eq!(Filter::all().run(&[0u8; 20][..]), u32::MAX);
    }
}

//! The BPF machine (FreeBSD: net/bpf_filter.c; McCanne and Jacobson, "The BSD Packet Filter", 1993).
//!
//! [`Filter::new`] is `bpf_validate`, and turns the instructions into a form in which what it refused cannot be written.
//! Jumps only go forward, so a run has at most as many steps as the program has instructions; a load from beyond the
//! packet ends it, and the packet is not taken.

/// Instructions of the longest program (FreeBSD: BPF_MAXINSNS).
const INSTRUCTIONS: usize = 512;
/// Words of scratch memory (FreeBSD: BPF_MEMWORDS).
const WORDS: usize = 16;

/// An instruction as libpcap's compiler writes it (FreeBSD: `struct bpf_insn`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
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
        let mut machine = Machine { a: 0, x: 0, memory: [0; WORDS] };
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

enum Next {
    Skip(usize),
    Return(u32),
}

struct Machine {
    a: u32,
    x: u32,
    memory: [u32; WORDS],
}

impl Machine {
    /// None ends the program: the packet has no such byte, or there is nothing to divide by.
    #[inline]
    fn step<P: Packet + ?Sized>(&mut self, step: Step, packet: &P) -> Option<Next> {
        match step {
            Step::Load { size, k, indexed } => {
                let base = if indexed { self.x } else { 0 };
                self.a = load(packet, size, k.checked_add(base)?)?;
            }
            Step::LoadHeaderLength(k) => {
                self.x = (load(packet, Size::Byte, k)? & 0xf) << 2;
            }
            Step::LoadConstant(k) => self.a = k,
            Step::LoadXConstant(k) => self.x = k,
            Step::LoadMemory(word) => self.a = *self.memory.get(usize::from(word))?,
            Step::LoadXMemory(word) => self.x = *self.memory.get(usize::from(word))?,
            Step::LoadLength => self.a = packet.len(),
            Step::LoadXLength => self.x = packet.len(),
            Step::Store(word) => *self.memory.get_mut(usize::from(word))? = self.a,
            Step::StoreX(word) => *self.memory.get_mut(usize::from(word))? = self.x,
            Step::Compute(alu, source) => self.a = compute(alu, self.a, self.value(source))?,
            Step::Negate => self.a = self.a.wrapping_neg(),
            Step::Jump(steps) => return Some(Next::Skip(steps as usize)),
            Step::Branch { test, source, jt, jf } => {
                let holds = holds(test, self.a, self.value(source));
                return Some(Next::Skip(usize::from(if holds { jt } else { jf })));
            }
            Step::Return(k) => return Some(Next::Return(k)),
            Step::ReturnA => return Some(Next::Return(self.a)),
            Step::CopyToX => self.x = self.a,
            Step::CopyToA => self.a = self.x,
        }
        Some(Next::Skip(0))
    }

    fn value(&self, source: Source) -> u32 {
        match source {
            Source::K(k) => k,
            Source::X => self.x,
        }
    }
}

#[inline]
fn load<P: Packet + ?Sized>(packet: &P, size: Size, at: u32) -> Option<u32> {
    let at = at as usize;
    let rest = packet.front().get(at..).unwrap_or_default();
    match size {
        Size::Byte => rest.first().copied().or_else(|| packet.byte(at)).map(u32::from),
        Size::Half => match rest.first_chunk() {
            Some(half) => Some(u32::from(u16::from_be_bytes(*half))),
            None => scattered(packet, at, 2),
        },
        Size::Word => match rest.first_chunk() {
            Some(word) => Some(u32::from_be_bytes(*word)),
            None => scattered(packet, at, 4),
        },
    }
}

/// A number in several pieces.
#[cold]
fn scattered<P: Packet + ?Sized>(packet: &P, at: usize, bytes: usize) -> Option<u32> {
    (at..at.checked_add(bytes)?)
        .try_fold(0, |number, at| Some(number << 8 | u32::from(packet.byte(at)?)))
}

fn compute(alu: Alu, a: u32, b: u32) -> Option<u32> {
    Some(match alu {
        Alu::Add => a.wrapping_add(b),
        Alu::Sub => a.wrapping_sub(b),
        Alu::Mul => a.wrapping_mul(b),
        Alu::Div => a.checked_div(b)?,
        Alu::Mod => a.checked_rem(b)?,
        Alu::And => a & b,
        Alu::Or => a | b,
        Alu::Xor => a ^ b,
        Alu::Lsh => a.checked_shl(b).unwrap_or(0),
        Alu::Rsh => a.checked_shr(b).unwrap_or(0),
    })
}

fn holds(test: Test, a: u32, b: u32) -> bool {
    match test {
        Test::Equal => a == b,
        Test::Greater => a > b,
        Test::GreaterOrEqual => a >= b,
        Test::AnyBit => a & b != 0,
    }
}

/// The fields of a code (FreeBSD: net/bpf.h).
mod code {
    pub(super) const CLASS: u16 = 0x07;
    pub(super) const LD: u16 = 0x00;
    pub(super) const LDX: u16 = 0x01;
    pub(super) const ST: u16 = 0x02;
    pub(super) const STX: u16 = 0x03;
    pub(super) const ALU: u16 = 0x04;
    pub(super) const JMP: u16 = 0x05;
    pub(super) const RET: u16 = 0x06;
    pub(super) const MISC: u16 = 0x07;

    pub(super) const W: u16 = 0x00;
    pub(super) const H: u16 = 0x08;
    pub(super) const B: u16 = 0x10;

    pub(super) const IMM: u16 = 0x00;
    pub(super) const ABS: u16 = 0x20;
    pub(super) const IND: u16 = 0x40;
    pub(super) const MEM: u16 = 0x60;
    pub(super) const LEN: u16 = 0x80;
    pub(super) const MSH: u16 = 0xa0;

    pub(super) const X: u16 = 0x08;
    pub(super) const A: u16 = 0x10;
    pub(super) const TXA: u16 = 0x80;
}

fn checked(length: usize, at: usize, instruction: Instruction) -> Result<Step, FilterError> {
    let Instruction { code, jt, jf, k } = instruction;
    let unknown = FilterError::Code { at, code };
    // One byte in FreeBSD and libpcap; the class is in the lower three bits.
    match code & code::CLASS {
        _ if code > 0xff => Err(unknown),
        code::LD | code::LDX => checked_load(code, k, at),
        code::ST if code == code::ST => Ok(Step::Store(word(k, at)?)),
        code::STX if code == code::STX => Ok(Step::StoreX(word(k, at)?)),
        code::ALU => checked_alu(code, k, at),
        code::JMP => checked_jump(length - at - 1, at, code, (jt, jf), k),
        code::RET => match code & !code::CLASS {
            0 => Ok(Step::Return(k)),
            code::A => Ok(Step::ReturnA),
            _ => Err(unknown),
        },
        code::MISC => match code & !code::CLASS {
            0 => Ok(Step::CopyToX),
            code::TXA => Ok(Step::CopyToA),
            _ => Err(unknown),
        },
        _ => Err(unknown),
    }
}

fn word(k: u32, at: usize) -> Result<u8, FilterError> {
    u8::try_from(k).ok().filter(|word| usize::from(*word) < WORDS).ok_or(FilterError::Memory(at))
}

fn checked_load(code: u16, k: u32, at: usize) -> Result<Step, FilterError> {
    const LD: u16 = code::LD;
    const LDX: u16 = code::LDX;
    let load = |size, indexed| Ok(Step::Load { size, k, indexed });
    match (code & code::CLASS, code & !code::CLASS & !0x18, code & 0x18) {
        (LD, code::ABS, code::W) => load(Size::Word, false),
        (LD, code::ABS, code::H) => load(Size::Half, false),
        (LD, code::ABS, code::B) => load(Size::Byte, false),
        (LD, code::IND, code::W) => load(Size::Word, true),
        (LD, code::IND, code::H) => load(Size::Half, true),
        (LD, code::IND, code::B) => load(Size::Byte, true),
        (LD, code::IMM, code::W) => Ok(Step::LoadConstant(k)),
        (LDX, code::IMM, code::W) => Ok(Step::LoadXConstant(k)),
        (LD, code::MEM, code::W) => Ok(Step::LoadMemory(word(k, at)?)),
        (LDX, code::MEM, code::W) => Ok(Step::LoadXMemory(word(k, at)?)),
        (LD, code::LEN, code::W) => Ok(Step::LoadLength),
        (LDX, code::LEN, code::W) => Ok(Step::LoadXLength),
        (LDX, code::MSH, code::B) => Ok(Step::LoadHeaderLength(k)),
        _ => Err(FilterError::Code { at, code }),
    }
}

fn source(code: u16, k: u32) -> Source {
    if code & code::X == 0 { Source::K(k) } else { Source::X }
}

fn checked_alu(code: u16, k: u32, at: usize) -> Result<Step, FilterError> {
    let alu = match code & 0xf0 {
        0x00 => Alu::Add,
        0x10 => Alu::Sub,
        0x20 => Alu::Mul,
        0x30 => Alu::Div,
        0x40 => Alu::Or,
        0x50 => Alu::And,
        0x60 => Alu::Lsh,
        0x70 => Alu::Rsh,
        0x80 => return Ok(Step::Negate),
        0x90 => Alu::Mod,
        0xa0 => Alu::Xor,
        _ => return Err(FilterError::Code { at, code }),
    };
    let source = source(code, k);
    if matches!((alu, source), (Alu::Div | Alu::Mod, Source::K(0))) {
        return Err(FilterError::Division(at));
    }
    Ok(Step::Compute(alu, source))
}

/// `behind` are the instructions behind this one.
fn checked_jump(
    behind: usize,
    at: usize,
    code: u16,
    (jt, jf): (u8, u8),
    k: u32,
) -> Result<Step, FilterError> {
    let test = match code & 0xf0 {
        0x00 if (k as usize) < behind => return Ok(Step::Jump(k)),
        0x00 => return Err(FilterError::Jump(at)),
        0x10 => Test::Equal,
        0x20 => Test::Greater,
        0x30 => Test::GreaterOrEqual,
        0x40 => Test::AnyBit,
        _ => return Err(FilterError::Code { at, code }),
    };
    if usize::from(jt.max(jf)) >= behind {
        return Err(FilterError::Jump(at));
    }
    Ok(Step::Branch { test, source: source(code, k), jt, jf })
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

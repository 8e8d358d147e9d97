//! Checks a program, instruction by instruction (FreeBSD: `bpf_validate`).

use super::{Alu, FilterError, Instruction, Size, Source, Step, Test, WORDS};

/// The instruction `at` of a program of `length`.
pub(super) fn checked(
    length: usize,
    at: usize,
    instruction: Instruction,
) -> Result<Step, FilterError> {
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

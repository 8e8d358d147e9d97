//! Runs a checked program, step by step.

use super::{Alu, Packet, Size, Source, Step, Test, WORDS};

/// How a program goes on.
pub(super) enum Next {
    /// Behind so many steps.
    Skip(usize),
    /// It is at its end, and wants so many bytes.
    Return(u32),
}

/// The registers and the memory of a run.
#[derive(Default)]
pub(super) struct Machine {
    a: u32,
    x: u32,
    memory: [u32; WORDS],
}

impl Machine {
    /// None ends the program: the packet has no such byte, or there is nothing to divide by.
    #[inline]
    pub(super) fn step<P: Packet + ?Sized>(&mut self, step: Step, packet: &P) -> Option<Next> {
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

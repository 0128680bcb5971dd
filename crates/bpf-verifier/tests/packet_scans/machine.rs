//! A run of a program over a packet, as chance will have it.

use bpf_bytecode::instruction::{CallTarget, Instruction, Operand, jump_target};
use bpf_bytecode::opcode::AluOp;

use crate::common::Program;
use crate::common::chance::Chance;
use crate::concrete;

/// Eight bytes each, of a frame.
const SLOTS: usize = 8;
/// Where frames, the packet and what is known of that lie.
const FRAME: u64 = 1 << 32;
const PACKET: u64 = 1 << 40;
const CONTEXT: u64 = 1 << 50;
/// Instructions of a run that is not looked at to its end.
const MOST_STEPS: u64 = 40_000;

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After so many instructions, or not yet after that many.
    After(u64),
    /// With an access to a byte that is not there, so far behind the packet's start, of so many
    /// bytes.
    Outside { pc: usize, at: i64, len: u64 },
}

struct Frame {
    slots: [u64; SLOTS],
    saved: [u64; 4],
    back: usize,
}

pub struct Machine {
    insns: Vec<Option<Instruction>>,
}

/// Where the packet begins and ends.
struct Packet(u64, u64);

impl Machine {
    pub fn new(program: &Program) -> Self {
        let decode = |pc| Instruction::decode(program.insns(), pc).ok();
        Self { insns: (0..program.len()).map(decode).collect() }
    }

    /// One run over a packet of so many bytes.
    pub fn run(&self, len: u64, chance: &mut Chance) -> End {
        let mut packet = Packet(PACKET, PACKET + len);
        let mut regs = [0_u64; 11];
        let mut frames = vec![Frame { slots: [0; SLOTS], saved: [0; 4], back: 0 }];
        (regs[1], regs[10]) = (CONTEXT, FRAME + 8 * SLOTS as u64);
        let (mut pc, mut steps) = (0, 0);
        while steps < MOST_STEPS {
            let insn = self.insns[pc].expect("an instruction");
            steps += 1;
            let (at, target) = (pc, |off| jump_target(pc, off).expect("inside"));
            let mut next = pc + insn.slots();
            let operand = |operand| match operand {
                Operand::Reg(register) => regs[bpf_bytecode::Register::index(register)],
                Operand::Imm(imm) => i64::from(imm).cast_unsigned(),
            };
            match insn {
                Instruction::Alu { op, width, dst, src } => {
                    let (a, b) = (regs[dst.index()], operand(src));
                    regs[dst.index()] = match op {
                        AluOp::Mov => concrete::low(b, width.bits()),
                        _ => concrete::alu(op, a, b, width.bits()),
                    };
                }
                Instruction::Load { size, dst, base, off, .. } => {
                    let address = regs[base.index()].wrapping_add_signed(off.into());
                    regs[dst.index()] = match address {
                        CONTEXT.. if off == 0 => packet.0,
                        CONTEXT.. if off == 4 => packet.1,
                        CONTEXT.. => u64::try_from(chance.below(9)).unwrap(),
                        _ if address < PACKET / 2 => {
                            let (frame, slot) = place(address);
                            concrete::low(frames[frame].slots[slot], size.bits())
                        }
                        _ if (packet.0..packet.1).contains(&address) => {
                            u64::try_from(chance.below(256)).unwrap()
                        }
                        _ => {
                            let from = address.wrapping_sub(packet.0).cast_signed();
                            return End::Outside { pc: at, at: from, len: packet.1 - packet.0 };
                        }
                    };
                }
                Instruction::Store { size, base, off, src } => {
                    let (value, address) = (operand(src), regs[base.index()]);
                    let (frame, slot) = place(address.wrapping_add_signed(off.into()));
                    let (slot, bits) = (&mut frames[frame].slots[slot], size.bits());
                    let above = *slot & !concrete::low(u64::MAX, bits);
                    *slot = above | concrete::low(value, bits);
                }
                Instruction::Jump { off } => next = target(off),
                Instruction::JumpIf { cond, width, dst, src, off } => {
                    if concrete::holds(cond, regs[dst.index()], operand(src), width.bits()) {
                        next = target(off.into());
                    }
                }
                Instruction::Call(CallTarget::Local(off)) => {
                    let mut saved = [0; 4];
                    saved.copy_from_slice(&regs[6..10]);
                    frames.push(Frame { slots: [0; SLOTS], saved, back: next });
                    regs[10] = frames.len() as u64 * FRAME + 8 * SLOTS as u64;
                    next = target(off);
                }
                Instruction::Call(CallTarget::Helper(44)) => {
                    let to = packet.0.wrapping_add(regs[2]);
                    let moved = to <= packet.1 && chance.below(8) != 0;
                    packet.0 = if moved { to } else { packet.0 };
                    regs[0] = if moved { 0 } else { (-22_i64).cast_unsigned() };
                    regs[1..6].fill(0);
                }
                Instruction::Exit => {
                    let frame = frames.pop().expect("a frame");
                    if frames.is_empty() {
                        break;
                    }
                    regs[6..10].copy_from_slice(&frame.saved);
                    regs[10] = frames.len() as u64 * FRAME + 8 * SLOTS as u64;
                    regs[1..6].fill(0);
                    next = frame.back;
                }
                _ => panic!("{insn:?}"),
            }
            pc = next;
        }
        End::After(steps)
    }
}

/// Which frame a byte is in, and which slot of that.
fn place(address: u64) -> (usize, usize) {
    let small = |number: u64| usize::try_from(number).expect("a small number");
    (small(address / FRAME - 1), small(address % FRAME / 8))
}

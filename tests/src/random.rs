//! Random programs: valid ones by construction, and nearly valid ones.

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::table::{Form, INSTRUCTION_SET, InsnDef};
use kernel_bpf::bytecode::{BpfInsn, BpfProgType};

use crate::case::{Case, Input, Verdict};

/// The splitmix64 sequence: small, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }

    /// One of a list, which is not empty.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number that is often at an edge.
    fn interesting(&mut self) -> u64 {
        match self.below(4) {
            0 => self.pick(&[0, 1, 2, 7, 8, 31, 32, 63, 64, 0x7f, 0xff, 0xffff]),
            1 => 1_u64.wrapping_shl(self.below(64) as u32).wrapping_sub(self.next_u64() % 3),
            2 => self.next_u64() & 0xffff_ffff,
            _ => self.next_u64(),
        }
    }
}

/// Registers that hold numbers in generated programs; R6 holds the context, R9
/// counts loops.
const NUMBERS: [u8; 7] = [0, 1, 2, 3, 4, 7, 8];

/// Builds one program.
struct Generator {
    rng: Rng,
    insns: Vec<BpfInsn>,
    /// Places of calls to the function that follows the program.
    calls: Vec<usize>,
}

/// A program that touches only what it was given and ends: arithmetic on
/// numbers, the stack, a packet, map values, records of a ring buffer; branches,
/// loops that count down, calls. The verifier should accept it, and every engine
/// must agree on it.
pub fn valid(seed: u64) -> Case {
    let mut generator = Generator { rng: Rng::new(seed), insns: Vec::new(), calls: Vec::new() };
    generator.program();
    let mut packet = vec![0; 16 + generator.rng.below(48)];
    packet.fill_with(|| generator.rng.next_u64() as u8);
    Case {
        name: format!("valid-{seed}"),
        prog_type: BpfProgType::Xdp,
        insns: generator.insns,
        maps: vec![
            MapDef::new(MapType::Array, 4, 32, 4),
            MapDef::new(MapType::Hash, 8, 16, 4),
            MapDef::new(MapType::RingBuf, 0, 0, 4096),
        ],
        input: Input::Packet(packet),
        expect: String::new(),
        verdict: Verdict::Accept,
        budget: None,
    }
}

/// A [`valid`] program with a few slots changed, so that it may do anything.
pub fn mutated(seed: u64) -> Case {
    let mut case = valid(seed);
    let mut rng = Rng::new(!seed);
    case.name = format!("mutated-{seed}");
    for _ in 0..=rng.below(4) {
        let at = rng.below(case.insns.len());
        let insn = case.insns[at];
        case.insns[at] = match rng.below(5) {
            0 => insn.with_imm(rng.interesting() as i32),
            // Small, so that most jumps stay inside the program.
            1 => insn.with_off(rng.below(24) as i16 - 8),
            2 => insn.with_src(rng.below(12) as u8),
            3 => BpfInsn::new(insn.code(), rng.below(12) as u8, insn.src(), insn.off(), insn.imm()),
            _ => {
                let def = &INSTRUCTION_SET[rng.below(INSTRUCTION_SET.len())];
                operands(&mut rng, def, 0)
            }
        };
    }
    case
}

/// An instruction of `def` on random number registers.
fn operands(rng: &mut Rng, def: &InsnDef, off: i16) -> BpfInsn {
    let (fixed, ops) = (def.fixed, def.operands);
    BpfInsn::new(
        def.code,
        if ops.has_dst() { rng.pick(&NUMBERS) } else { fixed.dst() },
        if ops.has_src() { rng.pick(&NUMBERS) } else { fixed.src() },
        if ops.has_off() { off } else { fixed.off() },
        if ops.has_imm() { rng.interesting() as i32 } else { fixed.imm() },
    )
}

impl Generator {
    fn emit(&mut self, insns: impl IntoIterator<Item = BpfInsn>) {
        self.insns.extend(insns);
    }

    fn program(&mut self) {
        self.emit([BpfInsn::mov64_reg(6, 1)]);
        for register in NUMBERS {
            let value = self.rng.interesting();
            self.emit(BpfInsn::ld_imm64(register, value));
        }
        for slot in 1..=4 {
            self.emit([BpfInsn::stx_dw(10, -8 * slot, 7)]);
        }
        for _ in 0..3 + self.rng.below(8) {
            self.block(2);
        }
        for register in NUMBERS.into_iter().skip(1) {
            self.emit([BpfInsn::xor64_reg(0, register)]);
        }
        self.emit([BpfInsn::exit()]);
        self.function();
    }

    /// The function that the calls go to: it keeps what it must keep, and uses
    /// its own frame.
    fn function(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let start = self.insns.len();
        for at in std::mem::take(&mut self.calls) {
            let distance = (start - at - 1) as i32;
            self.insns[at] = BpfInsn::call_local(distance);
        }
        // A chain of functions, each with a frame of its own, that keep registers
        // over the calls of the next one.
        let depth = 1 + self.rng.below(4);
        for level in 0..depth {
            self.emit([
                BpfInsn::stx_dw(10, -8, 1),
                BpfInsn::mov64_reg(0, 2),
                BpfInsn::ldx_w(7, 10, -8),
                BpfInsn::add64_reg(0, 7),
                BpfInsn::mov64_imm(8, 5),
            ]);
            if level + 1 < depth {
                self.emit([
                    BpfInsn::mov64_reg(1, 0),
                    BpfInsn::mov64_reg(2, 8),
                    // Behind the four slots that follow.
                    BpfInsn::call_local(4),
                    BpfInsn::add64_reg(0, 7),
                    BpfInsn::ldx_b(6, 10, -5),
                    BpfInsn::xor64_reg(0, 6),
                ]);
            }
            self.emit([BpfInsn::exit()]);
        }
    }

    fn block(&mut self, depth: usize) {
        match self.rng.below(if depth == 0 { 8 } else { 12 }) {
            0..=2 => {
                for _ in 0..=self.rng.below(6) {
                    self.arithmetic();
                }
            }
            3 => self.stack(),
            4 => self.packet(),
            5 => self.map(),
            6 => self.pointer(),
            7 => self.helper(),
            8 | 9 => self.branch(depth),
            10 => self.repeat(depth),
            _ => self.call(),
        }
    }

    fn arithmetic(&mut self) {
        let defs: Vec<&InsnDef> = INSTRUCTION_SET
            .iter()
            .filter(|def| {
                matches!(
                    def.form,
                    Form::Alu(..) | Form::Neg(_) | Form::MovSx(..) | Form::ByteSwap(..)
                )
            })
            .collect();
        let def = self.rng.pick(&defs);
        let insn = operands(&mut self.rng, def, 0);
        let insn = match def.form {
            Form::Alu(op, width, _) if op.is_shift() && def.operands.has_imm() => {
                insn.with_imm(self.rng.below(width.bits() as usize) as i32)
            }
            Form::Alu(op, ..) if op.is_division() && insn.imm() == 0 && def.operands.has_imm() => {
                insn.with_imm(3)
            }
            _ => insn,
        };
        self.emit([insn]);
    }

    /// Stores, loads and atomics on the four slots that are initialised.
    fn stack(&mut self) {
        let slot = -8 * (1 + self.rng.below(4) as i16);
        let (a, b) = (self.rng.pick(&NUMBERS), self.rng.pick(&NUMBERS));
        let small = slot + self.rng.below(8) as i16;
        let imm = self.rng.interesting() as i32;
        let insns: Vec<BpfInsn> = match self.rng.below(9) {
            0 => vec![BpfInsn::stx_dw(10, slot, a), BpfInsn::ldx_w(b, 10, slot + 4)],
            1 => vec![BpfInsn::stx_b(10, small, a), BpfInsn::ldx_dw(b, 10, slot)],
            2 => vec![BpfInsn::st_dw(10, slot, imm), BpfInsn::ldxs_w(b, 10, slot)],
            3 => vec![BpfInsn::stx_h(10, slot + 2, a), BpfInsn::ldxs_h(b, 10, slot + 2)],
            4 => vec![BpfInsn::atomic_add64(10, slot, a), BpfInsn::ldx_dw(b, 10, slot)],
            5 => vec![BpfInsn::atomic_fetch_xor32(10, slot, a)],
            6 => vec![BpfInsn::atomic_xchg64(10, slot, a)],
            7 => vec![BpfInsn::atomic_cmpxchg64(10, slot, a)],
            _ => vec![BpfInsn::st_w(10, slot, imm), BpfInsn::ldxs_b(b, 10, small)],
        };
        self.emit(insns);
    }

    /// A bounds check on the packet, and behind it a load or a store.
    fn packet(&mut self) {
        let at = self.rng.below(20) as i16;
        let need = i32::from(at) + 4;
        let number = self.rng.pick(&[0, 7, 8]);
        let access = if self.rng.below(2) == 0 {
            BpfInsn::ldx_w(number, 1, at)
        } else {
            BpfInsn::stx_h(1, at, number)
        };
        self.emit([
            BpfInsn::ldx_w(1, 6, 0),
            BpfInsn::ldx_w(2, 6, 4),
            BpfInsn::mov64_reg(3, 1),
            BpfInsn::add64_imm(3, need),
            BpfInsn::jgt_reg(3, 2, 1),
            access,
        ]);
        self.numbers_again(&[1, 2, 3]);
    }

    /// A lookup in the array, and behind the null check a load or a store.
    fn map(&mut self) {
        let key = self.rng.below(5) as i32;
        let at = self.rng.below(25) as i16;
        self.emit([BpfInsn::st_w(10, -36, key), BpfInsn::mov64_reg(2, 10)]);
        self.emit([BpfInsn::add64_imm(2, -36)]);
        self.emit(BpfInsn::ld_map(1, 0));
        let number = self.rng.pick(&[7, 8]);
        self.emit([
            BpfInsn::call(1),
            BpfInsn::jeq_imm(0, 0, 2),
            BpfInsn::ldx_dw(number, 0, at),
            BpfInsn::stx_w(0, at, 8),
        ]);
        self.numbers_again(&[0, 1, 2, 3, 4]);
    }

    /// Pointers that were kept in memory, and offsets known at run time only.
    fn pointer(&mut self) {
        let number = self.rng.pick(&NUMBERS);
        let (a, b) = (self.rng.pick(&[3, 7]), self.rng.pick(&[4, 8]));
        // An index of one of four words, and one word.
        let index = [BpfInsn::mov64_reg(1, number), BpfInsn::and64_imm(1, 24)];
        match self.rng.below(3) {
            0 => self.emit([
                BpfInsn::stx_dw(10, -48, 10),
                BpfInsn::ldx_dw(2, 10, -48),
                BpfInsn::stx_dw(2, -16, a),
                BpfInsn::stx_dw(2, -56, 6),
                BpfInsn::ldx_dw(1, 10, -56),
                BpfInsn::ldx_w(b, 1, 12),
            ]),
            1 => {
                self.emit(index);
                self.emit([
                    BpfInsn::mov64_reg(2, 10),
                    BpfInsn::add64_reg(2, 1),
                    BpfInsn::stx_dw(2, -32, a),
                    BpfInsn::ldx_dw(b, 2, -32),
                ]);
            }
            _ => {
                let key = self.rng.below(5) as i32;
                self.emit(index);
                self.emit([BpfInsn::stx_dw(10, -64, 1), BpfInsn::st_w(10, -36, key)]);
                self.emit([BpfInsn::mov64_reg(2, 10), BpfInsn::add64_imm(2, -36)]);
                self.emit(BpfInsn::ld_map(1, 0));
                self.emit([
                    BpfInsn::call(1),
                    BpfInsn::jeq_imm(0, 0, 4),
                    BpfInsn::ldx_dw(1, 10, -64),
                    BpfInsn::add64_reg(0, 1),
                    BpfInsn::ldx_dw(7, 0, 0),
                    BpfInsn::stx_dw(0, 0, 8),
                ]);
                return self.numbers_again(&[0, 1, 2, 3, 4]);
            }
        }
        self.numbers_again(&[1, 2]);
    }

    /// Helpers that change maps, the packet's bounds, or sum memory up.
    fn helper(&mut self) {
        let number = self.rng.pick(&NUMBERS);
        let small = self.rng.below(24) as i32 - 12;
        match self.rng.below(5) {
            // An entry is added or taken away.
            0 | 1 => {
                let (id, key) = (self.rng.pick(&[2, 2, 3]), self.rng.below(6) as i32);
                self.emit([
                    BpfInsn::st_dw(10, -56, key),
                    BpfInsn::mov64_reg(2, 10),
                    BpfInsn::add64_imm(2, -56),
                    BpfInsn::mov64_reg(3, 10),
                    BpfInsn::add64_imm(3, -32),
                    BpfInsn::mov64_imm(4, 0),
                ]);
                self.emit(BpfInsn::ld_map(1, 1));
                self.emit([BpfInsn::call(id)]);
            }
            2 => {
                let end = self.rng.pick(&[132, 133]);
                self.emit(BpfInsn::ld_map(1, 2));
                self.emit([
                    BpfInsn::mov64_imm(2, 16),
                    BpfInsn::mov64_imm(3, 0),
                    BpfInsn::call(131),
                    BpfInsn::jeq_imm(0, 0, 6),
                    BpfInsn::stx_dw(0, 0, 7),
                    BpfInsn::stx_w(0, 8, 8),
                    BpfInsn::st_w(0, 12, small),
                    BpfInsn::mov64_reg(1, 0),
                    BpfInsn::mov64_imm(2, 0),
                    BpfInsn::call(end),
                ]);
                return self.numbers_again(&[0, 1, 2, 3, 4]);
            }
            3 => self.emit([
                BpfInsn::mov64_reg(2, number),
                BpfInsn::and64_imm(2, 28),
                BpfInsn::mov64_reg(5, 8),
                BpfInsn::mov64_reg(1, 10),
                BpfInsn::add64_imm(1, -32),
                BpfInsn::mov64_imm(3, 0),
                BpfInsn::mov64_imm(4, 0),
                BpfInsn::call(28),
            ]),
            _ => self.emit([
                BpfInsn::mov64_reg(1, 6),
                BpfInsn::mov64_imm(2, small),
                BpfInsn::call(44),
            ]),
        }
        self.numbers_again(&[1, 2, 3, 4]);
    }

    fn numbers_again(&mut self, registers: &[u8]) {
        for register in registers {
            let value = self.rng.interesting() as i32;
            self.emit([BpfInsn::mov64_imm(*register, value)]);
        }
    }

    fn branch(&mut self, depth: usize) {
        let defs: Vec<&InsnDef> =
            INSTRUCTION_SET.iter().filter(|def| matches!(def.form, Form::JumpIf(..))).collect();
        let def = self.rng.pick(&defs);
        let at = self.insns.len();
        let jump = operands(&mut self.rng, def, 0);
        self.emit([jump]);
        self.block(depth - 1);
        let distance = (self.insns.len() - at - 1) as i16;
        self.insns[at] = jump.with_off(distance);
    }

    fn repeat(&mut self, depth: usize) {
        // One level only: R9 counts.
        if depth < 2 {
            return self.arithmetic();
        }
        let rounds = 1 + self.rng.below(6) as i32;
        self.emit([BpfInsn::mov64_imm(9, rounds)]);
        let start = self.insns.len();
        self.block(0);
        self.emit([BpfInsn::sub64_imm(9, 1)]);
        let distance = start as i64 - self.insns.len() as i64 - 1;
        self.emit([BpfInsn::jne_imm(9, 0, distance as i16)]);
    }

    fn call(&mut self) {
        self.calls.push(self.insns.len());
        self.emit([BpfInsn::call_local(0)]);
        self.numbers_again(&[1, 2, 3, 4]);
    }
}

//! Which branches of a path bear on an error at its end.
//!
//! Every load and every result of a helper is a *source*. What is computed from
//! a value has the value's sources. A branch bears on the error when it compares
//! something that shares a source with what the error is about. Where something
//! acquired is not released, so does every branch behind the acquisition, as it
//! led round the release. Where the path cannot be followed, every branch is said
//! to bear on the error.

use std::collections::{BTreeMap, BTreeSet};

use kernel_bpf::bytecode::instruction::{CallTarget, Instruction, Operand, jump_target};
use kernel_bpf::bytecode::opcode::AluOp;
use kernel_bpf::bytecode::{BpfProgram, Register};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{ErrorClass, Event, VerifyError, VerifyErrorKind};

/// The slots at which a value's sources were executed.
type Sources = BTreeSet<usize>;

/// A register or a run of stack bytes.
#[derive(Clone, Debug, Default)]
struct Holder {
    sources: Sources,
    /// The offset from the frame's end, of an address in the running frame.
    frame_offset: Option<i64>,
}

/// Instructions that are followed, at the most.
const PATIENCE: usize = 1 << 20;

/// For each event of `path`, whether it bears on the error; all of them where
/// that cannot be told.
pub fn relevant(
    program: &BpfProgram<ActiveProfile>,
    error: &VerifyError,
    path: &[Event],
) -> Vec<bool> {
    let all = vec![true; path.len()];
    if !is_about_values(error.kind().class()) {
        return all;
    }
    let acquired = acquired_at(error);
    let Some(walk) = Walk::along(program, path, error.pc(), acquired) else { return all };
    let about = walk.about(program, error);
    if about.is_empty() {
        return all;
    }
    let kept: Vec<bool> = walk
        .compared
        .iter()
        .map(|sources| !sources.is_disjoint(&about))
        .zip(path)
        .enumerate()
        .map(|(at, (shared, event))| {
            let behind = walk.acquired_before.is_some_and(|first| at >= first);
            shared || behind || !matches!(event, Event::Branch { .. })
        })
        .collect();
    let any = path.iter().zip(&kept).any(|(e, kept)| *kept && matches!(e, Event::Branch { .. }));
    if any { without_done_calls(path, kept) } else { all }
}

/// Whether errors of a class are about what some value is. Others are about the
/// path as a whole.
fn is_about_values(class: ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::MemorySafety
            | ErrorClass::Pointer
            | ErrorClass::HelperCall
            | ErrorClass::ContextAccess
            | ErrorClass::Resource
            | ErrorClass::Result
    )
}

/// Calls that returned, with nothing between that matters, do not matter.
fn without_done_calls(path: &[Event], mut kept: Vec<bool>) -> Vec<bool> {
    let mut open: Vec<usize> = Vec::new();
    for (at, event) in path.iter().enumerate() {
        match event {
            Event::Call { .. } => open.push(at),
            Event::Return { .. } => {
                let Some(call) = open.pop() else { continue };
                let inside = kept.get(call + 1..at).is_some_and(|inside| inside.contains(&true));
                if !inside {
                    kept[call] = false;
                    kept[at] = false;
                }
            }
            _ => {}
        }
    }
    kept
}

/// A path, gone again.
struct Walk {
    regs: Vec<Holder>,
    stack: BTreeMap<(usize, i64), Sources>,
    frames: Vec<(usize, Vec<Holder>)>,
    /// For each event, the sources of what it compared.
    compared: Vec<Sources>,
    /// Where what is not released is acquired, and the first event behind.
    acquisition: Option<usize>,
    acquired_before: Option<usize>,
}

impl Walk {
    /// Goes along the path to its end; none where that is not possible.
    fn along(
        program: &BpfProgram<ActiveProfile>,
        path: &[Event],
        end: usize,
        acquisition: Option<usize>,
    ) -> Option<Self> {
        let mut instructions = vec![None; program.len()];
        for (pc, insn) in program.instructions() {
            *instructions.get_mut(pc)? = Some(insn);
        }
        let mut walk = Self {
            regs: vec![Holder::default(); Register::COUNT],
            stack: BTreeMap::new(),
            frames: Vec::new(),
            compared: Vec::new(),
            acquisition,
            acquired_before: None,
        };
        walk.regs[10].frame_offset = Some(0);
        let (mut pc, mut events, mut steps) = (0_usize, path.iter(), 0);
        loop {
            if pc == end && events.len() == 0 {
                return Some(walk);
            }
            steps += 1;
            if steps > PATIENCE {
                return None;
            }
            let insn = instructions.get(pc).copied().flatten()?;
            let next = pc + insn.slots();
            pc = match insn {
                Instruction::Jump { off } => jump_target(pc, off)?,
                Instruction::JumpIf { .. } | Instruction::MayGoto { .. } => {
                    let Some(Event::Branch { pc: at, taken }) = events.next() else { return None };
                    (*at == pc).then_some(())?;
                    walk.compare(insn);
                    if *taken { jump_target(pc, insn.jump_offset()?)? } else { next }
                }
                Instruction::Call(CallTarget::Local(off)) => {
                    matches!(events.next(), Some(Event::Call { .. })).then_some(())?;
                    walk.call(next);
                    jump_target(pc, off)?
                }
                Instruction::Exit => {
                    matches!(events.next(), Some(Event::Return { .. })).then_some(())?;
                    walk.give_back()?
                }
                _ => {
                    walk.execute(pc, insn);
                    next
                }
            };
        }
    }

    fn reg(&self, register: Register) -> &Holder {
        &self.regs[usize::from(register.number())]
    }

    fn set(&mut self, register: Register, holder: Holder) {
        self.regs[usize::from(register.number())] = holder;
    }

    fn compare(&mut self, insn: Instruction) {
        let mut sources = Sources::new();
        if let Instruction::JumpIf { dst, src, .. } = insn {
            sources.extend(&self.reg(dst).sources);
            if let Operand::Reg(src) = src {
                sources.extend(&self.reg(src).sources);
            }
        }
        self.compared.push(sources);
    }

    fn call(&mut self, back: usize) {
        self.compared.push(Sources::new());
        self.frames.push((back, self.regs[6..].to_vec()));
        for holder in &mut self.regs {
            // Addresses in the caller's frame are none in this one.
            holder.frame_offset = None;
        }
        self.regs[10].frame_offset = Some(0);
    }

    fn give_back(&mut self) -> Option<usize> {
        self.compared.push(Sources::new());
        let depth = self.frames.len();
        self.stack.retain(|(frame, _), _| *frame != depth);
        let (back, saved) = self.frames.pop()?;
        self.regs.truncate(6);
        self.regs.extend(saved);
        self.regs[0].frame_offset = None;
        Some(back)
    }

    fn execute(&mut self, pc: usize, insn: Instruction) {
        if self.acquisition == Some(pc) {
            self.acquired_before = Some(self.compared.len());
        }
        match insn {
            Instruction::Alu { op, dst, src, .. } => self.alu(op, dst, src),
            Instruction::MovSx { dst, src, .. } => {
                let sources = self.reg(src).sources.clone();
                self.set(dst, Holder { sources, frame_offset: None });
            }
            Instruction::LoadImm64 { dst, .. } => self.set(dst, Holder::default()),
            Instruction::Load { dst, base, off, .. }
            | Instruction::LoadAcquire { dst, base, off, .. } => {
                let sources = match self.place(base, off) {
                    Some(place) => self.stack.get(&place).cloned().unwrap_or_default(),
                    None => Sources::from([pc]),
                };
                self.set(dst, Holder { sources, frame_offset: None });
            }
            Instruction::Store { base, off, src, .. } => {
                let sources = match src {
                    Operand::Reg(src) => self.reg(src).sources.clone(),
                    Operand::Imm(_) => Sources::new(),
                };
                if let Some(place) = self.place(base, off) {
                    self.stack.insert(place, sources);
                }
            }
            Instruction::Atomic { fetch: true, src, .. } => {
                self.set(src, Holder { sources: Sources::from([pc]), frame_offset: None });
            }
            Instruction::Call(_) | Instruction::LegacyPacket { .. } => {
                for holder in &mut self.regs[..6] {
                    *holder = Holder::default();
                }
                self.regs[0].sources = Sources::from([pc]);
            }
            _ => {}
        }
    }

    fn alu(&mut self, op: AluOp, dst: Register, src: Operand) {
        let before = self.reg(dst).clone();
        let after = match (op, src) {
            (AluOp::Mov, Operand::Reg(src)) => self.reg(src).clone(),
            (AluOp::Mov, Operand::Imm(_)) => Holder::default(),
            (AluOp::Add, Operand::Imm(imm)) => {
                let moved = before.frame_offset.map(|off| off.wrapping_add(imm.into()));
                Holder { frame_offset: moved, ..before }
            }
            (_, Operand::Imm(_)) => Holder { frame_offset: None, ..before },
            (_, Operand::Reg(src)) => {
                let sources = before.sources.union(&self.reg(src).sources).copied().collect();
                Holder { sources, frame_offset: None }
            }
        };
        self.set(dst, after);
    }

    /// The bytes of the running frame at an address, if it is one.
    fn place(&self, base: Register, off: i16) -> Option<(usize, i64)> {
        let at = self.reg(base).frame_offset?.wrapping_add(off.into());
        Some((self.frames.len(), at))
    }

    /// The sources of what the error is about.
    fn about(&self, program: &BpfProgram<ActiveProfile>, error: &VerifyError) -> Sources {
        if let Some(pc) = acquired_at(error) {
            return Sources::from([pc]);
        }
        let of = |numbers: &[usize]| -> Sources {
            let holders = numbers.iter().filter_map(|number| self.regs.get(*number));
            holders.flat_map(|holder| holder.sources.iter().copied()).collect()
        };
        let named = of(&registers_in(&error.kind().to_string()));
        if !named.is_empty() {
            return named;
        }
        let at = program.instructions().find(|(pc, _)| *pc == error.pc());
        of(&at.map(|(_, insn)| operands(&insn)).unwrap_or_default())
    }
}

/// Where something was acquired that is not released, if that is the error.
fn acquired_at(error: &VerifyError) -> Option<usize> {
    match error.kind() {
        VerifyErrorKind::UnreleasedReference { pc }
        | VerifyErrorKind::ReferenceAtTailCall { pc } => usize::try_from(pc).ok(),
        _ => None,
    }
}

/// The registers that a reason names, as `R3`.
fn registers_in(reason: &str) -> Vec<usize> {
    let words = reason.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('R')?.parse().ok()).filter(|n| *n <= 10).collect()
}

/// The registers that an instruction accesses memory by, or computes from.
fn operands(insn: &Instruction) -> Vec<usize> {
    let number = |register: Register| usize::from(register.number());
    match *insn {
        Instruction::Load { base, .. }
        | Instruction::LoadAcquire { base, .. }
        | Instruction::Store { base, .. }
        | Instruction::StoreRelease { base, .. }
        | Instruction::Atomic { base, .. } => vec![number(base)],
        Instruction::Alu { dst, src: Operand::Reg(src), .. } => vec![number(dst), number(src)],
        Instruction::Alu { dst, .. } => vec![number(dst)],
        Instruction::Exit => vec![0],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use kernel_bpf::bytecode::{BpfProgType, ProgramBuilder};
    use kernel_bpf::verifier::{Observer, Path, StateView, Verifier};

    use super::*;

    /// The path to an error.
    struct Keep(Vec<Event>);

    impl Observer for Keep {
        fn rejected(&mut self, _: &VerifyError, path: Path<'_>, _: &StateView<'_>) {
            self.0 = path.collect();
        }
    }

    #[test]
    fn branches_over_other_values_are_left_out() {
        let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
            .asm(
                "r2 = *(u32 *)(r1 +0)
                 r3 = *(u32 *)(r1 +16)
                 *(u64 *)(r10 -8) = r3
                 if r2 > 7 goto out
                 if r3 > 600 goto out
                 call other
                 r4 = *(u64 *)(r10 -8)
                 r5 = r10
                 r5 -= r4
                 r0 = *(u8 *)(r5 +0)
                 out: r0 = 0
                 exit
                 other: r0 = 0
                 exit",
            )
            .unwrap()
            .build()
            .unwrap();
        let mut keep = Keep(Vec::new());
        let error = Verifier::new().verify_with(&program, &mut keep).unwrap_err();
        let relevant = relevant(&program, &error, &keep.0);
        let kept: Vec<_> = keep.0.iter().zip(relevant).filter(|(_, kept)| *kept).collect();
        // Neither the length, nor the function that returned.
        assert!(matches!(kept[..], [(Event::Branch { pc: 4, taken: false }, _)]), "{kept:?}");
    }

    #[test]
    fn registers_are_found_in_reasons() {
        assert_eq!(registers_in("R3 !read_ok: it has no value"), [3]);
        assert_eq!(registers_in("through R1: off=0, not R11 or Rx"), [1]);
        assert!(registers_in("back-edge").is_empty());
    }
}

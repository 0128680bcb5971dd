//! The disassembler.

use core::fmt;

use super::Dialect;
use super::render::{Rendering, Targets};
use crate::insn::BpfInsn;
use crate::instruction::{CallTarget, DecodeError, Imm64, Instruction, jump_target};
use crate::table::InsnDef;

/// Slots as text, a line for each instruction.
///
/// By default a line begins with the index of its first slot, and jumps name
/// their distance:
///
/// ```
/// use bpf_bytecode::BpfInsn;
/// use bpf_bytecode::text::{Dialect, Listing};
///
/// let insns = [BpfInsn::jeq_imm(1, 0, 1), BpfInsn::mov64_imm(0, 42), BpfInsn::exit()];
/// assert_eq!(
///     Listing::new(&insns).to_string(),
///     "   0: if r1 == 0 goto +1\n   1: r0 = 42\n   2: exit\n"
/// );
///
/// let mut targets = [0];
/// let source = Listing::new(&insns).source().labels(&mut targets).dialect(Dialect::Mnemonic);
/// assert_eq!(source.to_string(), "    jeq r1, 0, L2\n    mov64 r0, 42\nL2:\n    exit\n");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    insns: &'a [BpfInsn],
    targets: Targets<'a>,
    dialect: Dialect,
    indices: bool,
    bytes: bool,
}

impl<'a> Listing<'a> {
    /// A listing of any slots, instructions or not.
    pub const fn new(insns: &'a [BpfInsn]) -> Self {
        Self { insns, targets: Targets(&[]), dialect: Dialect::Llvm, indices: true, bytes: false }
    }

    /// Writes in another dialect.
    #[must_use]
    pub const fn dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// Writes the bytes of each slot before its text.
    #[must_use]
    pub const fn bytes(self) -> Self {
        Self { bytes: true, ..self }
    }

    /// Leaves the slots' indices out, so that the assembler reads the text
    /// back.
    #[must_use]
    pub const fn source(self) -> Self {
        Self { indices: false, bytes: false, ..self }
    }

    /// Names the targets of jumps and local calls by labels. `targets` is
    /// overwritten, a bit for each slot; targets beyond its end are given as
    /// distances, as are those that lie outside the listing or inside of an
    /// instruction.
    #[must_use]
    pub fn labels(self, targets: &'a mut [u64]) -> Self {
        targets.fill(0);
        for line in self.lines() {
            let target = line.decoded.ok().and_then(|(insn, _)| target(line.pc, insn));
            if let Some(slot) = target.filter(|slot| *slot < self.insns.len()) {
                set(targets, slot, true);
            }
        }
        for line in self.lines() {
            if line.slots.len() == 2 {
                set(targets, line.pc.saturating_add(1), false);
            }
        }
        Self { targets: Targets(targets), ..self }
    }

    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        let Self { insns, targets, dialect, .. } = *self;
        let mut pc = 0_usize;
        core::iter::from_fn(move || {
            let rest = insns.get(pc..).filter(|rest| !rest.is_empty())?;
            let decoded = Instruction::decode_with(insns, pc);
            let count = decoded.map_or(1, |(insn, _)| insn.slots());
            let line = Line { pc, slots: rest.get(..count)?, decoded, targets, dialect };
            pc = pc.saturating_add(count);
            Some(line)
        })
    }
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines() {
            if line.has_label() {
                writeln!(f, "L{}:", line.pc)?;
            }
            if self.indices {
                write!(f, "{:4}: ", line.pc)?;
            } else {
                f.write_str("    ")?;
            }
            if self.bytes {
                line.write_bytes(f)?;
            }
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// One line of a [`Listing`]. Its display is the instruction's text alone.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pc: usize,
    slots: &'a [BpfInsn],
    decoded: Result<(Instruction, &'static InsnDef), DecodeError>,
    targets: Targets<'a>,
    dialect: Dialect,
}

impl<'a> Line<'a> {
    /// Index of the first slot.
    pub const fn pc(&self) -> usize {
        self.pc
    }

    /// The slots: two for a 64-bit immediate load, else one.
    pub const fn slots(&self) -> &'a [BpfInsn] {
        self.slots
    }

    /// The instruction.
    ///
    /// # Errors
    /// [`DecodeError`] when the slot is none.
    pub fn instruction(&self) -> Result<Instruction, DecodeError> {
        self.decoded.map(|(insn, _)| insn)
    }

    /// Whether the label `L` with the number [`pc`](Self::pc) stands before the
    /// line.
    pub fn has_label(&self) -> bool {
        self.targets.contains(self.pc)
    }

    fn write_bytes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for slot in self.slots {
            for byte in slot.to_bytes() {
                write!(f, "{byte:02x} ")?;
            }
        }
        // Instructions of one and of two slots begin in the same column.
        let blanks = if self.slots.len() == 1 { 24 } else { 0 };
        write!(f, "{:blanks$} ", "")
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let insn = self.slots.first().copied().unwrap_or_default();
        let Ok((decoded, def)) = self.decoded else {
            return write!(f, ".8byte {:#018x}", u64::from_le_bytes(insn.to_bytes()));
        };
        let (pc, dialect, targets) = (self.pc, self.dialect, self.targets);
        fmt::Display::fmt(&Rendering { def, insn, decoded, pc, dialect, targets }, f)
    }
}

/// Where a jump, a local call or the address of a function leads.
fn target(pc: usize, insn: Instruction) -> Option<usize> {
    let off = match insn {
        Instruction::Call(CallTarget::Local(off))
        | Instruction::LoadImm64 { value: Imm64::Code(off), .. } => off,
        _ => insn.jump_offset()?,
    };
    jump_target(pc, off)
}

fn set(bits: &mut [u64], slot: usize, value: bool) {
    if let Some(word) = bits.get_mut(slot / 64) {
        let mask = 1_u64.unbounded_shl(u32::try_from(slot % 64).unwrap_or_default());
        *word = if value { *word | mask } else { *word & !mask };
    }
}

/// The text of one slot, without its surroundings. The first half of a 64-bit
/// immediate load has none of its own.
impl fmt::Display for BpfInsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(core::slice::from_ref(self), f)
    }
}

/// The text in LLVM's dialect. What no slots encode is shown as
/// [`Debug`](fmt::Debug) shows it.
impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.encode() {
            Some(encoded) => display(encoded.slots(), f),
            None => fmt::Debug::fmt(self, f),
        }
    }
}

fn display(slots: &[BpfInsn], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match Listing::new(slots).lines().next() {
        Some(line) => fmt::Display::fmt(&line, f),
        None => Ok(()),
    }
}

//! Writes one instruction by its template.

use core::fmt;

use super::Dialect;
use crate::abi::helper;
use crate::insn::BpfInsn;
use crate::instruction::{Imm64, Instruction, jump_target};
use crate::table::InsnDef;

/// Slots that jumps lead to, a bit for each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Targets<'a>(pub(super) &'a [u64]);

impl Targets<'_> {
    /// Whether a label stands before `slot`.
    pub(super) fn contains(self, slot: usize) -> bool {
        let word = self.0.get(slot / 64).copied().unwrap_or_default();
        word.unbounded_shr(u32::try_from(slot % 64).unwrap_or_default()) & 1 != 0
    }
}

/// An instruction with all that its text depends on.
pub(super) struct Rendering<'a> {
    pub(super) def: &'static InsnDef,
    pub(super) insn: BpfInsn,
    pub(super) decoded: Instruction,
    pub(super) pc: usize,
    pub(super) dialect: Dialect,
    pub(super) targets: Targets<'a>,
}

impl fmt::Display for Rendering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let template = match self.dialect {
            Dialect::Llvm => self.def.text,
            Dialect::Mnemonic => self.def.mnemonic,
        };
        let mut parts = template.split('{');
        f.write_str(parts.next().unwrap_or_default())?;
        for part in parts {
            let (field, literal) = part.split_once('}').unwrap_or((part, ""));
            self.field(field, f)?;
            f.write_str(literal)?;
        }
        Ok(())
    }
}

impl Rendering<'_> {
    fn field(&self, field: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let insn = self.insn;
        match field {
            "dst" => write!(f, "r{}", insn.dst()),
            "src" => write!(f, "r{}", insn.src()),
            "wdst" => write!(f, "w{}", insn.dst()),
            "wsrc" => write!(f, "w{}", insn.src()),
            "off" => write!(f, "{:+}", insn.off()),
            "imm" => write!(f, "{}", insn.imm()),
            "+imm" => write!(f, "{:+}", insn.imm()),
            "jump" => self.jump("", i32::from(insn.off()), f),
            "jump32" => self.jump("", insn.imm(), f),
            "local" => self.jump("pc", insn.imm(), f),
            "helper" => write_helper(insn.imm().cast_unsigned(), f),
            _ => self.imm64(f),
        }
    }

    fn jump(&self, prefix: &str, off: i32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jump_target(self.pc, off) {
            Some(slot) if self.targets.contains(slot) => write!(f, "L{slot}"),
            _ => write!(f, "{prefix}{off:+}"),
        }
    }

    fn imm64(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instruction::LoadImm64 { value, .. } = self.decoded else { return Ok(()) };
        match value {
            Imm64::Value(value) => {
                // Beyond 32 bits a value is an address or a mask.
                match u32::try_from(value) {
                    Ok(value) => write!(f, "{value}")?,
                    Err(_) => write!(f, "{value:#x}")?,
                }
                if self.dialect == Dialect::Llvm { f.write_str(" ll") } else { Ok(()) }
            }
            Imm64::MapFd(fd) => write!(f, "map[fd:{fd}]"),
            Imm64::MapFdValue(fd, off) => write!(f, "map[fd:{fd}][0]+{off}"),
            Imm64::MapIdx(index) => write!(f, "map[idx:{index}]"),
            Imm64::MapIdxValue(index, off) => write!(f, "map[idx:{index}][0]+{off}"),
            Imm64::Var(id) => write!(f, "var[{id}]"),
            Imm64::Code(off) => {
                f.write_str("subprog[")?;
                self.jump("", off, f)?;
                f.write_str("]")
            }
        }
    }
}

fn write_helper(id: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match helper::find(helper::STANDARD, id) {
        Some(sig) => write!(f, "bpf_{}#{id}", sig.name),
        None => write!(f, "{id}"),
    }
}

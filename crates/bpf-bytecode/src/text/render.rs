//! Writes one instruction by its template.

use core::fmt::{self, Write};

use super::Dialect;
use crate::abi::helper_names;
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
        let mut rest = template;
        while let Some((literal, field, behind)) = next_field(rest) {
            f.write_str(literal)?;
            self.field(field, f)?;
            rest = behind;
        }
        f.write_str(rest)
    }
}

/// What stands before the first field of a template, the field, and the rest.
fn next_field(template: &str) -> Option<(&str, &str, &str)> {
    // Faster than a search by `str`, which is made for longer texts.
    let at = |text: &str, brace| text.bytes().position(|byte| byte == brace);
    let (literal, from) = template.split_at_checked(at(template, b'{')?)?;
    let (field, behind) = from.split_at_checked(at(from, b'}')?)?;
    Some((literal, field.get(1..)?, behind.get(1..)?))
}

impl Rendering<'_> {
    fn field(&self, field: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let insn = self.insn;
        match field {
            "dst" => register('r', insn.dst(), f),
            "src" => register('r', insn.src(), f),
            "wdst" => register('w', insn.dst(), f),
            "wsrc" => register('w', insn.src(), f),
            "off" => signed(insn.off().into(), f),
            "imm" => number(insn.imm().into(), f),
            "+imm" => signed(insn.imm().into(), f),
            "jump" => self.jump("", insn.off().into(), f),
            "jump32" => self.jump("", insn.imm(), f),
            "local" => self.jump("pc", insn.imm(), f),
            "helper" => helper(insn.imm().cast_unsigned(), f),
            _ => self.imm64(f),
        }
    }

    fn jump(&self, prefix: &str, off: i32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jump_target(self.pc, off) {
            Some(slot) if self.targets.contains(slot) => write!(f, "L{slot}"),
            _ => {
                f.write_str(prefix)?;
                signed(off.into(), f)
            }
        }
    }

    fn imm64(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instruction::LoadImm64 { value, .. } = self.decoded else { return Ok(()) };
        match value {
            Imm64::Value(value) => {
                // Beyond 32 bits a value is an address or a mask.
                match u32::try_from(value) {
                    Ok(value) => number(value.into(), f)?,
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

fn register(kind: char, number: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char(kind)?;
    self::number(number.into(), f)
}

fn helper(id: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(name) = helper_names::name(id) {
        f.write_str("bpf_")?;
        f.write_str(name)?;
        f.write_str("#")?;
    }
    number(id.into(), f)
}

fn signed(value: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if value >= 0 {
        f.write_char('+')?;
    }
    number(value, f)
}

/// Writes a decimal number, much faster than `write!` does.
fn number(value: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = value.unsigned_abs();
    if value < 0 {
        f.write_char('-')?;
    }
    let (mut digits, mut from) = ([b'0'; 20], 20_usize);
    loop {
        from = from.saturating_sub(1);
        if let Some(digit) = digits.get_mut(from) {
            *digit = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or_default());
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let text = digits.get(from..).and_then(|digits| core::str::from_utf8(digits).ok());
    f.write_str(text.unwrap_or_default())
}

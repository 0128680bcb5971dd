//! Access to the program's context.

use bpf_bytecode::Register;
use bpf_bytecode::abi::context::FieldKind;
use bpf_bytecode::instruction::Instruction;
use bpf_bytecode::opcode::Size;

use super::memory::Span;
use super::{Explorer, Flow, Step, reject};
use crate::domain::Scalar;
use crate::error::{Feature, VerifyErrorKind};
use crate::state::{Kind, Value};
use crate::verified::InsnFact;

impl Explorer<'_> {
    /// The context as it came, at a place that the layout has; the place.
    fn context_place(&mut self, span: &Span) -> Step<u16> {
        if !span.base.is_unmodified() {
            let off = span.base.min_offset();
            return reject(VerifyErrorKind::ModifiedContext { reg: span.reg, off });
        }
        let off = u16::try_from(span.off).ok();
        let size = u16::try_from(span.size).unwrap_or(u16::MAX);
        let end = off.and_then(|off| off.checked_add(size));
        let aligned = off.is_some_and(|off| off.checked_rem(size) == Some(0));
        let (Some(off), Some(end), true) = (off, end, aligned) else {
            return Self::no_field(span);
        };
        if end > self.layout.size {
            return Self::no_field(span);
        }
        self.figures.context_bytes = self.figures.context_bytes.max(end.into());
        Ok(off)
    }

    fn no_field<T>(span: &Span) -> Step<T> {
        let (off, size, access) = (span.off.into(), span.size, span.access);
        reject(VerifyErrorKind::ContextField { off, size, access })
    }

    pub(super) fn load_context(&mut self, span: &Span, signed: bool) -> Step<Value> {
        let off = self.context_place(span)?;
        let size = u16::try_from(span.size).unwrap_or(u16::MAX);
        let Some(field) = self.layout.access(off, size, false) else {
            return Self::no_field(span);
        };
        let kind = match field {
            FieldKind::Scalar | FieldKind::Half | FieldKind::Queue => {
                self.note(InsnFact::Context)?;
                return Ok(Value::scalar(Scalar::of_bits(span.size.saturating_mul(8))));
            }
            FieldKind::PacketData => Kind::Packet,
            FieldKind::PacketEnd => Kind::PacketEnd,
            FieldKind::PacketMeta => Kind::PacketMeta,
            FieldKind::Socket => Kind::Socket,
            FieldKind::SocketOrNull => Kind::SocketOrNull,
            FieldKind::SocketCommonOrNull => Kind::SocketCommonOrNull,
            FieldKind::FlowKeys => Kind::FlowKeys,
            FieldKind::KernelStruct => {
                return reject(VerifyErrorKind::Unsupported(Feature::KernelFields));
            }
        };
        let known = kind.is_packet() && !self.layout.is_opaque();
        if signed || !(known || self.rules.helpers.is_foreign()) {
            // Nothing that the engines here would answer.
            return Self::no_field(span);
        }
        let id = if kind.is_nullable() { self.fresh_id() } else { 0 };
        self.note(if known { InsnFact::ContextPointer(field) } else { InsnFact::Kernel })?;
        Ok(Value::pointer(kind, 0, id))
    }

    pub(super) fn store_context(&mut self, span: &Span) -> Step {
        let off = self.context_place(span)?;
        let size = u16::try_from(span.size).unwrap_or(u16::MAX);
        match self.layout.access(off, size, true) {
            Some(FieldKind::Scalar) => self.note(InsnFact::Context),
            Some(FieldKind::Half | FieldKind::Queue) => self.note(InsnFact::ContextField),
            _ => Self::no_field(span),
        }
    }

    /// A load of packet bytes by the deprecated instructions: the context must
    /// be in R6; the result is in R0, and R1 to R5 are gone.
    pub(super) fn legacy_packet(
        &mut self,
        insn: &Instruction,
        size: Size,
        index: Option<Register>,
    ) -> Step<Flow> {
        let prog_type = self.code.prog_type;
        if !prog_type.def().legacy_loads {
            return reject(VerifyErrorKind::LegacyPacket(prog_type));
        }
        // The program, or its function, ends here where the packet is too short.
        self.check_nothing_held()?;
        let context = self.read(Register::R6)?;
        if context.kind != Kind::Context || !context.is_unmodified() {
            let found = context.kind;
            return reject(VerifyErrorKind::NotAPointer { reg: Register::R6, found });
        }
        if let Some(index) = index {
            let value = self.read(index)?;
            if value.kind.is_pointer() {
                let found = value.kind;
                return reject(VerifyErrorKind::NotAPointer { reg: index, found });
            }
        }
        self.note(InsnFact::Packet)?;
        self.clear_arguments();
        self.write(Register::R0, Value::scalar(Scalar::of_bits(size.bits())))?;
        self.go_on_or_return(insn)
    }

    /// A call leaves R1 to R5 without values.
    pub(super) fn clear_arguments(&mut self) {
        self.state.drop_regs(0x3e);
    }
}

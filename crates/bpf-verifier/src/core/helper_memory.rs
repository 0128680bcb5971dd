//! Memory that helpers read and fill.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig};

use super::memory::Span;
use super::{Explorer, Step, reject};
use crate::error::{Access, VerifyErrorKind};
use crate::state::Kind;

/// Sizes of this many bytes and more count as unbounded, as on Linux.
const MAX_SIZE: u64 = 1 << 29;

impl Explorer<'_> {
    /// A size in `arg`, and the memory in the argument before.
    pub(super) fn sized_memory(&mut self, sig: &HelperSig, arg: u8, kind: ArgKind) -> Step {
        let before = arg.saturating_sub(1);
        let at = usize::from(before).saturating_sub(1);
        let memory = sig.args.get(at).copied().unwrap_or(ArgKind::None);
        let (Some(reg), Some(size_reg)) = (Register::new(before), Register::new(arg)) else {
            return Ok(());
        };
        let size = self.read(size_reg)?;
        if !size.is_scalar() {
            let found = size.kind;
            let helper = sig.id;
            return reject(VerifyErrorKind::HelperArgument { helper, arg, expected: kind, found });
        }
        self.mark_precise(size.deps);
        let number = size.number;
        if number.smin() < 0 {
            return reject(VerifyErrorKind::NegativeSize { arg });
        }
        if number.umin() == 0 && kind == ArgKind::Size {
            return reject(VerifyErrorKind::ZeroSize { arg });
        }
        if number.umax() >= MAX_SIZE {
            return reject(VerifyErrorKind::UnboundedSize { arg });
        }
        let pointer = self.read(reg)?;
        if memory == ArgKind::MemReadOrNull && pointer.is_scalar() {
            self.mark_precise(pointer.deps);
            // No memory, and none of it.
            if pointer.as_constant() == Some(0) && number.umax() == 0 {
                return Ok(());
            }
        }
        let bytes = u32::try_from(number.umax()).unwrap_or(u32::MAX);
        self.helper_memory(sig, before, memory, bytes, number.as_constant().is_some())
    }

    /// `bytes` bytes behind `arg`; with `whole`, never fewer.
    pub(super) fn helper_memory(
        &mut self,
        sig: &HelperSig,
        arg: u8,
        kind: ArgKind,
        bytes: u32,
        whole: bool,
    ) -> Step {
        let Some(reg) = Register::new(arg) else { return Ok(()) };
        let base = self.read(reg)?;
        let access = if kind == ArgKind::MemWrite { Access::Write } else { Access::Read };
        let span = Span { reg, base, off: 0, size: bytes, access };
        match base.kind {
            Kind::Stack if bytes == 0 => Ok(()),
            Kind::Stack => self.helper_stack(&span, sig.id, whole),
            Kind::MapValue | Kind::Reserved => self.check_bytes(&span),
            Kind::Packet | Kind::PacketMeta if sig.packet_memory => self.check_bytes(&span),
            found => {
                let (helper, expected) = (sig.id, kind);
                reject(VerifyErrorKind::HelperArgument { helper, arg, expected, found })
            }
        }
    }
}

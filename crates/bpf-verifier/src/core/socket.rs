//! Sockets and the other things that only Linux has behind a context.

use bpf_bytecode::abi::context::CtxField;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig};
use bpf_bytecode::abi::map::MapType;
use bpf_bytecode::abi::socket;

use super::helper::Arguments;
use super::memory::Span;
use super::{Explorer, Step, reject};
use crate::cfg::slot_number;
use crate::domain::Scalar;
use crate::error::{Access, Feature, VerifyErrorKind};
use crate::state::{Kind, Value};
use crate::verified::InsnFact;

/// The helper that finds the listening socket of another one.
const GET_LISTENER_SOCK: u32 = 98;

impl Explorer<'_> {
    /// What a helper finds in a map, or null, if it is not surely `present`.
    pub(super) fn looked_up(&mut self, sig: &HelperSig, index: u32, present: bool) -> Step<Value> {
        let id = self.fresh_id();
        let Some(def) = self.map_def(index) else { return Ok(Value::NOT_INIT) };
        Ok(match def.map_type {
            MapType::ArrayOfMaps | MapType::HashOfMaps => {
                let inner = def.inner.map(u32::from);
                let Some(inner) = inner.filter(|inner| self.map_def(*inner).is_some()) else {
                    return reject(VerifyErrorKind::Unsupported(Feature::InnerMap));
                };
                Value::pointer(Kind::MapOrNull, inner, id)
            }
            MapType::SockMap | MapType::SockHash => {
                // Linux counts the socket as acquired.
                self.acquired(Kind::SocketOrNull, id)?
            }
            MapType::XskMap => Value::pointer(Kind::XdpSocketOrNull, 0, id),
            _ => {
                debug_assert!(sig.map_types.contains(&def.map_type));
                let found = self.told_apart(Value::pointer(Kind::MapValueOrNull, index, id));
                if present { Value { kind: Kind::MapValue, id: 0, ..found } } else { found }
            }
        })
    }

    /// A socket that has to be released.
    fn acquired(&mut self, kind: Kind, id: u32) -> Step<Value> {
        self.state.acquire(&mut self.arena, id, slot_number(self.walker.pc))?;
        Ok(Value::pointer(kind, 0, id).held_by(id))
    }

    /// The socket that a helper returns.
    pub(super) fn socket(&mut self, kind: Kind, sig: &HelperSig, args: &Arguments) -> Step<Value> {
        let id = self.fresh_id();
        if sig.acquires {
            return self.acquired(kind, id);
        }
        // It is the socket that it was found by, and lives as long. Listeners are
        // others, which live at least until the program ends.
        let holder = if sig.id == GET_LISTENER_SOCK { 0 } else { args.socket };
        Ok(Value::pointer(kind, 0, id).held_by(holder))
    }

    /// A socket as an argument.
    pub(super) fn socket_argument(
        kind: ArgKind,
        value: &Value,
        wrong: VerifyErrorKind,
        args: &mut Arguments,
    ) -> Step {
        let fits = match kind {
            ArgKind::Socket | ArgKind::SocketOrNull => value.kind == Kind::Socket,
            _ => matches!(value.kind, Kind::SocketCommon | Kind::Socket | Kind::TcpSocket),
        };
        if !fits || !value.is_unmodified() {
            return reject(wrong);
        }
        args.socket = value.holder();
        if kind == ArgKind::SocketRelease {
            if value.holder() == 0 {
                return reject(wrong);
            }
            args.release = Some(value.holder());
        }
        Ok(())
    }

    /// A load of a socket's fields, or an access to the keys of a flow.
    pub(super) fn access_foreign(&mut self, span: &Span) -> Step<Value> {
        use InsnFact::{KernelFlowKeys, KernelSocket, KernelTcpSocket, KernelXdpSocket};
        // What two kinds of socket have in common is in one table.
        let (fact, size, fields): (_, u16, Option<&[CtxField]>) = match span.base.kind {
            Kind::FlowKeys => (KernelFlowKeys, socket::FLOW_KEYS_SIZE, None),
            Kind::XdpSocket => (KernelXdpSocket, socket::XDP_SOCK_SIZE, Some(socket::XDP_SOCK)),
            Kind::TcpSocket => (KernelTcpSocket, socket::TCP_SOCK_SIZE, Some(socket::TCP_SOCK)),
            Kind::Socket => (KernelSocket, socket::SOCK_SIZE, Some(socket::SOCK)),
            _ => (KernelSocket, socket::SOCK_SIZE, Some(socket::SOCK_COMMON)),
        };
        self.note(fact)?;
        Self::check_bounds(span, size.into())?;
        let unknown = Value::scalar(Scalar::of_bits(span.size.saturating_mul(8)));
        let Some(fields) = fields else { return Ok(unknown) };
        let off = span.base.known_offset().and_then(|off| off.checked_add(span.off.into()));
        let off = off.and_then(|off| u16::try_from(off).ok());
        let bytes = u16::try_from(span.size).unwrap_or(u16::MAX);
        let allowed = off.is_some_and(|off| {
            fields.iter().any(|field| field.allows(off, bytes, span.access == Access::Write))
        });
        if allowed { Ok(unknown) } else { Self::forbidden(span) }
    }
}

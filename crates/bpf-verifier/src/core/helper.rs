//! Calls of helpers.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind, id};
use bpf_bytecode::abi::map::{MapDef, MapType};

use super::dynptr::Place;
use super::held::SPIN_UNLOCK;
use super::{Explorer, Step, reject};
use crate::cfg::slot_number;
use crate::domain::Scalar;
use crate::error::{Access, Feature, Sink, VerifyErrorKind};
use crate::state::{Kind, Value};

/// Bytes of a reservation that programs may access, at the most: where there can be
/// more, the others are not known.
const MAX_ALLOC: u64 = 1 << 29;

/// Linux's largest error number.
const MAX_ERRNO: i64 = 4095;

/// What the arguments of a call have shown so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arguments {
    /// The map in an argument, by index.
    pub map: Option<(u32, MapDef)>,
    /// The key in an argument, where it is known and the map surely has it.
    pub present: bool,
    /// Bytes of the last sized memory at the most.
    pub size: u32,
    /// Bytes to be reserved.
    pub alloc: i32,
    /// Reserved memory, or a socket, to be released.
    pub release: Option<u32>,
    /// The reference through which a socket in an argument is held.
    pub socket: u32,
    /// The spin lock in an argument, as what is held.
    pub lock: Option<Value>,
    /// The map of the timer in an argument.
    pub timer: Option<u32>,
    /// The dynptr in an argument, or the place of a new one.
    pub dynptr: Option<Place>,
}

impl Arguments {
    /// Whether the values of the map in an argument are sockets.
    fn takes_sockets(&self) -> bool {
        self.map
            .is_some_and(|(_, def)| matches!(def.map_type, MapType::SockMap | MapType::SockHash))
    }
}

impl<'e> Explorer<'e> {
    pub(super) fn call_helper(&mut self, helper: u32) -> Step {
        let sig = self.helper_sig(helper)?;
        let args = self.check_arguments(sig)?;
        if let Some(dynptr) = args.dynptr {
            self.use_dynptr(sig, dynptr)?;
        }
        if let Some(lock) = args.lock {
            self.use_lock(helper, lock)?;
        }
        if let Some(timer) = args.timer {
            self.use_timer(helper, timer, &args)?;
        }
        if let Some(id) = args.release {
            self.release(id)?;
        }
        if sig.moves_packet {
            self.invalidate_packet();
        }
        self.clear_arguments();
        let result = self.result(sig, &args)?;
        self.write(Register::R0, result)
    }

    /// The signature of a helper that the program may call.
    pub(super) fn helper_sig(&self, helper: u32) -> Step<&'e HelperSig> {
        let prog_type = self.code.prog_type;
        let Some(sig) = self.rules.helpers.find_for(helper, prog_type) else {
            return reject(VerifyErrorKind::UnknownHelper(helper));
        };
        if !sig.allows(prog_type) {
            return reject(VerifyErrorKind::HelperNotAllowed { helper, prog_type });
        }
        self.rules.realtime.check_helper(sig)?;
        if helper != SPIN_UNLOCK {
            self.check_unlocked()?;
        }
        Ok(sig)
    }

    /// What the arguments of a call show.
    pub(super) fn check_arguments(&mut self, sig: &HelperSig) -> Step<Arguments> {
        let mut args = Arguments::default();
        for (arg, &kind) in (1_u8..).zip(&sig.args) {
            if kind == ArgKind::None {
                break;
            }
            self.check_argument(sig, arg, kind, &mut args)?;
        }
        Ok(args)
    }

    /// The value of a register that is an argument, which must have one.
    #[inline]
    pub(super) fn argument(&self, register: Register) -> Step<&Value> {
        match self.state.regs().get(register.index()) {
            Some(value) if value.is_init() => Ok(value),
            _ => reject(VerifyErrorKind::UninitRegister(register)),
        }
    }

    fn check_argument(
        &mut self,
        sig: &HelperSig,
        arg: u8,
        kind: ArgKind,
        args: &mut Arguments,
    ) -> Step {
        let Some(reg) = Register::new(arg) else { return Ok(()) };
        if kind == ArgKind::Unchecked {
            return self.guard_unchecked(sig, reg);
        }
        let value = self.argument(reg)?;
        let found = value.kind;
        let wrong = VerifyErrorKind::HelperArgument { helper: sig.id, arg, expected: kind, found };
        match kind {
            ArgKind::Anything => {
                if found.is_pointer() && self.guards_addresses() {
                    let into = Sink::Helper(sig.id);
                    return reject(VerifyErrorKind::PointerLeak { reg, into });
                }
                Ok(())
            }
            ArgKind::Scalar => {
                if value.is_scalar() {
                    Ok(())
                } else {
                    reject(wrong)
                }
            }
            ArgKind::MapValue if args.takes_sockets() => {
                Self::socket_argument(ArgKind::SocketCommon, value, wrong, args)
            }
            ArgKind::Dynptr
            | ArgKind::DynptrRelease
            | ArgKind::DynptrInit
            | ArgKind::SpinLock
            | ArgKind::Timer
            | ArgKind::LaterCallback => {
                let value = *value;
                self.kernel_argument(reg, kind, &value, wrong, args)
            }
            ArgKind::Text => {
                let value = *value;
                self.text_argument(reg, &value, wrong)
            }
            ArgKind::ContextOrNull | ArgKind::SocketOrNull | ArgKind::Zero
                if value.as_constant() == Some(0) =>
            {
                let deps = value.deps;
                self.mark_precise(deps);
                Ok(())
            }
            ArgKind::Zero => reject(wrong),
            ArgKind::SocketCommon
            | ArgKind::Socket
            | ArgKind::SocketOrNull
            | ArgKind::SocketRelease => Self::socket_argument(kind, value, wrong, args),
            ArgKind::Context | ArgKind::ContextOrNull => {
                if found != Kind::Context {
                    return reject(wrong);
                }
                if !value.is_unmodified() {
                    let off = value.min_offset();
                    return reject(VerifyErrorKind::ModifiedContext { reg, off });
                }
                Ok(())
            }
            ArgKind::Map => {
                args.map = Some(self.map_argument(sig, reg, value, wrong)?);
                Ok(())
            }
            ArgKind::Size | ArgKind::SizeOrZero => {
                args.size = self.sized_memory(sig, arg, kind)?;
                Ok(())
            }
            ArgKind::AllocSize => {
                let Some(size) = value.as_constant() else {
                    return reject(VerifyErrorKind::NotConstant { arg });
                };
                let deps = value.deps;
                self.mark_precise(deps);
                // Some helpers look at the lower half alone.
                let bytes = (size & u64::from(u32::MAX)).min(MAX_ALLOC);
                args.alloc = i32::try_from(bytes).unwrap_or(0);
                Ok(())
            }
            ArgKind::AllocMem => {
                if found != Kind::Reserved || !value.is_unmodified() {
                    return reject(wrong);
                }
                args.release = Some(value.id);
                Ok(())
            }
            // What is called, and with what, is checked where it is called.
            ArgKind::None | ArgKind::Unchecked | ArgKind::Callback | ArgKind::CallbackContext => {
                Ok(())
            }
            _ => match kind.memory() {
                Some(memory) => self.memory_argument(sig, arg, kind, memory, args),
                None => reject(VerifyErrorKind::Unsupported(Feature::Argument(kind))),
            },
        }
    }

    /// The map in an argument, which the helper must be for.
    fn map_argument(
        &self,
        sig: &HelperSig,
        reg: Register,
        value: &Value,
        wrong: VerifyErrorKind,
    ) -> Step<(u32, MapDef)> {
        let def = self.map_def(value.index).copied();
        let (Kind::Map, Some(def)) = (value.kind, def) else { return reject(wrong) };
        let map_type = def.map_type;
        if !sig.map_types.is_empty() && !sig.map_types.contains(&map_type) {
            return reject(VerifyErrorKind::HelperMap { helper: sig.id, map_type });
        }
        let changes = matches!(sig.id, id::MAP_UPDATE_ELEM | id::MAP_DELETE_ELEM);
        if changes && !def.is_writable() {
            let (region, access) = (value.kind, Access::Write);
            return reject(VerifyErrorKind::Forbidden { reg, region, access });
        }
        Ok((value.index, def))
    }

    /// What a kernel keeps in memory of the program, or calls later.
    fn kernel_argument(
        &mut self,
        reg: Register,
        kind: ArgKind,
        value: &Value,
        wrong: VerifyErrorKind,
        args: &mut Arguments,
    ) -> Step {
        match kind {
            ArgKind::SpinLock => args.lock = Some(self.lock_argument(value, wrong)?),
            ArgKind::Timer => args.timer = Some(self.timer_argument(value, wrong)?),
            ArgKind::LaterCallback if value.kind == Kind::Function => {}
            ArgKind::LaterCallback => return reject(wrong),
            _ => args.dynptr = Some(self.dynptr_argument(reg, kind, value, wrong)?),
        }
        Ok(())
    }

    /// What the helper may print is no address, where addresses are guarded.
    fn guard_unchecked(&self, sig: &HelperSig, reg: Register) -> Step {
        if self.guards_addresses() && self.state.reg(reg).kind.is_pointer() {
            let into = Sink::Helper(sig.id);
            return reject(VerifyErrorKind::PointerLeak { reg, into });
        }
        Ok(())
    }

    /// Reserved memory is given back: no pointer into it is one any longer.
    pub(super) fn release(&mut self, id: u32) -> Step {
        self.state.revoke(&mut self.arena, |value| {
            let reserved =
                matches!(value.kind, Kind::Reserved | Kind::ReservedOrNull | Kind::Memory);
            let slice = matches!(value.kind, Kind::Slice | Kind::SliceOrNull);
            reserved && value.id == id
                || slice && value.dynptr() == id
                || value.kind.is_socket() && value.holder() == id
        });
        self.state.release(&mut self.arena, id)?;
        Ok(())
    }

    pub(super) fn result(&mut self, sig: &HelperSig, args: &Arguments) -> Step<Value> {
        Ok(match sig.ret {
            RetKind::Integer => Value::UNKNOWN,
            RetKind::Range(min, max) => {
                Value::scalar(Scalar::signed_between(min.into(), max.into()))
            }
            RetKind::Written => Value::scalar(Scalar::signed_between(-MAX_ERRNO, args.size.into())),
            RetKind::Void => Value::NOT_INIT,
            RetKind::MapValue | RetKind::MapValueOrNull => {
                let Some((index, _)) = args.map else {
                    return reject(VerifyErrorKind::HelperArgument {
                        helper: sig.id,
                        arg: 1,
                        expected: ArgKind::Map,
                        found: Kind::NotInit,
                    });
                };
                if sig.ret == RetKind::MapValue {
                    let id = self.fresh_id();
                    let told = self.told_apart(Value::pointer(Kind::MapValue, index, id));
                    return Ok(Value { id: 0, ..told });
                }
                return self.looked_up(sig, index, args.present);
            }
            RetKind::AllocMemOrNull => {
                let id = self.fresh_id();
                let pc = slot_number(self.walker.pc);
                self.state.acquire(&mut self.arena, id, pc)?;
                let memory = Value::pointer(Kind::ReservedOrNull, 0, id);
                Value { range: args.alloc, ..memory }
            }
            RetKind::SocketOrNull => self.socket(Kind::SocketOrNull, sig, args)?,
            RetKind::SocketCommonOrNull => self.socket(Kind::SocketCommonOrNull, sig, args)?,
            RetKind::TcpSocketOrNull => self.socket(Kind::TcpSocketOrNull, sig, args)?,
            RetKind::DynptrMemOrNull => self.slice(args),
            kind @ RetKind::KernelStruct => {
                return reject(VerifyErrorKind::Unsupported(Feature::Result(kind)));
            }
        })
    }
}

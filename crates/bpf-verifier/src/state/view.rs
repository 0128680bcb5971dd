//! States as others see them, and in the field's notation.

use core::fmt;

use bpf_bytecode::Register;
use bpf_bytecode::abi::map::MapDef;

use super::State;
use super::cells::SAVED;
use super::reg::{Kind, Value};
use crate::arena::Arena;

/// What is known at one instruction of one path.
///
/// Its text is the state as Linux prints it: `R1=ctx() R10=fp0 fp-8=0`.
#[derive(Clone, Copy)]
pub struct StateView<'a> {
    state: &'a State,
    arena: &'a Arena<'a>,
    maps: &'a [MapDef],
}

/// Initialised bytes on a stack.
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// Frame, 0 for the program's own.
    pub frame: u32,
    /// Offset of the first byte from the end of the frame.
    pub off: i32,
    /// Number of bytes.
    pub len: u32,
    /// Content, as a number in the host's byte order where there are at most
    /// eight bytes; else unknown or zero bytes.
    pub value: Value,
}

impl<'a> StateView<'a> {
    pub(crate) const fn new(state: &'a State, arena: &'a Arena<'a>, maps: &'a [MapDef]) -> Self {
        Self { state, arena, maps }
    }

    /// The running frame, 0 for the program's own.
    pub const fn frame(&self) -> u32 {
        self.state.frame
    }

    /// A register of the running frame.
    pub fn reg(&self, register: Register) -> Value {
        self.state.reg(register)
    }

    /// The registers of the running frame that are set.
    pub fn regs(&self) -> impl Iterator<Item = (Register, Value)> + use<'a> {
        let state = self.state;
        Register::all().map(|r| (r, state.reg(r))).filter(|(_, value)| value.is_init())
    }

    /// Initialised bytes of every frame's stack, by frame and address.
    pub fn stack(&self) -> impl Iterator<Item = Bytes> + use<'a> {
        let (state, arena) = (self.state, self.arena);
        let cells = (0..state.cells.len()).filter_map(|index| state.cells.get(arena, index));
        cells.filter(|cell| cell.addr < SAVED).map(|cell| {
            let (frame, off) = state.stack_place(cell.addr);
            Bytes { frame, off, len: cell.len, value: cell.value }
        })
    }

    /// Reservations that are still to be released.
    pub const fn references(&self) -> u32 {
        self.state.refs
    }

    /// The map definitions that values name by index.
    pub const fn maps(&self) -> &'a [MapDef] {
        self.maps
    }

    /// A value in the field's notation.
    pub const fn show(&self, value: Value) -> Shown<'a> {
        Shown { value, maps: self.maps }
    }
}

impl fmt::Display for StateView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sep = "";
        for (register, value) in self.regs() {
            write!(f, "{sep}R{}={}", register.number(), self.show(value))?;
            sep = " ";
        }
        for bytes in self.stack() {
            write!(f, "{sep}")?;
            sep = " ";
            if bytes.frame != self.frame() {
                write!(f, "frame{}:", bytes.frame)?;
            }
            write!(f, "fp{}", bytes.off)?;
            if bytes.len != 8 {
                write!(f, "[{}]", bytes.len)?;
            }
            write!(f, "={}", self.show(bytes.value))?;
        }
        Ok(())
    }
}

impl fmt::Debug for StateView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value in the field's notation.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    value: Value,
    maps: &'a [MapDef],
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = &self.value;
        let constant = value.number.as_constant();
        match value.kind {
            Kind::Scalar => {
                if let Some(number) = constant {
                    return write!(f, "{}", number.cast_signed());
                }
                f.write_str("scalar(")?;
                let mut sep = "";
                if value.id != 0 {
                    write!(f, "id={}", value.id)?;
                    if value.off != 0 {
                        write!(f, "{:+}", value.off)?;
                    }
                    sep = ",";
                }
                if !value.number.is_unknown() {
                    write!(f, "{sep}{}", value.number)?;
                }
                return f.write_str(")");
            }
            Kind::Stack => {
                let off = i64::from(value.off);
                return match constant {
                    Some(number) => {
                        write!(f, "fp{}", off.saturating_add(number.cast_signed()))
                    }
                    None => write!(f, "fp(off={off},{})", value.number),
                };
            }
            _ => {}
        }
        write!(f, "{}(", value.kind)?;
        let mut list = List { f, sep: "" };
        if value.id != 0 {
            list.item("id", &value.id)?;
        }
        if value.off != 0 {
            list.item("off", &value.off)?;
        }
        self.describe(&mut list)?;
        if constant != Some(0) && value.kind.is_pointer() {
            write!(list.f, "{}{}", list.sep, value.number)?;
        }
        f.write_str(")")
    }
}

impl Shown<'_> {
    fn describe(&self, list: &mut List<'_, '_>) -> fmt::Result {
        let value = &self.value;
        match value.kind {
            Kind::Packet | Kind::PacketMeta => list.item("r", &value.range.max(0)),
            Kind::Reserved | Kind::ReservedOrNull => list.item("sz", &value.range),
            Kind::Map | Kind::MapKey | Kind::MapValue | Kind::MapValueOrNull => {
                let index = usize::try_from(value.index).ok();
                let Some(def) = index.and_then(|index| self.maps.get(index)) else {
                    return Ok(());
                };
                if !def.name.as_str().is_empty() {
                    list.item("map", &def.name)?;
                }
                list.item("ks", &def.key_size)?;
                list.item("vs", &def.value_size)
            }
            _ => Ok(()),
        }
    }
}

struct List<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    sep: &'static str,
}

impl List<'_, '_> {
    fn item(&mut self, name: &str, value: &dyn fmt::Display) -> fmt::Result {
        write!(self.f, "{}{name}={value}", self.sep)?;
        self.sep = ",";
        Ok(())
    }
}

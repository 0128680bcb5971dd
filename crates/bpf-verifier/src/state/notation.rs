//! Values in the field's notation, as Linux's log has them.

use core::fmt;

use bpf_bytecode::abi::map::MapDef;

use super::reg::{Kind, Value};
use crate::domain::{Range, Scalar};

/// A value in the field's notation.
///
/// Its text is that of Linux's log: `42`, `scalar(umin=1,umax=4)`,
/// `pkt(off=14,r=34)`, `fp-8`.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    pub(super) value: Value,
    pub(super) maps: &'a [MapDef],
    /// The running frame.
    pub(super) frame: u32,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = &self.value;
        let constant = value.number.as_constant();
        match (value.kind, constant) {
            (Kind::Scalar, Some(number)) => return write!(f, "{}", Signed(number.cast_signed())),
            (Kind::Stack, Some(number)) => {
                f.write_str("fp")?;
                if value.index != self.frame {
                    write!(f, "[{}]", value.index)?;
                }
                let off = i64::from(value.off).saturating_add(number.cast_signed());
                return write!(f, "{off}");
            }
            _ => {}
        }
        write!(f, "{}(", value.kind)?;
        let mut list = List { f, sep: "" };
        self.identity(&mut list)?;
        self.describe(&mut list)?;
        match constant {
            Some(0) => {}
            Some(number) => list.item("imm", &Unsigned(number))?,
            None => list.ranges(&value.number)?,
        }
        f.write_str(")")
    }
}

impl Shown<'_> {
    /// What ties the value to others.
    fn identity(&self, list: &mut List<'_, '_>) -> fmt::Result {
        let value = &self.value;
        match (value.id, value.kind) {
            (0, _) => Ok(()),
            (id, Kind::Scalar) if value.off != 0 => {
                list.item("id", &format_args!("{id}{:+}", value.off))
            }
            (id, Kind::Reserved) => list.item("ref_obj_id", &id),
            (id, Kind::ReservedOrNull) => {
                list.item("id", &id)?;
                list.item("ref_obj_id", &id)
            }
            (id, _) => list.item("id", &id),
        }
    }

    /// What a pointer points to, and where.
    fn describe(&self, list: &mut List<'_, '_>) -> fmt::Result {
        let value = &self.value;
        if matches!(value.kind, Kind::Map | Kind::MapKey | Kind::MapValue | Kind::MapValueOrNull) {
            let index = usize::try_from(value.index).ok();
            if let Some(def) = index.and_then(|index| self.maps.get(index)) {
                if !def.name.as_str().is_empty() {
                    list.item("map", &def.name)?;
                }
                list.item("ks", &def.key_size)?;
                list.item("vs", &def.value_size)?;
            }
        }
        if value.off != 0 && value.kind.is_pointer() {
            list.item("off", &value.off)?;
        }
        match value.kind {
            Kind::Packet | Kind::PacketMeta => list.item("r", &value.range.max(0)),
            Kind::Scalar if value.index != 0 => list.item("r", &value.index),
            Kind::Reserved
            | Kind::ReservedOrNull
            | Kind::Memory
            | Kind::Given
            | Kind::GivenOrNull
            | Kind::Slice
            | Kind::SliceOrNull => list.item("sz", &value.range),
            _ => Ok(()),
        }
    }
}

/// Named figures with commas between them.
struct List<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    sep: &'static str,
}

impl List<'_, '_> {
    fn name(&mut self, name: &str) -> fmt::Result {
        write!(self.f, "{}{name}=", self.sep)?;
        self.sep = ",";
        Ok(())
    }

    fn item(&mut self, name: &str, value: &dyn fmt::Display) -> fmt::Result {
        self.name(name)?;
        write!(self.f, "{value}")
    }

    /// What bounds a number; bounds of one value share it: `smax=umax=7`.
    fn ranges(&mut self, number: &Scalar<64>) -> fmt::Result {
        let bounds = Bound::all(number);
        for (at, bound) in bounds.iter().enumerate() {
            let same = |other: &&Bound| !other.trivial && other.same_as(bound);
            // Lower bounds stand at even places, upper bounds at odd ones.
            let mut earlier = bounds.iter().skip(at & 1).step_by(2).take(at / 2);
            if bound.trivial || earlier.any(|other| same(&other)) {
                continue;
            }
            self.name(bound.name)?;
            let later = bounds.iter().skip(at).step_by(2).skip(1);
            for other in later.filter(same) {
                write!(self.f, "{}=", other.name)?;
            }
            if bound.signed {
                write!(self.f, "{}", Signed(bound.value.cast_signed()))?;
            } else {
                write!(self.f, "{}", Unsigned(bound.value))?;
            }
        }
        let bits = number.bits();
        if bits.mask() == u64::MAX {
            return Ok(());
        }
        self.item("var_off", &format_args!("({:#x}; {:#x})", bits.value(), bits.mask()))
    }
}

/// One of the bounds of a number.
#[derive(Clone, Copy)]
struct Bound {
    name: &'static str,
    value: u64,
    signed: bool,
    /// Whether it says nothing.
    trivial: bool,
}

impl Bound {
    const fn signed(name: &'static str, value: i64, least_said: i64) -> Self {
        let trivial = value == least_said;
        Self { name, value: value.cast_unsigned(), signed: true, trivial }
    }

    const fn unsigned(name: &'static str, value: u64, least_said: u64) -> Self {
        Self { name, value, signed: false, trivial: value == least_said }
    }

    const fn all(number: &Scalar<64>) -> [Self; 8] {
        let (full, half) = (number.full(), number.half());
        let (all, low) = (Range::full(64), Range::full(32));
        [
            Self::signed("smin", full.smin, all.smin),
            Self::signed("smax", full.smax, all.smax),
            Self::unsigned("umin", full.umin, all.umin),
            Self::unsigned("umax", full.umax, all.umax),
            Self::signed("smin32", half.smin, low.smin),
            Self::signed("smax32", half.smax, low.smax),
            Self::unsigned("umin32", half.umin, low.umin),
            Self::unsigned("umax32", half.umax, low.umax),
        ]
    }

    /// Whether two bounds can be written with one value.
    fn same_as(&self, other: &Self) -> bool {
        let negative = |bound: &Self| bound.signed && bound.value.cast_signed() < 0;
        self.value == other.value && negative(self) == negative(other)
    }
}

/// A signed number: in hexadecimal where it is large, as Linux writes it.
struct Signed(i64);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if i16::try_from(self.0).is_ok() {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:#x}", self.0.cast_unsigned())
        }
    }
}

/// An unsigned number: in hexadecimal where it is large.
struct Unsigned(u64);

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if u16::try_from(self.0).is_ok() {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:#x}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use alloc::string::ToString;

    use super::*;

    #[track_caller]
    fn shows(value: Value, text: &str) {
        assert_eq!(Shown { value, maps: &[], frame: 1 }.to_string(), text);
    }

    #[test]
    fn numbers_are_written_as_in_linux_s_log() {
        shows(Value::scalar(Scalar::constant(42)), "42");
        shows(Value::scalar(Scalar::constant(0x1_0000)), "0x10000");
        shows(Value::scalar(Scalar::constant(u64::MAX)), "-1");
        shows(Value::UNKNOWN, "scalar()");
        shows(
            Value::scalar(Scalar::between(1, 4)),
            "scalar(smin=umin=smin32=umin32=1,smax=umax=smax32=umax32=4,var_off=(0x0; 0x7))",
        );
        shows(
            Value::scalar(Scalar::of_bits(32)),
            "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))",
        );
    }

    #[test]
    fn pointers_are_written_as_in_linux_s_log() {
        let packet = Value { off: 14, range: 34, ..Value::pointer(Kind::Packet, 0, 0) };
        shows(packet, "pkt(off=14,r=34)");
        shows(Value { off: -8, ..Value::pointer(Kind::Stack, 1, 0) }, "fp-8");
        shows(Value { off: -8, ..Value::pointer(Kind::Stack, 0, 0) }, "fp[0]-8");
        shows(Value::pointer(Kind::Context, 0, 0), "ctx()");
        shows(Value::pointer(Kind::MapValueOrNull, 0, 2), "map_value_or_null(id=2)");
    }
}

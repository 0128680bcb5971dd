//! Compile-once relocations, answered by the object's own types.
//!
//! The compiler has put into each instruction the value that is right for the
//! types it saw. A kernel of one's own has no other types of its own to offer,
//! so that value stands, provided that it is the one that the object's types
//! give; what only a target's types could answer is refused.

use bpf_bytecode::BpfInsn;
use bpf_profile::PhysicalProfile;

use crate::btf::{Btf, CoReRecord, Kind, Type};

/// Linux's names of the kinds of relocation, by number.
const KINDS: [&str; 13] = [
    "field_byte_offset",
    "field_byte_size",
    "field_exists",
    "field_signed",
    "field_lshift_u64",
    "field_rshift_u64",
    "type_id_local",
    "type_id_target",
    "type_exists",
    "type_size",
    "enumval_exists",
    "enumval_value",
    "type_matches",
];

/// Numbers in an access path at the most, as in Linux.
const MAX_PATH: usize = 64;

/// Name of a kind of relocation.
pub(crate) fn kind_name(kind: u32) -> &'static str {
    KINDS.get(crate::bytes::index(kind)).copied().unwrap_or("of unknown kind")
}

/// What an access path leads to.
struct Place {
    /// From the start of the root type, in bits.
    bits: u64,
    /// Width of a bit field in bits, else 0.
    bit_size: u32,
    type_id: u32,
}

/// Checks that the value in `insn` is the one that the types give.
pub(crate) fn check<P: PhysicalProfile>(
    btf: &Btf<'_, P>,
    record: CoReRecord,
    insn: BpfInsn,
    second: Option<BpfInsn>,
) -> Result<(), &'static str> {
    let root = btf.by_id(record.type_id).ok_or("no such type")?;
    let path = btf.name_at(record.access).ok_or("no access path")?;
    let Some(value) = local_value(btf, record.kind, &root, path)? else {
        return Ok(());
    };
    let held = held_value(insn, second).ok_or("the instruction holds no such value")?;
    // A 32-bit immediate is sign-extended; compare what both can say.
    let agrees = if second.is_some() { held == value } else { held & LOW == value & LOW };
    if agrees { Ok(()) } else { Err("the instruction's value contradicts the object's types") }
}

const LOW: u64 = 0xffff_ffff;

/// The value for the object's own types; none where any value may stand.
fn local_value<P: PhysicalProfile>(
    btf: &Btf<'_, P>,
    kind: u32,
    root: &Type<'_>,
    path: &str,
) -> Result<Option<u64>, &'static str> {
    match kind_name(kind) {
        "field_byte_offset" => {
            let place = follow(btf, root, path)?;
            // Where a bit field is loaded from is the compiler's choice.
            Ok((place.bit_size == 0).then_some(place.bits >> 3))
        }
        "field_byte_size" => {
            let place = follow(btf, root, path)?;
            let size = btf.size_of(place.type_id).ok_or("the field has no size")?;
            Ok((place.bit_size == 0).then_some(u64::from(size)))
        }
        "field_exists" => follow(btf, root, path).map(|_| Some(1)),
        "field_signed" | "field_lshift_u64" | "field_rshift_u64" => {
            follow(btf, root, path).map(|_| None)
        }
        "type_id_local" | "type_id_target" => Ok(Some(u64::from(root.id))),
        "type_exists" | "type_matches" => Ok(Some(1)),
        "type_size" => btf.size_of(root.id).map(|size| Some(size.into())).ok_or("no size"),
        "enumval_exists" => enumerator(btf, root, path).map(|_| Some(1)),
        "enumval_value" => enumerator(btf, root, path).map(Some),
        _ => Err("it is not known"),
    }
}

/// The value that the compiler put into an instruction: the immediate of an
/// arithmetic instruction or of a 64-bit load, the offset of a memory access.
fn held_value(insn: BpfInsn, second: Option<BpfInsn>) -> Option<u64> {
    const CLASS: u8 = 0x07;
    match insn.code() & CLASS {
        // LDX, ST, STX
        1..=3 => Some(i64::from(insn.off()).cast_unsigned()),
        // ALU, ALU64
        4 | 7 => Some(i64::from(insn.imm()).cast_unsigned()),
        _ => {
            let half = |insn: BpfInsn| u64::from(insn.imm().cast_unsigned());
            Some(half(second?) << 32 | half(insn))
        }
    }
}

fn enumerator<P: PhysicalProfile>(
    btf: &Btf<'_, P>,
    root: &Type<'_>,
    path: &str,
) -> Result<u64, &'static str> {
    let at = path.parse().map_err(|_| "malformed access path")?;
    let found = btf.resolve(root.id).and_then(|t| t.enumerator(at));
    found.map(|(_, value)| value).ok_or("no such enumerator")
}

/// Follows an access path such as `0:2:1`: an index into an array of `root`,
/// then members and array elements.
fn follow<P: PhysicalProfile>(
    btf: &Btf<'_, P>,
    root: &Type<'_>,
    path: &str,
) -> Result<Place, &'static str> {
    const BROKEN: &str = "malformed access path";
    let mut steps = path.split(':').map(|step| step.parse::<u32>().map_err(|_| BROKEN));
    let first = steps.next().ok_or(BROKEN)??;
    let size = btf.size_of(root.id).ok_or("the type has no size")?;
    let mut place = Place { bits: bits(first, size)?, bit_size: 0, type_id: root.id };
    for (count, step) in steps.enumerate() {
        let step = step?;
        if count >= MAX_PATH {
            return Err("the access path is too long");
        }
        let found = btf.resolve(place.type_id).ok_or("no such type")?;
        let (offset, type_id) = if found.kind == Kind::Array {
            let (element, _) = found.array().ok_or(BROKEN)?;
            let size = btf.size_of(element).ok_or("the element has no size")?;
            place.bit_size = 0;
            (bits(step, size)?, element)
        } else {
            let member = found.member(crate::bytes::index(step)).ok_or("no such member")?;
            place.bit_size = member.bit_size;
            (u64::from(member.bit_offset), member.type_id)
        };
        place.bits = place.bits.checked_add(offset).ok_or("the offset is too large")?;
        place.type_id = type_id;
    }
    Ok(place)
}

fn bits(elements: u32, size: u32) -> Result<u64, &'static str> {
    let bytes = u64::from(elements).checked_mul(u64::from(size));
    bytes.and_then(|bytes| bytes.checked_mul(8)).ok_or("the offset is too large")
}

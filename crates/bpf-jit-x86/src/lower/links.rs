//! Maps whose values compiled code finds by itself.

use bpf_bytecode::abi::frozen::FrozenMap;
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::opcode::Size;

/// Maps that a program may have links to: those with the lowest indices. The values
/// of others are found by the host.
pub const MAX_LINKS: usize = u16::BITS as usize;

/// The maps of a program, and which of them are linked: a run finds out where
/// their values are before it begins. A link has its map's index, which means the
/// same map to every program of an environment, so that the code of several
/// programs can take turns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Maps<'p> {
    /// The definitions.
    pub defs: &'p [MapDef],
    /// Contents that the proof rests on.
    known: Option<(&'p [FrozenMap], u64)>,
    /// A bit for each index.
    linked: u16,
}

impl<'p> Maps<'p> {
    pub(super) fn new(defs: &'p [MapDef]) -> Self {
        Self { defs, ..Self::default() }
    }

    /// With contents of which those are known whose bits are set in `relied_on`.
    pub fn know(&mut self, contents: &'p [FrozenMap], relied_on: u64) {
        self.known = Some((contents, relied_on));
    }

    /// The definition of an index.
    pub fn def(&self, map: u32) -> Option<&'p MapDef> {
        self.defs.get(usize::try_from(map).ok()?)
    }

    /// The linked maps' indices, as bits.
    pub const fn linked(&self) -> u16 {
        self.linked
    }

    /// The link to a map.
    pub fn link(&self, map: u32) -> Option<u8> {
        let link = u8::try_from(map).ok()?;
        let bits = self.linked.checked_shr(map)?;
        (bits & 1 == 1).then_some(link)
    }

    /// Makes the link to a map if it is an array, per CPU or not, and there is room.
    pub(super) fn make_link(&mut self, map: u32) {
        let is_array = |def: &MapDef| matches!(def.map_type, MapType::Array | MapType::PerCpuArray);
        if self.def(map).is_some_and(is_array) {
            self.linked |= 1_u16.checked_shl(map).unwrap_or(0);
        }
    }

    /// The same for a map whose value has a byte at `off`.
    pub(super) fn make_link_to_byte(&mut self, map: u32, off: u32) {
        if self.has_byte(map, off) {
            self.make_link(map);
        }
    }

    /// The link to a map whose value has a byte at `off`, if it was made.
    pub(super) fn link_to_byte(&self, map: u32, off: u32) -> Option<u8> {
        if self.has_byte(map, off) { self.link(map) } else { None }
    }

    /// Whether the only value of a map has a byte at `off`.
    fn has_byte(&self, map: u32, off: u32) -> bool {
        let has = |def: &MapDef| def.map_type == MapType::Array && off < def.value_size;
        self.def(map).is_some_and(has)
    }

    /// Whether something is known of a map's contents.
    pub fn is_known(&self, map: u32) -> bool {
        self.contents(map).is_some()
    }

    fn contents(&self, map: u32) -> Option<&'p [u8]> {
        let (contents, relied_on) = self.known?;
        relied_on.checked_shr(map).filter(|bits| bits & 1 == 1)?;
        contents.iter().find(|known| known.index == map).map(|known| &*known.bytes)
    }

    /// The number at a byte of a map's only value, if it is known.
    pub fn number_at(&self, map: u32, off: i64, size: Size) -> Option<u64> {
        let bytes = self.contents(map)?;
        let (from, len) = (usize::try_from(off).ok()?, size.bytes());
        let end = u32::try_from(from.checked_add(len)?).ok()?;
        self.def(map).filter(|def| end <= def.value_size)?;
        // Zeros follow what is given.
        let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or(0));
        Some((from..from.saturating_add(len)).rev().fold(0, |number, at| number << 8 | byte(at)))
    }
}

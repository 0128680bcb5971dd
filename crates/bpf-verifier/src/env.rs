//! What a program may call.

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::helper::{self, ArgKind, HelperSig};
use bpf_bytecode::abi::map::MapType;

/// Map types that the profile has none of, whoever's the helpers are.
const ERASED: &[MapType] = &[
    #[cfg(feature = "embedded-profile")]
    MapType::LruHash,
    #[cfg(feature = "embedded-profile")]
    MapType::LruPerCpuHash,
    #[cfg(feature = "embedded-profile")]
    MapType::LpmTrie,
];

/// Map types that the profile has.
const MAPS: &[MapType] = &[
    MapType::Hash,
    MapType::Array,
    MapType::ProgArray,
    MapType::PerCpuHash,
    MapType::PerCpuArray,
    MapType::RingBuf,
    #[cfg(feature = "cloud-profile")]
    MapType::LruHash,
    #[cfg(feature = "cloud-profile")]
    MapType::LpmTrie,
];

/// The helpers that programs are verified against: the standard ones and those
/// that a kernel adds. One of the kernel's replaces a standard one of the same
/// number.
#[derive(Clone, Copy, Debug)]
pub struct HelperTable<'e> {
    base: &'static [&'static [HelperSig]],
    extra: &'e [HelperSig],
}

impl Default for HelperTable<'_> {
    fn default() -> Self {
        Self::standard()
    }
}

impl<'e> HelperTable<'e> {
    /// The standard helpers.
    pub const fn standard() -> Self {
        Self { base: &[helper::STANDARD], extra: &[] }
    }

    /// What Linux declares: many more helpers, and what is behind the contexts
    /// of its program types. For kernels that have them: programs verified
    /// against this table do not run on the engines of this project.
    pub const fn linux() -> Self {
        Self { base: helper::LINUX, extra: &[] }
    }

    /// The standard helpers and `extra`.
    ///
    /// # Errors
    /// [`SignatureError`] for a signature that returns a pointer, or that takes
    /// more than numbers, maps, plain memory and the context: verified programs
    /// follow such pointers unchecked, and nothing could hold a kernel's helper to
    /// what its signature promises. Also for the numbers of `bpf_tail_call`,
    /// `bpf_loop` and `bpf_for_each_map_elem`, which are the engines' own, and for one
    /// that takes a standard helper's place with other arguments.
    pub fn with(extra: &'e [HelperSig]) -> Result<Self, SignatureError> {
        use helper::id::{FOR_EACH_MAP_ELEM, LOOP, TAIL_CALL};
        for sig in extra {
            let own = matches!(sig.id, TAIL_CALL | LOOP | FOR_EACH_MAP_ELEM);
            let replaced = helper::find(helper::STANDARD, sig.id);
            let alike = replaced.is_none_or(|standard| standard.args == sig.args);
            if own || !alike || !sig.is_plain() {
                return Err(SignatureError { id: sig.id });
            }
        }
        Ok(Self { base: &[helper::STANDARD], extra })
    }

    /// The signatures that the kernel added.
    pub const fn extra(&self) -> &'e [HelperSig] {
        self.extra
    }

    /// The signature of helper `id`.
    pub fn find(&self, id: u32) -> Option<&'e HelperSig> {
        let added = self.extra.iter().find(|sig| sig.id == id);
        added.or_else(|| self.rows(id).next())
    }

    /// The signatures of helper `id` in the tables, one after the other.
    fn rows(&self, id: u32) -> impl Iterator<Item = &'static HelperSig> + use<> {
        let with = if self.is_foreign() { helper::tables_with(id) } else { u8::MAX };
        let tables = (0_u32..).zip(self.base);
        let held = tables.filter(move |(at, _)| with.wrapping_shr(*at) & 1 == 1);
        held.filter_map(move |(_, table)| helper::find(table, id))
    }

    /// The signature of helper `id` for programs of a type; that for others,
    /// where such programs may not call it.
    pub fn find_for(&self, id: u32, prog_type: BpfProgType) -> Option<&'e HelperSig> {
        let added = self.extra.iter().find(|sig| sig.id == id);
        let allowed = |sig: &&'static HelperSig| sig.allows(prog_type);
        added.or_else(|| self.rows(id).find(allowed)).or_else(|| self.find(id))
    }

    /// Arguments of helper `id` at the most, of one that is not known five; and whether it
    /// calls a function of the program.
    pub(crate) fn takes(&self, id: u32) -> (usize, bool) {
        let takes = |sig: &HelperSig| {
            let count = sig.args.iter().take_while(|arg| **arg != ArgKind::None).count();
            (count, calls_back(sig))
        };
        if let Some(sig) = self.extra.iter().find(|sig| sig.id == id) {
            return takes(sig);
        }
        let rows = self.rows(id).map(takes);
        // Of several tables the first says what it is.
        rows.reduce(|(most, back), (count, _)| (most.max(count), back)).unwrap_or((5, false))
    }

    /// Whether the table is of more than the engines here have.
    pub(crate) const fn is_foreign(&self) -> bool {
        self.base.len() > 1
    }

    /// Whether programs may use maps of this type.
    pub(crate) fn has_maps_of(&self, map_type: MapType) -> bool {
        if self.is_foreign() {
            !matches!(map_type, MapType::StructOps | MapType::Arena) && !ERASED.contains(&map_type)
        } else {
            MAPS.contains(&map_type)
        }
    }

    /// Whether the helper calls a function of the program.
    pub fn calls_back(&self, id: u32) -> bool {
        self.find(id).is_some_and(calls_back)
    }

    /// A number that two tables share only if they agree on every signature
    /// (up to collisions of a 64-bit hash).
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fnv::new();
        core::hash::Hash::hash(&self.base.len(), &mut hash);
        for sig in self.extra {
            core::hash::Hash::hash(&Key(sig), &mut hash);
        }
        core::hash::Hasher::finish(&hash)
    }
}

fn calls_back(sig: &HelperSig) -> bool {
    sig.args.contains(&ArgKind::Callback)
}

/// A kernel's helper has a signature that only standard helpers may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("helper {id}: a kernel's helper returns numbers, and takes numbers, maps and memory")]
pub struct SignatureError {
    /// The helper's number.
    pub id: u32,
}

/// A signature as what it means to the verifier.
struct Key<'a>(&'a HelperSig);

impl core::hash::Hash for Key<'_> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        let sig = self.0;
        (sig.id, sig.args, sig.ret, sig.map_types, sig.prog_types).hash(state);
        (sig.packet_memory, sig.moves_packet, sig.interrupt_safe, sig.allocates).hash(state);
        (sig.form, sig.acquires).hash(state);
    }
}

/// The FNV-1a hash, 64 bits.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl core::hash::Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use bpf_bytecode::abi::helper::RetKind;
    use bpf_bytecode::abi::helper_names;

    use super::*;

    #[test]
    fn the_tables_differ_and_are_sorted() {
        let (standard, linux) = (HelperTable::standard(), HelperTable::linux());
        assert_ne!(standard.fingerprint(), linux.fingerprint());
        for table in linux.base {
            assert!(table.is_sorted_by(|a, b| a.id < b.id));
            for sig in *table {
                assert_eq!(helper_names::name(sig.id), Some(sig.name));
            }
        }
        // Some are declared otherwise for some types.
        let args = |prog_type| linux.find_for(124, prog_type).map(|sig| sig.args);
        assert!(args(BpfProgType::SkLookup) != args(BpfProgType::SchedCls));
        assert!(
            linux
                .find_for(64, BpfProgType::Connect4)
                .is_some_and(|s| s.allows(BpfProgType::Connect4))
        );
        assert!(
            linux.find_for(64, BpfProgType::Bind4).is_some_and(|s| !s.allows(BpfProgType::Bind4))
        );
    }

    #[test]
    fn kernels_helpers_return_numbers() {
        let none = [ArgKind::None; 5];
        let mut takes = none;
        takes[0] = ArgKind::AllocMem;
        let cases = [
            (none, RetKind::Integer, true),
            (none, RetKind::Void, true),
            (none, RetKind::MapValueOrNull, false),
            (none, RetKind::AllocMemOrNull, false),
            (takes, RetKind::Void, false),
        ];
        for (args, ret, allowed) in cases {
            let extra = [HelperSig::new(5000, "own", args, ret)];
            let table = HelperTable::with(&extra);
            assert_eq!(table.is_ok(), allowed, "{args:?} {ret:?}");
            assert!(allowed || table.is_err_and(|error| error.id == 5000));
        }
    }

    #[test]
    fn standard_helpers_are_replaced_by_their_like() {
        let is_allowed = |id, args| {
            HelperTable::with(&[HelperSig::new(id, "own", args, RetKind::Integer)]).is_ok()
        };
        let [none, kept] = [ArgKind::None; 2];
        assert!(is_allowed(1, [ArgKind::Map, ArgKind::MapKey, none, none, none]));
        assert!(!is_allowed(1, [ArgKind::Map, ArgKind::Anything, none, none, none]));
        assert!(is_allowed(5, [kept; 5]));
        assert!(!is_allowed(5, [ArgKind::Scalar, none, none, none, none]));
        let tail_call = [ArgKind::Context, ArgKind::Map, ArgKind::Anything, none, none];
        assert!(!is_allowed(12, tail_call));
    }
}

//! BTF: the types of an object's programs and maps.
//!
//! Type records have no fixed length, so finding one by its number takes an
//! index. The index holds the place of every type where it may grow, and of
//! every n-th type where it has a fixed size; what lies between is walked.

mod ext;
mod kind;
mod query;
mod signature;

pub use kind::{Kind, Member, Type, Variable};

pub(crate) use ext::{CoReRecord, ExtInfo, Records};

use bpf_profile::{MemoryStrategy, PhysicalProfile};

use crate::LoadError;
use crate::bytes::{Table, index, name_at, push, sub, text_at, u8_at, u16_at, u32_at};

/// Places of types that a fixed index holds.
const INDEX_CAPACITY: usize = 128;

/// Steps from a type to what it stands for, at the most, as in Linux.
pub(crate) const MAX_DEPTH: usize = 32;

/// `BTF` and `.BTF.ext` begin with these two bytes.
pub(crate) const MAGIC: u16 = 0xEB9F;

/// The types of an object, over borrowed bytes.
pub struct Btf<'d, P: PhysicalProfile> {
    types: &'d [u8],
    strings: &'d [u8],
    places: Table<P, u32, INDEX_CAPACITY>,
    stride: usize,
    count: u32,
}

impl<P: PhysicalProfile> core::fmt::Debug for Btf<'_, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Btf").field("types", &self.count).finish_non_exhaustive()
    }
}

impl<'d, P: PhysicalProfile> Btf<'d, P> {
    /// Reads the header of `bytes`, the contents of a section `.BTF`, and
    /// checks that every type record is complete.
    ///
    /// # Errors
    /// [`LoadError::Malformed`], and [`LoadError::Unsupported`] for a kind of
    /// type that is not known.
    pub fn parse(bytes: &'d [u8]) -> Result<Self, LoadError> {
        let (types, strings) = header(bytes).ok_or(LoadError::malformed("BTF header"))?;
        let mut btf = Self {
            types,
            strings,
            places: Table::<P, _, INDEX_CAPACITY>::default(),
            stride: 1,
            count: 0,
        };
        for found in btf.walk(0, 1) {
            found?;
            btf.count = btf.count.saturating_add(1);
        }
        let count = index(btf.count);
        let room = <P::Memory as MemoryStrategy>::room(INDEX_CAPACITY, count);
        btf.stride = count.div_ceil(room.max(1)).max(1);
        let mut at = 0_usize;
        for (number, found) in btf.walk(0, 1).enumerate() {
            let found = found?;
            if number.checked_rem(btf.stride) == Some(0) {
                let place = u32::try_from(at).unwrap_or(u32::MAX);
                push(&mut btf.places, place, "BTF types", INDEX_CAPACITY)?;
            }
            at = at.saturating_add(found.record_len());
        }
        Ok(btf)
    }

    /// The types from byte `at` on, the first of which has the number `id`.
    fn walk(
        &self,
        at: usize,
        id: u32,
    ) -> impl Iterator<Item = Result<Type<'d>, LoadError>> + use<'d, P> {
        let types = self.types;
        let (mut at, mut id) = (at, id);
        core::iter::from_fn(move || {
            let rest = types.get(at..).filter(|rest| !rest.is_empty())?;
            let found = Type::parse(rest, id);
            match &found {
                Ok(found) => {
                    at = at.saturating_add(found.record_len());
                    id = id.saturating_add(1);
                }
                // Nothing can be read behind a broken record.
                Err(_) => at = types.len(),
            }
            Some(found)
        })
    }

    /// Every type, from number 1 on.
    pub fn types(&self) -> impl Iterator<Item = Type<'d>> + use<'d, P> {
        self.walk(0, 1).map_while(Result::ok)
    }

    /// Number of types; `void`, which has number 0, is not among them.
    pub fn len(&self) -> usize {
        index(self.count)
    }

    /// Whether there is no type but `void`.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The type of this number; none for 0, which is `void`.
    pub fn by_id(&self, id: u32) -> Option<Type<'d>> {
        let number = index(id.checked_sub(1)?);
        let slot = number.checked_div(self.stride)?;
        let skip = number.checked_rem(self.stride)?;
        let first = u32::try_from(number.checked_sub(skip)?).ok()?.checked_add(1)?;
        let place = index(*self.places.get(slot)?);
        self.walk(place, first).nth(skip)?.ok()
    }

    /// The name at `offset` of the string table.
    pub(crate) fn name_at(&self, offset: u32) -> Option<&'d str> {
        name_at(self.strings, index(offset))
    }

    /// The text at `offset` of the string table, at most `max` bytes.
    pub(crate) fn text_at(&self, offset: u32, max: usize) -> Option<&'d str> {
        text_at(self.strings, index(offset), max)
    }

    /// A type's name; empty where it has none.
    pub fn name(&self, of: &Type<'_>) -> &'d str {
        self.name_at(of.name_offset).unwrap_or_default()
    }
}

/// Type records and string table of a BTF section.
fn header(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if u16_at(bytes, 0)? != MAGIC || u8_at(bytes, 2)? != 1 {
        return None;
    }
    let body = bytes.get(index(u32_at(bytes, 4)?)..)?;
    let part = |offset, len| sub(body, index(u32_at(bytes, offset)?), index(u32_at(bytes, len)?));
    Some((part(8, 12)?, part(16, 20)?))
}

//! Special fields in the values of maps, by their BTF types.

use bpf_bytecode::abi::field::{FieldType, MapField};
use bpf_profile::PhysicalProfile;

use crate::LoadError;
use crate::btf::{Btf, Kind};
use crate::object::Object;

/// Structures and arrays, one inside of the other, that are looked into.
const MAX_NESTED: usize = 16;
/// Members that are looked at for one map, at the most.
const MAX_MEMBERS: usize = 1 << 14;
/// Special fields of one map, as many as Linux knows.
const MAX_FIELDS: usize = 11;

impl<P: PhysicalProfile> Object<'_, P> {
    /// The special fields of the maps' values, by map.
    ///
    /// # Errors
    /// [`LoadError::Limit`], as an item, where a map has too many, or where its type
    /// is too large to find them all.
    pub fn map_fields(&self) -> impl Iterator<Item = Result<MapField, LoadError>> + '_ {
        let btf = self.btf();
        (0_u32..).zip(self.maps()).flat_map(move |(number, map)| {
            let id = btf.filter(|_| map.value_type != 0).map(|btf| (btf, map.value_type));
            let found = id.into_iter().flat_map(move |(btf, id)| self.fields_of(btf, number, id));
            found.enumerate().map(|(at, field)| {
                if at < MAX_FIELDS {
                    return field;
                }
                Err(LoadError::Limit { what: "special fields of a map", limit: MAX_FIELDS })
            })
        })
    }

    /// The fields of one map: of its type, or of its variables.
    fn fields_of<'o>(
        &'o self,
        btf: &'o Btf<'_, P>,
        map: u32,
        id: u32,
    ) -> impl Iterator<Item = Result<MapField, LoadError>> + 'o {
        let section = btf.by_id(id).filter(|found| found.kind == Kind::DataSection);
        let variables = section.into_iter().flat_map(move |section| {
            let mut left = MAX_MEMBERS;
            section.variables().filter_map(move |variable| {
                let declared = btf.by_id(variable.type_id)?;
                let name = btf.name(&declared);
                let at = usize::try_from(map).ok()?;
                // Few programs have any: the place is looked for only then.
                let (id, before) = (declared.target()?, left);
                let mut fields = Fields::new(btf, id, 0, before);
                let first = fields.next();
                left = fields.left;
                first.as_ref()?;
                let place = self.variables().find(|v| v.map == at && v.name == name)?;
                Some(Fields::new(btf, id, place.offset, before))
            })
        });
        let whole = section.is_none().then(|| Fields::new(btf, id, 0, MAX_MEMBERS));
        let fields = variables.chain(whole).flatten();
        fields.map(move |found| found.map(|(offset, field)| MapField { map, offset, field }))
    }
}

/// A structure or an array that is being looked into.
#[derive(Clone, Copy, Default)]
struct Open {
    id: u32,
    offset: u32,
    /// The next member.
    next: usize,
    /// Fields that were found before.
    found: usize,
}

/// The special fields of a type, found without recursion.
struct Fields<'b, 'd, P: PhysicalProfile> {
    btf: &'b Btf<'d, P>,
    open: [Open; MAX_NESTED],
    depth: usize,
    /// Members that may still be looked at.
    left: usize,
    found: usize,
}

impl<'b, 'd, P: PhysicalProfile> Fields<'b, 'd, P> {
    fn new(btf: &'b Btf<'d, P>, id: u32, offset: u32, left: usize) -> Self {
        let mut open = [Open::default(); MAX_NESTED];
        if let Some(first) = open.first_mut() {
            *first = Open { id, offset, ..Open::default() };
        }
        Self { btf, open, depth: 1, left, found: 0 }
    }

    /// Ends the search, as what is left may have fields, too.
    fn give_up<T>(&mut self, what: &'static str, limit: usize) -> Result<T, LoadError> {
        self.depth = 0;
        Err(LoadError::Limit { what, limit })
    }

    /// What a pointer that is tagged as one of the kernel's is.
    fn kernel_pointer(&self, target: u32) -> bool {
        let tag = self.btf.by_id(target).filter(|found| found.kind == Kind::TypeTag);
        tag.is_some_and(|tag| {
            matches!(self.btf.name(&tag), "kptr" | "kptr_untrusted" | "percpu_kptr" | "uptr")
        })
    }

    /// What is at `offset`, of type `id`: a field, or something to look into.
    fn look(&mut self, id: u32, offset: u32) -> Result<Option<(u32, FieldType)>, LoadError> {
        let Some(found) = self.btf.resolve(id) else { return Ok(None) };
        let field = match found.kind {
            Kind::Pointer => {
                let special = found.target().is_some_and(|target| self.kernel_pointer(target));
                special.then_some(FieldType::KernelPointer)
            }
            Kind::Struct | Kind::Union => FieldType::from_name(self.btf.name(&found)),
            _ => None,
        };
        if field.is_none() && matches!(found.kind, Kind::Struct | Kind::Union | Kind::Array) {
            let Some(slot) = self.open.get_mut(self.depth) else {
                return self
                    .give_up("types of a map's values, one inside of the other", MAX_NESTED);
            };
            *slot = Open { id: found.id, offset, next: 0, found: self.found };
            self.depth = self.depth.saturating_add(1);
        }
        self.found = self.found.saturating_add(field.is_some().into());
        Ok(field.map(|field| (offset, field)))
    }
}

impl<P: PhysicalProfile> Iterator for Fields<'_, '_, P> {
    type Item = Result<(u32, FieldType), LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let last = self.depth.checked_sub(1)?;
            let slot = self.open.get_mut(last)?;
            let Open { id, offset, next: at, found: before } = *slot;
            slot.next = at.saturating_add(1);
            let found = self.btf.resolve(id)?;
            let member = match found.kind {
                Kind::Struct | Kind::Union
                    if FieldType::from_name(self.btf.name(&found)).is_none() =>
                {
                    found.member(at).map(|member| {
                        (member.type_id, offset.saturating_add(member.bit_offset / 8))
                    })
                }
                // One element is like the other.
                Kind::Array if at > 0 && self.found == before => None,
                Kind::Array => found
                    .array()
                    .filter(|(_, count)| u32::try_from(at).is_ok_and(|at| at < *count))
                    .and_then(|(element, _)| {
                        let size = self.btf.size_of(element)?;
                        let by = u32::try_from(at).ok()?.checked_mul(size)?;
                        Some((element, offset.checked_add(by)?))
                    }),
                // The type itself is what was asked for.
                _ if at == 0 && last == 0 => {
                    self.depth = 0;
                    return self.look(id, offset).transpose();
                }
                _ => None,
            };
            let Some((id, offset)) = member else {
                self.depth = last;
                continue;
            };
            let Some(left) = self.left.checked_sub(1) else {
                return Some(self.give_up("members of a map's values", MAX_MEMBERS));
            };
            self.left = left;
            if let Some(field) = self.look(id, offset).transpose() {
                return Some(field);
            }
        }
    }
}

//! Special fields in the values of maps, by their BTF types.

use bpf_bytecode::abi::field::{FieldType, MapField};
use bpf_profile::PhysicalProfile;

use crate::LoadError;
use crate::btf::{Btf, Kind};
use crate::object::Object;

/// Structures, one inside of the other, that are looked into.
const MAX_NESTED: usize = 8;
/// Members that are looked at for one map, at the most.
const MAX_MEMBERS: usize = 4096;
/// Special fields of one map, as many as Linux knows.
const MAX_FIELDS: usize = 11;

impl<P: PhysicalProfile> Object<'_, P> {
    /// The special fields of the maps' values, by map.
    ///
    /// # Errors
    /// [`LoadError::Limit`], as an item, where a map has too many.
    pub fn map_fields(&self) -> impl Iterator<Item = Result<MapField, LoadError>> + '_ {
        let btf = self.btf();
        (0_u32..).zip(self.maps()).flat_map(move |(number, map)| {
            let id = btf.filter(|_| map.value_type != 0).map(|btf| (btf, map.value_type));
            let found = id.into_iter().flat_map(move |(btf, id)| self.fields_of(btf, number, id));
            found.enumerate().map(|(at, field)| {
                if at < MAX_FIELDS {
                    return Ok(field);
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
    ) -> impl Iterator<Item = MapField> + 'o {
        let section = btf.by_id(id).filter(|found| found.kind == Kind::DataSection);
        let variables = section.into_iter().flat_map(move |section| {
            section.variables().filter_map(move |variable| {
                let declared = btf.by_id(variable.type_id)?;
                let name = btf.name(&declared);
                let at = usize::try_from(map).ok()?;
                // Few programs have any: the place is looked for only then.
                Fields::new(btf, declared.target()?, 0).next()?;
                let place = self.variables().find(|v| v.map == at && v.name == name)?;
                Some(Fields::new(btf, declared.target()?, place.offset))
            })
        });
        let whole = section.is_none().then(|| Fields::new(btf, id, 0));
        let fields = variables.chain(whole).flatten();
        fields.map(move |(offset, field)| MapField { map, offset, field })
    }
}

/// The special fields of a type, found without recursion.
struct Fields<'b, 'd, P: PhysicalProfile> {
    btf: &'b Btf<'d, P>,
    /// Structures that are being looked into: number, offset, next member.
    open: [(u32, u32, usize); MAX_NESTED],
    depth: usize,
    left: usize,
}

impl<'b, 'd, P: PhysicalProfile> Fields<'b, 'd, P> {
    fn new(btf: &'b Btf<'d, P>, id: u32, offset: u32) -> Self {
        let mut open = [(0, 0, 0); MAX_NESTED];
        if let Some(first) = open.first_mut() {
            *first = (id, offset, 0);
        }
        Self { btf, open, depth: 1, left: MAX_MEMBERS }
    }

    /// What a pointer that is tagged as one of the kernel's is.
    fn kernel_pointer(&self, target: u32) -> bool {
        let tag = self.btf.by_id(target).filter(|found| found.kind == Kind::TypeTag);
        tag.is_some_and(|tag| {
            matches!(self.btf.name(&tag), "kptr" | "kptr_untrusted" | "percpu_kptr" | "uptr")
        })
    }

    /// What is at `offset`, of type `id`: a field, or something to look into.
    fn look(&mut self, id: u32, offset: u32) -> Option<(u32, FieldType)> {
        let found = self.btf.resolve(id)?;
        match found.kind {
            Kind::Pointer if self.kernel_pointer(found.target()?) => {
                Some((offset, FieldType::KernelPointer))
            }
            Kind::Struct | Kind::Union => {
                if let Some(field) = FieldType::from_name(self.btf.name(&found)) {
                    return Some((offset, field));
                }
                self.enter(found.id, offset);
                None
            }
            Kind::Array => {
                self.enter(found.id, offset);
                None
            }
            _ => None,
        }
    }

    fn enter(&mut self, id: u32, offset: u32) {
        if let Some(slot) = self.open.get_mut(self.depth) {
            *slot = (id, offset, 0);
            self.depth = self.depth.saturating_add(1);
        }
    }
}

impl<P: PhysicalProfile> Iterator for Fields<'_, '_, P> {
    type Item = (u32, FieldType);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let last = self.depth.checked_sub(1)?;
            let slot = self.open.get_mut(last)?;
            let (id, offset, at) = *slot;
            slot.2 = at.saturating_add(1);
            let found = self.btf.resolve(id)?;
            let member = match found.kind {
                Kind::Struct | Kind::Union
                    if FieldType::from_name(self.btf.name(&found)).is_none() =>
                {
                    found.member(at).map(|member| {
                        (member.type_id, offset.saturating_add(member.bit_offset / 8))
                    })
                }
                Kind::Array => found
                    .array()
                    .filter(|(_, count)| u32::try_from(at).is_ok_and(|at| at < *count))
                    .and_then(|(element, _)| {
                        // Elements without fields are not looked at one by one.
                        let size = self.btf.size_of(element)?;
                        let by = u32::try_from(at).ok()?.checked_mul(size)?;
                        let plain = matches!(
                            self.btf.resolve(element)?.kind,
                            Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Float
                        );
                        (!plain).then_some((element, offset.checked_add(by)?))
                    }),
                // The type itself is what was asked for.
                _ if at == 0 && last == 0 => {
                    self.depth = 0;
                    return self.look(id, offset);
                }
                _ => None,
            };
            let Some((id, offset)) = member else {
                self.depth = last;
                continue;
            };
            let Some(left) = self.left.checked_sub(1) else {
                self.depth = 0;
                return None;
            };
            self.left = left;
            if let Some(field) = self.look(id, offset) {
                return Some(field);
            }
        }
    }
}

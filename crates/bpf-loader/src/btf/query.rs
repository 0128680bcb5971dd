//! Questions to the types of an object.

use bpf_profile::PhysicalProfile;

use super::{Btf, Kind, MAX_DEPTH, Member, Type};

/// Bytes of a pointer of a BPF program, on every host.
const POINTER: u32 = 8;

impl<'d, P: PhysicalProfile> Btf<'d, P> {
    /// The first type of this kind and name.
    pub fn find(&self, kind: Kind, name: &str) -> Option<Type<'d>> {
        self.types().find(|t| t.kind == kind && self.name(t) == name)
    }

    /// What `id` stands for, without typedefs and qualifiers.
    pub fn resolve(&self, id: u32) -> Option<Type<'d>> {
        let mut found = self.by_id(id)?;
        for _ in 0..MAX_DEPTH {
            if !found.is_modifier() {
                return Some(found);
            }
            found = self.by_id(found.target()?)?;
        }
        None
    }

    /// Size of a value of type `id`, in bytes. None for `void`, for functions,
    /// for types that are only declared and for sizes beyond 32 bits.
    pub fn size_of(&self, id: u32) -> Option<u32> {
        let (mut id, mut elements) = (id, 1_u32);
        for _ in 0..MAX_DEPTH {
            let found = self.by_id(id)?;
            if let Some(size) = found.stated_size() {
                return size.checked_mul(elements);
            }
            match found.kind {
                Kind::Pointer => return POINTER.checked_mul(elements),
                Kind::Array => {
                    let (element, count) = found.array()?;
                    elements = elements.checked_mul(count)?;
                    id = element;
                }
                Kind::Variable => id = found.target()?,
                _ if found.is_modifier() => id = found.target()?,
                _ => return None,
            }
        }
        None
    }

    /// The member `name` of the structure or union `of`.
    pub fn field(&self, of: &Type<'d>, name: &str) -> Option<Member> {
        of.members().find(|member| self.member_name(member) == name)
    }

    /// A member's name; empty for an anonymous one.
    pub fn member_name(&self, member: &Member) -> &'d str {
        self.name_at(member.name_offset).unwrap_or_default()
    }

    /// The enumerators of an enumeration, with their values in 64 bits.
    pub fn enumerators<'b>(
        &'b self,
        of: &Type<'d>,
    ) -> impl Iterator<Item = (&'d str, u64)> + use<'b, 'd, P> {
        let of = *of;
        (0..of.entry_count())
            .map_while(move |at| of.enumerator(at))
            .map(|(name, value)| (self.name_at(name).unwrap_or_default(), value))
    }

    /// The number that a map's declaration states in a member of type `id`: a
    /// pointer to an array of so many elements, or an enumeration of one value.
    pub(crate) fn declared_number(&self, id: u32) -> Option<u32> {
        let found = self.resolve(id)?;
        match found.kind {
            Kind::Pointer => self.resolve(found.target()?)?.array().map(|(_, count)| count),
            Kind::Enum | Kind::Enum64 if found.entry_count() == 1 => {
                u32::try_from(found.enumerator(0)?.1).ok()
            }
            _ => None,
        }
    }
}

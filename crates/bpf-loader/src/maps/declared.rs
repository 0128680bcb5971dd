//! Maps of the section `.maps`, declared by the BTF types of its variables.

use bpf_bytecode::abi::map::MapType;
use bpf_profile::PhysicalProfile;

use super::attributes::Attributes;
use super::{Contents, MAX_MAPS, Map, Maps, push_map};
use crate::LoadError;
use crate::btf::{Btf, Kind, Member, Type};
use crate::elf::{Elf, STT_FUNC, STT_SECTION, Section, Symbol};
use crate::error::Name;

/// Name of the section.
pub(crate) const SECTION: &str = ".maps";

/// Adds the maps of `section`: one for each symbol, with the type of the
/// variable of the same name.
pub(crate) fn find<'d, P: PhysicalProfile>(
    elf: &Elf<'d>,
    btf: &Btf<'d, P>,
    section: &Section<'d>,
    maps: &mut Maps<'d, P>,
) -> Result<(), LoadError> {
    let variables = btf
        .find(Kind::DataSection, SECTION)
        .ok_or(LoadError::malformed("BTF: no types of the maps"))?;
    // Names are compared with every variable, so hostile numbers of both have
    // to be kept from multiplying.
    if variables.entry_count() > MAX_MAPS {
        return Err(LoadError::Limit { what: "maps", limit: MAX_MAPS });
    }
    for symbol in elf.symbols() {
        let symbol = symbol?;
        let here = u32::from(symbol.section) == section.index;
        if !here || matches!(symbol.kind(), STT_SECTION | STT_FUNC) {
            continue;
        }
        let name = elf.symbol_name(&symbol)?;
        let variable = variables
            .variables()
            .filter_map(|variable| btf.by_id(variable.type_id))
            .find(|variable| btf.name(variable) == name)
            .ok_or(refusal(name, "type", "the map has no BTF type"))?;
        push_map::<P>(maps, read(btf, name, &variable, section, &symbol)?)?;
    }
    Ok(())
}

fn refusal(map: &str, attribute: &str, reason: &'static str) -> LoadError {
    LoadError::MapAttribute { map: Name::new(map), attribute: Name::new(attribute), reason }
}

/// A map out of its variable.
fn read<'d, P: PhysicalProfile>(
    btf: &Btf<'d, P>,
    name: &'d str,
    variable: &Type<'d>,
    section: &Section<'d>,
    symbol: &Symbol,
) -> Result<Map<'d>, LoadError> {
    let structure = variable
        .target()
        .and_then(|id| btf.resolve(id))
        .filter(|found| found.kind == Kind::Struct)
        .ok_or(refusal(name, "type", "the map's declaration is no structure"))?;
    let mut declaration = Declaration {
        btf,
        name,
        attributes: Attributes::default(),
        pinned: false,
        key_type: 0,
        value_type: 0,
        values_offset: None,
        inner: false,
    };
    for member in structure.members() {
        declaration.take(&member)?;
    }
    let def = declaration.attributes.def(name)?;
    if declaration.values_offset.is_some() && def.map_type != MapType::ProgArray {
        return Err(refusal(name, "values", "functions are what a program array holds"));
    }
    Ok(Map {
        def,
        name,
        contents: Contents::Empty,
        pinned: declaration.pinned,
        key_type: declaration.key_type,
        value_type: declaration.value_type,
        section: section.index,
        offset: symbol.value,
        size: symbol.size,
        values_offset: declaration.values_offset,
        template: false,
    })
}

/// Adds what the maps of maps among `maps` hold, and tells these where it is.
pub(crate) fn add_inner<P: PhysicalProfile>(
    btf: &Btf<'_, P>,
    maps: &mut Maps<'_, P>,
) -> Result<(), LoadError> {
    for at in 0..maps.len() {
        let Some(outer) = maps.get(at).copied() else { break };
        if !outer.def.map_type.holds_maps() {
            continue;
        }
        let Some(structure) = inner_structure(btf, outer.name) else { continue };
        let mut declaration = Declaration {
            btf,
            name: outer.name,
            attributes: Attributes::default(),
            pinned: false,
            key_type: 0,
            value_type: 0,
            values_offset: None,
            inner: true,
        };
        for member in structure.members() {
            declaration.take(&member)?;
        }
        let (key_type, value_type) = (declaration.key_type, declaration.value_type);
        let def = declaration.attributes.def("inner")?;
        let index = u16::try_from(maps.len()).ok();
        push_map::<P>(maps, Map { def, key_type, value_type, template: true, ..outer })?;
        if let Some(outer) = maps.get_mut(at) {
            outer.def.inner = index;
        }
    }
    Ok(())
}

/// The declaration that the member `values` of a map of maps points to.
fn inner_structure<'d, P: PhysicalProfile>(btf: &Btf<'d, P>, name: &str) -> Option<Type<'d>> {
    let variables = btf.find(Kind::DataSection, SECTION)?;
    let variable = variables
        .variables()
        .filter_map(|variable| btf.by_id(variable.type_id))
        .find(|variable| btf.name(variable) == name)?;
    let structure = variable.target().and_then(|id| btf.resolve(id))?;
    let values = structure.members().find(|member| btf.member_name(member) == "values")?;
    let (element, _) = btf.resolve(values.type_id)?.array()?;
    let pointee = btf.resolve(element)?.target()?;
    btf.resolve(pointee).filter(|found| found.kind == Kind::Struct)
}

/// A declaration while it is read.
struct Declaration<'b, 'd, P: PhysicalProfile> {
    btf: &'b Btf<'d, P>,
    name: &'d str,
    attributes: Attributes,
    pinned: bool,
    key_type: u32,
    value_type: u32,
    values_offset: Option<u32>,
    /// Whether it is one of what a map of maps holds.
    inner: bool,
}

impl<P: PhysicalProfile> Declaration<'_, '_, P> {
    fn take(&mut self, member: &Member) -> Result<(), LoadError> {
        let attribute = self.btf.member_name(member);
        let number = || {
            self.btf.declared_number(member.type_id).ok_or(refusal(
                self.name,
                attribute,
                "it does not state a number",
            ))
        };
        match attribute {
            "type" => self.attributes.map_type = number()?,
            "max_entries" => self.attributes.max_entries = number()?,
            "map_flags" => self.attributes.flags = number()?,
            "pinning" => self.pinned = number()? != 0,
            "key_size" => {
                let size = number()?;
                self.set_key(size, attribute)?;
            }
            "value_size" => {
                let size = number()?;
                self.set_value(size, attribute)?;
            }
            "key" => {
                let (id, size) = self.pointee(member, attribute)?;
                self.key_type = id;
                self.set_key(size, attribute)?;
            }
            "value" => {
                let (id, size) = self.pointee(member, attribute)?;
                self.value_type = id;
                self.set_value(size, attribute)?;
            }
            "values" => self.set_values(member)?,
            // Which node of memory to use, and hints to types of maps that are
            // not known here: nothing depends on them.
            "numa_node" | "map_extra" => {}
            _ => return Err(refusal(self.name, attribute, "unknown attribute")),
        }
        Ok(())
    }

    /// The type that a member points to, and its size.
    fn pointee(&self, member: &Member, attribute: &str) -> Result<(u32, u32), LoadError> {
        self.btf
            .resolve(member.type_id)
            .filter(|found| found.kind == Kind::Pointer)
            .and_then(|found| found.target())
            .and_then(|id| Some((id, self.btf.size_of(id)?)))
            .ok_or(refusal(self.name, attribute, "it does not state a type with a size"))
    }

    fn set_key(&mut self, size: u32, attribute: &str) -> Result<(), LoadError> {
        set(&mut self.attributes.key_size, size)
            .map_err(|reason| refusal(self.name, attribute, reason))
    }

    fn set_value(&mut self, size: u32, attribute: &str) -> Result<(), LoadError> {
        set(&mut self.attributes.value_size, size)
            .map_err(|reason| refusal(self.name, attribute, reason))
    }

    /// `values` is an array of pointers: to functions, or to inner maps.
    fn set_values(&mut self, member: &Member) -> Result<(), LoadError> {
        const ATTRIBUTE: &str = "values";
        let pointee = self
            .btf
            .resolve(member.type_id)
            .and_then(|found| found.array())
            .and_then(|(element, _)| self.btf.resolve(element)?.target())
            .and_then(|id| self.btf.resolve(id))
            .ok_or(refusal(self.name, ATTRIBUTE, "it is no array of pointers"))?;
        match pointee.kind {
            Kind::FunctionProto => self.values_offset = Some(member.bit_offset / 8),
            Kind::Struct if self.inner => {
                return Err(refusal(self.name, ATTRIBUTE, "maps of maps of maps"));
            }
            // Read with the others of its like, behind all other maps.
            Kind::Struct => {}
            _ => return Err(refusal(self.name, ATTRIBUTE, "it holds neither functions nor maps")),
        }
        Ok(())
    }
}

/// Sets a size that may be stated twice, if both agree.
fn set(size: &mut u32, stated: u32) -> Result<(), &'static str> {
    if *size != 0 && *size != stated {
        return Err("two different sizes are stated");
    }
    *size = stated;
    Ok(())
}

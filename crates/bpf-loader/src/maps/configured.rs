//! The variables of the kernel's configuration that an object declares, which
//! become an array map of one value that programs only read.

use bpf_bytecode::abi::map::{MapDef, MapType, flags};
use bpf_profile::PhysicalProfile;

use super::{Contents, Map};
use crate::LoadError;
use crate::btf::{Btf, Kind};
use crate::bytes::{Table, index, push};
use crate::config::{Form, KernelConfig};
use crate::elf::SHN_UNDEF;

/// Name of the section, and of the map.
const SECTION: &str = ".kconfig";

/// Such variables that a table of fixed size holds, and at the most.
const CAPACITY: usize = 8;
const MAX_VARIABLES: usize = 64;

/// What is known of a variable's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// It is in the map.
    Value,
    /// The configuration has none, and the map zeros.
    Nothing,
    /// The variable does not hold what the configuration says.
    Unfit,
}

/// A variable of the configuration.
#[derive(Clone, Copy)]
pub(crate) struct Variable<'d> {
    pub name: &'d str,
    /// First byte in the map's value.
    pub offset: u32,
    pub given: Given,
}

pub(crate) type Variables<'d, P> = Table<P, Variable<'d>, CAPACITY>;

/// The variables that the object declares, and the map of them with values in
/// `storage`; no map where it declares none.
pub(crate) fn find<'d, P: PhysicalProfile>(
    btf: &Btf<'d, P>,
    config: &KernelConfig<'_>,
    storage: &'d mut [u8],
) -> Result<(Variables<'d, P>, Option<Map<'d>>), LoadError> {
    let broken = LoadError::malformed("section `.kconfig`");
    let mut variables = Variables::<P>::default();
    let Some(section) = btf.find(Kind::DataSection, SECTION) else { return Ok((variables, None)) };
    let room = storage.len();
    let mut end = 0_u32;
    for declared in section.variables() {
        if variables.len() >= MAX_VARIABLES {
            return Err(LoadError::Limit { what: "configuration variables", limit: MAX_VARIABLES });
        }
        let variable = btf.by_id(declared.type_id).filter(|found| found.kind == Kind::Variable);
        let variable = variable.ok_or(broken)?;
        let name = btf.name(&variable);
        let target = variable.target().ok_or(broken)?;
        let (form, size) = form_of(btf, target)
            .ok_or(LoadError::unsupported("type of the configuration variable", name))?;
        let align = if form == Form::Text { 1 } else { size };
        let offset = end.checked_next_multiple_of(align).ok_or(broken)?;
        let begin = core::mem::replace(&mut end, offset.checked_add(size).ok_or(broken)?);
        let limit = LoadError::Limit { what: "bytes of configuration variables", limit: room };
        storage.get_mut(index(begin)..index(end)).ok_or(limit)?.fill(0);
        let bytes = storage.get_mut(index(offset)..index(end)).ok_or(limit)?;
        let given = match config.value(name).map(|value| form.write(value, bytes)) {
            Some(Some(())) => Given::Value,
            Some(None) => Given::Unfit,
            None => Given::Nothing,
        };
        let variable = Variable { name, offset, given };
        push(&mut variables, variable, "configuration variables", CAPACITY)?;
    }
    let contents = Contents::Bytes(storage.get(..index(end)).unwrap_or_default());
    let def =
        MapDef::new(MapType::Array, 4, end, 1).named(SECTION).with_flags(flags::BPF_F_RDONLY_PROG);
    let map = Map {
        def,
        name: SECTION,
        contents,
        pinned: false,
        key_type: 0,
        value_type: section.id,
        // Where undefined symbols are.
        section: SHN_UNDEF.into(),
        offset: 0,
        size: end.into(),
        values_offset: None,
        template: false,
    };
    Ok((variables, (end > 0).then_some(map)))
}

/// How a variable of type `id` holds its value, and in how many bytes.
fn form_of<P: PhysicalProfile>(btf: &Btf<'_, P>, id: u32) -> Option<(Form, u32)> {
    let found = btf.resolve(id)?;
    let size = btf.size_of(id)?;
    let form = match found.kind {
        Kind::Int if found.is_bool() => (size == 1).then_some(Form::Bool)?,
        Kind::Int if matches!(size, 1 | 2 | 4 | 8) => Form::Number { signed: found.is_signed() },
        Kind::Enum if size == 4 && btf.name(&found) == "libbpf_tristate" => Form::Tristate,
        Kind::Array if size > 0 => {
            let (element, _) = found.array()?;
            let is_char = btf.resolve(element)?.kind == Kind::Int && btf.size_of(element)? == 1;
            is_char.then_some(Form::Text)?
        }
        _ => return None,
    };
    Some((form, size))
}

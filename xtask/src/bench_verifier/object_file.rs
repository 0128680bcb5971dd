//! Programs as ELF objects, such as any loader reads.

use anyhow::Result;
use object::elf::R_BPF_64_32;
use object::write::{Object, Relocation, StandardSection, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};

use super::shapes::Code;

/// The object of an XDP program of this name.
pub fn write(name: &str, code: &Code) -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, b"GPL\0", 1);
    let section = object.add_section(Vec::new(), b"xdp".to_vec(), SectionKind::Text);
    let bytes = code.main.concat();
    object.append_section_data(section, &bytes, 8);
    let symbol = |name: &str, section, size: usize, scope| Symbol {
        name: name.as_bytes().to_vec(),
        value: 0,
        size: size as u64,
        kind: SymbolKind::Text,
        scope,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    };
    object.add_symbol(symbol(name, section, bytes.len(), SymbolScope::Dynamic));
    if !code.function.is_empty() {
        let text = object.section_id(StandardSection::Text);
        let bytes = code.function.concat();
        object.append_section_data(text, &bytes, 8);
        object.add_symbol(symbol("function", text, bytes.len(), SymbolScope::Compilation));
        let symbol = object.section_symbol(text);
        for call in &code.calls {
            let flags = RelocationFlags::Elf { r_type: R_BPF_64_32 };
            let offset = (call * 8) as u64;
            object.add_relocation(section, Relocation { offset, symbol, addend: 0, flags })?;
        }
    }
    Ok(object.write()?)
}

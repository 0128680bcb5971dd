//! Reading the symbols of what was built.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol};

/// The demangled names of all defined symbols of an object, an executable or
/// an archive of objects.
pub fn of(file: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    objects(file, |object| {
        for symbol in object.symbols().filter(|symbol| !symbol.is_undefined()) {
            if let Ok(name) = symbol.name()
                && !name.is_empty()
            {
                names.push(format!("{:#}", rustc_demangle::demangle(name)));
            }
        }
        Ok(())
    })?;
    names.sort();
    names.dedup();
    Ok(names)
}

/// The names that the debug information has for types, variants and the like.
pub fn debug_names(file: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    objects(file, |object| {
        if let Some(section) = object.section_by_name(".debug_str") {
            let strings = section.data()?.split(|byte| *byte == 0);
            names.extend(strings.map(|string| String::from_utf8_lossy(string).into_owned()));
        }
        Ok(())
    })?;
    ensure!(!names.is_empty(), "{} has no debug information", file.display());
    Ok(names)
}

fn objects(file: &Path, mut look: impl FnMut(&object::File<'_>) -> Result<()>) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("read {}", file.display()))?;
    if !bytes.starts_with(b"!<arch>\n") {
        return look(&object::File::parse(&*bytes)?);
    }
    for member in ArchiveFile::parse(&*bytes)?.members() {
        // Archives of the compiler also hold its metadata, which is no object.
        if let Ok(object) = object::File::parse(member?.data(&*bytes)?) {
            look(&object)?;
        }
    }
    Ok(())
}

//! Objects and flat images from any bytes: an answer, and one that hangs
//! together.

use kernel_bpf::bytecode::BpfInsn;
use kernel_bpf::loader::{FlatImage, LoadError, Object, flat};
use kernel_bpf::profile::ActiveProfile;

type BpfObject<'d> = Object<'d, ActiveProfile>;

/// Reads the input as an object and as a flat image.
///
/// # Panics
/// When what was read contradicts itself, or an object's image is not the
/// object.
pub fn check(data: &[u8]) {
    if let Ok(object) = BpfObject::parse(data) {
        look_around(&object);
        written_and_read_back(&object);
    }
    if let Ok(image) = FlatImage::parse(data) {
        for program in image.programs() {
            assert_eq!(program.insns().count(), program.len());
            let _ = program.builder::<ActiveProfile>().build();
            assert!(image.program(program.name).is_ok());
        }
        for map in image.maps() {
            for (_, program) in map.programs() {
                assert!(program < image.programs().count());
            }
        }
    }
}

/// The slots of a program, if it can be linked.
fn link(
    program: kernel_bpf::loader::Program<'_, '_, ActiveProfile>,
) -> Result<Vec<BpfInsn>, LoadError> {
    let linked = program.link()?;
    let insns = linked.insns().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(insns.len(), linked.len());
    let mut copy = vec![BpfInsn::default(); insns.len()];
    assert_eq!(linked.copy_into(&mut copy), Ok(insns.len()));
    assert_eq!(copy, insns);
    for pc in 0..=insns.len() {
        let _ = (linked.line(pc), linked.function(pc));
    }
    for (start, _) in linked.functions() {
        assert!(start < insns.len());
    }
    let _ = linked.build();
    Ok(insns)
}

/// Everything that can be asked of an object.
fn look_around(object: &BpfObject<'_>) {
    for (at, map) in object.maps().iter().enumerate() {
        let _ = object.prog_array_values(at).take(1000).count();
        let (found, _) = object.map(map.name).expect("it was listed");
        assert!(found <= at, "the first map of a name answers to it");
    }
    for program in object.programs() {
        let _ = (program.kind(), program.section());
        assert!(object.program(program.name()).is_ok());
        if let Err(error) = link(program) {
            assert!(!error.to_string().is_empty());
        }
    }
}

/// An object that can be written as an image is the same one there.
fn written_and_read_back(object: &BpfObject<'_>) {
    let mut bytes = Vec::new();
    let written = flat::write(object, |part| {
        bytes.extend_from_slice(part);
        Ok::<(), core::convert::Infallible>(())
    });
    if written.is_err() {
        return;
    }
    let image = FlatImage::parse(&bytes).expect("it was just written");
    let defs = |map: &kernel_bpf::loader::Map<'_>| {
        (map.def.map_type, map.def.key_size, map.def.value_size, map.def.max_entries)
    };
    let expected: Vec<_> = object.maps().iter().map(defs).collect();
    let found: Vec<_> = image
        .maps()
        .map(|map| (map.def.map_type, map.def.key_size, map.def.value_size, map.def.max_entries))
        .collect();
    assert_eq!(found, expected);
    let mut programs = image.programs();
    for program in object.programs() {
        let flat = programs.next().expect("as many as in the object");
        assert_eq!(flat.name, program.name());
        assert_eq!(Ok(flat.insns().collect()), link(program));
    }
    assert!(programs.next().is_none());
}

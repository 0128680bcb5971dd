//! A program of 1,301 slots verifies in each size of workspace from one that is enough for it.
//! What lies where depends on the size: where an attempt is given up, the state with which the
//! walk goes on may have no room between what is kept.

#![cfg(feature = "embedded-profile")]

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::loader::flat::{Aligned, FlatImage};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::Verifier;

static DRIVE: &Aligned<[u8]> =
    &Aligned(*include_bytes!("../../../examples/firmware-cortex-m/programs/drive.bpf.kbi"));

/// Words of workspace: around 32 KiB for a thousand slots.
const SIZES: core::ops::Range<usize> = 5_344..5_360;

#[test]
fn drive_verifies_in_each() {
    let image = FlatImage::parse(&DRIVE.0).unwrap();
    let count = image.maps().count();
    let defs = vec![MapDef::new(MapType::Array, 4, 1, 1); count].leak();
    let builder = image.program("drive").unwrap();
    let builder = builder.builder_with_map_defs(image.map_defs_into(defs).unwrap()).unwrap();
    let program = builder.build().unwrap();
    let mut words = vec![0; SIZES.end];
    for size in SIZES {
        let verified =
            Verifier::<ActiveProfile>::with_workspace(&mut words[..size]).verify(&program);
        assert_eq!(verified, Ok(()), "{size} words");
    }
}

//! Bytes that mean harm: whatever they are, an answer comes.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use std::hint::black_box;

use bpf_loader::{FlatImage, KernelConfig, LoadError, Object, flat};
use bpf_profile::ActiveProfile;

macro_rules! example {
    ($name:literal) => {
        include_bytes!(concat!("../../../examples/programs/", $name, ".bpf.o"))
    };
}

macro_rules! object {
    ($name:literal) => {
        include_bytes!(concat!("objects/", $name, ".bpf.o"))
    };
}

const OBJECTS: [&[u8]; 10] = [
    example!("dispatcher"),
    example!("packet_histogram"),
    example!("rate_limiter"),
    example!("sensor_filter"),
    example!("xdp_firewall"),
    object!("configured"),
    object!("core"),
    object!("legacy_maps"),
    object!("map_in_map"),
    object!("subprograms"),
];

/// Mutations of each object.
const ROUNDS: u64 = 1500;

/// Numbers from a fixed seed (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

const INTERESTING: [u64; 12] = [
    0,
    1,
    7,
    8,
    0x7f,
    0xff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fff8,
    u64::MAX,
];

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let len = bytes.len();
        let at = random.below(len);
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at.max(1)),
            3 | 4 => {
                // A number of 1 to 8 bytes, where numbers are.
                let width = 1 << random.below(4);
                let at = at / width * width;
                let number = INTERESTING[random.below(INTERESTING.len())].to_le_bytes();
                for (byte, new) in bytes.iter_mut().skip(at).take(width).zip(number) {
                    *byte = new;
                }
            }
            5 => {
                // A piece from elsewhere.
                let from = random.below(len);
                let count = random.below(64).min(len - from).min(len - at);
                bytes.copy_within(from..from + count, at);
            }
            _ => {
                // The headers are where most is decided.
                let at = random.below(len.min(64));
                bytes[at] = random.next() as u8;
            }
        }
    }
}

/// Does everything with an object that can be done with it.
fn exercise(bytes: &[u8]) -> Result<usize, LoadError> {
    let config = KernelConfig::new("CONFIG_HZ=250\nCONFIG_CC_VERSION_TEXT=\"clang 19\"");
    let mut storage = [0; 64];
    let object = Object::<ActiveProfile>::parse_configured(bytes, &config, &mut storage)?;
    let mut slots = 0;
    for program in object.programs() {
        black_box((program.name(), program.section(), program.kind().is_ok()));
        let Ok(linked) = program.link() else { continue };
        for (pc, insn) in linked.insns().enumerate() {
            insn?;
            black_box((linked.line(pc), linked.function(pc)));
            slots += 1;
        }
        assert_eq!(slots.min(linked.len()), linked.len());
        black_box(linked.build().is_ok());
    }
    for variable in object.variables() {
        black_box((variable.name, object.initial_bytes(&variable)));
    }
    for at in 0..object.maps().len() {
        black_box(object.prog_array_values(at).count());
    }
    if let Some(btf) = object.btf() {
        for found in btf.types() {
            black_box((btf.name(&found), btf.size_of(found.id), btf.resolve(found.id).is_some()));
            found.members().for_each(|member| {
                black_box(btf.member_name(&member));
            });
            black_box((btf.enumerators(&found).count(), found.variables().count()));
        }
    }
    let mut image = vec![0; 1 << 16];
    if let Ok(len) = flat::write_to_slice(&object, &mut image) {
        FlatImage::parse(&image[..len])?;
    }
    Ok(slots)
}

#[test]
fn mutated_objects_are_loaded_or_refused() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut loaded, mut refused) = (0, 0);
    for bytes in OBJECTS {
        for _ in 0..ROUNDS {
            let mut bytes = bytes.to_vec();
            mutate(&mut bytes, &mut random);
            match exercise(&bytes) {
                Ok(_) => loaded += 1,
                Err(_) => refused += 1,
            }
        }
    }
    // Both have to happen, or the mutations are of no use.
    assert!(loaded > 1000 && refused > 1000, "{loaded} loaded, {refused} refused");
}

#[test]
fn every_truncation_is_refused_or_loaded() {
    for bytes in OBJECTS {
        for len in (0..bytes.len()).step_by(7) {
            let _ = exercise(&bytes[..len]);
        }
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 0 { 0 } else { 0xEDB8_8320 }
        })
    })
}

fn exercise_image(bytes: &[u8]) -> Result<(), LoadError> {
    let image = FlatImage::parse(bytes)?;
    for map in image.maps() {
        black_box((map.name, map.programs().count()));
    }
    for program in image.programs() {
        assert_eq!(program.insns().count(), program.len());
        black_box(program.builder::<ActiveProfile>().build().is_ok());
        black_box(program.insns_in_place());
    }
    Ok(())
}

#[test]
fn mutated_images_are_loaded_or_refused() {
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    for bytes in [
        &include_bytes!("../../../examples/programs/dispatcher.bpf.kbi")[..],
        &include_bytes!("../../../examples/programs/sensor_filter.bpf.kbi")[..],
        &include_bytes!("../../../examples/programs/xdp_firewall.bpf.kbi")[..],
    ] {
        let mut parsed = 0;
        for round in 0..ROUNDS {
            let mut bytes = bytes.to_vec();
            mutate(&mut bytes, &mut random);
            // The checksum would hide whatever is behind it.
            if bytes.len() > 20 && round % 8 != 0 {
                bytes[..12].copy_from_slice(b"KBPFIMG\0\x01\0\0\0");
                let len = u32::try_from(bytes.len()).unwrap();
                bytes[12..16].copy_from_slice(&len.to_le_bytes());
                let crc = crc32(&bytes[20..]);
                bytes[16..20].copy_from_slice(&crc.to_le_bytes());
            }
            parsed += u32::from(exercise_image(&bytes).is_ok());
        }
        assert!(parsed > 50, "{parsed} parsed");
    }
}

/// An object of `sections` code sections and `symbols` functions, all of them
/// lying over one another and named alike.
fn crowded(sections: u16, symbols: usize) -> Vec<u8> {
    let header = |name: u32, kind: u32, flags: u64, at: u64, size: u64, link: u32| {
        let mut out = Vec::new();
        out.extend(name.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(flags.to_le_bytes());
        out.extend(0u64.to_le_bytes());
        out.extend(at.to_le_bytes());
        out.extend(size.to_le_bytes());
        out.extend(link.to_le_bytes());
        out.extend([0; 20]);
        out
    };
    let mut body = vec![b'x'; 1000];
    body[0] = 0;
    body.push(0);
    body.resize(1008, 0);
    let code = 64 + body.len() as u64;
    body.extend([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
    let table = 64 + body.len() as u64;
    for number in 0..symbols {
        body.extend(1u32.to_le_bytes());
        body.extend([0x12, 0]);
        body.extend((3 + (number % usize::from(sections)) as u16).to_le_bytes());
        body.extend(0u64.to_le_bytes());
        body.extend(16u64.to_le_bytes());
    }
    let headers = 64 + body.len() as u64;
    body.extend(header(0, 0, 0, 0, 0, 0));
    body.extend(header(0, 3, 0, 64, 1008, 0));
    body.extend(header(1, 2, 0, table, symbols as u64 * 24, 1));
    for _ in 0..sections {
        body.extend(header(1, 1, 6, code, 16, 0));
    }
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    out.extend(1u16.to_le_bytes());
    out.extend(247u16.to_le_bytes());
    out.extend([0; 20]);
    out.extend(headers.to_le_bytes());
    out.extend([0; 10]);
    out.extend(64u16.to_le_bytes());
    out.extend((3 + sections).to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(body);
    out
}

/// Who looks at every section for each symbol takes 4 * 10^9 steps here.
#[test]
fn crowded_tables_are_read_whole() {
    for functions in [4_000, 200_000] {
        let bytes = crowded(20_000, functions);
        match Object::<ActiveProfile>::parse(&bytes) {
            Ok(object) => {
                assert_eq!(object.programs().count(), functions);
                for program in object.programs() {
                    assert_eq!(program.link().unwrap().len(), 2);
                }
            }
            Err(error) => assert!(matches!(error, LoadError::Limit { .. }), "{error}"),
        }
    }
}

#[test]
fn no_other_map_than_a_program_array_holds_functions() {
    // In BTF, an array of three: the type of a program array, `__uint(type, 3)`.
    let (kind, three, two) = (3 << 24_u32, 3_u32.to_le_bytes(), 2_u32.to_le_bytes());
    let mut bytes = example!("dispatcher").to_vec();
    let is_array = |at: &usize| {
        let word = |at| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        (word(*at), word(at + 4), word(at + 8)) == (0, kind, 0) && bytes[at + 20..at + 24] == three
    };
    let found: Vec<usize> = (0..bytes.len() - 24).step_by(4).filter(is_array).collect();
    assert!(!found.is_empty());
    for at in found {
        bytes[at + 20..at + 24].copy_from_slice(&two);
    }
    let error = Object::<ActiveProfile>::parse(&bytes).unwrap_err();
    assert!(error.to_string().contains("functions are what a program array holds"), "{error}");
}

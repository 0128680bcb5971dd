//! Objects as compilers make them.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use std::fmt::Write;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::{BpfInsn, BpfProgType};
use bpf_loader::{Contents, FlatImage, KernelConfig, LoadError, Object, ProgramKind, flat};
use bpf_profile::ActiveProfile;

macro_rules! example {
    ($name:literal) => {
        include_bytes!(concat!("../../../examples/programs/", $name))
    };
}

macro_rules! object {
    ($name:literal) => {
        include_bytes!(concat!("objects/", $name, ".bpf.o"))
    };
}

const EXAMPLES: [(&str, &[u8], &[u8]); 7] = [
    ("dispatcher", example!("dispatcher.bpf.o"), example!("dispatcher.bpf.kbi")),
    ("packet_histogram", example!("packet_histogram.bpf.o"), example!("packet_histogram.bpf.kbi")),
    ("rate_limiter", example!("rate_limiter.bpf.o"), example!("rate_limiter.bpf.kbi")),
    ("sensor_filter", example!("sensor_filter.bpf.o"), example!("sensor_filter.bpf.kbi")),
    ("socket_filter", example!("socket_filter.bpf.o"), example!("socket_filter.bpf.kbi")),
    ("xdp_firewall", example!("xdp_firewall.bpf.o"), example!("xdp_firewall.bpf.kbi")),
    (
        "xdp_firewall_cloud",
        example!("xdp_firewall_cloud.bpf.o"),
        example!("xdp_firewall_cloud.bpf.kbi"),
    ),
];

fn parse(bytes: &[u8]) -> Object<'_, ActiveProfile> {
    Object::parse(bytes).unwrap()
}

/// All that an object has, as text.
fn describe(bytes: &[u8]) -> String {
    let object = parse(bytes);
    let mut out = String::new();
    let line = &mut out;
    writeln!(line, "license {:?}", object.license()).unwrap();
    for (at, map) in object.maps().iter().enumerate() {
        let def = &map.def;
        let contents = match map.contents {
            Contents::Bytes(bytes) => format!("{bytes:02x?}"),
            other => format!("{other:?}"),
        };
        writeln!(
            line,
            "map {at} {}: {} key {} value {} entries {} flags {:#x} pinned {} {contents}",
            map.name,
            def.map_type,
            def.key_size,
            def.value_size,
            def.max_entries,
            def.flags,
            map.pinned
        )
        .unwrap();
        for value in object.prog_array_values(at) {
            writeln!(line, "    {:?}", value.unwrap()).unwrap();
        }
    }
    for program in object.programs() {
        writeln!(
            line,
            "program {} in {:?}: {:?}",
            program.name(),
            program.section(),
            program.kind()
        )
        .unwrap();
        let linked = match program.link() {
            Ok(linked) => linked,
            Err(error) => {
                writeln!(line, "    {error}").unwrap();
                continue;
            }
        };
        for (at, name) in linked.functions() {
            writeln!(line, "    {at:4} {name}").unwrap();
        }
        let built = linked.build().map(|program| program.len());
        writeln!(line, "    {:4} built: {built:?}", linked.len()).unwrap();
    }
    out
}

#[test]
fn examples_have_the_programs_and_maps_of_their_sources() {
    for (name, bytes, _) in EXAMPLES {
        insta::assert_snapshot!(name, describe(bytes));
    }
}

#[test]
fn every_map_reference_is_resolved() {
    for (name, bytes, _) in EXAMPLES {
        let object = parse(bytes);
        for program in object.programs() {
            let insns: Vec<BpfInsn> = program.link().unwrap().insns().map(Result::unwrap).collect();
            for pair in insns.windows(2).filter(|pair| pair[0].code() == 0x18) {
                let map = pair[0].imm() as usize;
                let offset = pair[1].imm() as u32;
                match pair[0].src() {
                    5 => assert!(map < object.maps().len() && offset == 0, "{name}"),
                    6 => assert!(offset < object.maps()[map].def.value_size, "{name}"),
                    // A plain number; a reference that was left over would be 0.
                    0 => assert!(pair[0].imm() != 0, "{name}"),
                    other => panic!("{name}: source field {other}"),
                }
            }
        }
    }
}

/// As an assembler leaves it that writes the symbol's place into the instruction.
#[test]
fn the_symbol_of_a_map_says_which_one_it_is() {
    let linked = |bytes: &[u8]| {
        let object = parse(bytes);
        let insns = object.programs().map(|program| {
            program.link().unwrap().insns().map(Result::unwrap).collect::<Vec<BpfInsn>>()
        });
        insns.collect::<Vec<_>>()
    };
    let mut bytes = example!("dispatcher.bpf.o").to_vec();
    let before = linked(&bytes);
    let mut changed = 0;
    for at in (0..bytes.len() - 16).step_by(8) {
        let load = &mut bytes[at..at + 16];
        if matches!(load, [0x18, 0..=10, rest @ ..] if rest.iter().all(|byte| *byte == 0)) {
            load[4] = 32;
            changed += 1;
        }
    }
    let maps = before.iter().flatten().filter(|insn| insn.code() == 0x18 && insn.src() == 5);
    assert_eq!((changed, changed > 1), (maps.count(), true));
    assert_eq!(linked(&bytes), before);
}

#[test]
fn flat_images_are_those_of_the_objects() {
    for (name, bytes, committed) in EXAMPLES {
        let object = parse(bytes);
        let mut buffer = [0; 16384];
        let len = flat::write_to_slice(&object, &mut buffer).unwrap();
        assert_eq!(&buffer[..len], committed, "{name}: run `cargo xtask programs`");
        let image = FlatImage::parse(committed).unwrap();
        for (program, flat) in object.programs().zip(image.programs()) {
            let linked = program.link().unwrap();
            let built = linked.build().unwrap();
            assert_eq!(flat.builder::<ActiveProfile>().build().unwrap(), built, "{name}");
            assert_eq!((flat.name, flat.attach), (program.name(), program.kind().unwrap().attach));
        }
        assert_eq!(image.programs().count(), object.programs().count());
        for (at, (map, flat)) in object.maps().iter().zip(image.maps()).enumerate() {
            assert_eq!((map.def, map.name), (flat.def, flat.name));
            let values: Vec<_> = object.prog_array_values(at).map(Result::unwrap).collect();
            let programs: Vec<_> = flat
                .programs()
                .map(|(index, number)| (index, image.programs().nth(number).unwrap().name))
                .collect();
            assert_eq!(values, programs, "{name}");
        }
    }
}

#[test]
fn image_in_place_and_copied_are_one_program() {
    static IMAGE: &flat::Aligned<[u8]> = &flat::Aligned(*example!("sensor_filter.bpf.kbi"));
    let image = FlatImage::parse(&IMAGE.0).unwrap();
    let program = image.program("sensor_filter").unwrap();
    let copied = program.builder::<ActiveProfile>().build().unwrap();
    if let Some(builder) = program.builder_in_place::<ActiveProfile>() {
        assert_eq!(builder.build().unwrap(), copied);
    }
    assert!(copied.insns().iter().copied().eq(program.insns()));

    let count = image.maps().count();
    let no_def = MapDef::new(MapType::Hash, 1, 1, 1);
    let full = image.map_defs_into(&mut []).unwrap_err();
    assert_eq!(full, LoadError::Limit { what: "maps", limit: 0 });
    let defs = image.map_defs_into(vec![no_def; count + 1].leak()).unwrap();
    assert_eq!(defs.len(), count);
    if let Some(builder) = program.builder_with_map_defs::<ActiveProfile>(defs) {
        assert_eq!(builder.build().unwrap(), copied);
    }
}

#[test]
fn lines_lead_to_the_source() {
    let object = parse(EXAMPLES[3].1);
    let source = include_str!("../../../examples/programs/sensor_filter.bpf.c");
    let linked = object.program("sensor_filter").unwrap().link().unwrap();
    let mut functions = Vec::new();
    for pc in 0..linked.len() {
        let line = linked.line(pc).unwrap();
        assert!(line.file.ends_with("sensor_filter.bpf.c"), "{}", line.file);
        assert!(line.line == 0 || source.lines().nth(line.line as usize - 1) == Some(line.text));
        functions.extend(linked.function(pc));
    }
    functions.dedup();
    assert_eq!(functions, ["sensor_filter", "smooth"]);
    assert_eq!(linked.line(linked.len()), None);
}

#[test]
fn legacy_maps() {
    insta::assert_snapshot!(describe(object!("legacy_maps")));
}

#[test]
fn subprograms_of_text_are_pulled_behind_each_program() {
    insta::assert_snapshot!(describe(object!("subprograms")));
    let object = parse(object!("subprograms"));
    let third = object.program("third").unwrap();
    assert!(!third.kind().unwrap().autoload);
    let linked = third.link().unwrap();
    let insns: Vec<BpfInsn> = linked.insns().map(Result::unwrap).collect();
    let at = insns.iter().position(|insn| insn.code() == 0x18 && insn.src() == 4).unwrap();
    let target = at as i64 + 1 + i64::from(insns[at].imm());
    assert_eq!(linked.functions().nth(1), Some((target as usize, "visit")));
}

#[test]
fn global_functions_are_known_by_their_prototypes() {
    use bpf_bytecode::abi::global::{GlobalFunction, Param};
    let object = parse(object!("globals"));
    let linked = object.program("program").unwrap().link().unwrap();
    let found: Vec<(&str, GlobalFunction)> = linked
        .global_functions(BpfProgType::SchedCls)
        .map(|global| (linked.function(global.slot as usize).unwrap(), global))
        .collect();
    let of = |name| found.iter().find(|(found, _)| *found == name).map(|(_, global)| *global);
    let takes = |name, params: &[Param]| {
        let global = of(name).unwrap_or_else(|| panic!("{name}: {found:?}"));
        assert!(global.returns_number, "{name}");
        assert_eq!(global, GlobalFunction::new(global.slot, params), "{name}");
    };
    takes("numbers", &[Param::Number; 3]);
    takes("contexts", &[Param::Context; 3]);
    let memory =
        [Param::MemoryOrNull(16), Param::Memory(4), Param::MemoryOrNull(7), Param::MemoryOrNull(8)];
    takes("memory", &memory);
    takes("others", &[Param::Other; 3]);
    takes("dynptrs", &[Param::Dynptr, Param::Other]);
    let pointer = of("pointer").unwrap();
    assert_eq!((pointer.returns_number, pointer.arity()), (false, 1));
    assert_eq!((of("hidden"), of("internal"), of("program")), (None, None, None));
    // Programs of another type know their context by another name.
    let others: Vec<GlobalFunction> = linked.global_functions(BpfProgType::Xdp).collect();
    let contexts = others.iter().find(|global| Some(global.slot) == of("contexts").map(|g| g.slot));
    let params = contexts.unwrap().params;
    assert!(matches!(params, [Some(Param::MemoryOrNull(_)), _, Some(Param::Context), None, None]));
    let program = linked.build().unwrap();
    // A static build keeps some of them.
    let all = cfg!(feature = "cloud-profile");
    let room = bpf_profile::config::GLOBAL_FUNCTIONS_CAPACITY;
    let kept = if all || found.len() < room { found.len() } else { room };
    assert_eq!(program.global_functions().len(), kept);
}

#[test]
fn what_catches_follows_the_program_that_names_it() {
    use bpf_bytecode::abi::global::{GlobalFunction, Param};
    let object = parse(object!("exceptions"));
    let link = |name| object.program(name).unwrap().link();
    let linked = link("caught").unwrap();
    let functions: Vec<_> = linked.functions().map(|(_, name)| name).collect();
    // Nobody calls it, and it is there all the same.
    assert_eq!(functions, ["caught", "catches", "unrelated"]);
    let globals: Vec<_> = linked.global_functions(BpfProgType::SchedCls).collect();
    let number = |at: usize| {
        let slot = linked.functions().nth(at).unwrap().0 as u32;
        GlobalFunction::new(slot, &[Param::Number])
    };
    assert_eq!(globals, [number(1).catching(), number(2)]);
    let linked = link("uncaught").unwrap();
    assert!(!linked.functions().any(|(_, name)| name == "catches"));
    assert!(linked.global_functions(BpfProgType::SchedCls).all(|global| !global.catches));
    let unsupported = |name| link(name).unwrap_err().is_unsupported();
    assert!(unsupported("several") && unsupported("names_itself"));
    for name in ["names_hidden", "names_nothing"] {
        let error = link(name).unwrap_err();
        assert!(error.to_string().contains("exception callback"), "{error}");
    }
}

#[test]
fn special_fields_are_known_by_their_types() {
    use bpf_bytecode::abi::field::FieldType::{KernelPointer, SpinLock, Timer};
    let object = parse(object!("globals"));
    let found: Vec<_> = object
        .map_fields()
        .map(Result::unwrap)
        .map(|field| (object.maps()[field.map as usize].name, field.offset, field.field))
        .collect();
    let expected = [
        ("values", 12, SpinLock),
        ("values", 16, Timer),
        ("values", 160_032, KernelPointer),
        (".data.locked", 24, SpinLock),
    ];
    assert_eq!(found, expected);
}

/// What is not looked at may be such a field.
#[test]
fn special_fields_that_are_not_found_are_refused() {
    let object = parse(object!("nested"));
    let error = object.map_fields().find_map(Result::err).unwrap();
    assert!(matches!(error, LoadError::Limit { limit: 16, .. }), "{error}");
    let linked = object.program("nested").unwrap().link().unwrap();
    assert_eq!(linked.build().unwrap_err(), error);
}

#[test]
fn core_relocations_are_answered_by_the_objects_own_types() {
    insta::assert_snapshot!(describe(object!("core")));
}

#[test]
fn core_relocation_that_contradicts_the_types_is_refused() {
    let mut bytes = object!("core").to_vec();
    // The first load, of `reading->time` at offset 0: let it load from 8.
    let load = bytes.windows(8).position(|slot| slot[0] == 0x79 && slot[2..] == [0; 6]).unwrap();
    bytes[load + 2] = 8;
    let object = parse(&bytes);
    let error = object.program("core").unwrap().link().unwrap_err();
    assert!(matches!(error, LoadError::CoRe { kind: "field_byte_offset", .. }), "{error}");
}

#[test]
fn casts_of_arenas_are_unsupported() {
    let mut bytes = object!("subprograms").to_vec();
    let copy = bytes.chunks(8).position(|slot| slot[0] == 0xbf && slot[2..] == [0; 6]).unwrap();
    bytes[copy * 8 + 2] = 1;
    let object = parse(&bytes);
    let errors: Vec<_> = object.programs().filter_map(|program| program.link().err()).collect();
    assert!(!errors.is_empty() && errors.iter().all(LoadError::is_unsupported), "{errors:?}");
}

#[test]
fn a_refused_program_does_not_keep_others_from_loading() {
    insta::assert_snapshot!(describe(object!("refused")));
}

#[test]
fn data_with_addresses_stay_as_the_object_has_them() {
    insta::assert_snapshot!(describe(object!("addresses")));
}

const CONFIG: &str = "CONFIG_SMP=y\nCONFIG_NF_TABLES=m\nCONFIG_HZ=-250\n\
    CONFIG_CC_VERSION_TEXT=\"clang version 19\"\nCONFIG_LOG_BUF_SHIFT=256";

#[test]
fn the_configuration_becomes_a_map_of_constants() {
    let mut storage = [0xff; 64];
    let config = KernelConfig::new(CONFIG);
    let bytes = object!("configured");
    let object = Object::<ActiveProfile>::parse_configured(bytes, &config, &mut storage).unwrap();
    let (at, map) = object.map(".kconfig").unwrap();
    let Contents::Bytes(values) = map.contents else { panic!("{:?}", map.contents) };
    assert_eq!(values.len(), map.def.value_size as usize);
    assert!(!map.def.is_writable());
    let address = |name: &str| {
        let linked = object.program(name)?.link()?;
        let insns: Vec<_> = linked.insns().map(Result::unwrap).collect();
        let load = insns.windows(2).find(|pair| pair[0].code() == 0x18).unwrap();
        assert_eq!((load[0].src(), load[0].imm() as usize), (6, at));
        linked.build()?;
        Ok::<_, LoadError>(load[1].imm() as usize)
    };
    // The first variable that each program reads.
    let at = address("uses_config").unwrap();
    assert!(values[at..].starts_with(&(-250_i32).to_le_bytes()), "{values:?}");
    let at = address("uses_version").unwrap();
    assert!(values[at..].starts_with(&0x0006_1200_u32.to_le_bytes()), "{values:?}");
    let at = address("uses_smp").unwrap();
    assert_eq!(values[at], 1, "{values:?}");
    let at = address("uses_module").unwrap();
    assert!(values[at..].starts_with(&2_u32.to_le_bytes()), "{values:?}");
    let at = address("uses_weak").unwrap();
    assert!(at % 8 == 0 && values[at..].starts_with(&[0; 8]), "{values:?}");
    assert!(values.windows(8).any(|bytes| bytes == b"clang v\0"), "{values:?}");
    let untouched = values.iter().filter(|byte| matches!(byte, 0xff));
    assert_eq!(untouched.count(), 3, "only of -250: {values:?}");

    let error = address("uses_narrow").unwrap_err();
    assert!(matches!(error, LoadError::ConfigValue { .. }) && !error.is_unsupported(), "{error}");
    let error = address("uses_variable").unwrap_err();
    assert!(matches!(error, LoadError::ExternSymbol { .. }) && error.is_unsupported(), "{error}");

    let image = &mut [0; 1 << 13][..];
    let object = object.with_default_type(BpfProgType::SchedCls);
    assert!(flat::write_to_slice(&object, image).is_err());
}

#[test]
fn what_the_configuration_lacks_is_named() {
    let bytes = object!("configured");
    let config = KernelConfig::default();
    let mut storage = [0; 64];
    let object = Object::<ActiveProfile>::parse_configured(bytes, &config, &mut storage).unwrap();
    let error = object.program("uses_config").unwrap().link().unwrap_err();
    assert!(
        matches!(error, LoadError::Unconfigured { variable } if variable.as_str() == "CONFIG_HZ")
    );
    // The object can do without this one, and the version is known.
    object.program("uses_weak").unwrap().link().unwrap();

    let mut storage = [0; 16];
    let error = Object::<ActiveProfile>::parse_configured(bytes, &config, &mut storage);
    assert!(matches!(error, Err(LoadError::Limit { limit: 16, .. })), "{error:?}");
    // Who gives no configuration can load the rest.
    let object = parse(bytes);
    assert!(object.map(".kconfig").is_none());
    let error = object.program("uses_version").unwrap().link().unwrap_err();
    assert!(matches!(error, LoadError::ExternSymbol { .. }), "{error}");
}

#[test]
fn a_type_can_be_given_for_sections_that_name_none() {
    let object = parse(object!("configured"));
    let kind = object.program("unnamed_type").unwrap().kind();
    assert!(matches!(kind, Err(LoadError::UnknownSection { .. })), "{kind:?}");
    let object = object.with_default_type(BpfProgType::SchedCls);
    let kind = object.program("unnamed_type").unwrap().kind().unwrap();
    assert_eq!((kind.prog_type, kind.attach), (BpfProgType::SchedCls, "from-container"));
    let kind = object.program("uses_weak").unwrap().kind().unwrap();
    assert_eq!((kind.prog_type, kind.attach), (BpfProgType::Tracepoint, "weak"));
    // A type that Linux alone has stays unsupported.
    let object = parse(object!("refused")).with_default_type(BpfProgType::Xdp);
    let kind = object.program("unsupported_type").unwrap().kind();
    assert!(matches!(kind, Err(LoadError::UnsupportedProgType { .. })), "{kind:?}");
}

#[test]
fn names_from_before_libbpf_1_are_taken() {
    let kind = |section| ProgramKind::of_section(section).map(|kind| kind.prog_type);
    assert_eq!(kind("xdp_prog"), Ok(BpfProgType::Xdp));
    assert_eq!(kind("xdp1"), Ok(BpfProgType::Xdp));
    assert_eq!(kind("xdp.frags_pass"), Ok(BpfProgType::Xdp));
    assert_eq!(kind("socket_filter"), Ok(BpfProgType::SocketFilter));
    assert_eq!(kind("classifier-main"), Ok(BpfProgType::SchedCls));
    assert_eq!(kind("cgroup/skb2"), Ok(BpfProgType::CgroupSkb));
    for section in ["xdpfilter", "tcpdump", "sockets", "2/7", ""] {
        assert!(matches!(kind(section), Err(LoadError::UnknownSection { .. })), "{section}");
    }
    assert!(matches!(kind("lsm/x"), Err(LoadError::UnsupportedProgType { .. })));
}

#[test]
fn maps_of_maps_say_what_they_hold() {
    let object = parse(object!("map_in_map"));
    let (at, outer) = object.map("outer").unwrap();
    let inner = usize::from(outer.def.inner.unwrap());
    assert!(outer.def.map_type.holds_maps() && inner > at);
    let inner = &object.maps()[inner];
    assert_eq!((inner.name, inner.def.name.as_str()), ("outer", "inner"));
    assert!(!inner.def.map_type.holds_maps() && inner.def.value_size > 0);
    // Images are for engines that have no such maps.
    assert!(bpf_loader::flat::write_to_slice(&object, &mut vec![0; 1 << 16]).is_err());
}

#[test]
fn program_fits_or_the_error_says_how_much_it_needs() {
    let object = parse(EXAMPLES[4].1);
    let linked = object.program("socket_filter").unwrap().link().unwrap();
    let needed = linked.len();
    let mut buffer = vec![BpfInsn::default(); needed];
    assert_eq!(linked.copy_into(&mut buffer), Ok(needed));
    let error = linked.copy_into(&mut buffer[1..]).unwrap_err();
    assert_eq!(error, LoadError::BufferTooSmall { needed, given: needed - 1 });
}

#[test]
fn btf_answers_questions_about_types() {
    use bpf_loader::btf::Kind;
    let object = parse(EXAMPLES[5].1);
    let btf = object.btf().unwrap();
    let key = btf.find(Kind::Struct, "flow_key").unwrap();
    assert_eq!(btf.size_of(key.id), Some(40));
    assert_eq!(btf.field(&key, "protocol").unwrap().bit_offset, 36 * 8);
    let (_, flows) = object.map("flows").unwrap();
    assert_eq!(flows.key_type, key.id);
    assert_eq!(btf.name(&btf.resolve(flows.value_type).unwrap()), "flow_stats");
    for (number, found) in (1..).zip(btf.types()) {
        assert_eq!(btf.by_id(number).map(|t| (t.id, t.kind)), Some((number, found.kind)));
    }
    assert!(btf.by_id(u32::try_from(btf.len()).unwrap() + 1).is_none());
}

#[test]
fn global_variables_are_where_programs_reach_them() {
    let object = parse(object!("subprograms"));
    let all: Vec<_> = object
        .variables()
        .map(|v| (object.maps()[v.map].name, v.name, v.size, object.initial_bytes(&v)))
        .collect();
    assert!(all.contains(&(".data", "calls", 4, Some(&[7, 0, 0, 0]))), "{all:?}");
    assert!(all.contains(&(".rodata", "limit", 4, Some(&[9, 0, 0, 0]))), "{all:?}");
    assert!(all.contains(&(".bss", "hidden", 4, None)), "{all:?}");
}

#[test]
fn names_of_other_program_types() {
    use bpf_loader::ProgramKind;
    let of = |section| ProgramKind::of_section(section).map(|kind| kind.prog_type);
    assert_eq!(of("xdp.frags"), Ok(BpfProgType::Xdp));
    assert_eq!(of("kretprobe/do_unlinkat"), Ok(BpfProgType::Kprobe));
    assert_eq!(of("cgroup_skb/egress"), Ok(BpfProgType::CgroupEgress));
    assert_eq!(of("cgroup_skb/elsewhere"), Ok(BpfProgType::CgroupSkb));
    assert_eq!(of("xdp/devmap"), Ok(BpfProgType::XdpDevmap));
    assert_eq!(of("xdp/eth0"), Ok(BpfProgType::Xdp));
    assert_eq!(of("cgroup/connect6"), Ok(BpfProgType::Connect6));
    assert_eq!(of("?sk_reuseport/migrate"), Ok(BpfProgType::SkReuseportMigrate));
    assert!(matches!(of("cgroup/lunch"), Err(LoadError::UnknownSection { .. })));
    assert!(matches!(
        of("fentry/x"),
        Err(LoadError::UnsupportedProgType { prog_type: "tracing", .. })
    ));
    assert!(matches!(of("xdpx"), Err(LoadError::UnknownSection { .. })));
    assert!(matches!(of(""), Err(LoadError::UnknownSection { .. })));
}

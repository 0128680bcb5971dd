//! Live maps of the examples, from their objects and from their images.

use kernel_bpf::bytecode::abi::frozen::FrozenMap;
use kernel_bpf::live;
use kernel_bpf::loader::flat::Aligned;
use kernel_bpf::loader::{Contents, FlatImage, Object};
use kernel_bpf::maps::{AnyMap, BpfMap};
use kernel_bpf::profile::ActiveProfile;

type Map = AnyMap<ActiveProfile>;

macro_rules! example {
    ($name:literal) => {{
        static IMAGE: &Aligned<[u8]> =
            &Aligned(*include_bytes!(concat!("../../../examples/programs/", $name, ".bpf.kbi")));
        let object = include_bytes!(concat!("../../../examples/programs/", $name, ".bpf.o"));
        (Object::<ActiveProfile>::parse(object).unwrap(), FlatImage::parse(&IMAGE.0).unwrap())
    }};
}

fn first_value(map: &Map) -> Vec<u8> {
    let mut value = vec![0; map.host_value_size()];
    map.lookup(&0_u32.to_ne_bytes()).unwrap().copy_to(&mut value);
    value
}

#[test]
fn variables_and_constants_have_their_first_values() {
    let (mut variables, mut constants) = (0, 0);
    for (object, image) in [example!("packet_histogram"), example!("rate_limiter")] {
        let from_object: Vec<Map> = live::of_object(&object).map(Result::unwrap).collect();
        let from_image: Vec<Map> = live::of_image(&image).map(Result::unwrap).collect();
        assert_eq!(from_object.len(), object.maps().len());
        assert_eq!(from_image.len(), object.maps().len());
        for ((map, live), image) in object.maps().iter().zip(&from_object).zip(&from_image) {
            assert_eq!((live.def(), image.def()), (&map.def, &map.def));
            let Contents::Bytes(bytes) = map.contents else { continue };
            let mut expected = vec![0; live.host_value_size()];
            expected[..bytes.len()].copy_from_slice(bytes);
            assert_eq!((first_value(live), first_value(image)), (expected.clone(), expected));
            let constant = FrozenMap::can_be(&map.def);
            assert_eq!(image.frozen().is_some(), constant, "{}", map.name);
            // Objects are not kept on a static build, so nothing rests on their constants.
            assert_eq!(live.frozen().is_some(), constant && cfg!(feature = "cloud-profile"));
            if constant { constants += 1 } else { variables += 1 }
        }
    }
    assert!(variables > 0 && constants > 0, "{variables} {constants}");
}

#[test]
fn program_arrays_hold_positions_of_programs() {
    let (object, image) = example!("dispatcher");
    let (at, _) = object.map("handlers").unwrap();
    let from_object: Map = live::of_object(&object).nth(at).unwrap().unwrap();
    let from_image: Map = live::of_image(&image).nth(at).unwrap().unwrap();
    for (entry, name) in (0..).zip(["handle_tcp", "handle_udp", "handle_icmp"]) {
        let number = from_object.program(entry).unwrap() as usize;
        assert_eq!(object.programs().nth(number).unwrap().name(), name);
        let number = from_image.program(entry).unwrap() as usize;
        assert_eq!(image.programs().nth(number).unwrap().name, name);
    }
    assert_eq!((from_object.program(3), from_image.program(3)), (None, None));
}

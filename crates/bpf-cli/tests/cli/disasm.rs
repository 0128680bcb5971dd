//! `kbpf disasm`, `asm`, `maps` and `inspect`.

use crate::support::{MISTAKES, TempFile, example, kbpf, kbpf_with_input};
use crate::{assert_json, assert_text};

#[test]
fn a_listing_with_source_and_bytes() {
    let args = ["disasm", "--source", "--bytes", "--prog", "off_by_one", MISTAKES];
    assert_text!(kbpf(&args).ended(0));
}

#[test]
fn a_listing_in_json() {
    assert_json!(kbpf(&["disasm", "--json", "--prog", "correct", MISTAKES]).json(0));
}

#[test]
fn maps_as_text_and_in_json() {
    assert_text!(kbpf(&["maps", &example("dispatcher")]).ended(0));
    assert_json!(kbpf(&["maps", "--json", &example("dispatcher")]).json(0));
}

#[test]
fn an_object_and_what_is_in_it() {
    assert_text!(kbpf(&["inspect", MISTAKES]).ended(0));
    assert_json!(kbpf(&["inspect", "--json", MISTAKES]).json(0));
}

#[test]
fn a_flat_image_holds_what_the_object_holds() {
    let image = TempFile::new("image.kbi", &[]);
    kbpf(&["inspect", MISTAKES, "--flat", image.path()]).ended(0);
    let (object, flat) =
        (kbpf(&["disasm", "--json", MISTAKES]), kbpf(&["disasm", "--json", image.path()]));
    let bytes = |answer: serde_json::Value| -> Vec<String> {
        let programs = answer["programs"].as_array().unwrap().clone();
        let insns = programs.iter().flat_map(|p| p["insns"].as_array().unwrap().clone());
        insns.map(|insn| insn["bytes"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(bytes(object.json(0)), bytes(flat.json(0)));
    assert_eq!(
        kbpf(&["maps", "--json", MISTAKES]).json(0)["maps"],
        kbpf(&["maps", "--json", image.path()]).json(0)["maps"]
    );
}

#[test]
fn text_assembles_to_what_disassembles_to_it() {
    let hex = kbpf_with_input(&["asm", "-"], "r0 = 42\nexit\n").ended(0);
    assert_eq!(hex, "b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00\n");
    let json = kbpf_with_input(&["asm", "--json", "-"], "r0 = 42\nexit\n").json(0);
    assert_eq!((json["slots"].as_u64(), json["bytes"].as_str().unwrap().len()), (Some(2), 32));
    let source = TempFile::new("listing.s", b"r0 = 42\nexit\n");
    let listing = kbpf(&["disasm", source.path()]).ended(0);
    assert!(listing.contains("0: r0 = 42\n") && listing.contains("1: exit\n"), "{listing}");
}

#[test]
fn errors_of_the_assembler_name_line_and_column() {
    let error = kbpf_with_input(&["asm", "-"], "r0 = 1\n  r0 = r11\nexit\n").error(3);
    assert!(error.starts_with("kbpf: <stdin>:2:8: "), "{error}");
}

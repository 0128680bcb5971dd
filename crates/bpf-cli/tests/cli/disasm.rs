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

/// The form of the listing; which instructions the compiler chooses is tested
/// where it is made.
#[cfg(all(feature = "cloud-profile", target_arch = "x86_64"))]
#[test]
fn machine_code_stands_beside_the_bytecode() {
    let path = &example("socket_filter");
    let json = kbpf(&["disasm", "--jit", "--json", path]).json(0);
    let program = &json["programs"][0];
    let mut code = program["entry"].as_array().unwrap().clone();
    for insn in program["insns"].as_array().unwrap() {
        code.extend(insn["code"].as_array().unwrap().clone());
    }
    // Every byte is there once, and decodes.
    code.sort_by_key(|insn| insn["offset"].as_u64());
    let mut end = 0;
    for insn in &code {
        assert_eq!(insn["offset"].as_u64(), Some(end), "{insn}");
        assert_ne!(insn["text"], "(bad)", "{insn}");
        end += (insn["bytes"].as_str().unwrap().len() as u64).div_ceil(3);
    }
    assert!(code.iter().any(|insn| insn["text"] == "ret"), "{json}");

    // The text shows the same, the source above it.
    let text = kbpf(&["disasm", "--jit", "--source", "--prog", "socket_filter", path]);
    let text = text.ended(0);
    assert!(text.contains("\nentry:\n") && text.contains("\n; "), "{text}");
    let shown = |insn: &serde_json::Value| {
        format!(" {:>5x}  {}\n", insn["offset"].as_u64().unwrap(), insn["text"].as_str().unwrap())
    };
    for insn in &code {
        assert!(text.contains(&shown(insn)), "{insn} is not in\n{text}");
    }
}

/// A number of the program, and a call of a helper, without the modes and with them.
#[cfg(all(feature = "cloud-profile", target_arch = "x86_64"))]
#[test]
fn the_modes_of_the_compiler_show_in_its_code() {
    let text = "r6 = 0x5a5a5a5a\ncall 7\nr0 ^= r6\nexit\n";
    let file = TempFile::new("modes.s", text.as_bytes());
    let code = |modes: &[&str]| {
        let args = [&["disasm"], modes, &[file.path()]].concat();
        kbpf(&args).ended(0)
    };
    let (plain, both) = (code(&["--jit"]), code(&["--blinding", "--retpolines"]));
    let beside = |text: &str| text.matches("5A5A5A5Ah").count();
    assert_eq!((beside(&plain), beside(&both)), (1, 0), "{plain}{both}");
    let indirect = |text: &str| text.matches("call qword ptr").count();
    assert_eq!((indirect(&plain), indirect(&both)), (1, 0), "{plain}{both}");
    assert!(both.contains("lfence"), "{both}");
}

#[cfg(all(feature = "cloud-profile", target_arch = "x86_64"))]
#[test]
fn there_is_no_machine_code_of_what_is_not_verified() {
    let json = kbpf(&["disasm", "--jit", "--json", "--prog", "off_by_one", MISTAKES]).json(1);
    let program = &json["programs"][0];
    assert!(program["error"].as_str().unwrap().starts_with("not verified: "), "{program}");
    assert!(!program["insns"].as_array().unwrap().is_empty(), "{program}");
}

#[cfg(not(all(feature = "cloud-profile", target_arch = "x86_64")))]
#[test]
fn there_is_no_machine_code_without_a_compiler() {
    let json = kbpf(&["disasm", "--jit", "--json", "--prog", "correct", MISTAKES]).json(1);
    let error = json["programs"][0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("has no JIT compiler"), "{error}");
}

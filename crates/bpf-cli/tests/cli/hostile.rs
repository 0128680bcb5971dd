//! Input that means harm: errors, and nothing else.

use crate::support::{CAPTURE, MISTAKES, Ran, TempFile, example, kbpf, kbpf_with_input, root};

/// A sequence of numbers that is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap()
    }

    /// A copy of `bytes` in which a few are others, and which may be cut.
    fn mutated(&mut self, bytes: &[u8]) -> Vec<u8> {
        const TELLING: [u8; 6] = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff];
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.next() % 6 {
            let at = self.next() % bytes.len();
            bytes[at] = match self.next() % 3 {
                0 => TELLING[self.next() % TELLING.len()],
                1 => bytes[at] ^ (1 << (self.next() % 8)),
                _ => u8::try_from(self.next() % 256).unwrap(),
            };
        }
        if self.next().is_multiple_of(8) {
            bytes.truncate(self.next() % bytes.len());
        }
        bytes
    }
}

/// A file that takes nothing, where the system has one.
#[cfg(target_os = "linux")]
fn full() -> std::process::Stdio {
    std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

#[cfg(target_os = "linux")]
#[test]
fn outputs_that_cannot_be_written() {
    let tool = |args: &[&str]| {
        let mut tool = std::process::Command::new(env!("CARGO_BIN_EXE_kbpf"));
        tool.args(args).current_dir(root());
        tool
    };
    for args in [&["verify", MISTAKES][..], &["disasm", "--json", MISTAKES], &["--help"]] {
        let output = tool(args).stdout(full()).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{args:?}: {error}");
        assert!(error.starts_with("kbpf: standard output: "), "{error}");
    }
    // Nor can it be said what is wrong.
    for (args, code) in [(&["verify", "no such file"][..], 3), (&["verify"], 2)] {
        let status = tool(args).stderr(full()).stdout(std::process::Stdio::null()).status();
        assert_eq!(status.unwrap().code(), Some(code), "{args:?}");
    }
    // A reader that goes away changes no verdict.
    for (args, code) in [(&["verify", MISTAKES][..], 1), (&["disasm", "--json", MISTAKES], 0)] {
        let mut child = tool(args).stdout(std::process::Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{args:?}");
    }
}

#[test]
fn what_is_no_program_is_named() {
    let object = std::fs::read(root().join(example("xdp_firewall"))).unwrap();
    for (name, bytes, reason) in [
        ("cut.o", &object[..3000], "as if it were cut"),
        ("empty.o", &[], "the file is empty"),
        ("junk.o", &[7; 99], "neither an ELF object nor a flat image"),
        ("junk.s", &b"r0 = 0\n\xff"[..], "no text: byte 7 is not UTF-8"),
    ] {
        let file = TempFile::new(name, bytes);
        for command in ["verify", "run", "disasm", "maps", "inspect"] {
            let error = kbpf(&[command, file.path()]).error(3);
            assert!(error.contains(reason) && error.contains(name), "{command}: {error}");
        }
    }
    let folder = std::env::temp_dir().join(format!("kbpf-{}-nothing", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let error = kbpf(&["verify", folder.to_str().unwrap()]).error(3);
    assert!(error.contains("no objects") && error.contains("nothing"), "{error}");
    std::fs::remove_dir(&folder).unwrap();
}

/// A panic would end with code 101, a crash with none.
#[track_caller]
fn survives(ran: &Ran) {
    assert!(matches!(ran.code, Some(0 | 1 | 3)), "{ran:?}");
    assert!(!ran.err.contains("panicked"), "{ran:?}");
}

#[test]
fn mutated_objects_and_images() {
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    let image = example("dispatcher").replace(".o", ".kbi");
    for file in [MISTAKES, &example("xdp_firewall"), &image] {
        let bytes = std::fs::read(root().join(file)).unwrap();
        for _ in 0..40 {
            let mutant = TempFile::new("mutant", &numbers.mutated(&bytes));
            survives(&kbpf(&["verify", mutant.path()]));
            survives(&kbpf(&["run", mutant.path(), "--mem", &"00 ".repeat(40)]));
            survives(&kbpf(&["inspect", mutant.path()]));
        }
    }
}

#[test]
fn mutated_programs() {
    let mut numbers = Numbers(0xfeed_face_cafe_beef);
    let listing = kbpf(&["disasm", "--json", "--prog", "off_by_one", MISTAKES]).json(0);
    let insns = listing["programs"][0]["insns"].as_array().unwrap().clone();
    let bytes: Vec<u8> = insns
        .iter()
        .flat_map(|insn| insn["bytes"].as_str().unwrap().split(' '))
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let engine = if cfg!(feature = "cloud-profile") { "jit" } else { "interp" };
    for _ in 0..60 {
        let hex: Vec<_> = numbers.mutated(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        for engine in ["interp", engine] {
            let args = ["plugin", &"00 ".repeat(64), "--engine", engine];
            survives(&kbpf_with_input(&args, &hex.join(" ")));
        }
    }
}

#[test]
fn mutated_captures() {
    let mut numbers = Numbers(0x0bad_c0de_0bad_c0de);
    let bytes = std::fs::read(root().join(CAPTURE)).unwrap();
    let program = example("packet_histogram");
    for _ in 0..40 {
        let mutant = TempFile::new("mutant.pcap", &numbers.mutated(&bytes[..2000]));
        survives(&kbpf(&["run", &program, "--pcap", mutant.path()]));
    }
}

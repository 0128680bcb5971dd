//! `kbpf verify`.

use crate::support::{MISTAKES, PATIENCE, PROFILE, TempFile, example, kbpf};
use crate::{assert_json, assert_text};

#[test]
fn each_mistake_is_shown_with_its_line_and_the_way_there() {
    assert_text!(kbpf(&["verify", "--search-ms", PATIENCE, MISTAKES]).ended(1));
}

#[test]
fn a_rejection_in_json() {
    let args = ["verify", "--json", "--search-ms", PATIENCE, "--prog", "off_by_one", MISTAKES];
    assert_json!(kbpf(&args).json(1));
}

#[test]
fn an_accepted_program_in_json() {
    assert_json!(kbpf(&["verify", "--json", "--prog", "correct", MISTAKES]).json(0));
}

#[test]
fn every_program_of_every_file_is_verified() {
    let (firewall, dispatcher) = (example("xdp_firewall"), example("dispatcher"));
    let answer = kbpf(&["verify", "--json", &firewall, &dispatcher]).json(0);
    let names: Vec<_> = answer["programs"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 5);
    assert_eq!(answer["accepted"], 5);
    assert!(names.iter().any(|program| program["program"] == "handle_tcp"));
    assert!(names.iter().any(|program| program["file"] == firewall.as_str()));
}

#[test]
fn the_command_line_says_of_what_type_a_text_is() {
    let text = b"r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 1\nr0 = 1\n\
                 if r4 > r3 goto +1\nr0 = *(u8 *)(r2 +0)\nexit";
    let file = TempFile::new("packet.s", text);
    kbpf(&["verify", "--search-ms", "0", file.path()]).ended(1);
    kbpf(&["verify", "--type", "sched_cls", file.path()]).ended(1);
    kbpf(&["verify", "--type", "xdp", file.path()]).ended(0);
    let answer = kbpf(&["run", "--json", "--type", "xdp", "--mem", &"02".repeat(14), file.path()]);
    assert_eq!(answer.json(0)["verdicts"]["XDP_PASS"], 1);
}

const CONFIGURED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../bpf-loader/tests/objects/configured.bpf.o");

#[test]
fn the_command_line_says_what_the_kernel_is_like() {
    let verdicts = |args: &[&str]| {
        let answer = kbpf(&[&["verify", "--json", CONFIGURED], args].concat()).json(1);
        let programs = answer["programs"].as_array().unwrap().clone();
        move |name: &str| {
            let found = programs.iter().find(|program| program["program"] == name).unwrap();
            (found["verdict"].clone(), found["rejection"]["reason"].clone())
        }
    };
    let bare = verdicts(&[]);
    assert_eq!(bare("uses_version").0, "accepted");
    assert_eq!(bare("uses_variable").0, "unsupported");
    assert_eq!(bare("uses_config").1, "the configuration of the kernel has no `CONFIG_HZ`");
    assert_eq!(bare("unnamed_type").0, "not_loaded");

    let text = "# a comment\nCONFIG_HZ=250\nCONFIG_CC_VERSION_TEXT=\"clang\"\nCONFIG_SMP=n\n";
    let file = TempFile::new("config", text.as_bytes());
    let told = verdicts(&["--kconfig", file.path(), "--kconfig", "CONFIG_SMP=m", "--type", "tc"]);
    assert_eq!(told("uses_config").0, "accepted");
    assert_eq!(told("unnamed_type").0, "accepted");
    let reason = "the variable `CONFIG_SMP` does not hold what the kernel's configuration says";
    assert_eq!(told("uses_smp").1, reason);

    assert!(kbpf(&["verify", "--type", "lunch", CONFIGURED]).error(2).contains("sched_cls"));
    assert!(kbpf(&["verify", "--kconfig", "no/file", CONFIGURED]).error(3).contains("no/file"));
}

#[test]
fn programs_longer_than_the_static_capacity_are_verified() {
    let mut source = "r0 = 0\n".repeat(3000);
    source.push_str("exit\n");
    let file = TempFile::new("long.s", source.as_bytes());
    let answer = kbpf(&["verify", "--json", file.path()]).json(0);
    assert_eq!(answer["programs"][0]["info"]["max_insns"], 3001);
}

#[test]
fn colour_comes_only_when_asked_for() {
    assert!(!kbpf(&["verify", MISTAKES]).out.contains('\x1b'));
    assert!(kbpf(&["verify", "--color", "always", MISTAKES]).out.contains("\x1b[31;1m"));
    let json = kbpf(&["verify", "--color", "always", "--json", MISTAKES]);
    assert!(!json.out.contains('\x1b'));
}

#[test]
fn what_is_no_file_or_no_object_is_malformed_input() {
    for file in ["no/such/file.o", "Cargo.toml"] {
        assert!(kbpf(&["verify", file]).error(3).starts_with("kbpf: "), "{file}");
    }
    let other = kbpf(&["verify", "Cargo.toml"]).error(3);
    assert!(other.contains("neither an ELF object nor a flat image"), "{other}");
    let failed = kbpf(&["verify", "--json", "no/such/file.o"]).json(3);
    assert_eq!(failed["exit"], 3);
    assert_eq!(failed["profile"], PROFILE);
    assert!(failed["error"].as_str().unwrap().contains("no/such/file.o"));
}

#[test]
fn a_wrong_command_line_is_refused_with_its_own_code() {
    kbpf(&["verify"]).error(2);
    kbpf(&["verify", "--nonsense", MISTAKES]).error(2);
    kbpf(&["frobnicate"]).error(2);
    let error = kbpf(&["verify", "--prog", "nonexistent", MISTAKES]).error(2);
    assert!(error.contains("there are: correct, no_null_check,"), "{error}");
    assert!(kbpf(&["verify", "--help"]).ended(0).contains("Examples:"));
}

#[cfg(feature = "embedded-profile")]
mod embedded {
    use super::*;

    #[test]
    fn a_budget_of_time_is_kept() {
        kbpf(&["verify", "--wcet", "1000000", "--prog", "correct", MISTAKES]).ended(0);
        let text = kbpf(&["verify", "--wcet", "1", "--prog", "correct", MISTAKES]).ended(1);
        assert!(text.contains("Verification failed: real time:"), "{text}");
        // The path that takes longest, and where it ends.
        assert!(text.contains("Causal path:"), "{text}");
        assert!(text.contains(": exit"), "{text}");
    }

    /// The search ends with the first run that takes all that was proven, so that
    /// what it may take is far more than it needs.
    #[test]
    fn programs_take_the_time_that_was_proven() {
        for (file, program) in [
            ("dispatcher", "handle_tcp"),
            ("dispatcher", "handle_icmp"),
            ("socket_filter", "socket_filter"),
            ("xdp_firewall", "xdp_firewall"),
        ] {
            let file = example(file);
            let longest = ["--longest-ms", "300000", "--prog", program];
            let args = [&["verify", "--engines", "--json", &file], &longest[..]].concat();
            let found = &kbpf(&args).json(0)["programs"][0];
            let (wcet, longest) = (&found["info"]["wcet"], &found["longest"]);
            assert_eq!(*wcet, longest["units"], "{program}: {longest}");
        }
    }

    #[test]
    fn what_the_profile_lacks_is_named() {
        let text = kbpf(&["verify", &example("xdp_firewall_cloud")]).ended(1);
        assert!(text.contains("Verification failed: unsupported:"), "{text}");
        assert!(text.contains("lpm_trie"), "{text}");
    }
}

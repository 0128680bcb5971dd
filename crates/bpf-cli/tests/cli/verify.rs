//! `kbpf verify`.

use crate::support::{MISTAKES, PROFILE, TempFile, example, kbpf};
use crate::{assert_json, assert_text};

#[test]
fn each_mistake_is_shown_with_its_line_and_the_way_there() {
    assert_text!(kbpf(&["verify", MISTAKES]).ended(1));
}

#[test]
fn a_rejection_in_json() {
    assert_json!(kbpf(&["verify", "--json", "--prog", "off_by_one", MISTAKES]).json(1));
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

    #[test]
    fn what_the_profile_lacks_is_named() {
        let text = kbpf(&["verify", &example("xdp_firewall_cloud")]).ended(1);
        assert!(text.contains("Verification failed: unsupported:"), "{text}");
        assert!(text.contains("lpm_trie"), "{text}");
    }
}

//! `kbpf run`.

use serde_json::Value;

use crate::support::{CAPTURE, MISTAKES, PROFILE, TempFile, example, kbpf};
use crate::{assert_json, assert_text};

/// The engines of this build.
const ENGINES: &[&str] =
    if cfg!(feature = "cloud-profile") { &["interp", "jit"] } else { &["interp"] };

const FRAME: &str = "02 00 00 00 00 01 02 00 00 00 00 02 08 00 45 00 00 00";

#[test]
fn a_run_as_text() {
    assert_text!(kbpf(&["run", MISTAKES, "--mem", FRAME, "--engine", "interp"]).ended(0));
}

#[test]
fn a_run_in_json() {
    let entry = "counters=00000000:2a00000000000000";
    let args = ["run", MISTAKES, "--json", "--mem", FRAME, "--engine", "interp", "--map", entry];
    assert_json!(kbpf(&args).json(0));
}

/// What must not depend on the engine.
fn essence(answer: &Value) -> [&Value; 5] {
    ["verdicts", "results", "digest", "maps", "faults"].map(|field| &answer[field])
}

/// The compiler's modes imply the compiler, and give what it gives.
#[test]
fn the_modes_of_the_compiler_change_nothing() {
    let file = example("packet_histogram");
    let run = |more: &[&str]| kbpf(&[&["run", &file, "--json", "--pcap", CAPTURE], more].concat());
    let modes = ["--blinding", "--retpolines"];
    if PROFILE == "cloud" {
        let answer = run(&modes).json(0);
        assert_eq!(answer["engine"], "jit");
        assert_eq!(essence(&answer), essence(&run(&[]).json(0)));
    } else {
        run(&modes).json(1);
    }
    run(&["--engine", "interp", "--blinding"]).json(1);
}

#[test]
fn all_engines_agree_about_the_capture() {
    let examples =
        ["dispatcher", "packet_histogram", "rate_limiter", "socket_filter", "xdp_firewall"];
    for name in examples {
        let file = example(name);
        let default = kbpf(&["run", &file, "--json", "--pcap", CAPTURE]).json(0);
        let expected = if PROFILE == "cloud" { "jit" } else { "interp" };
        assert_eq!(default["engine"], expected, "{name}");
        for engine in ENGINES {
            let args = ["run", &file, "--json", "--pcap", CAPTURE, "--engine", engine];
            let answer = kbpf(&args).json(0);
            assert_eq!(answer["engine"], *engine);
            assert_eq!(essence(&answer), essence(&default), "{name} on {engine}");
        }
        let sum: u64 =
            default["verdicts"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(default["inputs"], sum, "{name}");
        assert!(default["verdicts"]["skipped"].as_u64() > Some(0), "{name}");
    }
}

#[test]
fn what_is_let_through_is_written_and_reads_back() {
    let out = TempFile::new("out.pcap", &[]);
    let file = example("xdp_firewall");
    let answer = kbpf(&["run", &file, "--json", "--pcap", CAPTURE, "--out", out.path()]).json(0);
    let again = kbpf(&["run", &file, "--json", "--pcap", out.path()]).json(0);
    assert_eq!(again["inputs"], answer["verdicts"]["XDP_PASS"]);
}

#[test]
fn repeating_multiplies_what_programs_count() {
    let count = |repeat| {
        let args = ["run", MISTAKES, "--json", "--mem", FRAME, "--repeat", repeat];
        let entry = ["--map", "counters=00000000:0000000000000000"];
        kbpf(&[&args[..], &entry].concat()).json(0)["maps"][0]["entries"][0]["value"].clone()
    };
    assert_eq!(count("1"), "0100000000000000");
    assert_eq!(count("7"), "0700000000000000");
}

#[test]
fn programs_of_other_types_take_bytes() {
    let file = example("sensor_filter");
    let args = ["run", &file, "--json", "--ctx", &"00 ".repeat(24)];
    assert_eq!(kbpf(&args).json(0)["inputs"], 1);
    // Too few bytes are refused before the program starts.
    let refused = kbpf(&["run", &file, "--json", "--ctx", "00"]).json(1);
    assert_eq!(refused["verdicts"]["fault"], 1);
    assert!(refused["faults"][0]["error"].as_str().unwrap().contains("not started"));
}

#[test]
fn a_rejected_program_does_not_run() {
    let text = kbpf(&["run", MISTAKES, "--prog", "off_by_one", "--mem", FRAME]).ended(1);
    assert!(text.contains("Verification failed:") && text.contains("Causal path:"), "{text}");
    let json = ["run", MISTAKES, "--prog", "off_by_one", "--mem", FRAME, "--json"];
    assert_eq!(kbpf(&json).json(1)["rejection"]["program"], "off_by_one");
}

#[test]
fn a_budget_below_the_proven_bound_is_refused() {
    let answer = kbpf(&["run", MISTAKES, "--json", "--mem", FRAME, "--budget", "3"]).json(1);
    assert!(answer["faults"][0]["error"].as_str().unwrap().contains("the budget is 3"));
}

#[test]
fn input_of_another_form_is_a_wrong_command_line() {
    let (xdp, sensor) = (example("xdp_firewall"), example("sensor_filter"));
    for args in [
        &["run", &sensor, "--pcap", CAPTURE][..],
        &["run", &xdp, "--ctx", "00"],
        &["run", &xdp],
        &["run", &xdp, "--mem", FRAME, "--repeat", "0"],
        &["run", &sensor, "--out", "out.pcap"],
        &["run", &xdp, "--mem", FRAME, "--map", "nonexistent=00:00"],
        &["run", &xdp, "--mem", FRAME, "--map", "nonsense"],
        &["run", &xdp, "--mem", FRAME, "--map", "block_list=00:0000000000000000"],
        &["run", &xdp, "--mem", FRAME, "--map", "block_list=00000000:00"],
        &["run", &xdp, "--mem", "0g"],
        &["run", &sensor, "--ctx", "00", "--mem", "00"],
    ] {
        kbpf(args).error(2);
    }
    kbpf(&["run", &xdp, "--pcap", "Cargo.toml"]).error(3);
}

#[cfg(feature = "embedded-profile")]
mod embedded {
    use super::*;

    #[test]
    fn what_the_profile_lacks_is_named() {
        let error = kbpf(&["run", MISTAKES, "--mem", FRAME, "--engine", "jit"]).error(1);
        assert!(error.contains("the embedded profile has no JIT compiler"), "{error}");
        let file = example("xdp_firewall_cloud");
        let text = kbpf(&["run", &file, "--pcap", CAPTURE]).ended(1);
        assert!(text.contains("lpm_trie") && text.contains("embedded"), "{text}");
    }
}

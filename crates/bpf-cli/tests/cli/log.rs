//! The log in the format of Linux's verifier.

use crate::support::{MISTAKES, TempFile, kbpf};

/// Branches, a spilled register, and an error on one of the paths.
const PROGRAM: &str = "\
r6 = r1
r2 = *(u32 *)(r6 +16)
*(u64 *)(r10 -8) = r2
r0 = 1
if r2 > 7 goto out
r0 = *(u8 *)(r2 +0)
out: exit
";

fn verbose(flag: &str, name: &str, source: &str, code: i32) -> String {
    let file = TempFile::new(name, source.as_bytes());
    kbpf(&["verify", flag, "--search-ms", "0", file.path()]).ended(code)
}

#[test]
fn lines_are_those_of_linux() {
    let text = verbose("-v", "log.s", PROGRAM, 1);
    let log: Vec<&str> = text.lines().take(9).collect();
    let scalar = "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))";
    let small = "scalar(smin=smin32=0,smax=umax=smax32=umax32=7,var_off=(0x0; 0x7))";
    let expected = [
        "0: R1=ctx() R10=fp0".to_owned(),
        "0: (bf) r6 = r1                       ; R1=ctx() R6=ctx()".to_owned(),
        format!("1: (61) r2 = *(u32 *)(r6 +16)         ; R2={scalar} R6=ctx()"),
        format!("2: (7b) *(u64 *)(r10 -8) = r2         ; R2={scalar} R10=fp0 fp-8={scalar}"),
        "3: (b7) r0 = 1                        ; R0=1".to_owned(),
        format!("4: (25) if r2 > 0x7 goto pc+1         ; R2={small} fp-8={small}"),
        "5: (71) r0 = *(u8 *)(r2 +0)".to_owned(),
        "R2 invalid mem access 'scalar'".to_owned(),
    ];
    // Identities of copies are numbered as the verifier likes.
    let without_ids = |line: &str| {
        let mut line = line.to_owned();
        while let Some(at) = line.find("id=") {
            let end = line[at..].find(',').map_or(line.len(), |comma| at + comma + 1);
            line.replace_range(at..end, "");
        }
        line
    };
    let shown: Vec<String> = log[..8].iter().map(|line| without_ids(line)).collect();
    assert_eq!(shown, expected, "{text}");
    assert!(log[8].starts_with("processed 6 insns (limit 1500000) max_states_per_insn "), "{text}");
    assert!(log[8].ends_with(" mark_read 0"), "{text}");
}

#[test]
fn every_path_is_there_with_vv_and_the_last_one_without() {
    let good = PROGRAM.replace("r0 = *(u8 *)(r2 +0)", "r0 = 2");
    let text = verbose("-vv", "log-all.s", &good, 0);
    // A number that nothing rests on does not keep paths apart.
    assert!(text.contains("\n\nfrom 4 to 6: safe\n"), "{text}");
    assert_eq!(text.matches("\n6: (95) exit").count(), 1, "{text}");
    let other = good.replace("out: exit", "exit\nout: r0 = 3\nexit");
    let text = verbose("-vv", "log-both.s", &other, 0);
    assert!(text.contains("\n\nfrom 4 to 7: "), "{text}");

    let text = verbose("-v", "log-none.s", &good, 0);
    assert!(text.starts_with("processed 7 insns"), "{text}");
}

#[test]
fn source_lines_frames_and_calls_are_there() {
    let args = ["verify", "-v", "--search-ms", "0", "--prog", "off_by_one", MISTAKES];
    let text = kbpf(&args).ended(1);
    for line in
        ["; if (data + 14 > end) @ mistakes.bpf.c:54", "caller:", "callee:", "7: (85) call pc+5"]
    {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(text.contains("\n13: frame1: R1=pkt(r=14) R2=pkt_end() R3="), "{text}");
}

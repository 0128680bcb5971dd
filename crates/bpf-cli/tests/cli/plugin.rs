//! `kbpf plugin`.

use crate::support::{Ran, kbpf, kbpf_with_input};

/// The engines of this build, and what they are asked for.
const ENGINES: &[&[&str]] = if cfg!(feature = "cloud-profile") {
    &[&["--engine", "interp"], &["--engine", "jit"], &["--blinding", "--retpolines"]]
} else {
    &[&["--engine", "interp"]]
};

fn assembled(source: &str) -> String {
    kbpf_with_input(&["asm", "-"], source).ended(0)
}

/// Runs a program over memory on every engine.
fn on_all(source: &str, memory: &str, check: impl Fn(Ran, &[&str])) {
    let program = assembled(source);
    for engine in ENGINES {
        let args = [&["plugin", memory], *engine].concat();
        check(kbpf_with_input(&args, &program), engine);
    }
}

#[track_caller]
fn gives(source: &str, memory: &str, r0: &str) {
    on_all(source, memory, |ran, engine| assert_eq!(ran.ended(0), format!("{r0}\n"), "{engine:?}"));
}

#[track_caller]
fn fails(source: &str, memory: &str, reason: &str) {
    on_all(source, memory, |ran, engine| {
        let error = ran.error(1);
        assert!(error.contains(reason), "{engine:?}: {error}");
    });
}

#[test]
fn r0_comes_as_lower_case_hex() {
    gives("r0 = 42; exit", "", "2a");
    gives("r0 = -1; exit", "", "ffffffffffffffff");
    gives("r0 = 0; exit", "", "0");
    let program = assembled("r0 = 7; exit");
    assert_eq!(kbpf_with_input(&["plugin"], &program).ended(0), "7\n");
}

#[test]
fn the_interpreter_makes_no_code() {
    let program = assembled("r0 = 7; exit");
    let ran = kbpf_with_input(&["plugin", "", "--engine", "interp", "--retpolines"], &program);
    assert!(ran.error(1).contains("the interpreter makes no code"));
}

#[test]
fn memory_is_behind_r1_and_its_length_in_r2() {
    gives("r0 = *(u16 *)(r1 +1); exit", "01 02 03 04", "302");
    gives("r0 = r2; exit", "01 02 03 04", "4");
    gives("*(u8 *)(r1 +0) = 9; r0 = *(u8 *)(r1 +0); exit", "01", "9");
    gives("r0 = r1; r0 += r2; exit", "", "0");
}

#[test]
fn helper_5_takes_nonsense() {
    gives("r1 = -1; call 5; r0 = 2; exit", "", "2");
}

#[test]
fn what_a_program_may_not_do_is_a_failure() {
    fails("r0 = *(u8 *)(r1 +4); exit", "01 02 03 04", "insn 0: invalid access to memory");
    fails("r0 = *(u64 *)(r1 +1); exit", "01 02 03 04 05 06 07 08", "invalid access to memory");
    fails("r1 = 0; r0 = *(u64 *)(r1 +0); exit", "", "invalid access to memory");
    fails("*(u64 *)(r10 +0) = 1; r0 = 0; exit", "", "invalid access to memory");
    fails("call 4096; exit", "", "unknown helper 4096");
    fails("l: goto l; exit", "", "instruction budget used up");
    fails("l: call l; exit", "", "call depth");
}

#[test]
fn what_is_no_program_is_a_failure() {
    for input in ["", "zz", "b7", "ff ff ff ff ff ff ff ff", "b7 00 00 00 2a 00 00 00"] {
        let error = kbpf_with_input(&["plugin"], input).error(1);
        assert!(error.starts_with("kbpf: program"), "{input}: {error}");
    }
    assert!(kbpf_with_input(&["plugin", "0"], "").error(1).starts_with("kbpf: memory"));
}

#[test]
fn arguments_as_suites_give_them() {
    let program = assembled("r0 = r2; exit");
    let args = ["plugin", "01  02  03  ", "--engine interp"];
    assert_eq!(kbpf_with_input(&args, &program.replace(' ', "  ")).ended(0), "3\n");
    assert_eq!(kbpf_with_input(&["plugin", "", ""], &program).ended(0), "0\n");
}

#[test]
fn json_is_refused() {
    let program = assembled("r0 = 1; exit");
    let answer = kbpf_with_input(&["plugin", "--json"], &program).json(2);
    assert_eq!(answer["exit"], 2);
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut tool = std::process::Command::new(env!("CARGO_BIN_EXE_kbpf"));
    tool.args(["plugin"]).stdin(std::process::Stdio::piped()).stdout(full);
    let mut child = tool.stderr(std::process::Stdio::null()).spawn().unwrap();
    let program = assembled("r0 = 1; exit");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), program.as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn an_engine_that_does_not_exist_is_a_failure() {
    kbpf(&["plugin", "--engine", "none"]).error(2);
    #[cfg(feature = "embedded-profile")]
    {
        let program = assembled("r0 = 1; exit");
        let error = kbpf_with_input(&["plugin", "--engine", "jit"], &program).error(1);
        assert!(error.contains("no JIT compiler"), "{error}");
    }
}

//! A thousand programs, compiled, run and dropped in each way there is, leave neither
//! memory of the heap nor pages behind, but for those that the first has left; and of a
//! hundred that were there at once few pages stay. One test, in a process of its own, as
//! it counts the process's pages; of the heap, what its thread has: the one that began it
//! takes notes meanwhile.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfProgType, BpfProgram, ProgramBuilder};
use bpf_interp::{BpfContext, BpfExecutor};
use bpf_jit_x86::{CompileOptions, CompiledProgram, HostMemory, JitExecutor};
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;

/// The system's allocator, with a count of the bytes that each thread has in use.
struct Counting;

thread_local! {
    static IN_USE: Cell<isize> = const { Cell::new(0) };
}

/// Bytes that this thread has in use.
fn bytes() -> isize {
    IN_USE.get()
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.set(bytes() + layout.size().cast_signed());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.set(bytes() - layout.size().cast_signed());
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Pages of code, and of nothing: the guards.
fn pages() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the process's maps");
    let size = |line: &str| {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next()?, words.next()?);
        let (from, to) = range.split_once('-')?;
        let parse = |text| usize::from_str_radix(text, 16).ok();
        (rights == "---p" || rights == "r-xp").then_some((parse(to)? - parse(from)?) / 4096)
    };
    maps.lines().filter_map(size).sum()
}

fn program(round: u32) -> BpfProgram<ActiveProfile> {
    let text = format!("r6 = {round}\ncall local f\nr0 += r6\nexit\nf: r0 = 0\nexit");
    let insns = assemble::<ActiveProfile>(&text).expect("a program");
    ProgramBuilder::new(BpfProgType::Syscall).insns(&insns).build().expect("a program")
}

/// Compiles a program in each way, runs it and drops it.
fn round(number: u32) {
    let key = Cell::new(u64::from(number));
    let random = || {
        key.set(key.get().wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1));
        key.get()
    };
    let program = program(number);
    let verified = Verifier::new().verify_program(&program).expect("safe");
    let jit = JitExecutor::new();
    for options in [
        CompileOptions::new(),
        CompileOptions::new().with_blinding(&random),
        CompileOptions::new().with_retpolines(),
    ] {
        for compiled in [
            CompiledProgram::compile_with(&verified, &HostMemory, &options),
            CompiledProgram::compile_checked_with(&program, &HostMemory, &options),
        ] {
            let compiled = compiled.expect("code");
            assert_eq!(jit.execute(&compiled, &BpfContext::empty()), Ok(number.into()));
        }
    }
}

#[test]
fn a_thousand_programs_leave_nothing() {
    // What is made once and stays is made here.
    round(0);
    let _ = pages();
    let (bytes_before, pages_before) = (bytes(), pages());
    for number in 0..1000 {
        round(number);
    }
    assert_eq!(pages(), pages_before);
    assert_eq!(bytes(), bytes_before);

    // The count counts: what is kept is seen.
    let kept = CompiledProgram::compile_checked(&program(1), &HostMemory).expect("code");
    assert_eq!(pages(), pages_before + 1, "code, between guards that were kept");
    assert!(bytes() > bytes_before);
    drop(kept);
    assert_eq!((pages(), bytes()), (pages_before, bytes_before));

    // Of many that are there at once, all but a few go back.
    let compile = |number| CompiledProgram::compile_checked(&program(number), &HostMemory);
    let many: Vec<_> = (0..100).map(|number| compile(number).expect("code")).collect();
    assert!(pages() >= 300, "each with a guard at each end");
    drop(many);
    assert!(pages() <= pages_before + 2 * 3, "guards of four mappings, of which one was there");
    assert_eq!(bytes(), bytes_before);
}

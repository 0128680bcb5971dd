//! The XDP firewall on its way from an object file to verdicts, on both engines.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::error::Error;
use core::sync::atomic::{AtomicU64, Ordering};

use kernel_bpf::bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
use kernel_bpf::execution::{
    BpfContext, BpfExecutor, BpfResult, CompiledProgram, Environment, JitExecutor, Platform,
    VerifiedInterpreter,
};
use kernel_bpf::live;
use kernel_bpf::loader::flat::{Aligned, FlatImage};
use kernel_bpf::maps::{AnyMap, BpfMap};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::Verifier;

use crate::capture::{Packet, packets};
use crate::code::Arena;
use crate::console::println;
use crate::paging;

static IMAGE: &Aligned<[u8]> = &Aligned(*include_bytes!("../../programs/xdp_firewall.bpf.kbi"));
static CAPTURE: &[u8] = include_bytes!("../../captures/traffic.pcap");
/// What Linux decided about each frame of the capture, one digit per frame.
static LINUX: &str = include_str!("../../captures/linux-verdicts.txt");

/// Room before a packet, and the end of the frame it lies in, as Linux has them.
const HEADROOM: usize = 256;
const FRAME_END: usize = 4096 - 320;

type Map = AnyMap<ActiveProfile>;
type Verdicts = Vec<u64>;
/// One execution on some engine.
type Execute<'x> = dyn Fn(Environment<'_>, &BpfContext<'_>) -> BpfResult + 'x;

/// The clock that programs read: when the packet at hand was seen.
#[derive(Default)]
struct Replay(AtomicU64);

impl Platform for Replay {
    fn now_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Verifies the firewall, compiles it, and runs it over the capture.
pub fn run() -> Result<(), Box<dyn Error>> {
    refuse()?;

    let image = FlatImage::parse(&IMAGE.0)?;
    let program = image.program("xdp_firewall")?.builder::<ActiveProfile>().build()?;
    let verified = Verifier::<ActiveProfile>::new().verify_program(&program)?;
    let info = verified.info();
    println!(
        "xdp_firewall: verified, processed {} insns, {} at the most, stack {} B",
        info.processed, info.max_insns, info.stack_bytes
    );
    let compiled = CompiledProgram::compile(&verified, &Arena)?;
    println!("xdp_firewall: compiled to {} B", compiled.code().len());
    let loose = paging::writable_and_executable();
    if loose != 0 {
        return Err(format!("{loose} pages are writable and executable").into());
    }
    println!("no page is writable and executable");

    let jit = replay(&image, &|env, context| {
        JitExecutor::<ActiveProfile>::with_env(env).execute(&compiled, context)
    })?;
    let interpreted = replay(&image, &|env, context| {
        VerifiedInterpreter::<ActiveProfile>::with_env(env).execute(&verified, context)
    })?;

    let mut counts = BTreeMap::new();
    for verdict in &jit {
        *counts.entry(*verdict).or_insert(0_u32) += 1;
    }
    println!(
        "xdp_firewall: {} packets, {} passed, {} dropped",
        jit.len(),
        counts.get(&2).unwrap_or(&0),
        counts.get(&1).unwrap_or(&0)
    );
    if jit != interpreted {
        let first = jit.iter().zip(&interpreted).position(|(jit, other)| jit != other);
        return Err(format!("the engines disagree, first at packet {first:?}").into());
    }
    println!("engines agree: jit and interpreter");
    as_linux(&jit)
}

/// Compares verdicts with those that Linux gave. It runs no frame below the
/// length of an Ethernet header.
fn as_linux(verdicts: &[u64]) -> Result<(), Box<dyn Error>> {
    let row = LINUX.lines().find_map(|line| line.strip_prefix("xdp_firewall "));
    let row = row.ok_or("no verdicts of Linux")?;
    if row.len() != verdicts.len() {
        return Err("Linux saw another capture".into());
    }
    let differs = |(digit, verdict): &(char, &u64)| {
        digit.to_digit(10).is_some_and(|digit| u64::from(digit) != **verdict)
    };
    if let Some(packet) = row.chars().zip(verdicts).position(|pair| differs(&pair)) {
        return Err(format!("Linux decided otherwise about packet {packet}").into());
    }
    println!("verdicts are those of Linux");
    Ok(())
}

/// A program that reads the packet without asking how long it is.
fn refuse() -> Result<(), Box<dyn Error>> {
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
        .insn(BpfInsn::ldx_w(2, 1, 0))
        .insn(BpfInsn::ldx_b(0, 2, 0))
        .insn(BpfInsn::exit())
        .build()?;
    match Verifier::<ActiveProfile>::new().verify(&program) {
        Ok(()) => Err("an unsafe program was accepted".into()),
        Err(error) => {
            println!("refused, as it should be: {error}");
            Ok(())
        }
    }
}

/// Runs `execute` over every packet, with maps of its own.
fn replay(image: &FlatImage<'_>, execute: &Execute<'_>) -> Result<Verdicts, Box<dyn Error>> {
    let maps = live::of_image(image).collect::<Result<Vec<Map>, _>>()?;
    let maps: Vec<&dyn BpfMap> = maps.iter().map(|map| map as &dyn BpfMap).collect();
    let clock = Replay::default();
    let env = Environment::standard().with_maps(&maps).with_platform(&clock);

    let mut verdicts = Verdicts::new();
    for packet in packets(CAPTURE).ok_or("the image holds no capture")? {
        verdicts.push(one(env, &clock, &packet, execute)?);
    }
    Ok(verdicts)
}

fn one(
    env: Environment<'_>,
    clock: &Replay,
    packet: &Packet<'_>,
    execute: &Execute<'_>,
) -> Result<u64, Box<dyn Error>> {
    clock.0.store(packet.time_ns, Ordering::Relaxed);
    let end = HEADROOM + packet.data.len();
    let mut frame = vec![0; end.max(FRAME_END)];
    frame[HEADROOM..end].copy_from_slice(packet.data);
    let context = BpfContext::xdp_md(&mut frame, HEADROOM..end)?.with_ifindex(1);
    // The verdict is the low half of R0.
    Ok(execute(env, &context)? & u64::from(u32::MAX))
}

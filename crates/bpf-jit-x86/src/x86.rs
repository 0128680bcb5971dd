//! From operations to machine code of x86-64.
//!
//! Checked code is encoded operation by operation. Of proven code `flow` finds
//! the loops, and `select` which instructions do what is asked for. `encode` puts instructions into bytes, `relax` takes the short forms of
//! jumps.
//!
//! The code of a program is laid out as
//!
//! ```text
//! entry:   save those of the host's registers that change, call body,
//!          restore them, return to the host
//! body:    load the entry registers          <- tail calls enter here
//!          the program's instructions
//!          stops of the instruction budget, lookups that leave the short way
//! thunks:  what calling out takes, once for each function that is called
//! exit:    return to the entry, from however deep, where one of these may stop
//! ```
//!
//! A program of one function that never asks the host is its own entry, for the host and
//! for tail calls: it saves what it changes, and its exits restore that.
//!
//! A BPF function is a native function: a call is a `call`, an exit a `ret`.
//! The caller saves what it needs of R6 to R10, in proven code only what the
//! function writes, so that a function needs neither prologue nor epilogue, and
//! unverified code may jump from one function into another. Functions keep
//! nothing else on the native stack, so that a tail call is a jump. In the body
//! of a function with a frame the stack pointer is 8 above a multiple of 16.

#![allow(
    clippy::useless_conversion,
    clippy::used_underscore_binding,
    reason = "what `dynasm!` expands to"
)]

use alloc::vec::Vec;

use bpf_bytecode::Register;
use bpf_bytecode::opcode::Size;

use crate::descriptor::Stop;
use crate::error::CompileError;
use crate::flow::Flow;
use crate::functions::Functions;
use crate::lower::{Lowered, Mode, Op, Order, Registers};
use crate::options::CompileOptions;
use crate::runtime::Shim;

mod align;
mod alu;
mod atomic;
mod blinding;
mod buffer;
mod callback;
mod checked;
mod control;
mod encode;
mod features;
mod frame;
mod indirect;
mod link;
mod mem;
mod muldiv;
mod places;
mod regs;
mod relax;
mod select;
mod shift;
mod thunk;
mod value;

use buffer::{CodeBuffer, Label};
use encode::Rm;
pub(crate) use features::Features;
use indirect::Indirect;
use link::Miss;
pub(crate) use places::Places;
use regs::{SESSION, native};
use select::Selector;
use thunk::Thunks;

/// A byte that stops the CPU where no code is.
pub(crate) const TRAP: u8 = 0xcc;

/// What code wants of the host while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Nothing: it calls no function of the host, and is not stopped.
    Nothing,
    /// Values of maps, and what the platform says.
    Answers,
    /// A run, which knows what memory it may touch.
    Run,
}

/// Machine code of a program.
#[derive(Debug)]
pub(crate) struct MachineCode<'w> {
    /// The code. It is entered at its first byte.
    pub(crate) bytes: &'w [u8],
    /// How many bytes behind a multiple of 64 it is best to begin.
    pub(crate) start: usize,
    /// Where a tail call enters.
    pub(crate) body: usize,
    /// What the code wants of the host while it runs.
    pub(crate) wants: Wants,
    /// For each slot where its code begins.
    pub(crate) places: Places,
}

/// Memory to work in, of use for one program after the other.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    flow: Flow,
    functions: Functions,
    code: CodeBuffer,
}

/// Encodes a program.
///
/// # Errors
/// [`CompileError`] without heap memory, or when there is too much code.
pub(crate) fn emit<'w>(
    lowered: &Lowered<'_>,
    features: Features,
    options: &CompileOptions<'_>,
    workspace: &'w mut Workspace,
) -> Result<MachineCode<'w>, CompileError> {
    let Workspace { flow, functions, code } = workspace;
    let (mut changed, mut read) = (Registers::ALL, Registers::ALL);
    let (mut closed, mut quiet) = (false, false);
    if lowered.mode == Mode::Proven {
        flow.find(lowered)?;
        functions.find(lowered)?;
        changed = lowered.changed();
        read = lowered.live_at(0).with(changed.and(Registers::of(Register::R10)));
        (closed, quiet) = (lowered.is_closed(), lowered.is_quiet());
    }
    // What is asked for with every instruction is at hand, and no reference to it.
    let mut emitter = Emitter::new(lowered, features, options, core::mem::take(code));
    let body = if closed {
        // Where R1 is as the program finds it, it holds the session.
        let soon = lowered.is_soon_known() && !read.has(Register::R1);
        emitter.closed_entry(changed, soon)
    } else {
        emitter.entry(changed, quiet)
    };
    emitter.body(read);
    match lowered.mode {
        Mode::Proven => {
            emitter = Selector::new(emitter, lowered, flow, functions).run();
        }
        Mode::Checked => emitter.one_by_one(&lowered.ops),
    }
    emitter.budget_stops();
    emitter.misses();
    emitter.thunks();
    emitter.retpoline();
    let wants = emitter.wants(quiet);
    *code = emitter.code;
    code.finish()?;
    let body = code.moved_place(body).ok_or(CompileError::TooLarge)?;
    let places = Places::new(code)?;
    let start = buffer::index(code.start).unwrap_or(0);
    Ok(MachineCode { bytes: code.code(), start, body, wants, places })
}

/// Code under construction.
struct Emitter<'o> {
    code: CodeBuffer,
    mode: Mode,
    features: Features,
    /// Where random numbers come from that hide those of the program.
    random: Option<&'o dyn Fn() -> u64>,
    indirect: Indirect,
    /// The register with the session's address.
    session: u8,
    /// Registers of the host that an exit restores.
    saved: Registers,
    /// The first byte.
    start: Label,
    /// Bytes that a call zeroes.
    zeroed: u32,
    /// Leaves a program that was stopped.
    exit: Label,
    thunks: Thunks,
    /// Where the budget of an instruction is used up, and its slot.
    budget_stops: Vec<(Label, usize)>,
    /// What the host is asked for where code does not find it by itself.
    misses: Vec<Miss>,
}

impl<'o> Emitter<'o> {
    fn new(
        lowered: &Lowered<'_>,
        features: Features,
        options: &CompileOptions<'o>,
        mut code: CodeBuffer,
    ) -> Self {
        let per_slot = match lowered.mode {
            Mode::Proven => 5,
            Mode::Checked => 32,
        };
        let bytes = lowered.slots.saturating_mul(per_slot).saturating_add(128);
        code.begin(bytes, lowered.slots);
        let start = code.label();
        code.bind(start);
        let indirect =
            if options.retpolines() { Indirect::Retpoline(code.label()) } else { Indirect::Plain };
        Self {
            exit: code.label(),
            start,
            code,
            mode: lowered.mode,
            features,
            random: options.random(),
            indirect,
            session: SESSION,
            saved: Registers::NONE,
            zeroed: lowered.zeroed,
            thunks: Thunks::default(),
            budget_stops: Vec::new(),
            misses: Vec::new(),
        }
    }

    /// Encodes operations, each by itself.
    fn one_by_one(&mut self, ops: &[(u32, Op)]) {
        let mut last = None;
        for (pc, op) in ops {
            if last != Some(*pc) {
                self.code.bind(CodeBuffer::slot(*pc));
                last = Some(*pc);
            }
            self.one(*pc, *op);
        }
    }

    /// Encodes one operation, on the registers themselves.
    fn one(&mut self, slot: u32, op: Op) {
        let pc = usize::try_from(slot).unwrap_or(usize::MAX);
        match op {
            Op::Nothing | Op::ZeroExtend { from: Size::Dw, .. } => {}
            Op::Count => self.count(pc),
            Op::Trap(trap) => self.stop(pc, Stop::Trap(trap)),
            Op::Alu { op, width, dst, src } => self.alu(op, width, dst, src),
            Op::Neg { width, dst } => self.negate(width, native(dst)),
            Op::Move { width, dst, src } => self.copy(width, native(dst), native(src)),
            Op::Const { dst, value } => self.set_chosen(native(dst), value),
            Op::SignExtend { width, from, dst, src } => {
                self.sign_extend(width, from, native(dst), Rm::Reg(native(src)));
            }
            Op::ZeroExtend { from, dst } => {
                self.zero_extend(from, native(dst), Rm::Reg(native(dst)));
            }
            Op::Swap { size, dst } => self.swap(size, native(dst), false),
            // The CPU's loads acquire and its stores release.
            Op::Load { size, signed, order, dst, at } => match self.mode {
                Mode::Proven => {
                    let at = self.chosen_place(at);
                    self.load(size, signed, native(dst), at);
                }
                Mode::Checked => self.load_checked(pc, (size, signed), order, dst, at),
            },
            Op::Store { size, order, at, src } => match self.mode {
                Mode::Proven => {
                    let (at, src) = (self.chosen_place(at), self.chosen(src));
                    self.store(size, at, src);
                }
                Mode::Checked => self.store_checked(pc, size, order, at, src),
            },
            Op::StoreField { size, at, src } => {
                self.store_checked(pc, size, Order::Relaxed, at, src);
            }
            Op::Atomic { op, fetch, width, at, src } => match self.mode {
                Mode::Proven => {
                    let at = self.chosen_place(at);
                    self.atomic(op, fetch, width, at, native(src));
                }
                Mode::Checked => self.atomic_checked(pc, (op, fetch), width, at, src),
            },
            Op::PacketAddress { dst, kind } => self.packet_address(dst, kind),
            Op::MapReference { dst, index } => {
                self.set_chosen(native(dst), bpf_interp::Run::map_handle(index));
            }
            Op::MapValueAddress { dst, index, off } => self.map_value(pc, dst, index, off),
            Op::LinkedValue { dst, link, off, .. } => self.linked_value(native(dst), link, off),
            Op::PacketLoad { size, index, off } => self.packet_load(pc, size, index, off),
            Op::Jump { target } => self.code.jump(CodeBuffer::slot(target)),
            Op::Branch { cond, width, lhs, rhs, target } => {
                self.branch(cond, width, lhs, rhs, CodeBuffer::slot(target));
            }
            Op::MayGoto { target } => self.may_goto(pc, CodeBuffer::slot(target)),
            Op::Call { target } => self.call(pc, CodeBuffer::slot(target)),
            Op::Helper { id } => self.host_call(Shim::Helper, pc, id),
            Op::Kfunc { number } => self.host_call(Shim::Kfunc, pc, number.cast_unsigned()),
            Op::CallBack { id } => self.call_back(pc, id),
            Op::FunctionReference { dst, slot } => {
                self.set_chosen(native(dst), bpf_interp::Run::function_handle(slot));
            }
            Op::TailCall => self.tail_call(pc),
            Op::Exit => self.ret(),
        }
    }
}

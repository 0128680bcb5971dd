//! What compiled code finds while it runs.
//!
//! One [`Session`] is one execution. Its address is in a register of the CPU
//! all the time; compiled code reaches the run's counters, the values that the
//! executor left for it, and the functions it calls through it, and holds no
//! other address of the host. So code is bound to no environment, and may lie
//! anywhere.
#![allow(unsafe_code)]

use core::hint::cold_path;
use core::mem::offset_of;

use bpf_bytecode::abi::context::FieldKind;
use bpf_interp::run::{Callback, Contexts, Run, Saved, StackMemory};
use bpf_interp::{BpfContext, BpfError, BpfResult, Environment, Fault, Refusal};
use bpf_profile::{CloudProfile, PhysicalProfile};

use crate::compiled::{CompiledProgram, Entry};
use crate::descriptor::{Descriptor, OTHER_HELPER};
use crate::x86::Wants;
use unwind::Panic;

mod links;
mod shims;
#[cfg_attr(feature = "std", path = "runtime/unwind/host.rs")]
#[cfg_attr(not(feature = "std"), path = "runtime/unwind/kernel.rs")]
mod unwind;

use links::{Link, Links, Ways};
pub(crate) use shims::{Shim, Shims};

/// One execution of compiled code.
#[repr(C)]
pub(crate) struct Session<'r, P: PhysicalProfile> {
    native: Native,
    shims: &'static Shims<P>,
    run: Run<'r>,
    calls: CallBacks,
    /// Of all programs that the run has come to.
    links: Links,
    ways: Ways<'r>,
    /// The CPU that the links are for, 0 for a program without values per CPU.
    cpu: u32,
    /// The CPU that the run is on, once the program has asked; [`UNKNOWN_CPU`] before.
    known_cpu: u32,
    /// The program that the session began with.
    entry: &'r CompiledProgram<P>,
    programs: &'r [&'r CompiledProgram<P>],
    /// Whether a tail call has led to another program.
    moved: bool,
    panic: Panic,
}

/// What compiled code reads and writes beside the run's own fields.
#[repr(C)]
#[derive(Debug, Default)]
struct Native {
    /// Stack pointer to which a stopped program returns.
    stack_pointer: u64,
    /// R1, R2 and R10 at a program's entry.
    r1: u64,
    r2: u64,
    r10: u64,
    /// Bytes from one frame's R10 to the next one's.
    stride: u64,
    /// R10 of the function that calls out.
    frame: u64,
    /// A further operand of what is called.
    operand: u64,
    /// The [`Descriptor`] of a call of a helper.
    descriptor: u32,
    /// The helper's number, if that is not the descriptor's code.
    helper: u32,
}

impl Native {
    /// The number of the helper that is called, and where.
    fn called(&self) -> (u32, Descriptor) {
        let descriptor = Descriptor(self.descriptor);
        let code = descriptor.code();
        (if code == OTHER_HELPER { self.helper } else { code.into() }, descriptor)
    }
}

/// What compiled code reads where a helper calls functions.
#[repr(C)]
#[derive(Debug, Default)]
struct CallBacks {
    /// R0 of a helper that is done.
    result: u64,
    /// R1 to R5 of a function that a helper calls.
    arguments: [u64; 5],
}

/// A number that is negative, where no CPU's is: the host is to be asked.
const UNKNOWN_CPU: u32 = u32::MAX;

/// A session of any program: the layout is the same for all.
type Any = Session<'static, CloudProfile>;

/// Offsets from the session's address, in bytes.
pub(crate) mod offset {
    use super::{Any, CloudProfile, FieldKind, Link, Native, Run, Shim, Shims, offset_of};

    pub(crate) const STACK_POINTER: i8 = near(offset_of!(Native, stack_pointer));
    pub(crate) const R1: i8 = near(offset_of!(Native, r1));
    pub(crate) const R2: i8 = near(offset_of!(Native, r2));
    pub(crate) const R10: i8 = near(offset_of!(Native, r10));
    pub(crate) const STRIDE: i8 = near(offset_of!(Native, stride));
    pub(crate) const FRAME: i8 = near(offset_of!(Native, frame));
    pub(crate) const OPERAND: i8 = near(offset_of!(Native, operand));
    pub(crate) const DESCRIPTOR: i8 = near(offset_of!(Native, descriptor));
    pub(crate) const HELPER: i8 = near(offset_of!(Native, helper));
    pub(crate) const BUDGET: i8 = near(offset_of!(Any, run) + Run::OFFSET_BUDGET);
    pub(crate) const STOPPED: i8 = near(offset_of!(Any, run) + Run::OFFSET_STOPPED);

    pub(crate) const RESULT: i32 = far(offset_of!(Any, calls.result));

    /// Where the number of the CPU is, of 32 bits; the host is asked where it is negative.
    pub(crate) const KNOWN_CPU: i32 = far(offset_of!(Any, known_cpu));

    /// Where the value of an argument is, 0 to 4.
    pub(crate) const fn argument(index: usize) -> i32 {
        far(offset_of!(Any, calls.arguments) + index * 8)
    }

    /// Where the address of a linked map's first value is.
    pub(crate) const fn link_base(link: u8) -> i32 {
        far(offset_of!(Any, links) + link as usize * size_of::<Link>() + Link::BASE)
    }

    /// Where the address of a linked map's bound is.
    pub(crate) const fn link_bound(link: u8) -> i32 {
        far(offset_of!(Any, links) + link as usize * size_of::<Link>() + Link::BOUND)
    }

    /// Where the address of the number of a linked map's entries is.
    pub(crate) const fn link_end(link: u8) -> i32 {
        far(offset_of!(Any, links) + link as usize * size_of::<Link>() + Link::END)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "checked")]
    const fn far(offset: usize) -> i32 {
        assert!(offset <= i32::MAX as usize, "a session is small");
        offset as i32
    }

    /// Where one of the packet's addresses is.
    pub(crate) const fn packet(kind: FieldKind) -> i8 {
        let field = match kind {
            FieldKind::PacketEnd => Run::OFFSET_DATA_END,
            FieldKind::PacketMeta => Run::OFFSET_DATA_META,
            _ => Run::OFFSET_DATA,
        };
        near(offset_of!(Any, run) + field)
    }

    /// Where the address of the functions' table is.
    pub(crate) const SHIMS: i8 = near(offset_of!(Any, shims));

    /// Where the address of a function is in the table.
    pub(crate) const fn shim(shim: Shim) -> i8 {
        near(Shims::<CloudProfile>::offset(shim))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "checked")]
    const fn near(offset: usize) -> i8 {
        assert!(offset <= i8::MAX as usize, "the fields are at the session's start");
        offset as i8
    }
}

/// Runs `program` once.
pub(crate) fn execute<P: PhysicalProfile>(
    env: &Environment<'_>,
    program: &CompiledProgram<P>,
    programs: &[&CompiledProgram<P>],
    context: &BpfContext<'_>,
) -> BpfResult {
    let mut stack = StackMemory::<P>::new();
    enter(env, program, programs, context, &mut stack)
}

fn enter<'r, P: PhysicalProfile>(
    env: &'r Environment<'r>,
    program: &'r CompiledProgram<P>,
    programs: &'r [&'r CompiledProgram<P>],
    context: &'r BpfContext<'_>,
    stack: &'r mut StackMemory<P>,
) -> BpfResult {
    let shims = Shims::of(env);
    let run = Run::begin(env, program.info(), context, stack).map_err(BpfError::Refused)?;
    let mut session = Session::new(run, shims, program, programs);
    if program.is_per_cpu() {
        session.cpu = session.run.cpu();
    }
    match session.link(program) {
        Ok(()) => {
            let r0 = session.go(program.entry());
            session.run.outcome(r0)
        }
        Err(refusal) => Err(BpfError::Refused(refusal)),
    }
}

/// A session of one program that is begun again and again.
pub(crate) struct Prepared<'r, P: PhysicalProfile> {
    session: Session<'r, P>,
    contexts: Contexts,
    entry: Entry,
    /// Whether the program has values per CPU.
    per_cpu: bool,
    wants: Wants,
}

impl<'r, P: PhysicalProfile> Prepared<'r, P> {
    pub(crate) fn new(
        env: &'r Environment<'r>,
        program: &'r CompiledProgram<P>,
        programs: &'r [&'r CompiledProgram<P>],
        stack: &'r mut StackMemory<P>,
    ) -> Result<Self, Refusal> {
        let (run, contexts) = Run::prepare(env, program.info(), stack)?;
        let mut session = Session::new(run, Shims::of(env), program, programs);
        session.link(program)?;
        session.native.r10 = session.run.first_frame_pointer();
        let (entry, per_cpu) = (program.entry(), program.is_per_cpu());
        let wants = match program.wants() {
            Wants::Answers if Shims::<P>::are_replaced(env) => Wants::Run,
            wants => wants,
        };
        Ok(Self { session, contexts, entry, per_cpu, wants })
    }

    /// Runs the program once.
    #[inline(always)]
    pub(crate) fn run(&mut self, context: &mut BpfContext<'_>) -> BpfResult {
        // A jump more is most where the program takes least: that is straight ahead.
        match self.wants {
            Wants::Nothing => self.run_quietly(context),
            Wants::Answers => {
                cold_path();
                self.run_asking(context)
            }
            Wants::Run => {
                cold_path();
                self.run_beside(context)
            }
        }
    }

    /// A program that asks the host for nothing finds what it has no part in as it was left.
    #[inline(always)]
    fn run_quietly(&mut self, context: &mut BpfContext<'_>) -> BpfResult {
        let session = &mut self.session;
        // SAFETY: the run of quiet code never begins; the code asks it for nothing, and is not
        // unwound.
        let shown = unsafe { session.run.show(&self.contexts, context) };
        let shown = shown.map_err(BpfError::Refused)?;
        session.native.r1 = shown.r1();
        let r0 = session.call(self.entry);
        self.session.run.hide(shown);
        Ok(r0)
    }

    /// A program that asks for values of maps and for what the platform says: the run knows the
    /// maps, and of the program's memory nothing.
    #[inline(always)]
    fn run_asking(&mut self, context: &mut BpfContext<'_>) -> BpfResult {
        let session = &mut self.session;
        session.run.forget_cpu();
        session.known_cpu = UNKNOWN_CPU;
        if self.per_cpu {
            session.come_to_cpu().map_err(BpfError::Refused)?;
            session.known_cpu = session.cpu;
        }
        // SAFETY: the run never begins, as all runs of the session are like this one. The code
        // calls answers alone, and is not unwound: a panic is kept.
        let shown = unsafe { session.run.show(&self.contexts, context) };
        let shown = shown.map_err(BpfError::Refused)?;
        session.native.r1 = shown.r1();
        let r0 = session.call(self.entry);
        session.run.hide(shown);
        // A result that is kept while something else is done would be copied.
        if session.run.is_stopped() { session.stopped(r0) } else { Ok(r0) }
    }

    /// A program that the run stands beside.
    #[inline(never)]
    fn run_beside(&mut self, context: &mut BpfContext<'_>) -> BpfResult {
        self.session.come_back();
        // SAFETY: `Entered` leaves the run before this function is left, also where
        // a helper panics.
        let entered = unsafe { self.session.run.enter_over(&self.contexts, context) };
        entered.map_err(BpfError::Refused)?;
        let entered = Entered(&mut self.session);
        if self.per_cpu {
            entered.0.come_to_cpu().map_err(BpfError::Refused)?;
        }
        let r0 = entered.0.go(self.entry);
        drop(entered);
        self.session.run.outcome(r0)
    }
}

/// A session that is under way; it is over when this is dropped.
struct Entered<'s, 'r, P: PhysicalProfile>(&'s mut Session<'r, P>);

impl<P: PhysicalProfile> Drop for Entered<'_, '_, P> {
    #[inline]
    fn drop(&mut self) {
        self.0.run.leave();
    }
}

impl<'r, P: PhysicalProfile> Session<'r, P> {
    // Inline, so that the session is made where it stays.
    #[inline(always)]
    fn new(
        run: Run<'r>,
        shims: &'static Shims<P>,
        entry: &'r CompiledProgram<P>,
        programs: &'r [&'r CompiledProgram<P>],
    ) -> Self {
        let native = Native { stride: run.frame_stride(), ..Native::default() };
        Self {
            native,
            shims,
            run,
            calls: CallBacks::default(),
            known_cpu: UNKNOWN_CPU,
            links: Links::default(),
            ways: Ways::default(),
            cpu: 0,
            entry,
            programs,
            moved: false,
            panic: Panic::default(),
        }
    }

    /// Runs the program that the session was made for, by its entry, once its links
    /// are there. Gives R0, which means nothing where the run was stopped.
    #[inline(always)]
    fn go(&mut self, entry: Entry) -> u64 {
        self.set_entry_registers();
        self.known_cpu = UNKNOWN_CPU;
        let r0 = self.call(entry);
        self.panic.resume();
        r0
    }

    /// Runs the code.
    #[inline(always)]
    fn call(&mut self, entry: Entry) -> u64 {
        let session = &raw mut *self;
        // What the code does to memory is either checked by the run (the program was
        // not verified) or was proven, for the maps, helpers, stack and context that
        // were compared with those of the proof when the run began.
        // SAFETY: this crate made the code for a session of this layout, and the program
        // keeps it executable. The session lives until the call returns and is reached by
        // this pointer alone meanwhile; of other memory speaks what stands above.
        unsafe { entry(session.cast()) }
    }

    /// Finds out where the maps have their values that a program has links to, on the
    /// CPU that was found.
    fn link(&mut self, program: &CompiledProgram<P>) -> Result<(), Refusal> {
        self.links.find(self.run.environment(), program, self.cpu)
    }

    /// Finds out on which CPU the run is, where that matters to a program that takes
    /// over; nothing where the platform panics, which is kept.
    fn find_cpu(&mut self, program: &CompiledProgram<P>) -> Option<()> {
        if program.is_per_cpu() {
            let run = &mut self.run;
            self.cpu = self.panic.catch(|| run.cpu())?;
        }
        Some(())
    }

    /// Finds the links of the program that the session began with anew where the run is
    /// on another CPU than the one before.
    #[inline(never)]
    fn come_to_cpu(&mut self) -> Result<(), Refusal> {
        let cpu = self.run.cpu();
        if core::mem::replace(&mut self.cpu, cpu) == cpu { Ok(()) } else { self.link_anew() }
    }

    // By itself, so that nothing is kept for it where the CPU is the same.
    #[cold]
    #[inline(never)]
    fn link_anew(&mut self) -> Result<(), Refusal> {
        self.link(self.entry)
    }

    /// The result of a program that was stopped and asked for answers alone, or its panic.
    #[cold]
    #[inline(never)]
    fn stopped(&mut self, r0: u64) -> BpfResult {
        let fault = self.run.take_fault();
        self.panic.resume();
        fault.map_or(Ok(r0), Err)
    }

    /// Makes all ready for the program that the session began with, where a tail
    /// call has led to another one. Its links are still there.
    #[inline]
    fn come_back(&mut self) {
        if core::mem::take(&mut self.moved) {
            self.run.set_program(self.entry.info());
        }
    }
}

impl<P: PhysicalProfile> Session<'_, P> {
    /// Leaves the registers of a program's entry to the code.
    fn set_entry_registers(&mut self) {
        let [_, r1, r2, .., r10] = self.run.entry_registers();
        let native = &mut self.native;
        (native.r1, native.r2, native.r10) = (r1, r2, r10);
    }
}

impl<P: PhysicalProfile> Session<'_, P> {
    /// Tells the run which frame is the newest. Verified code moves R10 by
    /// itself; checked code enters and leaves frames through the run, which
    /// then knows already.
    fn sync_frames(&mut self) {
        if self.run.program().verified().is_some() {
            // SAFETY: the code leaves the frames that it enters by itself, too.
            unsafe { self.run.set_frame_pointer(self.native.frame) };
        }
    }
}

impl<'r, P: PhysicalProfile> Session<'r, P> {
    /// The program whose code begins at an address.
    fn program_at(&self, base: u64) -> Option<&'r CompiledProgram<P>> {
        let all = core::iter::once(&self.entry).chain(self.programs);
        all.copied().find(|program| program.base() == base)
    }

    /// Makes ready what a helper wants called. Where the code goes on: 0, if the
    /// helper is done.
    fn prepare(&mut self, callback: Callback) -> Result<u64, Fault> {
        match callback {
            Callback::Done(result) => {
                self.calls.result = result;
                Ok(0)
            }
            Callback::Call { slot, args } => {
                let program = self.program_at(self.native.operand);
                let place = program.and_then(|program| program.address_of(slot));
                let place = place.ok_or(Fault::JumpOutOfRange)?;
                // What has to be saved is on the native stack.
                self.native.frame = self.run.push_frame(Saved::default())?;
                self.calls.arguments = args;
                Ok(place)
            }
        }
    }
}

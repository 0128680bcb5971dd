//! One execution, as all engines see it.

use core::mem::offset_of;

use bpf_bytecode::abi::context::{CtxLayout, FieldKind};
use bpf_bytecode::abi::map::MapDef;
use bpf_maps::{BpfMap, RingBuffer};

use crate::context::{BpfContext, Taken};
use crate::env::Environment;
use crate::error::{BpfError, BpfResult, Fault, Refusal};

mod admission;
mod callback;
mod info;
mod maps;
mod memory;
mod packet;
mod pile;
mod records;
mod stack;
mod tail_call;
mod values;

pub use admission::Contexts;
pub use callback::Callback;
pub use info::ProgramInfo;
pub use packet::legacy_position;
pub use records::MAX_RECORDS;
pub use stack::{Saved, StackMemory};
pub use tail_call::MAX_TAIL_CALLS;

pub(crate) use memory::address;

use callback::Callbacks;
use records::Records;
use stack::Stack;
use values::Values;

/// Jumps that [`Run::may_goto`] grants one execution, as many as Linux.
pub const MAY_GOTO_ALLOWANCE: u32 = bpf_verifier::rules::MAY_GOTO_ROUNDS;

/// One execution of a program and of those that it tail-calls.
///
/// A run has taken its context, knows the memory that the program may touch,
/// and counts what is limited. Engines keep the registers and the position; all
/// else goes through here, so that engines cannot differ. Every address that a
/// program produces is a claim, resolved on each access.
///
/// The run ends when it is dropped: records that the program reserved and did
/// not submit are discarded, and the context is given back.
///
/// # Fields for compiled code
/// The fields at the start of the structure are at fixed offsets
/// ([`OFFSET_DATA`](Self::OFFSET_DATA) and its siblings), each a `u64`. Compiled
/// code may read all of them, and write budget and stop flag.
#[repr(C)]
pub struct Run<'r> {
    hot: Hot,
    env: &'r Environment<'r>,
    program: ProgramInfo<'r>,
    layout: &'static CtxLayout,
    stack: Stack<'r>,
    records: Records<'r>,
    /// None where no program is under way.
    context: Option<Taken<'r>>,
    fault: Option<BpfError>,
    tail_calls: u32,
    /// Rounds that were granted by `may_goto`.
    rounds: u32,
    /// The CPU that the program runs on, once somebody has asked.
    cpu: Option<u32>,
    callbacks: Callbacks<'r>,
    values: Values,
}

/// A context that code has which asks the run for nothing.
pub struct Shown<'c> {
    r1: u64,
    _taken: Taken<'c>,
}

impl Shown<'_> {
    /// R1 at the program's entry.
    #[inline(always)]
    pub const fn r1(&self) -> u64 {
        self.r1
    }
}

/// What compiled code reads by itself.
#[repr(C)]
struct Hot {
    data: u64,
    data_end: u64,
    data_meta: u64,
    budget: u64,
    stopped: u64,
}

impl<'r> Run<'r> {
    /// Offset of the address of the packet's first byte.
    pub const OFFSET_DATA: usize = offset_of!(Self, hot.data);
    /// Offset of the address behind the packet's last byte.
    pub const OFFSET_DATA_END: usize = offset_of!(Self, hot.data_end);
    /// Offset of the address of the packet's metadata.
    pub const OFFSET_DATA_META: usize = offset_of!(Self, hot.data_meta);
    /// Offset of the instructions that may still be executed.
    pub const OFFSET_BUDGET: usize = offset_of!(Self, hot.budget);
    /// Offset of the flag that is not 0 once the program was stopped.
    pub const OFFSET_STOPPED: usize = offset_of!(Self, hot.stopped);

    // Inline, so that the run is made where it stays.
    /// Takes `context` and begins a run of `program`, with the first frame on
    /// the stack.
    ///
    /// # Errors
    /// [`Refusal`] when program, context and environment do not fit together.
    #[inline(always)]
    pub fn begin<P: bpf_profile::PhysicalProfile>(
        env: &'r Environment<'r>,
        program: ProgramInfo<'r>,
        context: &'r BpfContext<'_>,
        stack: &'r mut StackMemory<P>,
    ) -> Result<Self, Refusal> {
        admission::check(env, &program)?;
        Contexts::of(&program).check(context)?;
        let context = context.take()?;
        let mut run = Self::idle(env, program, stack)?;
        run.enter(context);
        Ok(run)
    }

    /// A run of `program` that is to begin once and again, each time over a context
    /// that is one of those for it.
    ///
    /// # Errors
    /// [`Refusal`] when program and environment do not fit together.
    #[inline(always)]
    pub fn prepare<P: bpf_profile::PhysicalProfile>(
        env: &'r Environment<'r>,
        program: ProgramInfo<'r>,
        stack: &'r mut StackMemory<P>,
    ) -> Result<(Self, Contexts), Refusal> {
        admission::check(env, &program)?;
        Ok((Self::idle(env, program, stack)?, Contexts::of(&program)))
    }

    #[inline(always)]
    fn idle<P: bpf_profile::PhysicalProfile>(
        env: &'r Environment<'r>,
        program: ProgramInfo<'r>,
        stack: &'r mut StackMemory<P>,
    ) -> Result<Self, Refusal> {
        let rooms = stack.rooms.for_run();
        Ok(Self {
            hot: Hot { data: 0, data_end: 0, data_meta: 0, budget: env.budget(), stopped: 0 },
            env,
            layout: program.prog_type().context(),
            program,
            stack: Stack::new(&mut stack.frames, env.stack_policy(), program.wants_zeros())?,
            records: Records::new(&mut rooms.records),
            context: None,
            fault: None,
            tail_calls: 0,
            rounds: 0,
            cpu: None,
            callbacks: Callbacks::new(&mut rooms.callbacks),
            values: Values::default(),
        })
    }

    /// Begins a run that was prepared, over a context that is borrowed exclusively.
    ///
    /// # Errors
    /// [`Refusal`] when the context is none of those for the program.
    ///
    /// # Safety
    /// [`leave`](Self::leave) is called, or the run dropped, before the borrow of
    /// `context` ends.
    #[allow(unsafe_code)]
    #[inline]
    pub unsafe fn enter_over(
        &mut self,
        contexts: &Contexts,
        context: &mut BpfContext<'_>,
    ) -> Result<(), Refusal> {
        contexts.check(context)?;
        let taken = context.take_mut()?;
        self.reset();
        // SAFETY: the caller's promise.
        self.enter(unsafe { taken.held() });
        Ok(())
    }

    /// Takes a context for code that asks the run for no memory while it has it, but reads the
    /// packet's addresses where they are published. The run itself does not begin.
    ///
    /// # Errors
    /// [`Refusal`] when the context is none of those for the program.
    ///
    /// # Safety
    /// No run is under way, as none has begun or it has been [left](Self::leave).
    /// [`hide`](Self::hide) is called, with what this gives, before the borrow of `context`
    /// ends. Nothing else is until then but what knows maps, environment and
    /// [CPU](Self::cpu), and [`stop`](Self::stop).
    #[allow(unsafe_code)]
    #[inline(always)]
    pub unsafe fn show<'c>(
        &mut self,
        contexts: &Contexts,
        context: &'c mut BpfContext<'_>,
    ) -> Result<Shown<'c>, Refusal> {
        contexts.check(context)?;
        let taken = context.take_mut()?;
        let ([r1, _], packet) = memory::at_entry(&taken);
        self.publish(packet);
        Ok(Shown { r1, _taken: taken })
    }

    /// Ends what [`show`](Self::show) began: the packet ends before it begins.
    #[inline(always)]
    pub fn hide(&mut self, shown: Shown<'_>) {
        drop(shown);
        self.hot.data_end = 0;
    }

    /// The next program may run on another CPU: the platform is asked again.
    #[inline(always)]
    pub const fn forget_cpu(&mut self) {
        self.cpu = None;
    }

    /// Whether the code was stopped.
    #[inline(always)]
    pub const fn is_stopped(&self) -> bool {
        self.hot.stopped != 0
    }

    /// The fault by which code was stopped that a context was [shown](Self::show) to: none
    /// for the code that comes next.
    pub const fn take_fault(&mut self) -> Option<BpfError> {
        self.hot.stopped = 0;
        self.fault.take()
    }

    /// R10 of the first function of every program.
    pub fn first_frame_pointer(&self) -> u64 {
        self.stack.first_frame_pointer()
    }

    /// Begins over `context`, where the run is as it was made but for what was
    /// [closed](Self::close). Gives R1 and R2 at the program's entry.
    #[inline(always)]
    pub(crate) fn enter(&mut self, context: Taken<'r>) -> [u64; 2] {
        // First, so that nothing has to be kept over it.
        self.stack.begin();
        let (registers, packet) = memory::at_entry(&context);
        self.publish(packet);
        // There is none that would have to be given back.
        core::mem::forget(self.context.replace(context));
        self.cpu = None;
        registers
    }

    /// Ends what [`enter_over`](Self::enter_over) began, as a drop does: the context
    /// is given back, and nothing is held any more.
    #[inline(always)]
    pub fn leave(&mut self) {
        self.records.discard_all();
        self.callbacks.clear();
        self.close();
    }

    /// Gives the context back, where the run holds nothing else.
    #[inline(always)]
    pub(crate) fn close(&mut self) {
        // What it was is no memory of the run any more, and the packet ends before it
        // begins.
        self.context = None;
        self.hot.data_end = 0;
    }

    /// Whether a run that has ended holds something, or is not as it was made, beside its
    /// context, the CPU, and the budget, which only those count who reset it.
    #[inline(always)]
    pub(crate) fn has_traces(&self) -> bool {
        // Together, as each by itself would be a jump.
        let counts = u64::from(self.tail_calls | self.rounds);
        let depths = self.stack.calls() | self.callbacks.depth() | self.records.held();
        let depths = u64::try_from(depths).unwrap_or(u64::MAX);
        counts | depths | self.hot.stopped != 0
    }

    /// Makes a run that has been left as it was made.
    #[inline(always)]
    pub(crate) const fn reset(&mut self) {
        (self.hot.budget, self.hot.stopped) = (self.env.budget(), 0);
        (self.fault, self.tail_calls, self.rounds) = (None, 0, 0);
        self.stack.reset(self.program.wants_zeros());
    }

    /// Says which program is to be entered next, one of the same type as before.
    pub const fn set_program(&mut self, program: ProgramInfo<'r>) {
        self.program = program;
    }

    /// The registers at the entry of a program, also of one that was
    /// tail-called: the context in R1, its length in R2 if it has no structure,
    /// the frame pointer in R10, 0 elsewhere.
    #[inline(always)]
    pub fn entry_registers(&self) -> [u64; 11] {
        let [r1, r2] = self.context_registers();
        [0, r1, r2, 0, 0, 0, 0, 0, 0, 0, self.frame_pointer()]
    }

    /// What R1 and R2 hold there.
    #[inline(always)]
    pub(crate) fn context_registers(&self) -> [u64; 2] {
        self.context.as_ref().map_or([0; 2], |context| memory::at_entry(context).0)
    }

    /// What R1 holds at a program's entry.
    pub(crate) fn context_address(&self) -> u64 {
        let [r1, _] = self.context_registers();
        r1
    }

    /// What the context shows as the packet's first byte, its end, or its
    /// metadata.
    #[inline]
    pub(crate) const fn packet_address(&self, kind: FieldKind) -> u64 {
        match kind {
            FieldKind::PacketEnd => self.hot.data_end,
            FieldKind::PacketMeta => self.hot.data_meta,
            _ => self.hot.data,
        }
    }

    /// Reserves a record and gives its address; 0 where there is no room.
    pub(crate) fn reserve(&mut self, ring: &'r dyn RingBuffer, size: u64, flags: u64) -> u64 {
        self.records.reserve(ring, size, flags).map_or(0, memory::address)
    }

    /// Submits the record at `addr`; `fault` where there is none. R0 is 0.
    pub(crate) fn submit(&mut self, addr: u64, flags: u64, fault: Fault) -> Result<u64, Fault> {
        self.records.submit(addr, flags, fault).map(|()| 0)
    }

    /// Discards the record at `addr`; `fault` where there is none. R0 is 0.
    pub(crate) fn discard(&mut self, addr: u64, flags: u64, fault: Fault) -> Result<u64, Fault> {
        self.records.discard(addr, flags, fault).map(|()| 0)
    }

    /// Records that the program has reserved and not given back.
    pub fn held_records(&self) -> usize {
        self.records.held()
    }

    /// Number of the CPU that the program runs on. The platform is asked the first time.
    #[inline]
    pub fn cpu(&mut self) -> u32 {
        let env = self.env;
        *self.cpu.get_or_insert_with(|| env.platform().cpu())
    }

    /// The same, if the platform has been asked.
    #[inline]
    pub const fn known_cpu(&self) -> Option<u32> {
        self.cpu
    }

    /// The map that a program's value stands for, and its definition.
    #[inline]
    pub fn defined_map(&self, handle: u64) -> Option<(&'r dyn BpfMap, &'r MapDef)> {
        let index = maps::index(handle)?;
        let map = self.env.map(index)?;
        let place = usize::try_from(index).ok();
        // Where the program has a definition, the map is like it.
        let known = place.and_then(|place| self.program.map_defs().get(place));
        Some((map, known.unwrap_or_else(|| map.def())))
    }

    /// The environment.
    pub const fn environment(&self) -> &'r Environment<'r> {
        self.env
    }

    /// The program that is running.
    pub const fn program(&self) -> &ProgramInfo<'r> {
        &self.program
    }

    /// R10 of the function that is running.
    pub fn frame_pointer(&self) -> u64 {
        self.stack.frame_pointer()
    }

    /// Bytes from R10 of one frame to R10 of the next, which lies above it.
    pub fn frame_stride(&self) -> u64 {
        u64::try_from(self.stack.stride()).unwrap_or(u64::MAX)
    }

    /// Tells the run which frame is the newest, for compiled code that moves R10
    /// by itself. Nothing happens where no frame ends at `pointer`.
    ///
    /// # Safety
    /// The run's program is [executed as proven](ProgramInfo::executed_as_proven), and
    /// no frame that begins to live by this is left by [`pop_frame`](Self::pop_frame).
    #[allow(unsafe_code)]
    #[inline]
    pub unsafe fn set_frame_pointer(&mut self, pointer: u64) {
        // SAFETY: the caller's promise.
        unsafe { self.stack.set_frame_pointer(pointer) };
    }

    /// Enters a function: a new frame, of zeros where the program may read what it
    /// has not written, above which `saved` is kept for
    /// [`pop_frame`](Self::pop_frame). Gives the function's R10.
    ///
    /// # Errors
    /// [`Fault::CallDepth`] when the stack policy allows no further frame.
    pub fn push_frame(&mut self, saved: Saved) -> Result<u64, Fault> {
        self.stack.push(saved).ok_or(Fault::CallDepth)
    }

    /// Whether the first function is running, whose end is the program's.
    #[inline]
    pub(crate) const fn in_first_function(&self) -> bool {
        self.stack.depth() == 1
    }

    /// Leaves a function and gives what was saved at its entry; `None` in the
    /// first function, which is the program's end.
    pub fn pop_frame(&mut self) -> Option<Saved> {
        self.stack.pop()
    }

    /// The value that a program holds for the map of definition `index`.
    pub const fn map_handle(index: u32) -> u64 {
        maps::handle(index)
    }

    /// The index of the definition that a program's value stands for.
    #[inline]
    pub fn map_index(handle: u64) -> Option<u32> {
        maps::index(handle)
    }

    /// The map that a program's value stands for.
    pub fn map(&self, handle: u64) -> Option<&'r dyn BpfMap> {
        self.env.map(maps::index(handle)?)
    }

    /// Instructions that may still be executed.
    pub const fn budget(&self) -> u64 {
        self.hot.budget
    }

    /// Sets the instructions that may still be executed.
    pub const fn set_budget(&mut self, budget: u64) {
        self.hot.budget = budget;
    }

    /// Whether the jump of a `may_goto` is *not* taken; counts it.
    pub fn may_goto(&mut self) -> bool {
        let granted = self.rounds < MAY_GOTO_ALLOWANCE;
        self.rounds = self.rounds.saturating_add(granted.into());
        granted
    }

    /// Records that the program is stopped at slot `pc`, and sets the flag that
    /// compiled code looks at. The first fault stands.
    pub fn stop(&mut self, pc: u32, fault: Fault) {
        self.hot.stopped = 1;
        self.fault.get_or_insert(BpfError::Fault { pc, fault });
    }

    /// The run's result where the program ended with `r0`, or the fault that
    /// stopped it.
    ///
    /// # Errors
    /// The fault.
    #[inline(always)]
    pub fn outcome(&self, r0: u64) -> BpfResult {
        // The fault is not even read where there is none: a result that is copied right
        // after it was put together in parts costs more than all else at a run's end.
        if self.fault.is_none() { Ok(r0) } else { self.stopped(r0) }
    }

    #[cold]
    #[inline(never)]
    fn stopped(&self, r0: u64) -> BpfResult {
        self.fault.map_or(Ok(r0), Err)
    }
}

impl core::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Run")
            .field("program", &self.program)
            .field("budget", &self.hot.budget)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

//! The functions that compiled code calls.
//!
//! None of them panics: a panic that leaves a function of this calling
//! convention ends the process. Helpers of a kernel's own may; `Panic` takes
//! theirs round the code, where that is possible.

use core::mem::offset_of;

use bpf_bytecode::abi::helper::id;
use bpf_bytecode::opcode::Size;
use bpf_interp::run::{Saved, legacy_position};
use bpf_interp::{Environment, Fault};
use bpf_profile::PhysicalProfile;

use super::links::pointer;
use super::{Session, links};
use crate::descriptor::{Access, Descriptor, Stop};
use crate::lower::Order;

/// A function that compiled code calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shim {
    /// Call a helper.
    Helper,
    /// Access memory, if the program may.
    Access,
    /// Stop the program.
    Stop,
    /// Enter a function: a new frame.
    Enter,
    /// Leave a function.
    Leave,
    /// Find the program that a tail call leads to.
    TailCall,
    /// Load from the packet.
    PacketLoad,
    /// Whether the allowance of conditional jumps lasts.
    MayGoto,
    /// The address of a byte in a map's only value.
    MapValue,
    /// Begin a helper that calls functions of the program.
    Begin,
    /// Tell it what a function returned.
    Next,
    /// Call a kernel function.
    Kfunc,
    /// Look a key up in a map.
    Lookup,
    /// Set the value of a key in a map.
    Update,
    /// Call a helper that gives nothing but what the platform says.
    Platform,
}

impl Shim {
    /// Every one, in the order of their numbers.
    pub(crate) const ALL: [Self; 15] = [
        Self::Helper,
        Self::Access,
        Self::Stop,
        Self::Enter,
        Self::Leave,
        Self::TailCall,
        Self::PacketLoad,
        Self::MayGoto,
        Self::MapValue,
        Self::Begin,
        Self::Next,
        Self::Kfunc,
        Self::Lookup,
        Self::Update,
        Self::Platform,
    ];
}

impl Shim {
    /// Whether it gives values of maps or what the platform says, or stops the program, and asks
    /// the run for no memory; where no helper [is replaced](Shims::of).
    pub(crate) const fn is_answer(self) -> bool {
        matches!(self, Self::Lookup | Self::Update | Self::Platform | Self::Stop)
    }
}

/// A function that takes the session, an operand, a [`Descriptor`] and R0.
type Plain<P> = unsafe extern "sysv64" fn(*mut Session<'_, P>, u64, u32, u64) -> u64;

/// A function that takes the session and R1 to R5, or none of these.
type Call<P> = unsafe extern "sysv64" fn(*mut Session<'_, P>, u64, u64, u64, u64, u64) -> u64;

/// The functions' addresses.
#[repr(C)]
pub(crate) struct Shims<P: PhysicalProfile> {
    helper: Call<P>,
    access: Plain<P>,
    stop: Plain<P>,
    enter: Plain<P>,
    leave: Plain<P>,
    tail_call: Plain<P>,
    packet_load: Plain<P>,
    may_goto: Plain<P>,
    map_value: Plain<P>,
    begin: Call<P>,
    next: Plain<P>,
    kfunc: Call<P>,
    lookup: Call<P>,
    update: Call<P>,
    platform: Call<P>,
}

/// A negative number where no value can be one: the program ends.
const END: u64 = u64::MAX;

impl<P: PhysicalProfile> Shims<P> {
    /// The functions for programs of profile `P`.
    const TABLE: &'static Self = &Self {
        helper,
        access,
        stop,
        enter,
        leave,
        tail_call,
        packet_load,
        may_goto,
        map_value,
        begin,
        next,
        kfunc,
        lookup,
        update,
        platform,
    };

    /// As well, where a kernel has one of these helpers of its own.
    const REPLACED: &'static Self =
        &Self { lookup: helper, update: helper, platform: helper, ..*Self::TABLE };

    /// The functions for an environment.
    pub(crate) fn of(env: &Environment<'_>) -> &'static Self {
        if Self::are_replaced(env) { Self::REPLACED } else { Self::TABLE }
    }

    /// Whether an environment has one of these helpers of its own.
    pub(crate) fn are_replaced(env: &Environment<'_>) -> bool {
        let own = [
            id::MAP_LOOKUP_ELEM,
            id::MAP_UPDATE_ELEM,
            id::KTIME_GET_NS,
            id::GET_PRANDOM_U32,
            id::GET_SMP_PROCESSOR_ID,
        ];
        env.replaces_any(&own)
    }

    /// Where the address of a function is in the structure.
    pub(crate) const fn offset(shim: Shim) -> usize {
        match shim {
            Shim::Helper => offset_of!(Self, helper),
            Shim::Access => offset_of!(Self, access),
            Shim::Stop => offset_of!(Self, stop),
            Shim::Enter => offset_of!(Self, enter),
            Shim::Leave => offset_of!(Self, leave),
            Shim::TailCall => offset_of!(Self, tail_call),
            Shim::PacketLoad => offset_of!(Self, packet_load),
            Shim::MayGoto => offset_of!(Self, may_goto),
            Shim::MapValue => offset_of!(Self, map_value),
            Shim::Begin => offset_of!(Self, begin),
            Shim::Next => offset_of!(Self, next),
            Shim::Kfunc => offset_of!(Self, kfunc),
            Shim::Lookup => offset_of!(Self, lookup),
            Shim::Update => offset_of!(Self, update),
            Shim::Platform => offset_of!(Self, platform),
        }
    }
}

/// The session behind the pointer that compiled code holds.
///
/// # Safety
/// Compiled code that runs in this session has called, and waits.
unsafe fn session<'a, P: PhysicalProfile>(session: *mut Session<'_, P>) -> &'a mut Session<'_, P> {
    // SAFETY: `enter` keeps the session alive while code runs and touches it
    // through no other reference; the code itself waits for this call.
    unsafe { &mut *session }
}

impl<P: PhysicalProfile> Session<'_, P> {
    /// The value, or a stop at the instruction and 0.
    fn settle(&mut self, at: Descriptor, result: Result<u64, Fault>) -> u64 {
        result.unwrap_or_else(|fault| {
            self.run.stop(at.pc(), fault);
            0
        })
    }
}

unsafe extern "sysv64" fn helper<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    let (id, descriptor) = session.native.called();
    session.sync_frames();
    let run = &mut session.run;
    let result = session.panic.catch(|| run.call_helper(id, [r1, r2, r3, r4, r5]));
    // A panic ends the program as a fault does, and then takes the fault's place.
    session.settle(descriptor, result.unwrap_or(Err(Fault::UnknownHelper(id))))
}

unsafe extern "sysv64" fn lookup<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    r1: u64,
    r2: u64,
    _: u64,
    _: u64,
    _: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    if let Some((way, key)) = session.ways.to(r1).zip(pointer(r2)) {
        // SAFETY: proven code alone calls this, for a map and the address of a key.
        return links::address(unsafe { way.find(key, session.cpu) });
    }
    // SAFETY: as this function was called.
    unsafe { lookup_slowly(session, r1, r2) }
}

/// The same of a map that was not asked yet, or has no short way.
///
/// # Safety
/// Proven code has called, for a map and the address of a key.
#[cold]
#[inline(never)]
unsafe fn lookup_slowly<P: PhysicalProfile>(session: &mut Session<'_, P>, r1: u64, r2: u64) -> u64 {
    let way = session.ways.find(session.run.environment(), r1);
    if let Some((way, key)) = way.zip(pointer(r2)) {
        // SAFETY: the caller's promise.
        return links::address(unsafe { way.find(key, session.cpu) });
    }
    let Some((map, def)) = session.run.defined_map(r1) else { return 0 };
    // SAFETY: proven code alone calls this, for a map and the address of a key.
    unsafe { links::lookup(map, def, r2, session.cpu) }
}

unsafe extern "sysv64" fn update<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    if let Some(way) = session.ways.to(r1)
        && let Some(cpu) = session.run.known_cpu()
        && let (Some(key), Some(value)) = (pointer(r2), pointer(r3))
    {
        // SAFETY: proven code alone calls this, for a map and the addresses of a key and a value.
        return unsafe { way.set(key, value, r4, cpu) }.cast_unsigned();
    }
    // SAFETY: as this function was called.
    unsafe { update_slowly(session, r1, r2, r3, r4, r5) }
}

/// The same of a map that was not asked yet or has no short way, or where the CPU was not asked
/// for yet.
///
/// # Safety
/// Proven code has called, for a map and the addresses of a key and a value.
#[cold]
#[inline(never)]
unsafe fn update_slowly<P: PhysicalProfile>(
    session: &mut Session<'_, P>,
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
) -> u64 {
    let (id, descriptor) = session.native.called();
    let _ = session.ways.find(session.run.environment(), r1);
    let run = &mut session.run;
    // The platform may panic; maps are of this workspace, and do not.
    let cpu = run.known_cpu().or_else(|| session.panic.catch(|| run.cpu()));
    let Some(cpu) = cpu else {
        return session.settle(descriptor, Err(Fault::UnknownHelper(id)));
    };
    let Some((map, def)) = run.defined_map(r1) else {
        // SAFETY: as this function was called.
        return unsafe { helper(session, r1, r2, r3, r4, r5) };
    };
    // SAFETY: proven code alone calls this, for a map and the addresses of a key and a value.
    unsafe { links::update(map, def, [r2, r3], r4, cpu) }
}

unsafe extern "sysv64" fn platform<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    _: u64,
    _: u64,
    _: u64,
    _: u64,
    _: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    let (id, descriptor) = session.native.called();
    let (run, known_cpu) = (&mut session.run, &mut session.known_cpu);
    let number = session.panic.catch(|| match id {
        id::KTIME_GET_NS => run.environment().platform().now_ns(),
        id::GET_PRANDOM_U32 => run.environment().platform().random_u32().into(),
        _ => {
            *known_cpu = run.cpu();
            (*known_cpu).into()
        }
    });
    session.settle(descriptor, number.ok_or(Fault::UnknownHelper(id)))
}

unsafe extern "sysv64" fn access<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    addr: u64,
    descriptor: u32,
    r0: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    let descriptor = Descriptor(descriptor);
    let value = session.native.operand;
    let run = &mut session.run;
    let result = match Access::from_code(descriptor.code()) {
        Some(Access::Load(size, Order::Relaxed)) => run.load(addr, size),
        Some(Access::Load(size, Order::Ordered)) => run.load_acquire(addr, size),
        Some(Access::LoadSigned(size)) => run.load_signed(addr, size),
        Some(Access::Store(size, Order::Relaxed)) => run.store(addr, size, value).map(|()| 0),
        Some(Access::Store(size, Order::Ordered)) => {
            run.store_release(addr, size, value).map(|()| 0)
        }
        Some(Access::StoreImmediate(size)) => run.store_immediate(addr, size, value).map(|()| 0),
        Some(Access::Atomic(op, width)) => run.atomic(op, width, addr, value, r0),
        None => Err(Fault::InvalidInstruction),
    };
    session.settle(descriptor, result)
}

unsafe extern "sysv64" fn stop<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    _: u64,
    descriptor: u32,
    _: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    let descriptor = Descriptor(descriptor);
    let fault = match Stop::from_code(descriptor.code()) {
        Stop::Budget => Fault::Budget,
        Stop::Trap(trap) => trap.fault(),
    };
    session.settle(descriptor, Err(fault))
}

unsafe extern "sysv64" fn enter<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    _: u64,
    descriptor: u32,
    _: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    // What has to be saved is on the native stack.
    let result = session.run.push_frame(Saved::default());
    session.settle(Descriptor(descriptor), result)
}

unsafe extern "sysv64" fn leave<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    _: u64,
    _: u32,
    _: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    let _ = session.run.pop_frame();
    0
}

unsafe extern "sysv64" fn tail_call<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    array: u64,
    descriptor: u32,
    _: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    let (programs, index) = (session.programs, session.native.operand);
    let find = |number: u32| programs.get(usize::try_from(number).ok()?).copied();
    session.sync_frames();
    match session.run.tail_call(array, index, &|number| find(number).map(|p| p.info())) {
        Ok(target) => {
            let Some(target) = target.and_then(find) else { return 0 };
            session.moved = true;
            if session.find_cpu(target).is_none() || session.link(target).is_err() {
                return session.settle(Descriptor(descriptor), Err(Fault::InvalidInstruction));
            }
            session.set_entry_registers();
            target.body()
        }
        Err(fault) => session.settle(Descriptor(descriptor), Err(fault)),
    }
}

unsafe extern "sysv64" fn packet_load<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    position: u64,
    descriptor: u32,
    _: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    let size = match Access::from_code(Descriptor(descriptor).code()) {
        Some(Access::Load(size, _)) => size,
        _ => Size::B,
    };
    // Compiled code has added the position up already.
    let position = legacy_position(0, Some(position));
    session.run.legacy_load(position, size).unwrap_or(END)
}

unsafe extern "sysv64" fn may_goto<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    _: u64,
    _: u32,
    _: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    u64::from(unsafe { session(at) }.run.may_goto())
}

unsafe extern "sysv64" fn map_value<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    byte: u64,
    descriptor: u32,
    _: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    let [b0, b1, b2, b3, b4, b5, b6, b7] = byte.to_le_bytes();
    let (index, offset) =
        (u32::from_le_bytes([b4, b5, b6, b7]), u32::from_le_bytes([b0, b1, b2, b3]));
    let result = session.run.map_value_address(index, offset);
    session.settle(Descriptor(descriptor), result)
}

unsafe extern "sysv64" fn begin<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    let (id, descriptor) = session.native.called();
    session.sync_frames();
    let program = session.program_at(session.native.operand);
    let is_function = |slot| program.is_some_and(|program| program.address_of(slot).is_some());
    let run = &mut session.run;
    let args = [r1, r2, r3, r4, r5];
    // What the kernel's platform does may panic here, too.
    let callback = session.panic.catch(|| run.begin_callbacks(id, args, &is_function));
    let callback = callback.unwrap_or(Err(Fault::UnknownHelper(id)));
    let result = callback.and_then(|callback| session.prepare(callback));
    session.settle(descriptor, result)
}

unsafe extern "sysv64" fn next<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    r0: u64,
    descriptor: u32,
    _: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    // The function's frame: verified code knows nothing of it, and has said
    // which one is the newest now.
    if session.run.program().verified().is_some() {
        session.sync_frames();
    } else {
        let _ = session.run.pop_frame();
    }
    let run = &mut session.run;
    let callback = session.panic.catch(|| run.next_callback(r0));
    let result = callback.ok_or(Fault::InvalidInstruction).and_then(|next| session.prepare(next));
    session.settle(Descriptor(descriptor), result)
}

unsafe extern "sysv64" fn kfunc<P: PhysicalProfile>(
    at: *mut Session<'_, P>,
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
) -> u64 {
    // SAFETY: called by compiled code.
    let session = unsafe { session(at) };
    let (number, descriptor) = session.native.called();
    session.sync_frames();
    let result = session.run.call_kfunc(number.cast_signed(), [r1, r2, r3, r4, r5]);
    session.settle(descriptor, result)
}

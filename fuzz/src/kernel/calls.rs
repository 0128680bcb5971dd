//! Helpers and kernel functions, as Linux defines them. What may fail does so now and
//! then.

use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf::bytecode::abi::kfunc::Kfunc;

use super::dynptr::{Dynptr, Source};
use super::machine::{Calls, Flow, Machine};
use super::memory::{Step, any};
use super::{FIELDS, LOCKS, PROGRAMS, RING};
use crate::mutate;
use crate::reference::number;

const EINVAL: u64 = 22_u64.wrapping_neg();
/// Rounds of `bpf_loop` at the most.
const MAX_LOOPS: u64 = 1 << 23;

impl Machine<'_> {
    fn chance(&mut self, of: usize) -> bool {
        self.rng.below(of) == 0
    }

    /// The arguments R1 to R5.
    fn arguments(&self) -> [u64; 5] {
        std::array::from_fn(|at| self.registers[at + 1])
    }

    /// What a call leaves: a result, and nothing that one could rely on in R1 to R5.
    fn result(&mut self, result: u64) -> Flow {
        self.scramble(1..6);
        self.registers[0] = result;
        Flow::Next
    }

    pub(super) fn call_helper(&mut self, id: u32) -> Step<Flow> {
        let [a, b, c, d, _] = self.arguments();
        if id != 94 {
            self.held.unlocked()?;
        }
        let result = match id {
            1 => self.lookup(a, b)?,
            5 | 7 | 8 => mutate::number(self.rng),
            12 => return self.tail_call(a, b),
            38 | 39 | 44 => self.change_packet(a)?,
            81 => self.storage(a)?,
            93 => self.spin(a).and_then(|()| self.held.lock(a)).map(|()| 0)?,
            94 => self.spin(a).and_then(|()| self.held.unlock(a)).map(|()| 0)?,
            131 => self.reserve(a, b)?,
            132 | 133 => self.give_back(a)?,
            164 => return self.for_each(a, b, c),
            169..=172 => {
                self.call_timer(id, self.arguments()).map(|()| mutate::number(self.rng))?
            }
            181 => return self.bpf_loop(a, b, c),
            197 => self.dynptr_from_memory(a, b, c, d)?,
            198 => self.reserve_dynptr(a, b, d)?,
            199 | 200 => self.end_dynptr(a).map(|()| 0)?,
            201 => self.dynptr_read(a, b, c, d)?,
            202 => self.dynptr_write(a, b, c, d)?,
            203 => self.dynptr_data(a, b, c)?,
            _ => return Ok(Flow::Unknown),
        };
        Ok(self.result(result))
    }

    pub(super) fn call_kfunc(&mut self, number: i32) -> Step<Flow> {
        let [a, b, c, d, _] = self.arguments();
        self.held.unlocked()?;
        let result = match Kfunc::from_number(number).ok_or("no kernel function")? {
            Kfunc::IterNumNew => self.new_iterator(a, b, c)?,
            Kfunc::IterNumNext => self.next_number(a)?,
            Kfunc::IterNumDestroy => {
                let left = any(self.rng, 8);
                self.memory.write(a, &left)?;
                self.held.release().map(|()| 0)?
            }
            Kfunc::PreemptDisable => {
                self.held.disable_preemption();
                0
            }
            Kfunc::PreemptEnable => self.held.enable_preemption().map(|()| 0)?,
            Kfunc::RcuReadLock => self.held.rcu(true).map(|()| 0)?,
            Kfunc::RcuReadUnlock => self.held.rcu(false).map(|()| 0)?,
            Kfunc::Throw => return self.throw(a),
            Kfunc::DynptrFromSkb | Kfunc::DynptrFromXdp => self.dynptr_from_packet(a, b, c)?,
            Kfunc::DynptrSliceRdwr if self.reads_packet(a)? => 0,
            Kfunc::DynptrSlice | Kfunc::DynptrSliceRdwr => self.slice(a, b, c, d)?,
            Kfunc::DynptrAdjust => self.adjust(a, b, c)?,
            Kfunc::DynptrIsNull => u64::from(self.dynptr(a)?.1.source == Source::Null),
            Kfunc::DynptrIsRdonly => self.dynptr(a).map(|_| 0)?,
            Kfunc::DynptrSize => self.dynptr(a)?.1.size,
            Kfunc::DynptrClone => {
                let (_, dynptr) = self.dynptr(a)?;
                if let Source::Record(_) = dynptr.source {
                    return Err("a copy of a record's dynptr".to_owned());
                }
                self.make_dynptr(b, dynptr).map(|()| 0)?
            }
            _ => return Ok(Flow::Unknown),
        };
        Ok(self.result(result))
    }

    fn lookup(&mut self, map: u64, key: u64) -> Step<u64> {
        let index = self.memory.load(key, 4)?;
        let values = &self.values[Self::map(map)?];
        Ok(usize::try_from(index).ok().and_then(|index| values.get(index)).copied().unwrap_or(0))
    }

    fn storage(&self, map: u64) -> Step<u64> {
        Ok(self.values[Self::map(map)?].first().copied().ok_or("no storage")?)
    }

    /// Whether there is a spin lock at the address.
    fn spin(&self, at: u64) -> Step {
        let off = u64::from(FIELDS[0].offset);
        if self.values[LOCKS as usize].iter().any(|value| value + off == at) {
            return Ok(());
        }
        Err(format!("no lock at {at:#x}"))
    }

    /// Another program takes over, or none: nobody knows what it does to the packet.
    fn tail_call(&mut self, context: u64, map: u64) -> Step<Flow> {
        if context != self.context || Self::map(map)? != PROGRAMS as usize {
            return Err("no arguments of a tail call".to_owned());
        }
        if self.chance(2) {
            return Ok(self.result(EINVAL));
        }
        self.held.nothing()?;
        self.outside_callbacks()?;
        self.move_packet(None);
        self.scramble(0..1);
        if self.returns_flag() && self.is_outermost() {
            self.registers[0] &= 1;
        }
        Ok(Flow::Return)
    }

    fn change_packet(&mut self, context: u64) -> Step<u64> {
        if context != self.context {
            return Err("no context".to_owned());
        }
        self.move_packet(None);
        Ok(if self.chance(2) { 0 } else { EINVAL })
    }

    fn reserve(&mut self, map: u64, size: u64) -> Step<u64> {
        if Self::map(map)? != RING as usize {
            return Err("no ring buffer".to_owned());
        }
        let size = usize::try_from(size).ok().filter(|size| *size < 4096);
        let Some(size) = size.filter(|_| self.rng.below(4) > 0) else { return Ok(0) };
        let bytes = any(self.rng, size);
        self.held.records += 1;
        Ok(self.memory.add(bytes))
    }

    fn give_back(&mut self, record: u64) -> Step<u64> {
        self.memory.remove(record).ok_or("no record")?;
        self.held.release()?;
        Ok(0)
    }

    fn bpf_loop(&mut self, all: u64, function: u64, context: u64) -> Step<Flow> {
        let all = all & 0xffff_ffff;
        let function = Self::function(function)?;
        if all == 0 || all > MAX_LOOPS {
            return Ok(self.result(if all == 0 { 0 } else { 7_u64.wrapping_neg() }));
        }
        self.call_back(Calls { function, context, done: 0, all, each: None });
        Ok(Flow::Next)
    }

    fn for_each(&mut self, map: u64, function: u64, context: u64) -> Step<Flow> {
        let (map, function) = (Self::map(map)?, Self::function(function)?);
        let all = self.values[map].len() as u64;
        if all == 0 {
            return Err("no values to be shown".to_owned());
        }
        let each = Some((map, 0));
        self.call_back(Calls { function, context, done: 0, all, each });
        Ok(Flow::Next)
    }

    fn new_iterator(&mut self, at: u64, from: u64, to: u64) -> Step<u64> {
        self.held.records += 1;
        let low = |wide: u64| number::sign_extend(wide, 32).cast_signed();
        let count = low(to) - low(from);
        let fits = (0..1 << 23).contains(&count);
        self.memory.store(at, 4, if fits { from.wrapping_sub(1) } else { 0 })?;
        self.memory.store(at + 4, 4, if fits { to } else { 1 })?;
        Ok(if fits { 0 } else { EINVAL })
    }

    fn next_number(&mut self, at: u64) -> Step<u64> {
        let cut = |number: u64| number & 0xffff_ffff;
        let next = cut(self.memory.load(at, 4)?.wrapping_add(1));
        if next == self.memory.load(at.wrapping_add(4), 4)? {
            self.memory.store(at, 4, next.wrapping_sub(1))?;
            return Ok(0);
        }
        self.memory.store(at, 4, next)?;
        Ok(at)
    }

    fn dynptr_from_packet(&mut self, context: u64, flags: u64, at: u64) -> Step<u64> {
        let size = self.memory.object(self.packet).ok_or("no packet")?.inside.len() as u64;
        if context != self.context {
            return Err("no context".to_owned());
        }
        let source = if flags == 0 { Source::Packet } else { Source::Null };
        self.make_dynptr(at, Dynptr { source, off: 0, size: if flags == 0 { size } else { 0 } })?;
        Ok(if flags == 0 { 0 } else { EINVAL })
    }

    fn dynptr_from_memory(&mut self, memory: u64, len: u64, flags: u64, at: u64) -> Step<u64> {
        self.memory.check(memory, usize::try_from(len).map_err(|_| "too long")?)?;
        let source = if flags == 0 { Source::Memory(memory) } else { Source::Null };
        self.make_dynptr(at, Dynptr { source, off: 0, size: if flags == 0 { len } else { 0 } })?;
        Ok(if flags == 0 { 0 } else { EINVAL })
    }

    fn reserve_dynptr(&mut self, map: u64, size: u64, at: u64) -> Step<u64> {
        if Self::map(map)? != RING as usize {
            return Err("no ring buffer".to_owned());
        }
        // It is to be given back also where there was no room.
        self.held.records += 1;
        let len = usize::try_from(size).ok().filter(|size| *size < 4096);
        let record = len.filter(|_| self.rng.below(4) > 0).map(|len| {
            let bytes = any(self.rng, len);
            self.memory.add(bytes)
        });
        let size = if record.is_some() { size } else { 0 };
        self.make_dynptr(at, Dynptr { source: Source::Record(record), off: 0, size })?;
        Ok(if record.is_some() { 0 } else { EINVAL })
    }

    fn dynptr_read(&mut self, to: u64, len: u64, from: u64, off: u64) -> Step<u64> {
        let wide = usize::try_from(len).map_err(|_| "too long")?;
        self.memory.check(to, wide)?;
        let (_, dynptr) = self.dynptr(from)?;
        let found = self.bytes_of(&dynptr, off & 0xffff_ffff, len);
        let bytes = match found {
            Some(at) => self.memory.read(at, wide)?.to_vec(),
            None => vec![0; wide],
        };
        self.memory.write(to, &bytes)?;
        Ok(if found.is_some() { 0 } else { EINVAL })
    }

    fn dynptr_write(&mut self, to: u64, off: u64, from: u64, len: u64) -> Step<u64> {
        let (_, dynptr) = self.dynptr(to)?;
        let wide = usize::try_from(len).map_err(|_| "too long")?;
        if dynptr.source == Source::Packet && self.prog_type != BpfProgType::Xdp {
            // As long as before, and perhaps somewhere else.
            let len = self.memory.object(self.packet).map(|object| object.inside.len());
            self.move_packet(len);
        }
        let bytes = self.memory.read(from, wide)?.to_vec();
        if let Some(at) = self.bytes_of(&dynptr, off & 0xffff_ffff, len) {
            self.memory.write(at, &bytes)?;
        }
        Ok(0)
    }

    fn dynptr_data(&mut self, at: u64, off: u64, len: u64) -> Step<u64> {
        let (_, dynptr) = self.dynptr(at)?;
        if dynptr.source == Source::Packet {
            return Ok(0);
        }
        Ok(self.bytes_of(&dynptr, off & 0xffff_ffff, len).unwrap_or(0))
    }

    fn adjust(&mut self, at: u64, from: u64, to: u64) -> Step<u64> {
        let (number, dynptr) = self.dynptr(at)?;
        let (from, to) = (from & 0xffff_ffff, to & 0xffff_ffff);
        if from > to || to > dynptr.size {
            return Ok(EINVAL);
        }
        let part = Dynptr { off: dynptr.off + from, size: to - from, ..dynptr };
        self.set_dynptr(number, part);
        Ok(0)
    }
}

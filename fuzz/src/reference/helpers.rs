//! Helpers, as Linux defines them.

use kernel_bpf::bytecode::abi::map::MapType;
use kernel_bpf::execution::Fault;

use super::memory::{Memory, handle};
use super::{Step, Stop, fault};

// Linux's numbers.
const MAP_LOOKUP_ELEM: u32 = 1;
const MAP_UPDATE_ELEM: u32 = 2;
const MAP_DELETE_ELEM: u32 = 3;
const KTIME_GET_NS: u32 = 5;
const GET_PRANDOM_U32: u32 = 7;
const GET_SMP_PROCESSOR_ID: u32 = 8;
pub(super) const XDP_ADJUST_HEAD: u32 = 44;

const ENOENT: u64 = 2;
const E2BIG: u64 = 7;
const EEXIST: u64 = 17;
const EINVAL: u64 = 22;

const BPF_ANY: u64 = 0;
const BPF_NOEXIST: u64 = 1;
const BPF_EXIST: u64 = 2;

fn failed(errno: u64) -> u64 {
    0_u64.wrapping_sub(errno)
}

impl Memory {
    /// Calls a helper: R0.
    pub fn call(&mut self, id: u32, [a, b, c, d, _]: [u64; 5]) -> Step<u64> {
        match id {
            MAP_LOOKUP_ELEM => {
                let map = self.map(id, a)?;
                let key = self.read(b, self.maps[map].def.key_size as usize)?;
                Ok(self.maps[map].entries.get(&key).copied().unwrap_or(0))
            }
            MAP_UPDATE_ELEM => self.update(id, [a, b, c, d]),
            MAP_DELETE_ELEM => {
                let map = self.map(id, a)?;
                let key = self.read(b, self.maps[map].def.key_size as usize)?;
                if self.maps[map].def.map_type == MapType::Array {
                    return Ok(failed(EINVAL));
                }
                let Some(at) = self.maps[map].entries.remove(&key) else {
                    return Ok(failed(ENOENT));
                };
                self.delete(at);
                Ok(0)
            }
            // The platform stands still, knows no chance, and has one CPU.
            KTIME_GET_NS | GET_PRANDOM_U32 | GET_SMP_PROCESSOR_ID => Ok(0),
            XDP_ADJUST_HEAD => {
                // An `int`.
                let delta = super::number::sign_extend(b, 32).cast_signed();
                Ok(if self.adjust_head(a, delta)? { 0 } else { failed(EINVAL) })
            }
            _ => Err(Stop::Declined),
        }
    }

    /// The keyed map that a handle stands for.
    fn map(&self, helper: u32, argument: u64) -> Step<usize> {
        let index = (0..).take(self.maps.len()).position(|index| handle(index) == argument);
        match index.map(|index| (index, self.maps[index].def.map_type)) {
            Some((index, MapType::Array | MapType::Hash)) => Ok(index),
            Some(_) => Err(Stop::Declined),
            None => fault(Fault::HelperArgument { helper, arg: 1 }),
        }
    }

    fn update(&mut self, id: u32, [map, key, value, flags]: [u64; 4]) -> Step<u64> {
        let index = self.map(id, map)?;
        let def = self.maps[index].def;
        let key = self.read(key, def.key_size as usize)?;
        let value = self.read(value, def.value_size as usize)?;
        let array = def.map_type == MapType::Array;
        let known = self.maps[index].entries.get(&key).copied();
        let full = self.maps[index].entries.len() >= def.max_entries as usize;
        match flags {
            BPF_ANY | BPF_NOEXIST | BPF_EXIST => {}
            _ => return Ok(failed(EINVAL)),
        }
        match known {
            // An array has all the keys that it can have.
            None if array => Ok(failed(E2BIG)),
            Some(_) if flags == BPF_NOEXIST => Ok(failed(EEXIST)),
            None if flags == BPF_EXIST => Ok(failed(ENOENT)),
            None if full => Ok(failed(E2BIG)),
            Some(at) => {
                self.replace(index, key, at, value);
                Ok(0)
            }
            None => {
                self.insert(index, key, value);
                Ok(0)
            }
        }
    }
}

// A live map of somebody else's: engines go to the addresses that a map gives
// them.

use std::ptr::NonNull;

use kernel_bpf::bytecode::abi::map::MapDef;
use kernel_bpf::maps::memory::View;
use kernel_bpf::maps::{BpfMap, MapError, MapValue, ValueRegion};

struct MyMap(MapDef);

impl BpfMap for MyMap {
    fn def(&self) -> &MapDef {
        &self.0
    }
    fn len(&self) -> usize {
        1
    }
    fn lookup(&self, _: &[u8]) -> Result<MapValue<'_>, MapError> {
        Err(MapError::NotFound)
    }
    fn update(&self, _: &[u8], _: &[u8], _: u64) -> Result<(), MapError> {
        Ok(())
    }
    fn delete(&self, _: &[u8]) -> Result<(), MapError> {
        Ok(())
    }
    fn next_key(&self, _: Option<&[u8]>, _: &mut [u8]) -> Result<(), MapError> {
        Err(MapError::NotFound)
    }
    #[cfg(feature = "cloud-profile")]
    fn resize(&self, _: u32) -> Result<(), MapError> {
        Ok(())
    }
    fn value_region(&self, _: usize) -> Option<ValueRegion> {
        None
    }
    fn lookup_ptr(&self, _: &[u8], _: u32) -> Option<NonNull<u8>> {
        NonNull::new(0xdead_0000 as *mut u8)
    }
    fn update_from(&self, _: &[u8], _: View<'_>, _: u64, _: u32) -> Result<(), MapError> {
        Ok(())
    }
    fn delete_on(&self, _: &[u8], _: u32) -> Result<(), MapError> {
        Ok(())
    }
}

fn main() {}

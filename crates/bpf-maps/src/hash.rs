//! Hash maps.

/// The part of [`BpfMap`](crate::BpfMap) that is the same for every map over a
/// table.
macro_rules! over_table {
    () => {
        fn def(&self) -> &MapDef {
            &self.def
        }

        fn max_entries(&self) -> u32 {
            self.table.max()
        }

        fn len(&self) -> usize {
            self.table.len() as usize
        }

        fn delete(&self, key: &[u8]) -> Result<(), MapError> {
            limits::host_writes(&self.def)?;
            self.table.delete(&self.def, key, Caller::Host)
        }

        fn delete_on(&self, key: &[u8], cpu: u32) -> Result<(), MapError> {
            self.table.delete(&self.def, key, Caller::Program(cpu))
        }

        #[cfg(feature = "cloud-profile")]
        fn direct(&self) -> Option<crate::Direct<'_>> {
            crate::Direct::to(self)
        }

        fn next_key(&self, previous: Option<&[u8]>, out: &mut [u8]) -> Result<(), MapError> {
            limits::host_reads(&self.def)?;
            self.table.next_key(previous, out)
        }
    };
}

/// The part that is the same where values lie in the table's nodes.
macro_rules! values_in_nodes {
    () => {
        fn lookup(&self, key: &[u8]) -> Result<MapValue<'_>, MapError> {
            limits::host_reads(&self.def)?;
            check(&self.def, key)?;
            let value = self.table.find(key).and_then(|node| self.table.value(node));
            Ok(MapValue::new(value.ok_or(MapError::NotFound)?.view()))
        }

        fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
            limits::host_writes(&self.def)?;
            self.set(key, value.into(), flags, Caller::Host)
        }

        fn update_from(
            &self,
            key: &[u8],
            value: View<'_>,
            flags: u64,
            cpu: u32,
        ) -> Result<(), MapError> {
            self.set(key, value, flags, Caller::Program(cpu))
        }

        #[cfg(feature = "cloud-profile")]
        fn resize(&self, max_entries: u32) -> Result<(), MapError> {
            self.table.resize(max_entries, SPARE, |_| Ok(()))
        }

        fn value_region(&self, index: usize) -> Option<ValueRegion> {
            self.table.region(index)
        }
    };
}

#[cfg(feature = "embedded-profile")]
#[path = "hash/fixed.rs"]
mod buckets;
#[cfg(feature = "cloud-profile")]
#[path = "hash/growing.rs"]
mod buckets;
mod function;
mod heads;
#[cfg(feature = "cloud-profile")]
mod lru;
mod percpu;
mod plain;
mod table;

#[cfg(feature = "cloud-profile")]
pub use lru::LruHashMap;
pub use percpu::PerCpuHashMap;
pub use plain::HashMap;

/// Where in a node the hash of its key is.
const HASH: usize = 0;
/// Where in a node the link to the next free one is.
const FREE: usize = 4;
/// Where in a node the first link to the next one in its chain is.
const NEXT: usize = 8;

//! The kernel functions that this Linux has.

use std::collections::HashMap;
use std::fs;
use std::sync::OnceLock;

use kernel_bpf::loader::btf::{Btf, Kind};
use kernel_bpf::profile::ActiveProfile;

/// Where Linux gives its own types.
const TYPES: &str = "/sys/kernel/btf/vmlinux";

/// The number by which this Linux knows a function of its own; none where it has no such
/// function or does not tell.
pub fn function(name: &str) -> Option<u32> {
    static FUNCTIONS: OnceLock<HashMap<String, u32>> = OnceLock::new();
    let known = FUNCTIONS.get_or_init(|| {
        let bytes = fs::read(TYPES).unwrap_or_default();
        Btf::parse(&bytes).map_or_else(|_| HashMap::new(), |btf| functions(&btf))
    });
    known.get(name).copied()
}

/// The numbers of functions by their names: of several of one name, of the first, as
/// libbpf takes it.
pub fn functions(btf: &Btf<'_, ActiveProfile>) -> HashMap<String, u32> {
    let functions = btf.types().filter(|found| found.kind == Kind::Function);
    functions.fold(HashMap::new(), |mut all, found| {
        all.entry(btf.name(&found).to_owned()).or_insert(found.id);
        all
    })
}

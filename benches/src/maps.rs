//! Live maps of a program.

use anyhow::{Context, Result};
use kernel_bpf::maps::{self, AnyMap, BpfMap};
use kernel_bpf::profile::ActiveProfile;

use crate::workload::Program;

/// The maps that a program is run with.
#[derive(Debug)]
pub struct LiveMaps(Vec<AnyMap<ActiveProfile>>);

impl LiveMaps {
    /// Makes them, with their contents.
    ///
    /// # Errors
    /// What making or filling a map gives.
    pub fn new(program: &Program) -> Result<Self> {
        let make = |at: usize| -> Result<_> {
            let map = maps::create::<ActiveProfile>(program.maps[at])?;
            if let Some(frozen) = program.frozen(at) {
                return Ok(map.freeze(frozen)?);
            }
            if program.contents[at].is_empty() {
                return Ok(map);
            }
            Ok(map.filled(program.contents[at])?)
        };
        let all = (0..program.maps.len())
            .map(|at| make(at).with_context(|| format!("{}: map {at}", program.name)))
            .collect::<Result<_>>()?;
        Ok(Self(all))
    }

    /// As an environment takes them.
    pub fn as_dyn(&self) -> Vec<&dyn BpfMap> {
        self.0.iter().map(|map| map as &dyn BpfMap).collect()
    }
}

//! What an execution came to, in a form without addresses.

use kernel_bpf::execution::{BpfError, BpfResult, Fault};

/// The outcome as text: R0 in hex, or the fault and where it happened.
/// Addresses are left out, since they differ from run to run.
pub fn of(result: BpfResult) -> String {
    match result {
        Ok(r0) => format!("{r0:#x}"),
        Err(BpfError::Refused(refusal)) => format!("refused: {refusal}"),
        Err(BpfError::Fault { pc, fault }) => match fault {
            Fault::Memory { size, .. } => format!("insn {pc}: memory, {size} bytes"),
            other => format!("insn {pc}: {other}"),
        },
    }
}

//! Machine code of the JIT compiler, decoded again.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};
use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::execution::CompiledProgram;
use kernel_bpf::profile::ActiveProfile;

use super::{Code, Machine};
use crate::args::Hardening;
use crate::hardening;
use crate::hex;
use crate::verifying::{self, Target};

/// What the compiler makes of a program, which has to be verified for that.
pub fn code(program: &BpfProgram<ActiveProfile>, hardening: Hardening) -> Result<Machine, String> {
    let verified = verifying::verify(program, Target::ENGINES)
        .map_err(|failure| format!("not verified: {}", failure.error))?;
    let compiled = hardening::compile(&verified, hardening).map_err(|error| error.to_string())?;
    Ok(by_slot(&compiled, program.insns().len()))
}

/// Divides the code where slots begin. Code of several slots that begin at the
/// same place is that of the last: of the others nothing is left.
fn by_slot(compiled: &CompiledProgram<ActiveProfile>, slots: usize) -> Machine {
    let mut starts: Vec<(usize, usize)> =
        (0..slots).filter_map(|slot| Some((compiled.place_of(slot)?, slot))).collect();
    starts.sort_unstable();
    let mut machine = Machine { entry: Vec::new(), slots: Vec::new() };
    machine.slots.resize_with(slots, Vec::new);
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    let bytes = compiled.code();
    for insn in &mut Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE) {
        let (at, next) = (offset(insn.ip()), offset(insn.next_ip()));
        let begun = starts.partition_point(|(start, _)| *start <= at);
        let code = match begun.checked_sub(1) {
            Some(last) => &mut machine.slots[starts[last].1],
            None => &mut machine.entry,
        };
        let bytes = hex::pairs(bytes.get(at..next).unwrap_or_default());
        code.push(Code { offset: at, bytes, text: text(&mut formatter, &insn) });
    }
    machine
}

fn offset(ip: u64) -> usize {
    usize::try_from(ip).unwrap_or(usize::MAX)
}

fn text(formatter: &mut IntelFormatter, insn: &Instruction) -> String {
    let mut text = String::new();
    formatter.format(insn, &mut text);
    text
}

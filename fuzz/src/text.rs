//! Slots, decoded instructions and text are each other's inverse; text that is
//! no program is refused with a position inside of it.

use kernel_bpf::bytecode::text::{Dialect, Listing, assemble, assemble_into};
use kernel_bpf::bytecode::{BpfInsn, Instruction};
use kernel_bpf::profile::ActiveProfile;

use crate::input::Input;

/// Slots of a listing at the most: the assembler must be able to hold them on
/// every profile.
const MAX_SLOTS: usize = 128;

/// Reads the input as slots and as text, by turns.
///
/// # Panics
/// When slots do not survive their text or their decoded form, or an error's
/// position is not within the text.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.u8();
    if options & 1 == 0 {
        let dialect = if options & 2 == 0 { Dialect::Llvm } else { Dialect::Mnemonic };
        slots(&crate::program::raw_slots(&mut input, MAX_SLOTS), dialect, options & 4 != 0);
    } else {
        text(&String::from_utf8_lossy(input.rest()));
    }
}

/// Any slots: decoding, and listing in a form that is read back.
fn slots(insns: &[BpfInsn], dialect: Dialect, labels: bool) {
    let mut targets = vec![0; if labels { insns.len().div_ceil(64) } else { 0 }];
    let listing = Listing::new(insns).dialect(dialect).source().labels(&mut targets);
    let read = assemble::<ActiveProfile>(&listing.to_string());
    assert_eq!(read.as_deref(), Ok(insns), "{listing}");
    let _ = Listing::new(insns).dialect(dialect).bytes().to_string();
    for pc in 0..=insns.len() {
        let Ok(decoded) = Instruction::decode(insns, pc) else { continue };
        let encoded = decoded.encode().expect("it came from slots");
        assert_eq!(Instruction::decode(encoded.slots(), 0), Ok(decoded));
    }
}

/// Any text: an error is within it, and what is a program stays the same one.
fn text(source: &str) {
    let mut out = vec![BpfInsn::default(); source.len() + 2];
    match assemble_into::<ActiveProfile>(source, &mut out) {
        Ok(insns) => {
            let listing = Listing::new(insns).source();
            let mut again = vec![BpfInsn::default(); insns.len() + 2];
            let read = assemble_into::<ActiveProfile>(&listing.to_string(), &mut again);
            assert_eq!(read.map(|read| &*read), Ok(&*insns), "{source:?}\n{listing}");
        }
        Err(error) => {
            let line = source.split('\n').nth(error.line as usize - 1);
            let line = line.unwrap_or_else(|| panic!("{error}: no such line in {source:?}"));
            assert!(error.column as usize <= line.chars().count() + 1, "{error} in {source:?}");
            let _ = error.to_string();
        }
    }
}

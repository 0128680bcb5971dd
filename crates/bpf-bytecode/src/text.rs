//! Programs as text: disassembler and assembler.
//!
//! Both read the templates of [`table::INSTRUCTION_SET`](crate::table), so each
//! is the other's inverse over every instruction. Two dialects are in use:
//!
//! | | example |
//! |---|---|
//! | [`Dialect::Llvm`], as LLVM and Linux write it | `r0 = *(u8 *)(r1 +14)`, `if w2 s> -1 goto +3` |
//! | [`Dialect::Mnemonic`], as user-space engines write it | `ldxb r0, [r1+14]`, `jsgt32 r2, -1, +3` |
//!
//! The disassembler writes either; the assembler reads both, even side by side.
//! A slot that is no instruction is listed as a directive, `.8byte`, that the
//! assembler reads back.
//!
//! ```
//! use bpf_bytecode::text::{Listing, assemble};
//! use bpf_profile::ActiveProfile;
//!
//! # fn main() -> Result<(), bpf_bytecode::text::AsmError> {
//! let insns = assemble::<ActiveProfile>(
//!     "   r0 = 0
//!         if r1 == 0 goto out   // LLVM's form
//!         mov64 r0, 42          // the mnemonic form
//!     out: exit",
//! )?;
//! let text = Listing::new(&insns).to_string();
//! assert!(text.contains("1: if r1 == 0 goto +1\n"));
//! # Ok(())
//! # }
//! ```
//!
//! # Source text
//!
//! One statement stands on a line. `name:` before it, or on a line of its own,
//! is a label, to be used wherever a jump or a local call has its distance.
//! Without a label of that name, `exit` names the first `exit` instruction.
//!
//! `//`, `#` and `/* */` begin comments. A semicolon behind a blank, or at the
//! start of a line, begins a comment too; right behind a statement, as C has it,
//! it ends the statement, and another may follow on the line.
//!
//! Numbers are decimal or, with `0x`, hexadecimal. A 32-bit immediate may be
//! written as signed or as unsigned number (`-1` or `0xffffffff`); what fits
//! neither is an error, never cut.

mod assemble;
mod error;
mod listing;
mod operand;
mod pattern;
mod render;
mod scan;
mod token;

pub use assemble::{LABEL_CAPACITY, assemble, assemble_into};
pub use error::{AsmError, AsmErrorKind};
pub use listing::{Line, Listing};

/// A way to write instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// As LLVM and Linux write it: `r0 += r1`.
    #[default]
    Llvm,
    /// As user-space engines write it: `add64 r0, r1`.
    Mnemonic,
}

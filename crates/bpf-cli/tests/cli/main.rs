//! The tool as its users see it: text, JSON and exit codes of the binary.

mod classes;
mod disasm;
mod hostile;
mod log;
mod plugin;
mod run;
mod support;
mod table;
mod verify;
mod witness;

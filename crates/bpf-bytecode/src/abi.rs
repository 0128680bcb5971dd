//! What programs and kernels agree on: plain data, no behaviour.

pub mod context;
pub mod errno;
pub mod field;
pub mod frozen;
pub mod global;
pub mod helper;
pub mod helper_names;
pub mod kfunc;
pub mod map;
pub mod prog_type;
pub mod socket;

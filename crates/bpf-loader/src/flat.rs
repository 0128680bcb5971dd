//! The flat image: a linked object for targets too small for ELF.
//!
//! An image holds every program of an object with all references resolved, the
//! map definitions, and the maps' initial contents. It is read in place. All
//! numbers are little-endian, all offsets count bytes from the image's start,
//! and reserved bytes are zero. The usual suffix is `.kbi`.
//!
//! | offset | bytes | header |
//! |---|---|---|
//! | 0 | 8 | `KBPFIMG` and a zero byte |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | reserved |
//! | 12 | 4 | length of the image |
//! | 16 | 4 | CRC-32 (as in Ethernet) of all bytes from 20 on |
//! | 20 | 2 | number of map records |
//! | 22 | 2 | number of program records |
//!
//! The map records follow, then the program records.
//!
//! | offset | bytes | map record |
//! |---|---|---|
//! | 0 | 4 | type, as Linux numbers them |
//! | 4 | 4 | size of a key in bytes |
//! | 8 | 4 | size of a value in bytes |
//! | 12 | 4 | entries |
//! | 16 | 4 | creation flags |
//! | 20 | 4 | offset of the name |
//! | 24 | 2 | length of the name in bytes |
//! | 26 | 2 | kind of contents: 0 none, 1 the first value, 2 programs |
//! | 28 | 4 | offset of the contents |
//! | 32 | 4 | length of the contents in bytes |
//! | 36 | 4 | reserved |
//!
//! A first value that is shorter than a value is continued by zeros. Programs
//! are pairs of 4 bytes each: an index in the program array, and the number of
//! a program record.
//!
//! | offset | bytes | program record |
//! |---|---|---|
//! | 0 | 4 | type, as Linux numbers them |
//! | 4 | 4 | offset of the name |
//! | 8 | 2 | length of the name in bytes |
//! | 10 | 2 | length of the name of the place to attach to |
//! | 12 | 4 | offset of the name of the place to attach to |
//! | 16 | 4 | offset of the instructions, a multiple of 8 |
//! | 20 | 4 | number of slots |
//! | 24 | 8 | reserved |
//!
//! Instructions are as in an ELF object; immediate loads with source field 5
//! and 6 refer to map records by their number.

mod cast;
mod crc;
mod reader;
mod writer;

pub use cast::Aligned;
pub use reader::{FlatContents, FlatImage, FlatMap, FlatProgram};
pub use writer::{WriteError, write, write_to_slice};

/// The first bytes of an image.
pub const MAGIC: [u8; 8] = *b"KBPFIMG\0";

/// The version of the format that this crate reads and writes.
pub const VERSION: u16 = 1;

/// Bytes of the header and of each record.
const HEADER: usize = 24;
const MAP_RECORD: usize = 40;
const PROGRAM_RECORD: usize = 32;

/// Where the part of the image begins that the checksum covers.
const CHECKED_FROM: usize = 20;

/// Kinds of contents of a map.
const CONTENTS_NONE: u16 = 0;
const CONTENTS_VALUE: u16 = 1;
const CONTENTS_PROGRAMS: u16 = 2;

//! BPF maps with stable value addresses over elastic or static storage.
#![no_std]

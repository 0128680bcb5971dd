//! What is refused for want of support.

use core::fmt;

use bpf_bytecode::abi::helper::{ArgKind, RetKind};
use bpf_bytecode::abi::kfunc::KfuncName;

use super::text;

/// What the verifier does not handle yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Calls of the kernel function of this name, which may be empty.
    KernelFunction(KfuncName),
    /// Pointers to the kernel's structures in values of maps.
    KernelPointers,
    /// Maps named by file descriptor.
    MapDescriptors,
    /// Addresses of platform variables.
    PlatformVariables,
    /// A function that the caller of the helper was given itself.
    PassedFunction,
    /// A function called by a helper that releases what its callers acquired.
    ReleaseOfCallers,
    /// Helpers that call more than so many functions, one inside of the other.
    NestedCallbacks(u32),
    /// Keys of more than so many bytes that are shown to a function.
    LargeKeys(u32),
    /// Tail calls from functions that helpers call.
    TailCallInCallback,
    /// Programs that end in functions that helpers call.
    ThrowInCallback,
    /// Copies of a dynptr over a record, which would share it.
    SharedRecord,
    /// Slices of dynptrs with a buffer that is neither a map's value nor a known place
    /// of the stack.
    SliceBuffer,
    /// Maps of maps whose inner maps are not described.
    InnerMap,
    /// Helpers with an argument of this kind.
    Argument(ArgKind),
    /// Helpers with a result of this kind.
    Result(RetKind),
    /// Fields of the context that point to structures of Linux's own.
    KernelFields,
    /// Fields that Linux's maps have in memory.
    MapFields,
    /// Global functions whose signature has something else than numbers, the context
    /// and memory of known size.
    Signature,
    /// Helpers that call a global function.
    GlobalCallback,
    /// Timers in maps that are held by other maps.
    InnerTimers,
    /// A function called behind `bpf_throw` that takes or returns something else than
    /// one number.
    ExceptionSignature,
    /// Calls of the function that is called behind `bpf_throw`.
    ExceptionCall,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argument(kind) => {
                return write!(f, "helpers that take a {}", text::expected(*kind));
            }
            Self::Result(kind) => {
                return write!(f, "helpers that return a {}", text::result(*kind));
            }
            Self::InnerMap => "maps of maps whose inner maps are not described",
            Self::KernelFunction(name) if !name.as_str().is_empty() => {
                return write!(f, "calls of the kernel function {name}");
            }
            Self::KernelFunction(_) => "calls of kernel functions",
            Self::KernelPointers => "pointers to the kernel's structures in values of maps",
            Self::MapDescriptors => "references to maps by file descriptor",
            Self::PlatformVariables => "addresses of platform variables",
            Self::NestedCallbacks(most) => {
                return write!(f, "more than {most} functions called by helpers at a time");
            }
            Self::LargeKeys(most) => {
                return write!(f, "functions that are shown keys of more than {most} bytes");
            }
            Self::PassedFunction => "functions that are called elsewhere than where they are named",
            Self::ReleaseOfCallers => "functions that release what a helper's caller acquired",
            Self::TailCallInCallback => "tail calls from functions that helpers call",
            Self::ThrowInCallback => "ends of the program in functions that helpers call",
            Self::SharedRecord => "copies of a dynptr over a record",
            Self::SliceBuffer => "slices of dynptrs with a buffer at no known place",
            Self::KernelFields => "fields of the context that point to the kernel's structures",
            Self::MapFields => "fields of maps",
            Self::Signature => {
                "global functions with other arguments than numbers, the context, dynptrs and \
                 pointers to memory of known size, or with another result than a number"
            }
            Self::GlobalCallback => "global functions that are called by helpers",
            Self::InnerTimers => "timers in maps that are held by other maps",
            Self::ExceptionSignature => {
                "exception callbacks with anything but one number as their argument, or that \
                 return no number"
            }
            Self::ExceptionCall => "calls of exception callbacks by the program itself",
        })
    }
}

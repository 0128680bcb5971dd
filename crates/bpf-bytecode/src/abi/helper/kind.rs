//! What helpers take and give.

/// What a helper expects in one of R1 to R5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgKind {
    /// The helper takes no further argument.
    None,
    /// Any initialised value.
    Anything,
    /// Whatever the register holds, initialised or not: the helper reads it
    /// only where another argument says so. Linux declares no argument here.
    Unchecked,
    /// Any number.
    Scalar,
    /// The number 0.
    Zero,
    /// The program's context, as it came in R1.
    Context,
    /// The program's context, or null.
    ContextOrNull,
    /// A map of the program's definitions, of one of the types that
    /// [`HelperSig::map_types`](super::HelperSig::map_types) lists.
    Map,
    /// Initialised memory of the map's key size.
    MapKey,
    /// Initialised memory of the map's value size; a socket, for a map of sockets.
    MapValue,
    /// As [`MapValue`](Self::MapValue), or null.
    MapValueOrNull,
    /// Memory of the map's value size that the helper fills.
    MapValueWrite,
    /// Initialised memory, read by the helper; its size is the next argument.
    MemRead,
    /// As [`MemRead`](Self::MemRead), or a null pointer with size 0.
    MemReadOrNull,
    /// Memory that the helper fills; its size is the next argument.
    MemWrite,
    /// As [`MemWrite`](Self::MemWrite), or a null pointer with size 0.
    MemWriteOrNull,
    /// Initialised memory that the helper reads and changes; its size is the
    /// next argument.
    MemUpdate,
    /// Initialised memory of this many bytes.
    FixedRead(u16),
    /// Memory of this many bytes that the helper fills.
    FixedWrite(u16),
    /// Memory of this many bytes, at a multiple of them, that the helper fills.
    AlignedWrite(u16),
    /// Initialised memory of this many bytes, at a multiple of them, that the
    /// helper reads and changes.
    AlignedUpdate(u16),
    /// Size of the memory in the argument before, in bytes, at least 1.
    Size,
    /// Size of the memory in the argument before, in bytes, 0 included.
    SizeOrZero,
    /// A constant size of the memory that the helper returns, in bytes.
    AllocSize,
    /// The start of memory that a reserving helper returned; released here.
    AllocMem,
    /// Text that ends with a zero, in a map that nobody can change any more.
    Text,
    /// A spin lock in a map's value.
    SpinLock,
    /// A timer in a map's value.
    Timer,
    /// A pointer to kernel memory that is kept in a map's value.
    Kptr,
    /// A function of the program that the helper calls.
    Callback,
    /// A function of the program that the kernel calls once the program has ended.
    LaterCallback,
    /// What the helper passes to the function: a place on the stack, or null.
    CallbackContext,
    /// A dynptr of any kind.
    Dynptr,
    /// A dynptr over a ring buffer's record; released here.
    DynptrRelease,
    /// Where a new dynptr is put.
    DynptrInit,
    /// A socket of any kind.
    SocketCommon,
    /// A full socket.
    Socket,
    /// A full socket, or null.
    SocketOrNull,
    /// A socket of any kind that was acquired; released here.
    SocketRelease,
    /// What a system call is told, among it addresses that nobody checks.
    SystemCall,
    /// A structure of Linux's own, by its BTF.
    KernelStruct,
    /// As [`KernelStruct`](Self::KernelStruct), or null.
    KernelStructOrNull,
}

/// How many bytes a memory argument has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemSize {
    /// As many as the next argument says.
    Next,
    /// The map's key size.
    Key,
    /// The map's value size.
    Value,
    /// This many.
    Fixed(u16),
}

/// Memory that a helper reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "independent properties, each named")]
pub struct Memory {
    /// Bytes.
    pub size: MemSize,
    /// Whether the helper reads it: then it has to be initialised.
    pub reads: bool,
    /// Whether the helper writes it.
    pub writes: bool,
    /// Whether a null pointer stands for no memory.
    pub nullable: bool,
    /// Whether it has to lie at a multiple of its size.
    pub aligned: bool,
}

impl ArgKind {
    /// The memory that an argument of this kind stands for.
    pub const fn memory(self) -> Option<Memory> {
        use MemSize::{Fixed, Key, Next, Value};
        // Reads, writes.
        const READ: (bool, bool) = (true, false);
        const WRITE: (bool, bool) = (false, true);
        const UPDATE: (bool, bool) = (true, true);
        let (size, (reads, writes)) = match self {
            Self::MapKey => (Key, READ),
            Self::MapValue | Self::MapValueOrNull => (Value, READ),
            Self::MapValueWrite => (Value, WRITE),
            Self::MemRead | Self::MemReadOrNull => (Next, READ),
            Self::MemWrite | Self::MemWriteOrNull => (Next, WRITE),
            Self::MemUpdate => (Next, UPDATE),
            Self::FixedRead(bytes) => (Fixed(bytes), READ),
            Self::FixedWrite(bytes) | Self::AlignedWrite(bytes) => (Fixed(bytes), WRITE),
            Self::AlignedUpdate(bytes) => (Fixed(bytes), UPDATE),
            _ => return None,
        };
        let nullable =
            matches!(self, Self::MapValueOrNull | Self::MemReadOrNull | Self::MemWriteOrNull);
        let aligned = matches!(self, Self::AlignedWrite(_) | Self::AlignedUpdate(_));
        Some(Memory { size, reads, writes, nullable, aligned })
    }

    /// Whether nothing can go wrong with an argument of this kind in a helper
    /// that knows nothing of the program's proof: numbers, plain memory, maps,
    /// the context.
    pub const fn is_plain(self) -> bool {
        let simple = matches!(
            self,
            Self::None
                | Self::Anything
                | Self::Unchecked
                | Self::Scalar
                | Self::Zero
                | Self::Context
                | Self::ContextOrNull
                | Self::Map
                | Self::Size
                | Self::SizeOrZero
        );
        simple || self.memory().is_some()
    }
}

/// What a helper leaves in R0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetKind {
    /// A number.
    Integer,
    /// A number from the first to the second, as a signed 64-bit number.
    Range(i32, i32),
    /// Bytes that were written to the memory argument, at most its size, or a
    /// negated error number.
    Written,
    /// Nothing; R0 is not readable afterwards.
    Void,
    /// A value of the map in the first argument.
    MapValue,
    /// A value of the map in the first argument, or null.
    MapValueOrNull,
    /// Reserved memory of the size in an [`ArgKind::AllocSize`] argument, or
    /// null; to be released on every path.
    AllocMemOrNull,
    /// A part of a dynptr's memory, of the size in an [`ArgKind::AllocSize`]
    /// argument, or null.
    DynptrMemOrNull,
    /// A full socket, or null.
    SocketOrNull,
    /// A socket of any kind, or null.
    SocketCommonOrNull,
    /// A TCP socket, or null.
    TcpSocketOrNull,
    /// A structure of Linux's own, or null.
    KernelStruct,
}

impl RetKind {
    /// Whether R0 is a number afterwards, or nothing.
    pub const fn is_plain(self) -> bool {
        matches!(self, Self::Integer | Self::Void)
    }
}

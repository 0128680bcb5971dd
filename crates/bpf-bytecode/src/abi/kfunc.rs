//! Kernel functions: what Linux calls *kfuncs*, by name.
//!
//! On Linux their numbers are those of the running kernel's BTF. Here they have
//! numbers of this project's own, which the loader puts in the place of names.

/// A kernel function that the verifier knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kfunc {
    /// `int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end)`
    IterNumNew = 1,
    /// `int *bpf_iter_num_next(struct bpf_iter_num *it)`
    IterNumNext = 2,
    /// `void bpf_iter_num_destroy(struct bpf_iter_num *it)`
    IterNumDestroy = 3,
    /// `void bpf_preempt_disable(void)`
    PreemptDisable = 128,
    /// `void bpf_preempt_enable(void)`
    PreemptEnable = 129,
    /// `void bpf_rcu_read_lock(void)`
    RcuReadLock = 130,
    /// `void bpf_rcu_read_unlock(void)`
    RcuReadUnlock = 131,
    /// `int bpf_iter_bits_new(struct bpf_iter_bits *it, const u64 *words, u32 count)`
    IterBitsNew = 132,
    /// `int *bpf_iter_bits_next(struct bpf_iter_bits *it)`
    IterBitsNext = 133,
    /// `void bpf_iter_bits_destroy(struct bpf_iter_bits *it)`
    IterBitsDestroy = 134,
    /// `void bpf_throw(u64 cookie)`
    Throw = 135,
    /// `int bpf_dynptr_from_skb(struct __sk_buff *skb, u64 flags, struct bpf_dynptr *ptr)`
    DynptrFromSkb = 136,
    /// `int bpf_dynptr_from_xdp(struct xdp_md *xdp, u64 flags, struct bpf_dynptr *ptr)`
    DynptrFromXdp = 137,
    /// `void *bpf_dynptr_slice(struct bpf_dynptr *ptr, u32 offset, void *buffer, u32 size)`
    DynptrSlice = 138,
    /// `void *bpf_dynptr_slice_rdwr(struct bpf_dynptr *ptr, u32 offset, void *buffer, u32 size)`:
    /// null where what the dynptr is over may only be read.
    DynptrSliceRdwr = 139,
    /// `int bpf_dynptr_adjust(struct bpf_dynptr *ptr, u32 start, u32 end)`
    DynptrAdjust = 140,
    /// `bool bpf_dynptr_is_null(struct bpf_dynptr *ptr)`
    DynptrIsNull = 141,
    /// `bool bpf_dynptr_is_rdonly(struct bpf_dynptr *ptr)`
    DynptrIsRdonly = 142,
    /// `u32 bpf_dynptr_size(struct bpf_dynptr *ptr)`
    DynptrSize = 143,
    /// `int bpf_dynptr_clone(struct bpf_dynptr *ptr, struct bpf_dynptr *clone)`
    DynptrClone = 144,
}

impl Kfunc {
    /// Every one.
    pub const ALL: [Self; 20] = [
        Self::IterNumNew,
        Self::IterNumNext,
        Self::IterNumDestroy,
        Self::PreemptDisable,
        Self::PreemptEnable,
        Self::RcuReadLock,
        Self::RcuReadUnlock,
        Self::IterBitsNew,
        Self::IterBitsNext,
        Self::IterBitsDestroy,
        Self::Throw,
        Self::DynptrFromSkb,
        Self::DynptrFromXdp,
        Self::DynptrSlice,
        Self::DynptrSliceRdwr,
        Self::DynptrAdjust,
        Self::DynptrIsNull,
        Self::DynptrIsRdonly,
        Self::DynptrSize,
        Self::DynptrClone,
    ];

    /// Whether the engines have it. Others are for kernels that do: programs that
    /// call them are verified here and run elsewhere.
    pub const fn is_here(self) -> bool {
        matches!(self, Self::IterNumNew | Self::IterNumNext | Self::IterNumDestroy)
    }

    /// The number in a call instruction.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The function of this number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kfunc| kfunc.number() == number)
    }

    /// Linux's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IterNumNew => "bpf_iter_num_new",
            Self::IterNumNext => "bpf_iter_num_next",
            Self::IterNumDestroy => "bpf_iter_num_destroy",
            Self::PreemptDisable => "bpf_preempt_disable",
            Self::PreemptEnable => "bpf_preempt_enable",
            Self::RcuReadLock => "bpf_rcu_read_lock",
            Self::RcuReadUnlock => "bpf_rcu_read_unlock",
            Self::IterBitsNew => "bpf_iter_bits_new",
            Self::IterBitsNext => "bpf_iter_bits_next",
            Self::IterBitsDestroy => "bpf_iter_bits_destroy",
            Self::Throw => "bpf_throw",
            Self::DynptrFromSkb => "bpf_dynptr_from_skb",
            Self::DynptrFromXdp => "bpf_dynptr_from_xdp",
            Self::DynptrSlice => "bpf_dynptr_slice",
            Self::DynptrSliceRdwr => "bpf_dynptr_slice_rdwr",
            Self::DynptrAdjust => "bpf_dynptr_adjust",
            Self::DynptrIsNull => "bpf_dynptr_is_null",
            Self::DynptrIsRdonly => "bpf_dynptr_is_rdonly",
            Self::DynptrSize => "bpf_dynptr_size",
            Self::DynptrClone => "bpf_dynptr_clone",
        }
    }

    /// The function of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kfunc| kfunc.name() == name)
    }

    /// How many of R1 to R5 the function takes.
    pub const fn arguments(self) -> usize {
        match self {
            Self::DynptrSlice | Self::DynptrSliceRdwr => 4,
            Self::IterNumNew
            | Self::IterBitsNew
            | Self::DynptrFromSkb
            | Self::DynptrFromXdp
            | Self::DynptrAdjust => 3,
            Self::DynptrClone => 2,
            Self::IterNumNext
            | Self::IterNumDestroy
            | Self::IterBitsNext
            | Self::IterBitsDestroy
            | Self::Throw
            | Self::DynptrIsNull
            | Self::DynptrIsRdonly
            | Self::DynptrSize => 1,
            _ => 0,
        }
    }
}

/// Bytes of a `struct bpf_iter_num`, at a multiple of as many: the number that
/// was given last and the one behind the last that will be, 32 bits each.
pub const ITER_NUM_BYTES: u32 = 8;

/// Numbers that an iterator gives at the most; with more there are none.
pub const ITER_NUM_MOST: u32 = 1 << 23;

/// Bytes of a `struct bpf_iter_bits`, at a multiple of eight.
pub const ITER_BITS_BYTES: u32 = 16;

/// Words of 64 bits that an iterator over bits goes through at the most; of more it
/// gives none.
pub const ITER_BITS_WORDS: u32 = 511;

/// A name of at most 31 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KfuncName([u8; 31]);

impl KfuncName {
    /// The name of `text`, cut where there is no more room.
    pub fn new(text: &str) -> Self {
        let mut out = [0; 31];
        let end = text.floor_char_boundary(out.len());
        for (slot, byte) in out.iter_mut().zip(text.bytes().take(end)) {
            *slot = byte;
        }
        Self(out)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        self.0.get(..end).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl core::fmt::Debug for KfuncName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl core::fmt::Display for KfuncName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kernel function that a program calls and that is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnknownKfunc {
    /// The number in the calls, which is negative.
    pub number: i32,
    /// Its name.
    pub name: KfuncName,
}

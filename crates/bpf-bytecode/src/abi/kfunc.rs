//! Kernel functions: what Linux calls *kfuncs*, by name.
//!
//! On Linux their numbers are those of the running kernel's BTF. Here they have
//! numbers of this project's own, which the loader puts in the place of names.

/// A kernel function that the engines have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kfunc {
    /// `int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end)`
    IterNumNew = 1,
    /// `int *bpf_iter_num_next(struct bpf_iter_num *it)`
    IterNumNext = 2,
    /// `void bpf_iter_num_destroy(struct bpf_iter_num *it)`
    IterNumDestroy = 3,
}

impl Kfunc {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::IterNumNew, Self::IterNumNext, Self::IterNumDestroy];

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
        }
    }

    /// The function of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kfunc| kfunc.name() == name)
    }

    /// How many of R1 to R5 the function takes.
    pub const fn arguments(self) -> usize {
        match self {
            Self::IterNumNew => 3,
            Self::IterNumNext | Self::IterNumDestroy => 1,
        }
    }
}

/// Bytes of a `struct bpf_iter_num`, at a multiple of as many: the number that
/// was given last and the one behind the last that will be, 32 bits each.
pub const ITER_NUM_BYTES: u32 = 8;

/// Numbers that an iterator gives at the most; with more there are none.
pub const ITER_NUM_MOST: u32 = 1 << 23;

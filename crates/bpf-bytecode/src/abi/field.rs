//! Special fields of map values: what programs may not read and write as bytes.

use core::fmt;

/// What a special field of a map's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// `struct bpf_spin_lock`, four bytes.
    SpinLock,
    /// `struct bpf_res_spin_lock`, four bytes.
    ResilientSpinLock,
    /// `struct bpf_timer`, sixteen bytes.
    Timer,
    /// `struct bpf_wq`, sixteen bytes.
    WorkQueue,
    /// A pointer to a structure of the kernel, eight bytes.
    KernelPointer,
    /// The head of a list or the root of a tree, sixteen bytes.
    Collection,
    /// A node of a list, 24 bytes.
    ListNode,
    /// A node of a tree, 32 bytes.
    TreeNode,
    /// `struct bpf_refcount`, four bytes.
    RefCount,
}

impl FieldType {
    /// The type that is a structure of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "bpf_spin_lock" => Self::SpinLock,
            "bpf_res_spin_lock" => Self::ResilientSpinLock,
            "bpf_timer" => Self::Timer,
            "bpf_wq" => Self::WorkQueue,
            "bpf_list_head" | "bpf_rb_root" => Self::Collection,
            "bpf_list_node" => Self::ListNode,
            "bpf_rb_node" => Self::TreeNode,
            "bpf_refcount" => Self::RefCount,
            _ => return None,
        })
    }

    /// Bytes of the field.
    pub const fn size(self) -> u32 {
        match self {
            Self::SpinLock | Self::ResilientSpinLock | Self::RefCount => 4,
            Self::KernelPointer => 8,
            Self::Timer | Self::WorkQueue | Self::Collection => 16,
            Self::ListNode => 24,
            Self::TreeNode => 32,
        }
    }

    /// Linux's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SpinLock => "bpf_spin_lock",
            Self::ResilientSpinLock => "bpf_res_spin_lock",
            Self::Timer => "bpf_timer",
            Self::WorkQueue => "bpf_wq",
            Self::KernelPointer => "kptr",
            Self::Collection => "bpf_list_head or bpf_rb_root",
            Self::ListNode => "bpf_list_node",
            Self::TreeNode => "bpf_rb_node",
            Self::RefCount => "bpf_refcount",
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A special field in the values of one of a program's maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapField {
    /// Index of the map's definition.
    pub map: u32,
    /// First byte in a value.
    pub offset: u32,
    /// What it is.
    pub field: FieldType,
}

impl MapField {
    /// A field at `offset` of the values of map `map`.
    pub const fn new(map: u32, offset: u32, field: FieldType) -> Self {
        Self { map, offset, field }
    }

    /// Whether bytes from `start` up to `end` of a value are the field's.
    pub fn meets(&self, start: i64, end: i64) -> bool {
        let (first, size) = (i64::from(self.offset), i64::from(self.field.size()));
        start < first.saturating_add(size) && first < end
    }
}

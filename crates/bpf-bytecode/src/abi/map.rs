//! Map definitions.

use core::fmt;

/// A map's type, numbered as Linux does.
///
/// These are all that Linux has. Which ones this project can make, `bpf-maps`
/// says; the others are definitions for a kernel that has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum MapType {
    /// Hash table.
    Hash = 1,
    /// Array.
    Array = 2,
    /// Array of programs for tail calls.
    ProgArray = 3,
    /// Array of performance events.
    PerfEventArray = 4,
    /// Hash table with one value per CPU.
    PerCpuHash = 5,
    /// Array with one value per CPU.
    PerCpuArray = 6,
    /// Stack traces by number.
    StackTrace = 7,
    /// Array of control groups.
    CgroupArray = 8,
    /// Hash table that evicts what was not used lately.
    LruHash = 9,
    /// As `LruHash`, with one value per CPU.
    LruPerCpuHash = 10,
    /// Trie for longest-prefix match.
    LpmTrie = 11,
    /// Array of maps.
    ArrayOfMaps = 12,
    /// Hash table of maps.
    HashOfMaps = 13,
    /// Array of network devices.
    DevMap = 14,
    /// Array of sockets.
    SockMap = 15,
    /// Array of CPUs to redirect to.
    CpuMap = 16,
    /// Array of XDP sockets.
    XskMap = 17,
    /// Hash table of sockets.
    SockHash = 18,
    /// One value for each control group.
    CgroupStorage = 19,
    /// Array of sockets of one port.
    ReuseportSockArray = 20,
    /// As `CgroupStorage`, with one value per CPU.
    PerCpuCgroupStorage = 21,
    /// First in, first out.
    Queue = 22,
    /// Last in, first out.
    Stack = 23,
    /// One value for each socket.
    SkStorage = 24,
    /// Hash table of network devices.
    DevMapHash = 25,
    /// Operations of the kernel.
    StructOps = 26,
    /// Ring buffer.
    RingBuf = 27,
    /// One value for each inode.
    InodeStorage = 28,
    /// One value for each task.
    TaskStorage = 29,
    /// Set that may say yes in error.
    BloomFilter = 30,
    /// Ring buffer that users fill.
    UserRingBuf = 31,
    /// One value for each control group, for all kinds of programs.
    CgrpStorage = 32,
    /// Memory that programs and users share by address.
    Arena = 33,
}

impl MapType {
    /// Every type.
    pub const ALL: [Self; 33] = [
        Self::Hash,
        Self::Array,
        Self::ProgArray,
        Self::PerfEventArray,
        Self::PerCpuHash,
        Self::PerCpuArray,
        Self::StackTrace,
        Self::CgroupArray,
        Self::LruHash,
        Self::LruPerCpuHash,
        Self::LpmTrie,
        Self::ArrayOfMaps,
        Self::HashOfMaps,
        Self::DevMap,
        Self::SockMap,
        Self::CpuMap,
        Self::XskMap,
        Self::SockHash,
        Self::CgroupStorage,
        Self::ReuseportSockArray,
        Self::PerCpuCgroupStorage,
        Self::Queue,
        Self::Stack,
        Self::SkStorage,
        Self::DevMapHash,
        Self::StructOps,
        Self::RingBuf,
        Self::InodeStorage,
        Self::TaskStorage,
        Self::BloomFilter,
        Self::UserRingBuf,
        Self::CgrpStorage,
        Self::Arena,
    ];

    /// The type of this number.
    pub fn from_number(number: u32) -> Option<Self> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        Self::ALL.get(at).copied()
    }

    /// Linux's number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Linux's name in lower case, as `bpftool` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Array => "array",
            Self::ProgArray => "prog_array",
            Self::PerfEventArray => "perf_event_array",
            Self::PerCpuHash => "percpu_hash",
            Self::PerCpuArray => "percpu_array",
            Self::StackTrace => "stack_trace",
            Self::CgroupArray => "cgroup_array",
            Self::LruHash => "lru_hash",
            Self::LruPerCpuHash => "lru_percpu_hash",
            Self::LpmTrie => "lpm_trie",
            Self::ArrayOfMaps => "array_of_maps",
            Self::HashOfMaps => "hash_of_maps",
            Self::DevMap => "devmap",
            Self::SockMap => "sockmap",
            Self::CpuMap => "cpumap",
            Self::XskMap => "xskmap",
            Self::SockHash => "sockhash",
            Self::CgroupStorage => "cgroup_storage",
            Self::ReuseportSockArray => "reuseport_sockarray",
            Self::PerCpuCgroupStorage => "percpu_cgroup_storage",
            Self::Queue => "queue",
            Self::Stack => "stack",
            Self::SkStorage => "sk_storage",
            Self::DevMapHash => "devmap_hash",
            Self::StructOps => "struct_ops",
            Self::RingBuf => "ringbuf",
            Self::InodeStorage => "inode_storage",
            Self::TaskStorage => "task_storage",
            Self::BloomFilter => "bloom_filter",
            Self::UserRingBuf => "user_ringbuf",
            Self::CgrpStorage => "cgrp_storage",
            Self::Arena => "arena",
        }
    }

    /// Whether a value holds a map.
    pub const fn holds_maps(self) -> bool {
        matches!(self, Self::ArrayOfMaps | Self::HashOfMaps)
    }

    /// Whether there is a value of each key for every CPU.
    pub const fn is_per_cpu(self) -> bool {
        matches!(self, Self::PerCpuArray | Self::PerCpuHash | Self::LruPerCpuHash)
    }

    /// Whether the key is a number below the number of entries.
    pub const fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::PerCpuArray | Self::ProgArray | Self::ArrayOfMaps)
    }
}

impl fmt::Display for MapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Flags of a map's creation and of updates, as Linux numbers them.
pub mod flags {
    /// Update: create or overwrite.
    pub const BPF_ANY: u64 = 0;
    /// Update: create, fail where the key exists.
    pub const BPF_NOEXIST: u64 = 1;
    /// Update: overwrite, fail where the key does not exist.
    pub const BPF_EXIST: u64 = 2;
    /// Update: under the lock that the value has.
    pub const BPF_F_LOCK: u64 = 1 << 2;
    /// Creation: do not set entries aside beforehand; required for LPM tries.
    pub const BPF_F_NO_PREALLOC: u32 = 1;
    /// Creation: one LRU list per CPU.
    pub const BPF_F_NO_COMMON_LRU: u32 = 1 << 1;
    /// Creation: programs may only read.
    pub const BPF_F_RDONLY_PROG: u32 = 1 << 7;
    /// Creation: programs may only write.
    pub const BPF_F_WRONLY_PROG: u32 = 1 << 8;
}

/// A name of at most 15 bytes, as Linux keeps them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ObjName([u8; 16]);

impl ObjName {
    /// The name of `text`, cut after 15 bytes (at a character's end).
    pub const fn new(text: &str) -> Self {
        let mut out = [0; 16];
        let (mut rest, mut tail): (&[u8], &mut [u8]) = (text.as_bytes(), &mut out);
        let mut left = 15_u8;
        while let ([byte, more @ ..], [slot, after @ ..]) = (rest, tail) {
            let Some(fewer) = left.checked_sub(1) else { break };
            (*slot, left, rest, tail) = (*byte, fewer, more, after);
        }
        Self(out)
    }

    /// The name as text, up to what is valid UTF-8.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|&b| b == 0).unwrap_or(self.0.len());
        let bytes = self.0.get(..end).unwrap_or_default();
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                let valid = bytes.get(..e.valid_up_to()).unwrap_or_default();
                core::str::from_utf8(valid).unwrap_or_default()
            }
        }
    }
}

impl fmt::Debug for ObjName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ObjName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a program expects of one map: the definition a live map must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapDef {
    /// Type.
    pub map_type: MapType,
    /// Bytes of a key; 0 for a ring buffer.
    pub key_size: u32,
    /// Bytes of a value; 0 for a ring buffer.
    pub value_size: u32,
    /// Entries at the most; bytes, for a ring buffer.
    pub max_entries: u32,
    /// Creation flags, see [`flags`].
    pub flags: u32,
    /// Of a map of maps: the definition, by its place among those of the
    /// program, of which its maps are.
    pub inner: Option<u16>,
    /// Name, for people.
    pub name: ObjName,
}

impl MapDef {
    /// A definition without flags and name.
    pub const fn new(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> Self {
        let (flags, inner, name) = (0, None, ObjName::new(""));
        Self { map_type, key_size, value_size, max_entries, flags, inner, name }
    }

    /// The same definition under a name.
    #[must_use]
    pub const fn named(self, name: &str) -> Self {
        Self { name: ObjName::new(name), ..self }
    }

    /// The same definition of a map of maps, which are of definition `inner`.
    #[must_use]
    pub const fn holding(self, inner: u16) -> Self {
        Self { inner: Some(inner), ..self }
    }

    /// The same definition with creation flags.
    #[must_use]
    pub const fn with_flags(self, flags: u32) -> Self {
        Self { flags, ..self }
    }

    /// Whether programs may write values.
    pub const fn is_writable(&self) -> bool {
        self.flags & flags::BPF_F_RDONLY_PROG == 0
    }

    /// Whether programs may read values.
    pub const fn is_readable(&self) -> bool {
        self.flags & flags::BPF_F_WRONLY_PROG == 0
    }

    /// Whether a live map of definition `live` can stand for this definition:
    /// equal in all but the name.
    pub const fn accepts(&self, live: &Self) -> bool {
        self.map_type.number() == live.map_type.number()
            && self.key_size == live.key_size
            && self.value_size == live.value_size
            && self.max_entries == live.max_entries
            && self.flags == live.flags
    }
}

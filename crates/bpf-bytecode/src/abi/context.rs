//! What a program finds behind R1 at its entry, as data.

/// What a field of a context holds. Addresses have 64 bits, though some are read
/// by loads of 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// A number in the context's own bytes.
    Scalar,
    /// The address of the packet's first byte.
    PacketData,
    /// The address behind the packet's last byte.
    PacketEnd,
    /// The address of the packet's metadata.
    PacketMeta,
    /// A number of 16 bits in 32: of what is stored, the low half is kept.
    Half,
    /// As [`Half`](Self::Half), and a store of 65,535 or more changes nothing:
    /// of a register as an unsigned number, of an immediate as a signed one.
    Queue,
    /// The address of a full socket.
    Socket,
    /// The address of a full socket, or null.
    SocketOrNull,
    /// The address of a socket of any kind, or null.
    SocketCommonOrNull,
    /// The address of a packet's flow keys.
    FlowKeys,
    /// The address of a structure of Linux's own, of which nothing is known here.
    KernelStruct,
}

impl FieldKind {
    /// Whether loads give a number of the context's own bytes.
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Scalar | Self::Half | Self::Queue)
    }
}

/// Sizes of access, as the sum of those in bytes that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes(u8);

impl Sizes {
    /// None.
    pub const NONE: Self = Self(0);
    /// One byte only.
    pub const ONLY_1: Self = Self(1);
    /// One byte and two.
    pub const UP_TO_2: Self = Self(1 | 2);
    /// One, two and four bytes.
    pub const UP_TO_4: Self = Self(1 | 2 | 4);
    /// Four bytes only.
    pub const ONLY_4: Self = Self(4);
    /// Eight bytes only.
    pub const ONLY_8: Self = Self(8);
    /// Every size.
    pub const ALL: Self = Self(1 | 2 | 4 | 8);

    /// These sizes without that of `bytes` bytes.
    #[must_use]
    pub const fn without(self, bytes: u8) -> Self {
        Self(self.0 & !bytes)
    }

    /// Whether accesses of `bytes` bytes are allowed.
    pub const fn allows(self, bytes: u16) -> bool {
        bytes.is_power_of_two() && bytes <= 8 && self.0 as u16 & bytes != 0
    }
}

/// One field of a context, or a run of fields with the same rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxField {
    /// First byte.
    pub offset: u16,
    /// Bytes.
    pub size: u16,
    /// Meaning.
    pub kind: FieldKind,
    /// Sizes of loads, aligned to themselves.
    pub reads: Sizes,
    /// Sizes of stores, aligned to themselves.
    pub writes: Sizes,
    /// Whether accesses begin at the first byte only.
    pub head: bool,
}

impl CtxField {
    /// Numbers at `offset` to `end`, read-only, by loads of these sizes.
    pub const fn scalars(offset: u16, end: u16, reads: Sizes) -> Self {
        let size = end.saturating_sub(offset);
        Self { offset, size, kind: FieldKind::Scalar, reads, writes: Sizes::NONE, head: false }
    }

    /// A number of 4 bytes at `offset`, read-only, of which loads read all or
    /// the first bytes.
    pub const fn number(offset: u16) -> Self {
        Self { head: true, ..Self::scalars(offset, offset.saturating_add(4), Sizes::UP_TO_4) }
    }

    /// The same field, which stores of these sizes may write.
    #[must_use]
    pub const fn written(self, writes: Sizes) -> Self {
        Self { writes, ..self }
    }

    /// The same field, which loads do not read.
    #[must_use]
    pub const fn unread(self) -> Self {
        Self { reads: Sizes::NONE, ..self }
    }

    /// A read-only field of 4 bytes that reads as an address.
    pub const fn packet(offset: u16, kind: FieldKind) -> Self {
        Self { offset, size: 4, kind, reads: Sizes::ONLY_4, writes: Sizes::NONE, head: true }
    }

    /// A read-only field of 8 bytes that reads as an address.
    pub const fn pointer(offset: u16, kind: FieldKind) -> Self {
        Self { offset, size: 8, kind, reads: Sizes::ONLY_8, writes: Sizes::NONE, head: true }
    }

    /// Whether a load, or a store, of `bytes` bytes at `offset` is allowed.
    pub const fn allows(self, offset: u16, bytes: u16, store: bool) -> bool {
        let sizes = if store { self.writes } else { self.reads };
        let Some(end) = offset.checked_add(bytes) else { return false };
        self.offset <= offset
            && !(self.head && self.offset != offset)
            && end <= self.offset.saturating_add(self.size)
            && sizes.allows(bytes)
            && offset.is_multiple_of(bytes)
    }
}

/// What the kernel hands in as the context of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtxForm {
    /// Plain bytes.
    Bytes,
    /// A packet under a `struct xdp_md`.
    Xdp,
    /// A packet under a `struct __sk_buff`.
    SkBuff,
    /// What only a kernel with more than this project's engines has: such
    /// programs are verified here and run elsewhere.
    Foreign,
}

/// The context of a program type.
///
/// ```
/// use bpf_bytecode::abi::context::{CtxField, CtxLayout, FieldKind, Sizes};
///
/// // A reading of four bytes, and a word that the program may write.
/// const FIELDS: &[CtxField] = &[
///     CtxField::scalars(0, 4, Sizes::UP_TO_4),
///     CtxField::scalars(8, 16, Sizes::ONLY_8).written(Sizes::ONLY_8),
/// ];
/// const LAYOUT: CtxLayout = CtxLayout::bytes(16, FIELDS);
/// assert_eq!(LAYOUT.access(2, 2, false), Some(FieldKind::Scalar));
/// assert_eq!(LAYOUT.access(2, 4, false), None);
/// assert_eq!(LAYOUT.access(0, 4, true), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxLayout {
    /// Bytes; an access beyond is refused.
    pub size: u16,
    /// What may be accessed. Where runs overlap, the first that allows an
    /// access decides about it.
    pub fields: &'static [CtxField],
    /// What the kernel hands in.
    pub form: CtxForm,
    /// Whether programs may write packet bytes.
    pub packet_writable: bool,
    /// Names of the C structure or type that programs know it by.
    pub c_names: &'static [&'static str],
}

impl CtxLayout {
    /// Plain bytes of which those of `fields` may be accessed.
    pub const fn bytes(size: u16, fields: &'static [CtxField]) -> Self {
        Self { size, fields, form: CtxForm::Bytes, packet_writable: false, c_names: &[] }
    }

    /// The same layout of what the kernel hands in as `form`.
    #[must_use]
    pub const fn of_form(self, form: CtxForm) -> Self {
        Self { form, ..self }
    }

    /// The same layout for programs that may write packet bytes.
    #[must_use]
    pub const fn with_writable_packet(self) -> Self {
        Self { packet_writable: true, ..self }
    }

    /// The same layout under the names that it has in C.
    #[must_use]
    pub const fn named(self, c_names: &'static [&'static str]) -> Self {
        Self { c_names, ..self }
    }

    /// Whether the context is plain bytes, without a packet.
    pub const fn is_opaque(&self) -> bool {
        matches!(self.form, CtxForm::Bytes)
    }

    /// Whether the context stands for a packet that the engines here know.
    pub const fn has_packet(&self) -> bool {
        matches!(self.form, CtxForm::Xdp | CtxForm::SkBuff)
    }

    /// What a load, or with `store` a store, of `bytes` bytes at `offset`
    /// accesses; `None` where the access is not allowed.
    pub fn access(&self, offset: u16, bytes: u16, store: bool) -> Option<FieldKind> {
        let field = self.fields.iter().find(|field| field.allows(offset, bytes, store))?;
        Some(field.kind)
    }

    /// Whether a load of 4 bytes at `offset` yields an address, and which.
    pub fn pointer_at(&self, offset: u16) -> Option<FieldKind> {
        self.access(offset, 4, false).filter(|kind| !kind.is_number())
    }
}

/// Offsets in `struct xdp_md`, in bytes.
pub mod xdp_md {
    /// Address of the packet.
    pub const DATA: u16 = 0;
    /// Address behind the packet.
    pub const DATA_END: u16 = 4;
    /// Address of the metadata in front of the packet.
    pub const DATA_META: u16 = 8;
    /// Interface the packet came in by.
    pub const INGRESS_IFINDEX: u16 = 12;
    /// Queue the packet came in by.
    pub const RX_QUEUE_INDEX: u16 = 16;
    /// Interface the packet leaves by.
    pub const EGRESS_IFINDEX: u16 = 20;
    /// Bytes of the structure.
    pub const SIZE: u16 = 24;
}

/// Offsets in `struct __sk_buff`, in bytes.
pub mod sk_buff {
    /// Length of the packet.
    pub const LEN: u16 = 0;
    /// Kind of packet.
    pub const PKT_TYPE: u16 = 4;
    /// Mark.
    pub const MARK: u16 = 8;
    /// Queue that the packet came in by, or is to leave by; 16 bits.
    pub const QUEUE_MAPPING: u16 = 12;
    /// `EtherType`, in network order.
    pub const PROTOCOL: u16 = 16;
    /// Priority.
    pub const PRIORITY: u16 = 32;
    /// Interface.
    pub const IFINDEX: u16 = 40;
    /// Traffic-control index; 16 bits.
    pub const TC_INDEX: u16 = 44;
    /// Five words for the program.
    pub const CB: u16 = 48;
    /// Flow hash.
    pub const HASH: u16 = 68;
    /// Traffic-control class; 16 bits.
    pub const TC_CLASSID: u16 = 72;
    /// Address of the packet.
    pub const DATA: u16 = 76;
    /// Address behind the packet.
    pub const DATA_END: u16 = 80;
    /// Address of the metadata in front of the packet.
    pub const DATA_META: u16 = 140;
    /// Kind of the time stamp; one byte.
    pub const TSTAMP_TYPE: u16 = 180;
    /// Bytes of the structure.
    pub const SIZE: u16 = 192;
}

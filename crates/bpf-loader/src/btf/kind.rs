//! Type records.

use crate::LoadError;
use crate::bytes::{index, sub, u32_at};

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An integer.
    Int = 1,
    /// A pointer.
    Pointer = 2,
    /// An array.
    Array = 3,
    /// A structure.
    Struct = 4,
    /// A union.
    Union = 5,
    /// An enumeration of up to 32 bits.
    Enum = 6,
    /// A structure or union that is only declared.
    Forward = 7,
    /// A name for another type.
    Typedef = 8,
    /// A `volatile` type.
    Volatile = 9,
    /// A `const` type.
    Const = 10,
    /// A `restrict` pointer.
    Restrict = 11,
    /// A function.
    Function = 12,
    /// A function's type.
    FunctionProto = 13,
    /// A global variable.
    Variable = 14,
    /// The variables of an ELF section.
    DataSection = 15,
    /// A floating-point number.
    Float = 16,
    /// A tag on a declaration.
    DeclTag = 17,
    /// A tag on a type.
    TypeTag = 18,
    /// An enumeration of 64 bits.
    Enum64 = 19,
}

impl Kind {
    const ALL: [Self; 19] = [
        Self::Int,
        Self::Pointer,
        Self::Array,
        Self::Struct,
        Self::Union,
        Self::Enum,
        Self::Forward,
        Self::Typedef,
        Self::Volatile,
        Self::Const,
        Self::Restrict,
        Self::Function,
        Self::FunctionProto,
        Self::Variable,
        Self::DataSection,
        Self::Float,
        Self::DeclTag,
        Self::TypeTag,
        Self::Enum64,
    ];

    fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(index(number.checked_sub(1)?)).copied()
    }

    /// Bytes behind the record's first twelve: of each entry, and in all.
    fn extra(self, entries: usize) -> Option<usize> {
        let each = match self {
            Self::Int | Self::Variable | Self::DeclTag => return Some(4),
            Self::Array => return Some(12),
            Self::Struct | Self::Union | Self::DataSection | Self::Enum64 => 12_usize,
            Self::Enum | Self::FunctionProto => 8,
            _ => return Some(0),
        };
        each.checked_mul(entries)
    }
}

/// A type record, over borrowed bytes.
#[derive(Clone, Copy, Debug)]
pub struct Type<'d> {
    /// Number of the type.
    pub id: u32,
    /// What it is.
    pub kind: Kind,
    pub(crate) name_offset: u32,
    /// Size in bytes, or number of the type that this one refers to.
    operand: u32,
    flag: bool,
    entries: usize,
    extra: &'d [u8],
}

/// A member of a structure or union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub(crate) name_offset: u32,
    /// Number of its type.
    pub type_id: u32,
    /// Offset in bits.
    pub bit_offset: u32,
    /// Width in bits of a bit field, else 0.
    pub bit_size: u32,
}

/// A variable of a data section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Number of its [`Kind::Variable`].
    pub type_id: u32,
    /// Offset in the section, in bytes; compilers leave it to the symbols.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

const HEADER: usize = 12;
const FLAG: u32 = 1 << 31;
/// The linkage of functions that other objects can see.
const GLOBAL: u32 = 1;

impl<'d> Type<'d> {
    pub(crate) fn parse(bytes: &'d [u8], id: u32) -> Result<Self, LoadError> {
        Self::read(bytes, id).ok_or(LoadError::malformed("BTF type"))
    }

    fn read(bytes: &'d [u8], id: u32) -> Option<Self> {
        let info = u32_at(bytes, 4)?;
        let kind = Kind::from_number((info >> 24) & 0x1f)?;
        let entries = index(info & 0xffff);
        Some(Self {
            id,
            kind,
            name_offset: u32_at(bytes, 0)?,
            operand: u32_at(bytes, 8)?,
            flag: info & FLAG != 0,
            entries,
            extra: sub(bytes, HEADER, kind.extra(entries)?)?,
        })
    }

    /// Bytes of the record.
    pub fn record_len(&self) -> usize {
        HEADER.saturating_add(self.extra.len())
    }

    /// Where the name lies in the strings of the BTF, in bytes; 0 without a name.
    pub fn name_offset(&self) -> u32 {
        self.name_offset
    }

    /// How a function or variable is linked: 0 where no other object sees it, 1 where
    /// others can, 2 where it is only declared here.
    pub fn linkage(&self) -> Option<u32> {
        match self.kind {
            // The field that counts entries of other types.
            Kind::Function => u32::try_from(self.entries).ok(),
            Kind::Variable => u32_at(self.extra, 0),
            _ => None,
        }
    }

    /// The type that a pointer, typedef, qualifier, variable, function or tag
    /// refers to.
    pub fn target(&self) -> Option<u32> {
        matches!(
            self.kind,
            Kind::Pointer
                | Kind::Typedef
                | Kind::Volatile
                | Kind::Const
                | Kind::Restrict
                | Kind::Function
                | Kind::FunctionProto
                | Kind::Variable
                | Kind::DeclTag
                | Kind::TypeTag
        )
        .then_some(self.operand)
    }

    /// The size that the record itself states, in bytes.
    pub fn stated_size(&self) -> Option<u32> {
        matches!(
            self.kind,
            Kind::Int
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Float
                | Kind::DataSection
        )
        .then_some(self.operand)
    }

    /// Whether the type only renames or qualifies another one.
    pub fn is_modifier(&self) -> bool {
        matches!(
            self.kind,
            Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag
        )
    }

    /// Whether an integer or enumeration is signed.
    pub fn is_signed(&self) -> bool {
        match self.kind {
            Kind::Int => u32_at(self.extra, 0).is_some_and(|encoding| encoding >> 24 & 1 != 0),
            Kind::Enum | Kind::Enum64 => self.flag,
            _ => false,
        }
    }

    /// Whether an integer holds nothing but yes and no.
    pub(crate) fn is_bool(&self) -> bool {
        self.kind == Kind::Int
            && u32_at(self.extra, 0).is_some_and(|encoding| encoding >> 26 & 1 != 0)
    }

    /// Whether a function is one that other objects can see.
    pub(crate) fn is_global(&self) -> bool {
        self.kind == Kind::Function && self.linkage() == Some(GLOBAL)
    }

    /// A parameter's type by its position; 0 for what may follow.
    pub(crate) fn parameter(&self, at: usize) -> Option<u32> {
        if self.kind != Kind::FunctionProto {
            return None;
        }
        u32_at(sub(self.extra, at.checked_mul(8)?, 8)?, 4)
    }

    /// The position of the parameter or member that a tag is on; none, if it is on
    /// the whole declaration.
    pub(crate) fn tagged(&self) -> Option<usize> {
        if self.kind != Kind::DeclTag {
            return None;
        }
        usize::try_from(u32_at(self.extra, 0)?.cast_signed()).ok()
    }

    /// An array's element type and number of elements.
    pub fn array(&self) -> Option<(u32, u32)> {
        match self.kind {
            Kind::Array => Some((u32_at(self.extra, 0)?, u32_at(self.extra, 8)?)),
            _ => None,
        }
    }

    /// Number of members, enumerators, parameters or variables.
    pub fn entry_count(&self) -> usize {
        self.entries
    }

    /// A member by its position.
    pub fn member(&self, at: usize) -> Option<Member> {
        if !matches!(self.kind, Kind::Struct | Kind::Union) {
            return None;
        }
        let raw = sub(self.extra, at.checked_mul(12)?, 12)?;
        let place = u32_at(raw, 8)?;
        let (bit_offset, bit_size) =
            if self.flag { (place & 0x00ff_ffff, place >> 24) } else { (place, 0) };
        Some(Member {
            name_offset: u32_at(raw, 0)?,
            type_id: u32_at(raw, 4)?,
            bit_offset,
            bit_size,
        })
    }

    /// The members of a structure or union.
    pub fn members(&self) -> impl Iterator<Item = Member> + use<'d> {
        let this = *self;
        (0..this.entries).map_while(move |at| this.member(at))
    }

    /// An enumerator's name offset and value by its position.
    pub(crate) fn enumerator(&self, at: usize) -> Option<(u32, u64)> {
        match self.kind {
            Kind::Enum => {
                let raw = sub(self.extra, at.checked_mul(8)?, 8)?;
                let value = u32_at(raw, 4)?;
                let wide = if self.flag {
                    i64::from(value.cast_signed()).cast_unsigned()
                } else {
                    u64::from(value)
                };
                Some((u32_at(raw, 0)?, wide))
            }
            Kind::Enum64 => {
                let raw = sub(self.extra, at.checked_mul(12)?, 12)?;
                let (low, high) = (u64::from(u32_at(raw, 4)?), u64::from(u32_at(raw, 8)?));
                Some((u32_at(raw, 0)?, high << 32 | low))
            }
            _ => None,
        }
    }

    /// The variables of a data section.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + use<'d> {
        let this = *self;
        let count = if this.kind == Kind::DataSection { this.entries } else { 0 };
        (0..count).map_while(move |at| {
            let raw = sub(this.extra, at.checked_mul(12)?, 12)?;
            Some(Variable {
                type_id: u32_at(raw, 0)?,
                offset: u32_at(raw, 4)?,
                size: u32_at(raw, 8)?,
            })
        })
    }
}

//! Errors of the assembler.

/// Why text is no program, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{line}:{column}: {kind}")]
pub struct AsmError {
    /// Line, counted from 1.
    pub line: u32,
    /// Column of the offending token's first character, counted from 1.
    pub column: u32,
    /// What is wrong there.
    pub kind: AsmErrorKind,
}

/// What is wrong with a place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AsmErrorKind {
    /// A character that begins no token.
    #[error("unexpected character {0:?}")]
    UnexpectedCharacter(char),
    /// A block comment without an end.
    #[error("comment without end")]
    UnterminatedComment,
    /// Digits that make no number.
    #[error("malformed number")]
    MalformedNumber,
    /// A number of more than 64 bits.
    #[error("number does not fit in 64 bits")]
    NumberTooLarge,
    /// A register name with a number above 10.
    #[error("no such register")]
    InvalidRegister,
    /// No instruction begins like this.
    #[error("unknown instruction")]
    UnknownInstruction,
    /// Only one thing could stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// Several things could stand here, and this is none of them.
    #[error("unexpected token")]
    UnexpectedToken,
    /// The statement ends too early.
    #[error("unexpected end of statement")]
    UnexpectedEnd,
    /// The instruction names this register twice, and the names differ.
    #[error("must be the same register as before")]
    RegistersDiffer,
    /// The number fits neither as signed nor as unsigned 32-bit number.
    #[error("immediate does not fit in 32 bits")]
    ImmediateOutOfRange,
    /// The number does not fit in a signed 16-bit field.
    #[error("offset does not fit in 16 bits")]
    OffsetOutOfRange,
    /// The target is too far away for the instruction.
    #[error("jump target out of reach")]
    TargetOutOfReach,
    /// The helper has another number.
    #[error("helper has number {0}")]
    HelperNumber(u32),
    /// Neither a label nor a helper has this name.
    #[error("no such label")]
    UnknownLabel,
    /// A second label of the same name.
    #[error("label defined twice")]
    DuplicateLabel,
    /// The table of labels is full.
    #[error("too many labels")]
    TooManyLabels,
    /// There is no room for the instruction.
    #[error("program too long")]
    ProgramTooLong,
}

/// An error at a byte of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) kind: AsmErrorKind,
}

impl Fault {
    /// The error with its place as line and column.
    pub(super) fn locate(self, source: &str) -> AsmError {
        let before = source.get(..self.at).unwrap_or(source);
        let (lines, last) = match before.rsplit_once('\n') {
            Some((lines, last)) => (lines.matches('\n').count().saturating_add(1), last),
            None => (0, before),
        };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        AsmError { line: count(lines), column: count(last.chars().count()), kind: self.kind }
    }
}

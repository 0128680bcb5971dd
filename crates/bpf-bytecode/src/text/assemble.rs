//! The assembler.

use bpf_profile::config::PROGRAM_CAPACITY;
use bpf_profile::{MemoryStrategy, PhysicalProfile, Sequence};

use super::error::{AsmError, AsmErrorKind, Fault};
use super::operand::{Fit, fit};
use super::pattern::{PATTERNS, candidates};
use super::token::{Item, Reader, Statement, Token};
use crate::insn::BpfInsn;
use crate::instruction::Encoded;

/// Labels that one source text may define on a static build.
pub const LABEL_CAPACITY: usize = 64;

/// Assembles a program's text; see [the module](super) for what it may contain.
///
/// # Errors
/// [`AsmError`] for the first place at fault, also where the program or its
/// labels do not fit in the profile's storage.
pub fn assemble<P: PhysicalProfile>(
    source: &str,
) -> Result<<P::Memory as MemoryStrategy>::Vec<BpfInsn, PROGRAM_CAPACITY>, AsmError> {
    let mut out = Default::default();
    run::<P, _>(source, &mut Growing(&mut out)).map_err(|fault| fault.locate(source))?;
    Ok(out)
}

/// Assembles a program's text into slots that the caller keeps, and gives back
/// those that were filled.
///
/// # Errors
/// [`AsmError`], as [`assemble`]; the slots' content is then unspecified.
pub fn assemble_into<'o, P: PhysicalProfile>(
    source: &str,
    out: &'o mut [BpfInsn],
) -> Result<&'o mut [BpfInsn], AsmError> {
    let mut filling = Filling { slots: out, len: 0 };
    run::<P, _>(source, &mut filling).map_err(|fault| fault.locate(source))?;
    let Filling { slots, len } = filling;
    Ok(slots.get_mut(..len).unwrap_or_default())
}

/// Where slots go.
trait Output {
    /// Number of slots.
    fn len(&self) -> usize;
    /// Appends a slot; false where there is no room.
    fn push(&mut self, insn: BpfInsn) -> bool;
    fn clear(&mut self);
}

struct Growing<'o, V>(&'o mut V);

impl<V: Sequence<BpfInsn>> Output for Growing<'_, V> {
    fn len(&self) -> usize {
        self.0.deref().len()
    }

    fn push(&mut self, insn: BpfInsn) -> bool {
        self.0.try_push(insn).is_ok()
    }

    fn clear(&mut self) {
        self.0.truncate(0);
    }
}

struct Filling<'o> {
    slots: &'o mut [BpfInsn],
    len: usize,
}

impl Output for Filling<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn push(&mut self, insn: BpfInsn) -> bool {
        let Some(slot) = self.slots.get_mut(self.len) else { return false };
        *slot = insn;
        self.len = self.len.saturating_add(1);
        true
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}

/// A label's definition.
struct Label<'s> {
    name: &'s str,
    /// Slot of the instruction behind it.
    slot: usize,
    /// Where it stands in the source.
    at: usize,
}

/// What is known of names.
pub(super) struct Names<'n, 's> {
    /// The labels in the order of their names, once all are known.
    labels: Option<&'n [Label<'s>]>,
    /// Slot of the first `exit` instruction.
    first_exit: Option<usize>,
    /// Whether a name was asked for.
    asked: core::cell::Cell<bool>,
}

impl Names<'_, '_> {
    /// The slot that a name stands for; none, while labels are being collected.
    pub(super) fn find(&self, name: &str) -> Result<Option<usize>, AsmErrorKind> {
        self.asked.set(true);
        let Some(labels) = self.labels else { return Ok(None) };
        let found = labels.binary_search_by(|label| label.name.cmp(name)).ok();
        let slot = found.and_then(|index| labels.get(index)).map(|label| label.slot);
        let implied = if name == "exit" { self.first_exit } else { None };
        slot.or(implied).map(Some).ok_or(AsmErrorKind::UnknownLabel)
    }
}

/// Reads the text once to collect labels, and once more if any was used.
fn run<P: PhysicalProfile, O: Output>(source: &str, out: &mut O) -> Result<(), Fault> {
    let mut labels =
        <<P::Memory as MemoryStrategy>::Vec<Label<'_>, LABEL_CAPACITY> as Default>::default();
    let mut names = Names { labels: None, first_exit: None, asked: core::cell::Cell::new(false) };
    let (mut reader, mut statement) = (Reader::new(source), Statement::new());
    while let Some(item) = reader.next_item(&mut statement)? {
        match item {
            Item::Label { name, at } => labels
                .try_push(Label { name, slot: out.len(), at })
                .map_err(|label| Fault { at: label.at, kind: AsmErrorKind::TooManyLabels })?,
            Item::Statement => {
                if names.first_exit.is_none() && is_exit(&statement) {
                    names.first_exit = Some(out.len());
                }
                append(&statement, &names, out)?;
            }
        }
    }
    labels.sort_unstable_by(|a, b| (a.name, a.at).cmp(&(b.name, b.at)));
    if let Some(at) = second_definition(&labels) {
        return Err(Fault { at, kind: AsmErrorKind::DuplicateLabel });
    }
    if !names.asked.get() {
        return Ok(());
    }
    names.labels = Some(&labels);
    out.clear();
    let mut reader = Reader::new(source);
    while let Some(item) = reader.next_item(&mut statement)? {
        if let Item::Statement = item {
            append(&statement, &names, out)?;
        }
    }
    Ok(())
}

/// Where, first in the source, a label of a name in use is defined again.
fn second_definition(sorted: &[Label<'_>]) -> Option<usize> {
    sorted
        .windows(2)
        .filter_map(|pair| match pair {
            [first, second] if first.name == second.name => Some(second.at),
            _ => None,
        })
        .min()
}

fn is_exit(statement: &Statement<'_>) -> bool {
    statement.token(0) == Token::Word("exit")
}

fn append<O: Output>(
    statement: &Statement<'_>,
    names: &Names<'_, '_>,
    out: &mut O,
) -> Result<(), Fault> {
    let encoded = match directive(statement) {
        Some(encoded) => encoded?,
        None => encode(statement, out.len(), names)?,
    };
    for insn in encoded.slots() {
        if !out.push(*insn) {
            return Err(Fault { at: statement.start(), kind: AsmErrorKind::ProgramTooLong });
        }
    }
    Ok(())
}

/// `.8byte`: a slot as a number.
fn directive(statement: &Statement<'_>) -> Option<Result<Encoded, Fault>> {
    let Token::Word(".8byte" | ".quad") = statement.token(0) else { return None };
    let fault = |index, kind| Some(Err(Fault { at: statement.position(index), kind }));
    match (statement.token(1), statement.token(2)) {
        (Token::Number(number), Token::End) => match number.bits64() {
            Some(bits) => Some(Ok(Encoded::single(BpfInsn::from_bytes(bits.to_le_bytes())))),
            None => fault(1, AsmErrorKind::NumberTooLarge),
        },
        (Token::Number(_), _) => fault(2, AsmErrorKind::Expected("end of statement")),
        _ => fault(1, AsmErrorKind::Expected("a number")),
    }
}

fn encode(statement: &Statement<'_>, pc: usize, names: &Names<'_, '_>) -> Result<Encoded, Fault> {
    let mut wrong_value = None;
    for pattern in candidates(statement) {
        match fit(pattern, statement, pc, names) {
            Fit::Yes(encoded) => return Ok(encoded),
            Fit::Value(fault) => wrong_value = wrong_value.or(Some(fault)),
            Fit::No { .. } => {}
        }
    }
    Err(wrong_value.unwrap_or_else(|| explain(statement, pc, names)))
}

/// What is wrong with a statement that fits no template: the place up to which
/// the best of them fit.
fn explain(statement: &Statement<'_>, pc: usize, names: &Names<'_, '_>) -> Fault {
    let (mut furthest, mut wanted, mut several) = (0, "", false);
    for pattern in &PATTERNS {
        let Fit::No { token, expected } = fit(pattern, statement, pc, names) else { continue };
        if token > furthest || wanted.is_empty() {
            (furthest, wanted, several) = (token, expected, false);
        } else if token == furthest {
            several |= wanted != expected;
        }
    }
    let kind = if furthest == 0 {
        AsmErrorKind::UnknownInstruction
    } else if !several {
        AsmErrorKind::Expected(wanted)
    } else if statement.token(furthest) == Token::End {
        AsmErrorKind::UnexpectedEnd
    } else {
        AsmErrorKind::UnexpectedToken
    };
    Fault { at: statement.position(furthest), kind }
}

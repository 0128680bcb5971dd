//! The templates of the table, indexed by how a statement begins.

use super::Dialect;
use super::scan::{Kind, byte, next, range_is, scan};
use super::token::{Statement, Token};
use crate::table::{Form, INSTRUCTION_SET, InsnDef};

/// A template and the row that it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Pattern {
    pub(super) template: &'static str,
    pub(super) dialect: Dialect,
    row: u8,
}

impl Pattern {
    /// The row of the instruction set.
    pub(super) fn def(&self) -> Option<&'static InsnDef> {
        INSTRUCTION_SET.get(usize::from(self.row))
    }
}

/// Further templates in use, by the name of their row: Linux's form of
/// exchanges, and calls with their kind in words.
const ALIASES: &[(&str, &str)] = &[
    ("atomic_xchg64", "{src} = atomic64_xchg((u64 *)({dst} {off}), {src})"),
    ("atomic_xchg32", "{src} = atomic_xchg((u32 *)({dst} {off}), {src})"),
    ("atomic_cmpxchg64", "r0 = atomic64_cmpxchg((u64 *)({dst} {off}), r0, {src})"),
    ("atomic_cmpxchg32", "r0 = atomic_cmpxchg((u32 *)({dst} {off}), r0, {src})"),
    ("atomic_add64", "stxxadddw [{dst}{off}], {src}"),
    ("atomic_add32", "stxxaddw [{dst}{off}], {src}"),
    ("call", "call helper {imm}"),
    ("call_kfunc", "call runtime {imm}"),
];

const ROWS: usize = INSTRUCTION_SET.len();
const COUNT: usize = 2 * ROWS + ALIASES.len();

/// Every template.
pub(super) static PATTERNS: [Pattern; COUNT] = INDEX.patterns;
static FIRST: [u16; BUCKETS] = INDEX.first;
static NEXT: [u16; COUNT] = INDEX.next;

const BUCKETS: usize = 512;
const NONE: u16 = u16::MAX;

/// Tokens that a key is made of at the most.
const KEY_TOKENS: usize = 3;

struct Index {
    patterns: [Pattern; COUNT],
    /// For each key, modulo the number of buckets, its first pattern.
    first: [u16; BUCKETS],
    /// For each pattern the next one in the bucket.
    next: [u16; COUNT],
}

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "evaluated at build time, where a mistake stops the build"
)]
const INDEX: Index = {
    let blank = Pattern { template: "", dialect: Dialect::Llvm, row: 0 };
    let mut patterns = [blank; COUNT];
    let mut at = 0;
    while at < ROWS {
        let (row, def) = (at as u8, &INSTRUCTION_SET[at]);
        patterns[at] = Pattern { template: def.text, dialect: Dialect::Llvm, row };
        patterns[ROWS + at] = Pattern { template: def.mnemonic, dialect: Dialect::Mnemonic, row };
        at += 1;
    }
    at = 0;
    while at < ALIASES.len() {
        let (name, template) = ALIASES[at];
        let mut row = 0;
        // A name that no row has stops the build here.
        while !range_is(
            INSTRUCTION_SET[row].name.as_bytes(),
            0,
            INSTRUCTION_SET[row].name.len(),
            name.as_bytes(),
        ) {
            row += 1;
        }
        patterns[2 * ROWS + at] = Pattern { template, dialect: Dialect::Llvm, row: row as u8 };
        at += 1;
    }
    let mut index = Index { patterns, first: [NONE; BUCKETS], next: [NONE; COUNT] };
    at = COUNT;
    while at > 0 {
        at -= 1;
        let bucket = template_key(index.patterns[at].template.as_bytes()) as usize % BUCKETS;
        index.next[at] = index.first[bucket];
        index.first[bucket] = at as u16;
    }
    index
};

/// The patterns that a statement may match, each at least once, and few others.
pub(super) fn candidates(statement: &Statement<'_>) -> impl Iterator<Item = &'static Pattern> {
    let mut keys = [NONE; KEY_TOKENS];
    let mut hash = SEED;
    for (index, bucket) in keys.iter_mut().enumerate() {
        hash = match statement.token(index) {
            Token::Word(text) | Token::Op(text) => mix_all(hash, text.as_bytes()),
            Token::Reg { .. } => mix_all(hash, REGISTER),
            Token::Number(_) => mix_all(hash, NUMBER),
            Token::End => break,
        };
        let key = usize::try_from(hash).unwrap_or_default() & BUCKETS.wrapping_sub(1);
        *bucket = FIRST.get(key).copied().unwrap_or(NONE);
    }
    keys.into_iter().rev().flat_map(|first| {
        let mut at = first;
        core::iter::from_fn(move || {
            let index = usize::from(at);
            at = *NEXT.get(index)?;
            PATTERNS.get(index)
        })
    })
}

const SEED: u32 = 0x811c_9dc5;
const REGISTER: &[u8] = b"{r}";
const NUMBER: &[u8] = b"{n}";

/// The key of a template: its first tokens, up to the first field that may be
/// several things.
const fn template_key(template: &[u8]) -> u32 {
    let (mut hash, mut at, mut count) = (SEED, 0, 0);
    while count < KEY_TOKENS {
        let lexeme = scan(template, at);
        let (start, end) = (lexeme.start, lexeme.end);
        hash = match lexeme.kind {
            Kind::Word if is_register(template, start, end) => mix_all(hash, REGISTER),
            Kind::Word | Kind::Op => mix(hash, template, start, end),
            Kind::Field => match field_class(template, start, end) {
                Some(class) => mix_all(hash, class),
                None => break,
            },
            _ => break,
        };
        (at, count) = (end, next(count));
    }
    hash
}

/// The class of token that a field always is, if there is one.
const fn field_class(text: &[u8], start: usize, end: usize) -> Option<&'static [u8]> {
    if range_is(text, start, end, b"{dst}")
        || range_is(text, start, end, b"{src}")
        || range_is(text, start, end, b"{wdst}")
        || range_is(text, start, end, b"{wsrc}")
    {
        Some(REGISTER)
    } else if range_is(text, start, end, b"{imm}") {
        Some(NUMBER)
    } else {
        None
    }
}

/// Whether a word of a template is a register, as in `r0 = *(u8 *)skb[{imm}]`.
const fn is_register(text: &[u8], start: usize, end: usize) -> bool {
    end.saturating_sub(start) == 2
        && matches!(byte(text, start), b'r' | b'w')
        && byte(text, next(start)).is_ascii_digit()
}

const fn mix_all(hash: u32, text: &[u8]) -> u32 {
    mix(hash, text, 0, text.len())
}

/// FNV-1a over a token, with a mark behind it.
const fn mix(mut hash: u32, text: &[u8], start: usize, end: usize) -> u32 {
    let mut at = start;
    while at < end {
        hash = (hash ^ byte(text, at) as u32).wrapping_mul(0x0100_0193);
        at = next(at);
    }
    (hash ^ 0xff).wrapping_mul(0x0100_0193)
}

/// Whether a register may go by either name in this row's value field, as its
/// high half plays no part: LLVM writes `w1 = *(u8 *)(r2 +0)` and Linux
/// `r1 = *(u8 *)(r2 +0)` for one instruction.
pub(super) const fn either_name(form: Form) -> bool {
    use crate::opcode::{Size, Source, Width};
    matches!(
        form,
        Form::Load(Size::B | Size::H | Size::W, false)
            | Form::Store(Size::B | Size::H | Size::W, Source::Reg)
            | Form::LoadAcquire(Size::B | Size::H | Size::W)
            | Form::StoreRelease(Size::B | Size::H | Size::W)
            | Form::Atomic(_, Width::W32, _)
    )
}

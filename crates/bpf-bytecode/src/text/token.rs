//! Statements of source text, as tokens.

use super::error::{AsmErrorKind, Fault};
use super::scan::{Kind, Lexeme, scan};

/// Tokens of a statement at the most; more than any template has.
const MAX_TOKENS: usize = 20;

/// A number with its sign apart, so that 64 unsigned bits fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) negative: bool,
    /// Whether a sign was written.
    pub(super) signed: bool,
    pub(super) magnitude: u64,
}

impl Number {
    /// The number, exactly.
    pub(super) fn value(self) -> i128 {
        let magnitude = i128::from(self.magnitude);
        if self.negative { magnitude.saturating_neg() } else { magnitude }
    }

    /// The bits of the number in a 32-bit field, read as signed or as unsigned,
    /// or as 64 bits that are a 32-bit number with its sign extended.
    pub(super) fn bits32(self) -> Option<i32> {
        let value = self.value();
        let unsigned = u32::try_from(value).ok().map(u32::cast_signed);
        let extended = u64::try_from(value).ok().map(u64::cast_signed);
        let extended = extended.and_then(|value| i32::try_from(value).ok());
        i32::try_from(value).ok().or(unsigned).or(extended)
    }

    /// The bits of the number in a 64-bit field, read as signed or as unsigned.
    pub(super) fn bits64(self) -> Option<u64> {
        let value = self.value();
        let signed = i64::try_from(value).ok().map(i64::cast_unsigned);
        u64::try_from(value).ok().or(signed)
    }
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    Word(&'s str),
    /// A register's number, and whether it goes by its 32-bit name.
    Reg {
        number: u8,
        half: bool,
    },
    Number(Number),
    Op(&'s str),
    /// Behind the last token.
    End,
}

/// One statement. There is one for the whole text, as it is large.
pub(super) struct Statement<'s> {
    tokens: [(Token<'s>, usize); MAX_TOKENS],
    len: usize,
    /// Where the statement ends.
    end: usize,
}

impl<'s> Statement<'s> {
    pub(super) const fn new() -> Self {
        Self { tokens: [(Token::End, 0); MAX_TOKENS], len: 0, end: 0 }
    }

    /// The token at `index`.
    pub(super) fn token(&self, index: usize) -> Token<'s> {
        match self.tokens.get(index) {
            Some((token, _)) if index < self.len => *token,
            _ => Token::End,
        }
    }

    /// Where the token at `index` begins.
    pub(super) fn position(&self, index: usize) -> usize {
        match self.tokens.get(index) {
            Some((_, at)) if index < self.len => *at,
            _ => self.end,
        }
    }

    /// Where the statement begins.
    pub(super) fn start(&self) -> usize {
        self.position(0)
    }

    fn push(&mut self, token: Token<'s>, at: usize) -> bool {
        let Some(slot) = self.tokens.get_mut(self.len) else { return false };
        *slot = (token, at);
        self.len = self.len.saturating_add(1);
        true
    }

    /// Puts the names that the templates use in the place of other names in use.
    fn canonicalise(&mut self) {
        if self.token(0) == Token::Word("lock") {
            self.canonicalise_locked();
        }
        for (index, names) in [(0, MNEMONICS), (2, FUNCTIONS)] {
            let token = self.tokens.get_mut(index).filter(|_| index < self.len);
            let Some((Token::Word(word), _)) = token else { continue };
            if let Some((_, name)) = names.iter().find(|(other, _)| *other == *word) {
                *word = name;
            }
        }
    }

    /// `lock fetch add32 …` is `lock fetch_add32 …`, and 64 is not written.
    fn canonicalise_locked(&mut self) {
        if self.token(1) == Token::Word("fetch") {
            if let Token::Word(word) = self.token(2)
                && let Some((_, name)) = FETCHES.iter().find(|(other, _)| *other == word)
                && let Some((token, _)) = self.tokens.get_mut(1)
            {
                *token = Token::Word(name);
                self.tokens.copy_within(3.., 2);
                self.len = self.len.saturating_sub(1);
            }
        } else if let Some((Token::Word(word), _)) = self.tokens.get_mut(1) {
            *word = word.strip_suffix("64").unwrap_or(word);
        }
    }
}

/// Other mnemonics in use.
const MNEMONICS: &[(&str, &str)] = &[
    ("add", "add64"),
    ("sub", "sub64"),
    ("mul", "mul64"),
    ("div", "div64"),
    ("sdiv", "sdiv64"),
    ("or", "or64"),
    ("and", "and64"),
    ("lsh", "lsh64"),
    ("rsh", "rsh64"),
    ("arsh", "arsh64"),
    ("mod", "mod64"),
    ("smod", "smod64"),
    ("xor", "xor64"),
    ("mov", "mov64"),
    ("neg", "neg64"),
    ("bswap16", "swap16"),
    ("bswap32", "swap32"),
    ("bswap64", "swap64"),
    ("ldxbsx", "ldxsb"),
    ("ldxhsx", "ldxsh"),
    ("ldxwsx", "ldxsw"),
    ("jal", "ja32"),
];

/// Linux's names of 64-bit atomics, where LLVM has one name for both widths.
const FUNCTIONS: &[(&str, &str)] = &[
    ("atomic64_fetch_add", "atomic_fetch_add"),
    ("atomic64_fetch_or", "atomic_fetch_or"),
    ("atomic64_fetch_and", "atomic_fetch_and"),
    ("atomic64_fetch_xor", "atomic_fetch_xor"),
];

/// What stands behind `lock fetch`.
const FETCHES: &[(&str, &str)] = &[
    ("add", "fetch_add"),
    ("or", "fetch_or"),
    ("and", "fetch_and"),
    ("xor", "fetch_xor"),
    ("add64", "fetch_add"),
    ("or64", "fetch_or"),
    ("and64", "fetch_and"),
    ("xor64", "fetch_xor"),
    ("add32", "fetch_add32"),
    ("or32", "fetch_or32"),
    ("and32", "fetch_and32"),
    ("xor32", "fetch_xor32"),
];

/// What source text consists of.
pub(super) enum Item<'s> {
    Label { name: &'s str, at: usize },
    Statement,
}

/// Reads source text from its start to its end.
#[derive(Clone)]
pub(super) struct Reader<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Reader<'s> {
    pub(super) const fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    /// The next label, or statement, which is put into `statement`.
    pub(super) fn next_item(
        &mut self,
        statement: &mut Statement<'s>,
    ) -> Result<Option<Item<'s>>, Fault> {
        let mut lexeme = self.next_lexeme()?;
        while lexeme.kind == Kind::Break {
            lexeme = self.next_lexeme()?;
        }
        if lexeme.kind == Kind::End {
            return Ok(None);
        }
        if lexeme.kind == Kind::Word {
            let after = scan(self.source.as_bytes(), self.at);
            if after.kind == Kind::Op && self.text(after) == ":" {
                return self.label(lexeme, after.end).map(Some);
            }
        }
        statement.len = 0;
        while !matches!(lexeme.kind, Kind::Break | Kind::End) {
            if !statement.push(self.token(lexeme)?, lexeme.start) {
                return Err(fault(lexeme, AsmErrorKind::UnexpectedToken));
            }
            statement.end = lexeme.end;
            lexeme = self.next_lexeme()?;
        }
        statement.canonicalise();
        Ok(Some(Item::Statement))
    }

    fn next_lexeme(&mut self) -> Result<Lexeme, Fault> {
        let lexeme = scan(self.source.as_bytes(), self.at);
        self.at = lexeme.end;
        match lexeme.kind {
            Kind::Unterminated => Err(fault(lexeme, AsmErrorKind::UnterminatedComment)),
            Kind::Bad | Kind::Field => {
                let rest = self.source.get(lexeme.start..).unwrap_or_default();
                let found = rest.chars().next().unwrap_or_default();
                Err(fault(lexeme, AsmErrorKind::UnexpectedCharacter(found)))
            }
            _ => Ok(lexeme),
        }
    }

    fn text(&self, lexeme: Lexeme) -> &'s str {
        self.source.get(lexeme.start..lexeme.end).unwrap_or_default()
    }

    fn label(&mut self, name: Lexeme, end: usize) -> Result<Item<'s>, Fault> {
        let Token::Word(text) = self.token(name)? else {
            return Err(fault(name, AsmErrorKind::UnexpectedToken));
        };
        self.at = end;
        Ok(Item::Label { name: text, at: name.start })
    }

    fn token(&self, lexeme: Lexeme) -> Result<Token<'s>, Fault> {
        let text = self.text(lexeme);
        let token = match lexeme.kind {
            Kind::Word => word(text),
            Kind::Number => number(text).map(Token::Number),
            _ => Ok(Token::Op(text)),
        };
        token.map_err(|kind| fault(lexeme, kind))
    }
}

const fn fault(lexeme: Lexeme, kind: AsmErrorKind) -> Fault {
    Fault { at: lexeme.start, kind }
}

/// A register, if the word names one, else the word itself.
pub(super) fn word(text: &str) -> Result<Token<'_>, AsmErrorKind> {
    let name = text.strip_prefix('%').unwrap_or(text);
    let half = name.starts_with('w');
    let digits = name.strip_prefix(['r', 'w']).unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return match digits.parse() {
            Ok(number @ 0..=10) if digits.len() == 1 || !digits.starts_with('0') => {
                Ok(Token::Reg { number, half })
            }
            _ => Err(AsmErrorKind::InvalidRegister),
        };
    }
    if name.len() == text.len() {
        Ok(Token::Word(text))
    } else {
        Err(AsmErrorKind::InvalidRegister)
    }
}

fn number(text: &str) -> Result<Number, AsmErrorKind> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let signed = unsigned.len() != text.len();
    let unsigned = unsigned.trim_start_matches([' ', '\t', '\r']);
    let hex = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((unsigned, 10), |digits| (digits, 16));
    // `from_str_radix` would take a sign, but none is left here.
    match u64::from_str_radix(digits, radix) {
        Ok(magnitude) => Ok(Number { negative: text.starts_with('-'), signed, magnitude }),
        Err(error) => Err(match error.kind() {
            core::num::IntErrorKind::PosOverflow => AsmErrorKind::NumberTooLarge,
            _ => AsmErrorKind::MalformedNumber,
        }),
    }
}

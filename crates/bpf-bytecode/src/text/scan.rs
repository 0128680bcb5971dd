//! The lexical level, common to source text and to the table's templates.
//!
//! Everything is `const`, as the index over the templates is made at build time.

/// What a piece of text is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, perhaps a register's.
    Word,
    /// A number with its sign, if there is one.
    Number,
    /// An operator or a bracket.
    Op,
    /// A field in braces; only templates have them.
    Field,
    /// The end of a statement.
    Break,
    /// The end of the text.
    End,
    /// A character that begins nothing.
    Bad,
    /// A comment without end.
    Unterminated,
}

/// A piece of text, as a range of bytes.
#[derive(Clone, Copy)]
pub(super) struct Lexeme {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The first piece of `text` at or behind `from`.
pub(super) const fn scan(text: &[u8], from: usize) -> Lexeme {
    let start = match skip(text, from) {
        Ok(start) => start,
        Err(open) => return lexeme(Kind::Unterminated, open, text.len()),
    };
    let (first, second) = (byte(text, start), byte(text, next(start)));
    if start >= text.len() {
        return lexeme(Kind::End, text.len(), text.len());
    }
    if first == b'\n' || first == b';' {
        return lexeme(Kind::Break, start, next(start));
    }
    if first == b'{' {
        return lexeme(Kind::Field, start, field_end(text, start));
    }
    if let Some(end) = number_end(text, start) {
        return lexeme(Kind::Number, start, end);
    }
    // Before words, as some operators begin with a letter.
    let operator = if first == b's' || !is_word(first) { operator_end(text, start) } else { None };
    if let Some(end) = operator {
        return lexeme(Kind::Op, start, end);
    }
    if is_word_start(first) || (first == b'%' && second.is_ascii_alphabetic()) {
        let mut end = next(start);
        while is_word(byte(text, end)) {
            end = next(end);
        }
        return lexeme(Kind::Word, start, end);
    }
    lexeme(Kind::Bad, start, next(start))
}

/// The byte at `at`; 0 behind the end.
#[allow(clippy::indexing_slicing, reason = "`get` is not const; the index is checked")]
pub(super) const fn byte(text: &[u8], at: usize) -> u8 {
    if at < text.len() { text[at] } else { 0 }
}

/// Whether `text[start..end]` is `other`.
pub(super) const fn range_is(text: &[u8], start: usize, end: usize, other: &[u8]) -> bool {
    if end.saturating_sub(start) != other.len() {
        return false;
    }
    let mut at = 0;
    while at < other.len() {
        if byte(text, start.saturating_add(at)) != byte(other, at) {
            return false;
        }
        at = next(at);
    }
    true
}

pub(super) const fn next(at: usize) -> usize {
    at.saturating_add(1)
}

const fn lexeme(kind: Kind, start: usize, end: usize) -> Lexeme {
    Lexeme { kind, start, end }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

const fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b'$')
}

const fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit()
}

/// The first byte at or behind `from` that is neither blank nor comment, or the
/// start of a comment without end.
const fn skip(text: &[u8], from: usize) -> Result<usize, usize> {
    let mut at = from;
    loop {
        let (here, after) = (byte(text, at), byte(text, next(at)));
        if is_blank(here) {
            at = next(at);
        } else if begins_comment(text, at, here, after) {
            while at < text.len() && byte(text, at) != b'\n' {
                at = next(at);
            }
        } else if here == b'/' && after == b'*' {
            let open = at;
            at = at.saturating_add(2);
            while !(byte(text, at) == b'*' && byte(text, next(at)) == b'/') {
                if at >= text.len() {
                    return Err(open);
                }
                at = next(at);
            }
            at = at.saturating_add(2);
        } else {
            return Ok(at);
        }
    }
}

/// Whether a comment that ends with the line begins at `at`.
const fn begins_comment(text: &[u8], at: usize, here: u8, after: u8) -> bool {
    let before = match at.checked_sub(1) {
        Some(before) => byte(text, before),
        None => b'\n',
    };
    match here {
        b'/' => after == b'/',
        b';' => is_blank(before) || before == b'\n',
        // As in `call name#1`.
        b'#' => !(is_word(before) && (after.is_ascii_digit() || matches!(after, b'-' | b'{'))),
        _ => false,
    }
}

/// The end of the number at `start`, if there is one. Its sign may stand apart.
const fn number_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    if matches!(byte(text, at), b'+' | b'-') {
        at = next(at);
        while is_blank(byte(text, at)) {
            at = next(at);
        }
    }
    if !byte(text, at).is_ascii_digit() {
        return None;
    }
    let digits = at;
    while is_word(byte(text, at)) {
        at = next(at);
    }
    // `42ll` is a number and the word `ll`.
    let suffix = at.saturating_sub(2);
    if suffix > digits && range_is(text, suffix, at, b"ll") {
        return Some(suffix);
    }
    Some(at)
}

/// The end of the longest operator at `start`, if there is one.
const fn operator_end(text: &[u8], start: usize) -> Option<usize> {
    let second = next(start);
    let (third, fourth) = (next(second), next(next(second)));
    let bytes = (byte(text, start), byte(text, second), byte(text, third), byte(text, fourth));
    let length = match bytes {
        (b's', b'>', b'>', b'=') => 4,
        (b'<', b'<', b'=', _)
        | (b'>', b'>', b'=', _)
        | (b's', b'>' | b'<' | b'/' | b'%', b'=', _) => 3,
        (b's', b'>' | b'<', ..) => 2,
        (first, b'=', ..) if is_assigning(first) => 2,
        (first, ..) if is_single(first) => 1,
        _ => return None,
    };
    Some(start.saturating_add(length))
}

/// Whether the byte and `=` make an operator.
const fn is_assigning(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'&' | b'^' | b'=' | b'!' | b'<' | b'>'
    )
}

/// Whether the byte is an operator alone.
const fn is_single(byte: u8) -> bool {
    matches!(byte, b'=' | b'<' | b'>' | b'&' | b'*' | b'-' | b'(' | b')')
        || matches!(byte, b'[' | b']' | b',' | b':' | b'#')
}

const fn field_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < text.len() && byte(text, at) != b'}' {
        at = next(at);
    }
    if at < text.len() { next(at) } else { at }
}

//! Fits a statement to a template and takes its operands out.

use super::error::{AsmErrorKind, Fault};
use super::pattern::{Pattern, either_name};
use super::scan::{Kind, next, scan};
use super::token::{Number, Statement, Token, word};
use super::{Dialect, assemble::Names};
use crate::abi::helper_names;
use crate::instruction::{Encoded, Imm64};
use crate::table::{Form, InsnDef};

/// How a statement fits a template.
pub(super) enum Fit {
    /// Whole.
    Yes(Encoded),
    /// Whole, but a value in it cannot be.
    Value(Fault),
    /// Up to this token, where something else was expected.
    No { token: usize, expected: &'static str },
}

/// Fits `statement`, at slot `pc`, to `pattern`.
pub(super) fn fit(
    pattern: &Pattern,
    statement: &Statement<'_>,
    pc: usize,
    names: &Names<'_, '_>,
) -> Fit {
    let Some(def) = pattern.def() else { return Fit::No { token: 0, expected: "" } };
    let mut matcher = Matcher {
        def,
        dialect: pattern.dialect,
        statement,
        pc,
        names,
        token: 0,
        fault: None,
        dst: None,
        src: None,
        off: 0,
        imm: 0,
        wide: None,
    };
    match matcher.run(pattern.template) {
        Err(expected) => Fit::No { token: matcher.token, expected },
        Ok(()) => match matcher.fault {
            Some(fault) => Fit::Value(fault),
            None => Fit::Yes(matcher.encoded()),
        },
    }
}

/// What was expected in the place of a token.
type Expected = &'static str;

struct Matcher<'m, 's> {
    def: &'static InsnDef,
    dialect: Dialect,
    statement: &'m Statement<'s>,
    pc: usize,
    names: &'m Names<'m, 's>,
    /// Index of the token to be read next.
    token: usize,
    /// The first value that cannot be.
    fault: Option<Fault>,
    dst: Option<u8>,
    src: Option<u8>,
    off: i16,
    imm: i32,
    wide: Option<Imm64>,
}

impl<'s> Matcher<'_, 's> {
    fn run(&mut self, template: &'static str) -> Result<(), Expected> {
        let mut at = 0;
        loop {
            let lexeme = scan(template.as_bytes(), at);
            let text = template.get(lexeme.start..lexeme.end).unwrap_or_default();
            match lexeme.kind {
                Kind::Field => self.field(text)?,
                Kind::End => break,
                _ => self.literal(text)?,
            }
            at = lexeme.end;
        }
        if self.peek() == Token::End { Ok(()) } else { Err("end of statement") }
    }

    fn encoded(&self) -> Encoded {
        if let Some(value) = self.wide {
            return Encoded::wide(self.dst.unwrap_or_default(), value);
        }
        let (dst, src) = (self.dst.unwrap_or_default(), self.src.unwrap_or_default());
        Encoded::single(self.def.with_operands(dst, src, self.off, self.imm))
    }

    fn peek(&self) -> Token<'s> {
        self.statement.token(self.token)
    }

    fn peek_second(&self) -> Token<'s> {
        self.statement.token(next(self.token))
    }

    fn advance(&mut self) {
        self.token = next(self.token);
    }

    /// Notes that the value of the current token cannot be.
    fn refuse(&mut self, kind: AsmErrorKind) {
        let at = self.statement.position(self.token);
        self.fault.get_or_insert(Fault { at, kind });
    }

    fn literal(&mut self, text: &'static str) -> Result<(), Expected> {
        let fits = match self.peek() {
            Token::Word(found) | Token::Op(found) => found == text,
            found @ Token::Reg { .. } => word(text) == Ok(found),
            Token::Number(_) | Token::End => false,
        };
        if !fits {
            return Err(text);
        }
        self.advance();
        Ok(())
    }

    fn field(&mut self, field: &'static str) -> Result<(), Expected> {
        match field {
            "{dst}" => self.dst = Some(self.register(self.dst, false, true)?),
            "{wdst}" => self.dst = Some(self.register(self.dst, true, true)?),
            "{src}" => self.src = Some(self.register(self.src, false, false)?),
            "{wsrc}" => self.src = Some(self.register(self.src, true, false)?),
            "{off}" => self.off = self.offset()?,
            "{+imm}" => self.imm = if self.at_signed() { self.immediate()? } else { 0 },
            "{imm}" => self.imm = self.immediate()?,
            "{jump}" => self.off = self.jump()?.try_into().unwrap_or_default(),
            "{jump32}" => self.imm = self.jump()?,
            "{helper}" => self.imm = self.helper()?,
            "{local}" => self.imm = self.local()?,
            _ => self.wide = Some(self.imm64()?),
        }
        Ok(())
    }

    /// A register; the same as `before`, if the template named it before.
    fn register(
        &mut self,
        before: Option<u8>,
        wants_half: bool,
        is_dst: bool,
    ) -> Result<u8, Expected> {
        let expected = if wants_half { "one of w0 to w10" } else { "one of r0 to r10" };
        let Token::Reg { number, half } = self.peek() else { return Err(expected) };
        let is_value = is_dst == matches!(self.def.form, Form::Load(..) | Form::LoadAcquire(_));
        let any_name = self.dialect == Dialect::Llvm && is_value && either_name(self.def.form);
        if half != wants_half && !any_name {
            return Err(expected);
        }
        if before.is_some_and(|before| before != number) {
            self.refuse(AsmErrorKind::RegistersDiffer);
        }
        self.advance();
        Ok(number)
    }

    fn at_signed(&self) -> bool {
        matches!(self.peek(), Token::Number(Number { signed: true, .. }))
    }

    /// An offset with a sign; none is 0.
    fn offset(&mut self) -> Result<i16, Expected> {
        let Token::Number(number) = self.peek() else { return Ok(0) };
        if !number.signed {
            return Err("an offset with a sign");
        }
        let off = i16::try_from(number.value()).unwrap_or_else(|_| {
            self.refuse(AsmErrorKind::OffsetOutOfRange);
            0
        });
        self.advance();
        Ok(off)
    }

    fn immediate(&mut self) -> Result<i32, Expected> {
        let Token::Number(number) = self.peek() else { return Err("a number") };
        let bits = number.bits32().unwrap_or_else(|| {
            self.refuse(AsmErrorKind::ImmediateOutOfRange);
            0
        });
        self.advance();
        Ok(bits)
    }

    /// A distance in slots, or a label. `pc` may stand before the distance.
    fn jump(&mut self) -> Result<i32, Expected> {
        if self.peek() == Token::Word("pc") && matches!(self.peek_second(), Token::Number(_)) {
            self.advance();
        }
        let distance = match self.peek() {
            Token::Number(number) => {
                let distance = i64::try_from(number.value()).unwrap_or(i64::MAX);
                self.in_reach(distance, AsmErrorKind::OffsetOutOfRange)
            }
            Token::Word(name) => self.distance_to(name),
            _ => return Err("a jump target"),
        };
        self.advance();
        Ok(distance)
    }

    /// The distance to a label from behind this instruction.
    fn distance_to(&mut self, name: &str) -> i32 {
        let target = match self.names.find(name) {
            Ok(Some(slot)) => slot,
            // Not known yet; any distance will do.
            Ok(None) => return 0,
            Err(kind) => {
                self.refuse(kind);
                return 0;
            }
        };
        let signed = |slot: usize| i64::try_from(slot).unwrap_or(i64::MAX);
        let distance = signed(target).saturating_sub(signed(next(self.pc)));
        self.in_reach(distance, AsmErrorKind::TargetOutOfReach)
    }

    /// The distance, if the instruction's field has room for it.
    fn in_reach(&mut self, distance: i64, error: AsmErrorKind) -> i32 {
        let fits = self.def.operands.has_imm() && !self.def.operands.has_off()
            || i16::try_from(distance).is_ok();
        match i32::try_from(distance) {
            Ok(distance) if fits => distance,
            _ => {
                self.refuse(error);
                0
            }
        }
    }

    /// A helper's number, its name, or both as `name#number`.
    fn helper(&mut self) -> Result<i32, Expected> {
        let Token::Word(name) = self.peek() else { return self.immediate() };
        // Without the prefix the name is a label's.
        let known = if name.starts_with("bpf_") { helper_names::number(name) } else { None };
        let known = known.map(u32::cast_signed);
        if self.peek_second() != Token::Op("#") {
            let id = known.ok_or("a helper or a label")?;
            self.advance();
            return Ok(id);
        }
        self.advance();
        self.advance();
        if let (Some(id), Token::Number(number)) = (known, self.peek())
            && number.bits32() != known
        {
            self.refuse(AsmErrorKind::HelperNumber(id.cast_unsigned()));
        }
        self.immediate()
    }

    /// A function of the program: a label, or `pc` and a distance.
    fn local(&mut self) -> Result<i32, Expected> {
        match self.peek() {
            Token::Word(_) => self.jump(),
            _ => Err("a helper or a label"),
        }
    }

    /// What a 64-bit immediate load loads.
    fn imm64(&mut self) -> Result<Imm64, Expected> {
        let value = match self.peek() {
            Token::Number(number) => return self.plain64(number),
            Token::Word("map") => self.map()?,
            Token::Word("var") => {
                self.advance();
                Imm64::Var(self.bracketed(Self::immediate)?)
            }
            Token::Word("subprog") => {
                self.advance();
                Imm64::Code(self.bracketed(Self::jump)?)
            }
            Token::Word(_) if self.peek_second() == Token::Word("ll") => Imm64::Code(self.jump()?),
            _ => return Err("a number or an address"),
        };
        if self.peek() == Token::Word("ll") {
            self.advance();
        }
        Ok(value)
    }

    fn plain64(&mut self, number: Number) -> Result<Imm64, Expected> {
        let value = number.bits64().unwrap_or_else(|| {
            self.refuse(AsmErrorKind::NumberTooLarge);
            0
        });
        self.advance();
        if self.peek() == Token::Word("ll") {
            self.advance();
        } else if self.dialect == Dialect::Llvm {
            return Err("ll");
        }
        Ok(Imm64::Value(value))
    }

    fn bracketed<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Expected>,
    ) -> Result<T, Expected> {
        self.literal("[")?;
        let value = inner(self)?;
        self.literal("]")?;
        Ok(value)
    }

    /// `map[fd:3]`, `map[idx:0]`, or the address of a byte in its first value:
    /// `map[idx:0][0]+8`.
    fn map(&mut self) -> Result<Imm64, Expected> {
        self.advance();
        let (by_index, number) = self.bracketed(|this| {
            let by_index = match this.peek() {
                Token::Word("fd") => false,
                Token::Word("idx") => true,
                _ => return Err("fd or idx"),
            };
            this.advance();
            this.literal(":")?;
            Ok((by_index, this.immediate()?))
        })?;
        let mut has_offset = self.at_signed();
        if self.peek() == Token::Op("[") {
            if self.bracketed(Self::immediate)? != 0 {
                self.token = self.token.saturating_sub(2);
                return Err("0");
            }
            has_offset = true;
        }
        let index = number.cast_unsigned();
        if !has_offset {
            return Ok(if by_index { Imm64::MapIdx(index) } else { Imm64::MapFd(number) });
        }
        let offset = if self.at_signed() { self.immediate()?.cast_unsigned() } else { 0 };
        Ok(if by_index {
            Imm64::MapIdxValue(index, offset)
        } else {
            Imm64::MapFdValue(number, offset)
        })
    }
}

//! Formatting as the kernel's `printf`.

use crate::platform::TRACE_BYTES;

/// Bytes of a string at the most.
pub(super) const LIMIT: u64 = TRACE_BYTES as u64;

/// Digits of a number at the most.
const DIGITS: usize = 20;

/// How an argument is to be printed.
#[derive(Clone, Copy, Default)]
pub(super) struct Spec {
    /// Bytes at the least.
    pub width: usize,
    /// Fill on the right.
    pub left: bool,
    /// Fill with zeros.
    pub zeros: bool,
    /// What stands before a number that is not negative.
    pub sign: Option<u8>,
}

/// A message that is being put together. What does not fit is counted only.
pub(super) struct Message {
    bytes: [u8; TRACE_BYTES],
    length: usize,
}

impl Message {
    pub const fn new() -> Self {
        Self { bytes: [0; TRACE_BYTES], length: 0 }
    }

    /// What was kept of the message.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// Bytes of the whole message.
    pub fn length(&self) -> u64 {
        u64::try_from(self.length).unwrap_or(u64::MAX)
    }

    pub fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
        }
        self.length = self.length.saturating_add(1);
    }

    fn repeat(&mut self, byte: u8, count: usize) {
        for _ in 0..count {
            self.push(byte);
        }
    }

    /// `length` bytes, filled with blanks up to the width.
    pub fn field(&mut self, spec: Spec, length: u64, bytes: impl Iterator<Item = u8>) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let fill = spec.width.saturating_sub(length);
        if !spec.left {
            self.repeat(b' ', fill);
        }
        bytes.for_each(|byte| self.push(byte));
        if spec.left {
            self.repeat(b' ', fill);
        }
    }

    pub fn padded(&mut self, spec: Spec, bytes: &[u8]) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.field(spec, length, bytes.iter().copied());
    }

    pub fn signed(&mut self, spec: Spec, value: i64) {
        let sign = if value < 0 { Some(b'-') } else { spec.sign };
        self.number(Spec { sign, ..spec }, value.unsigned_abs(), 10, false);
    }

    pub fn unsigned(&mut self, spec: Spec, value: u64) {
        self.number(Spec { sign: None, ..spec }, value, 10, false);
    }

    pub fn hex(&mut self, spec: Spec, value: u64, upper: bool) {
        self.number(Spec { sign: None, ..spec }, value, 16, upper);
    }

    /// An address, in sixteen digits on every machine.
    pub fn address(&mut self, spec: Spec, value: u64) {
        let width = spec.width.max(16);
        self.hex(Spec { width, zeros: true, ..spec }, value, false);
    }

    fn number(&mut self, spec: Spec, mut value: u64, base: u64, upper: bool) {
        let digits: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        let mut text = [b'0'; DIGITS];
        let mut count = 0_usize;
        for slot in text.iter_mut().rev() {
            let digit = value.checked_rem(base).and_then(|d| usize::try_from(d).ok());
            *slot = digit.and_then(|d| digits.get(d)).copied().unwrap_or(b'?');
            count = count.saturating_add(1);
            value = value.checked_div(base).unwrap_or(0);
            if value == 0 {
                break;
            }
        }
        let shown = text.get(DIGITS.saturating_sub(count)..).unwrap_or_default();
        let used = count.saturating_add(usize::from(spec.sign.is_some()));
        let fill = spec.width.saturating_sub(used);
        let (blanks, zeros, after) = match (spec.left, spec.zeros) {
            (true, _) => (0, 0, fill),
            (false, true) => (0, fill, 0),
            (false, false) => (fill, 0, 0),
        };
        self.repeat(b' ', blanks);
        spec.sign.into_iter().for_each(|sign| self.push(sign));
        self.repeat(b'0', zeros);
        for digit in shown {
            self.push(*digit);
        }
        self.repeat(b' ', after);
    }

    /// Four octets with dots between them.
    pub fn ipv4(&mut self, octets: [u8; 4], zeros: bool) {
        let spec = Spec { width: if zeros { 3 } else { 0 }, zeros, ..Spec::default() };
        for (index, octet) in octets.iter().enumerate() {
            if index > 0 {
                self.push(b'.');
            }
            self.unsigned(spec, u64::from(*octet));
        }
    }

    /// Sixteen octets in hex, with colons between pairs or without.
    pub fn ipv6(&mut self, octets: &[u8; 16], colons: bool) {
        let spec = Spec { width: 2, zeros: true, ..Spec::default() };
        for (index, octet) in octets.iter().enumerate() {
            if colons && index > 0 && index.is_multiple_of(2) {
                self.push(b':');
            }
            self.hex(spec, u64::from(*octet), false);
        }
    }
}

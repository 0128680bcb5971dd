//! `bpf_trace_printk`.

use bpf_maps::memory::View;

use super::{EINVAL, low};
use crate::error::Fault;
use crate::run::Run;

mod format;

use format::{Message, Spec};

/// `long bpf_trace_printk(const char *fmt, u32 fmt_size, ...)`
///
/// Gives the message's length in bytes, also of one that was cut off, or
/// `-EINVAL` for a format that Linux refuses. Addresses are printed as they
/// are; `%s` of memory that is not the program's prints nothing.
pub(super) fn printk(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [fmt, size, values @ ..] = args;
    let size = usize::try_from(low(size)).unwrap_or(usize::MAX);
    let mut message = Message::new();
    let formatted = Format { text: run.view(fmt, size)?, at: 0 }.print(run, &values, &mut message);
    if formatted.is_none() {
        return Ok(EINVAL);
    }
    run.environment().platform().trace(message.bytes());
    Ok(message.length())
}

/// A format string and the position in it.
struct Format<'a> {
    text: View<'a>,
    at: usize,
}

impl Format<'_> {
    /// The next byte; `None` behind the memory of the format.
    fn peek(&self) -> Option<u8> {
        self.text.byte(self.at)
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(byte)
    }

    /// Takes the next byte if it is one of `wanted`.
    fn next_if(&mut self, wanted: &[u8]) -> Option<u8> {
        self.peek().filter(|byte| wanted.contains(byte))?;
        self.next()
    }

    /// Whether a `%p` or `%s` ends here, as it must.
    fn is_end(&self) -> bool {
        let ends = |byte: u8| byte == 0 || is_space(byte) || byte.is_ascii_punctuation();
        self.peek().is_some_and(ends)
    }

    /// Prints the whole; `None` for what is no format.
    fn print(&mut self, run: &Run<'_>, values: &[u64], out: &mut Message) -> Option<()> {
        let mut values = values.iter();
        loop {
            match self.next()? {
                0 => return Some(()),
                b'%' if self.next_if(b"%").is_some() => out.push(b'%'),
                b'%' => {
                    let spec = self.spec()?;
                    self.argument(run, spec, *values.next()?, out)?;
                }
                byte if byte.is_ascii_graphic() || is_space(byte) => out.push(byte),
                _ => return None,
            }
        }
    }

    /// Flags and width, `[0 +-]*[1-9][0-9]*`.
    fn spec(&mut self) -> Option<Spec> {
        let mut spec = Spec::default();
        while let Some(flag) = self.next_if(b"0+- ") {
            match flag {
                b'0' => spec.zeros = true,
                b'+' => spec.sign = Some(b'+'),
                b'-' => spec.left = true,
                _ => spec.sign = spec.sign.or(Some(b' ')),
            }
        }
        while let Some(digit) = self.next_if(b"0123456789") {
            let digit = usize::from(digit.checked_sub(b'0')?);
            spec.width = spec.width.checked_mul(10)?.checked_add(digit)?;
        }
        // Beyond this, Linux does not pad.
        (spec.width <= 0xffff).then_some(spec)
    }

    /// The conversion, and the argument in it.
    fn argument(&mut self, run: &Run<'_>, spec: Spec, value: u64, out: &mut Message) -> Option<()> {
        match self.peek()? {
            b'p' => {
                self.next();
                return self.pointer(run, spec, value, out);
            }
            b's' => {
                self.next();
                self.is_end().then(|| string(run, spec, value, out))?;
                return Some(());
            }
            b'c' => {
                self.next();
                let [byte, ..] = value.to_le_bytes();
                out.padded(spec, &[byte]);
                return Some(());
            }
            _ => {}
        }
        let wide = self.next_if(b"l").is_some();
        let _ = wide && self.next_if(b"l").is_some();
        let unsigned = if wide { value } else { u64::from(low(value)) };
        match self.next()? {
            b'd' | b'i' if wide => out.signed(spec, value.cast_signed()),
            b'd' | b'i' => out.signed(spec, i64::from(low(value).cast_signed())),
            b'u' => out.unsigned(spec, unsigned),
            b'x' => out.hex(spec, unsigned, false),
            b'X' => out.hex(spec, unsigned, true),
            _ => return None,
        }
        Some(())
    }

    /// What follows `%p`.
    fn pointer(&mut self, run: &Run<'_>, spec: Spec, value: u64, out: &mut Message) -> Option<()> {
        if self.is_end() {
            out.address(spec, value);
            return Some(());
        }
        match self.next()? {
            b'k' | b'u' if self.next_if(b"s").is_some() && self.is_end() => {
                string(run, spec, value, out);
            }
            b'K' | b'x' | b's' | b'S' | b'B' => out.address(spec, value),
            form @ (b'i' | b'I') => match self.next()? {
                b'4' => out.ipv4(octets::<4>(run, value), form == b'i'),
                b'6' => out.ipv6(&octets::<16>(run, value), form == b'I'),
                _ => return None,
            },
            _ => return None,
        }
        Some(())
    }
}

/// As C's `isspace`.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Memory of the program; zeros where it is not the program's.
fn octets<const N: usize>(run: &Run<'_>, address: u64) -> [u8; N] {
    let mut out = [0; N];
    let read = run.view(address, N).ok().and_then(|view| view.read(0, &mut out));
    if read.is_some() { out } else { [0; N] }
}

/// Prints the bytes at `address` up to a zero; nothing where the program's
/// memory ends before one.
fn string(run: &Run<'_>, spec: Spec, address: u64, out: &mut Message) {
    let byte = |at: u64| run.view(address.checked_add(at)?, 1).ok()?.byte(0);
    let mut length = 0;
    while length < format::LIMIT {
        match byte(length) {
            Some(0) => break,
            Some(_) => length = length.saturating_add(1),
            None => {
                length = 0;
                break;
            }
        }
    }
    out.field(spec, length, (0..length).map_while(byte));
}

//! What is known at an instruction, piece by piece.

use std::collections::BTreeMap;
use std::rc::Rc;

use kernel_bpf::verifier::{Bytes, StateView, Value};

/// Bytes of a stack slot.
const SLOT: i32 = 8;

/// What was known at one instruction: each register and stack slot as text.
pub struct Known {
    /// The running frame.
    pub frame: u32,
    regs: BTreeMap<u8, Piece>,
    /// Slots of the running frame's stack, by their negated offset.
    slots: BTreeMap<i32, Piece>,
}

/// One register or stack slot.
#[derive(Clone)]
struct Piece {
    /// What the text says; nothing, where a slot is put together of bytes.
    value: Option<Value>,
    text: Rc<str>,
}

impl Known {
    /// What is known in a state. Most of it was known `before`: its text is
    /// not made again.
    pub fn of(state: &StateView<'_>, before: Option<&Self>) -> Self {
        let frame = state.frame();
        // A text depends on the frame that runs.
        let before = before.filter(|before| before.frame == frame);
        let piece = |value: Value, before: Option<&Piece>| match before {
            Some(before) if before.value == Some(value) => before.clone(),
            _ => Piece { value: Some(value), text: state.show(value).to_string().into() },
        };
        let regs = state.regs().map(|(reg, value)| {
            let reg = reg.number();
            (reg, piece(value, before.and_then(|before| before.regs.get(&reg))))
        });
        let regs = regs.collect();
        let mut slots = BTreeMap::new();
        let mut letters: BTreeMap<i32, String> = BTreeMap::new();
        for bytes in state.stack().filter(|bytes| bytes.frame == frame) {
            let whole = i32::try_from(bytes.len) == Ok(SLOT) && bytes.off.rem_euclid(SLOT) == 0;
            if whole {
                let off = -bytes.off;
                let before = before.and_then(|before| before.slots.get(&off));
                slots.insert(off, piece(bytes.value, before));
            } else {
                add_bytes(&mut letters, &bytes);
            }
        }
        for (off, text) in letters {
            let text = if text == "00000000" { "0" } else { text.as_str() };
            slots.insert(off, Piece { value: None, text: text.into() });
        }
        Self { frame, regs, slots }
    }

    /// The frame's number, for all but the first.
    fn prefix(&self) -> String {
        if self.frame == 0 { String::new() } else { format!("frame{}: ", self.frame) }
    }

    /// Everything.
    pub fn all(&self) -> String {
        self.parts(|_| true, |_| true)
    }

    /// What a caller keeps.
    pub fn as_caller(&self) -> String {
        format!(" {}", self.parts(|reg| reg > 5, |_| true))
    }

    /// What an instruction changed, and the registers that it names, a bit each.
    pub fn outcome(&self, before: &Self, names: u16) -> String {
        let named = |reg: u8| names >> reg & 1 != 0;
        // A call names no register that it reads.
        let text = |piece: Option<&Piece>| piece.map(|piece| Rc::clone(&piece.text));
        let changed = |reg: u8| text(before.regs.get(&reg)) != text(self.regs.get(&reg));
        let slot = |off: i32| text(before.slots.get(&off)) != text(self.slots.get(&off));
        self.parts(|reg| named(reg) || changed(reg), slot)
    }

    fn parts(&self, regs: impl Fn(u8) -> bool, slots: impl Fn(i32) -> bool) -> String {
        let regs = self.regs.iter().filter(|(reg, _)| regs(**reg));
        let mut parts: Vec<String> =
            regs.map(|(reg, piece)| format!("R{reg}={}", piece.text)).collect();
        let slots = self.slots.iter().filter(|(off, _)| slots(**off));
        parts.extend(slots.map(|(off, piece)| format!("fp-{off}={}", piece.text)));
        if parts.is_empty() {
            return String::new();
        }
        format!("{}{}", self.prefix(), parts.join(" "))
    }
}

/// Bytes that do not fill a slot: a letter each, the highest address first, as
/// Linux writes them: zero, anything, or never written.
fn add_bytes(slots: &mut BTreeMap<i32, String>, bytes: &Bytes) {
    let zero = bytes.value.as_constant() == Some(0);
    let end = bytes.off.saturating_add(i32::try_from(bytes.len).unwrap_or(0));
    for off in bytes.off..end {
        let base = off.div_euclid(SLOT) * SLOT;
        let letters = slots.entry(-base).or_insert_with(|| "?".repeat(8));
        let at = usize::try_from(SLOT - 1 - (off - base)).unwrap_or(0);
        if letters.len() == 8 {
            letters.replace_range(at..=at, if zero { "0" } else { "m" });
        }
    }
}

/// The registers that an instruction's text names, a bit each.
pub fn names(text: &str) -> u16 {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let numbers = words.filter_map(|word| word.strip_prefix(['r', 'w'])?.parse::<u32>().ok());
    numbers.filter_map(|number| 1_u16.checked_shl(number)).fold(0, |names, name| names | name)
}

//! What is known at an instruction, piece by piece.

use std::collections::BTreeMap;

use kernel_bpf::verifier::{Bytes, StateView};

/// Bytes of a stack slot.
const SLOT: i32 = 8;

/// What was known at one instruction: each register and stack slot as text.
pub struct Known {
    /// The running frame.
    pub frame: u32,
    regs: BTreeMap<u8, String>,
    /// Slots of the running frame's stack, by their negated offset.
    slots: BTreeMap<i32, String>,
}

impl Known {
    pub fn of(state: &StateView<'_>) -> Self {
        let frame = state.frame();
        let regs = state.regs();
        let regs = regs.map(|(reg, value)| (reg.number(), state.show(value).to_string())).collect();
        let mut slots: BTreeMap<i32, String> = BTreeMap::new();
        for bytes in state.stack().filter(|bytes| bytes.frame == frame) {
            let whole = i32::try_from(bytes.len) == Ok(SLOT) && bytes.off.rem_euclid(SLOT) == 0;
            if whole {
                slots.insert(-bytes.off, state.show(bytes.value).to_string());
            } else {
                add_bytes(&mut slots, &bytes);
            }
        }
        for text in slots.values_mut().filter(|text| *text == "00000000") {
            "0".clone_into(text);
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

    /// What an instruction of this text changed or read.
    pub fn outcome(&self, before: &Self, text: &str) -> String {
        let named = |reg: u8| {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            words.filter_map(|word| word.strip_prefix(['r', 'w'])).any(|n| n == reg.to_string())
        };
        // A call names no register that it reads.
        let changed = |reg: u8| before.regs.get(&reg) != self.regs.get(&reg);
        let slot = |off: i32| before.slots.get(&off) != self.slots.get(&off);
        self.parts(|reg| named(reg) || changed(reg), slot)
    }

    fn parts(&self, regs: impl Fn(u8) -> bool, slots: impl Fn(i32) -> bool) -> String {
        let regs = self.regs.iter().filter(|(reg, _)| regs(**reg));
        let mut parts: Vec<String> = regs.map(|(reg, text)| format!("R{reg}={text}")).collect();
        let slots = self.slots.iter().filter(|(off, _)| slots(**off));
        parts.extend(slots.map(|(off, text)| format!("fp-{off}={text}")));
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

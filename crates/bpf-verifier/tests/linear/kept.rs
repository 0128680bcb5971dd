//! The same programs, where registers of the loops are kept on the stack from round to round, or
//! almost so.

use crate::common::chance::Chance;

/// Slots that nothing else lies in, but for some programs the second and the third.
const SLOTS: [i32; 3] = [-56, -48, -40];

/// When a register becomes again what is kept of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reload {
    Never,
    /// At the heads of its loop.
    Heads,
    /// At some of all labels.
    Labels,
    /// Before it is moved.
    Moves,
    /// Before it is used; it is 0 in between.
    Uses,
}

/// A register that is kept, where, and of which level it is.
struct Kept {
    register: u8,
    slot: i32,
    level: usize,
    reload: Reload,
}

impl Kept {
    fn is_in(&self, code: &str) -> bool {
        ["r", "w"].iter().any(|kind| {
            let name = format!("{kind}{}", self.register);
            code.match_indices(&name).any(|(at, _)| {
                let next = code[at + name.len()..].chars().next();
                next.is_none_or(|next| !next.is_ascii_digit())
            })
        })
    }

    /// Whether a line writes it, and whether it only moves it.
    fn written(&self, code: &str) -> Option<bool> {
        let rest = ["r", "w"]
            .iter()
            .find_map(|kind| code.strip_prefix(&format!("{kind}{} ", self.register)))?;
        match rest.as_bytes().first()? {
            b'=' => Some(false),
            b'+' | b'-' => Some(true),
            _ => None,
        }
    }

    fn load(&self) -> String {
        format!("r{} = *(u64 *)(r10 {})\n", self.register, self.slot)
    }

    fn store(&self) -> String {
        format!("*(u64 *)(r10 {}) = r{}\n", self.slot, self.register)
    }
}

/// What is done behind a label to what is kept: R0 is free there.
fn hit(chance: &mut Chance, kept: &[Kept], times: i32) -> String {
    let at = chance.below(kept.len());
    let own = &kept[at];
    let other = &kept[(at + 1) % kept.len()];
    let slot = own.slot;
    let small = chance.of(&[0, 1, 7, 9]);
    let by = chance.of(&[1, -1, times, -times]);
    let same = chance.of(&[own.register, own.register, other.register]);
    match chance.below(12) {
        0 => {
            let (size, part) =
                chance.of(&[("u8", 0), ("u8", 4), ("u16", 0), ("u16", 6), ("u32", 0), ("u32", 4)]);
            format!("*({size} *)(r10 {}) = {}\n", slot + part, if part > 0 { 0 } else { small })
        }
        1 => format!("*(u32 *)(r10 {slot}) = r{same}\n"),
        2 => format!("*(u8 *)(r10 {slot}) = r{same}\n"),
        3 => format!("*(u64 *)(r10 {slot}) = r{same}\n"),
        4 => format!("r0 = *(u64 *)(r10 {slot})\nr0 += {by}\n*(u64 *)(r10 {slot}) = r0\n"),
        5 => format!(
            "r0 = map[idx:1][0] ll\nr0 = *(u8 *)(r0 +0)\nr0 &= 1\nr0 <<= 3\nr0 += r10\n\
             *(u64 *)(r0 {slot}) = r{same}\n"
        ),
        6 => format!("r0 = r10\nr0 += {slot}\n*(u64 *)(r0 +0) = r{same}\n"),
        7 => format!(
            "r0 = *(u64 *)(r10 {slot})\n*(u64 *)(r10 {slot}) = 0\n*(u64 *)(r10 {slot}) = r0\n"
        ),
        8 => format!("r0 = *(u32 *)(r10 {slot})\n*(u64 *)(r10 {slot}) = r0\n"),
        9 => format!("r0 = *(u64 *)(r10 {})\n*(u64 *)(r10 {slot}) = r0\n", other.slot),
        10 => format!("*(u64 *)(r10 {slot}) = {small}\n"),
        _ => format!(
            "r0 = *(u64 *)(r10 {slot})\nr0 += {by}\n*(u64 *)(r10 {slot}) = r0\n\
             r{} = r0\n",
            own.register
        ),
    }
}

/// The program of these lines, whose loops have heads and pairs of registers by their level.
pub fn kept(
    chance: &mut Chance,
    text: &str,
    heads: &[(usize, String)],
    (pairs, times): (&[[u8; 2]], i32),
) -> String {
    let taken = |slot: &i32| !text.contains(&format!("(r10 {slot})"));
    let slots: Vec<i32> = SLOTS.into_iter().filter(taken).collect();
    let level = chance.below(2);
    let mut registers = match chance.below(4) {
        0 => vec![(level, chance.below(2))],
        1 => vec![(0, chance.below(2)), (1, chance.below(2))],
        2 => vec![(level, 0), (level, 1)],
        _ => vec![(level, 1), (level, 0), (1 - level, chance.below(2))],
    };
    registers.truncate(slots.len());
    let all = [Reload::Never, Reload::Heads, Reload::Labels, Reload::Moves, Reload::Uses];
    let common = chance.of(&all);
    let kept: Vec<Kept> = registers
        .into_iter()
        .zip(slots)
        .map(|((level, which), slot)| Kept {
            register: pairs[level][which],
            slot,
            level,
            reload: if chance.in_all(3) { chance.of(&all) } else { common },
        })
        .collect();
    if kept.is_empty() {
        return text.to_owned();
    }
    let labels = text.lines().filter(|line| line.contains(": r0 = 0")).count();
    let mut hits = Vec::new();
    for _ in 0..chance.of(&[0, 0, 1, 1, 2, 3]) {
        hits.push(chance.below(labels));
    }
    let forgets = chance.in_all(4);
    let (mut out, mut seen, mut names) = (String::new(), 0, 0);
    // Whoever reads it finds something there.
    for own in &kept {
        if chance.in_all(3) {
            let more = format!("*(u64 *)(r10 {}) = 0\n", own.slot);
            out += &more;
        }
    }
    for line in text.lines() {
        let (label, code) = line.split_once(": ").map_or((None, line), |(a, b)| (Some(a), b));
        for own in &kept {
            let written = own.written(code);
            let moved = own.reload == Reload::Moves && written == Some(true);
            let used = own.reload == Reload::Uses
                && (own.is_in(code) && written != Some(false) || {
                    let right = code.split_once("= ").map_or("", |(_, right)| right);
                    written == Some(false) && own.is_in(right)
                });
            if moved || used {
                out += &own.load();
            }
        }
        out += line;
        out.push('\n');
        for own in &kept {
            let is_head = label.is_some_and(|label| {
                heads.iter().any(|(of, head)| *of == own.level && head == label)
            });
            let at_label = own.reload == Reload::Labels && label.is_some() && chance.in_all(4);
            if at_label || own.reload == Reload::Heads && is_head {
                out += &own.load();
            }
            if own.written(code).is_some() && !(forgets && chance.in_all(10)) {
                out += &own.store();
                if own.reload == Reload::Uses {
                    let more = format!("r{} = 0\n", own.register);
                    out += &more;
                }
            }
        }
        if line.contains(": r0 = 0") {
            for _ in hits.iter().filter(|at| **at == seen) {
                let change = hit(chance, &kept, times);
                if chance.in_all(3) {
                    out += &change;
                    continue;
                }
                let number = chance.below(3);
                names += 1;
                out += "r0 = map[idx:1][0] ll\nr0 = *(u8 *)(r0 +0)\n";
                if chance.in_all(2) {
                    let more = format!("if r0 == {number} goto k{names}\n{change}");
                    out += &more;
                } else {
                    // The other way is walked first.
                    let more = format!(
                        "if r0 != {number} goto m{names}\n{change}goto k{names}\nm{names}: r0 = 1\n"
                    );
                    out += &more;
                }
                let more = format!("k{names}: r0 = 0\nr0 = 0\nr0 = 0\nr0 = 0\n");
                out += &more;
            }
            seen += 1;
        }
    }
    out
}

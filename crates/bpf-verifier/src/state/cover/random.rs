//! What shows at sight, is noted or is left out is what comes of looking at every entry.

extern crate std;

use std::vec;

use bpf_bytecode::Register;

use super::super::cells::Cell;
use super::{Closeness, Ids, Kind, Looked, NO_RANGE, Snapshot, State, Value};
use super::{covers_so_far, entry_bit, entry_covers, is_any};
use crate::arena::{Arena, Words};
use crate::domain::{Scalar, Tnum};
use crate::rules::Privilege;
use crate::state::{MODULO, WRAPPED};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u32::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn one<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.below(u32::try_from(N).expect("few")) as usize]
    }

    fn number(&mut self) -> Scalar {
        let of = [
            Scalar::constant(0),
            Scalar::constant(0),
            Scalar::constant(7),
            Scalar::constant(1 << 40),
            Scalar::UNKNOWN,
            Scalar::UNKNOWN,
            Scalar::of_bits(8),
            Scalar::of_bits(32),
            Scalar::constant(0).join(&Scalar::constant(7)),
            Scalar::constant(7).join(&Scalar::constant(1 << 40)),
            Scalar::with_bits(Tnum::new(0, 0xff00)),
        ];
        self.one(of)
    }

    fn value(&mut self, ids: u32) -> Value {
        let id = self.one([0, 1]) * (1 + self.below(ids));
        let number = self.number();
        let deps = 1 << self.below(60);
        match self.below(10) {
            0 => {
                let off = self.one([-8, -16]);
                let unknown = self.one([Scalar::constant(0), Scalar::of_bits(8)]);
                let id = if unknown == Scalar::constant(0) { 0 } else { id };
                Value { off, number: unknown, deps, ..Value::pointer(Kind::Stack, 0, id) }
            }
            1 => {
                let (off, range) = (self.one([0, 4]), self.one([NO_RANGE, 4, 8]));
                let index = self.one([0, 0, 0, 1]);
                let number = if id == 0 { Scalar::constant(0) } else { Scalar::of_bits(8) };
                Value { off, range, number, deps, ..Value::pointer(Kind::Packet, index, id) }
            }
            2 => Value { deps, ..Value::pointer(Kind::Reserved, 0, 60 + self.below(2)) },
            _ => {
                let off = if id == 0 { 0 } else { self.one([0, 0, 3]) };
                let range = if id == 0 { 0 } else { self.one([0, 0, 0, 0, WRAPPED, MODULO - 16]) };
                Value { id, off, range, deps, ..Value::scalar(number) }
            }
        }
    }

    /// Something like `old`, whose identities became others for the most part.
    fn like(&mut self, old: &Value) -> Value {
        let rename = |id: u32| if id == 0 || id <= SHARED { id } else { id + 100 };
        let mut new = Value { id: rename(old.id), deps: 1 << self.below(60), ..*old };
        match self.below(30) {
            0 | 21..24 if new.id != 0 => new.id = 100 + self.below(40),
            1 if old.is_scalar() => new.id = 0,
            2 => new.off += 4,
            3 => return self.value(40),
            4..20 if old.is_scalar() => {
                let number = self.number();
                new.number = if old.number.covers(&number) { number } else { new.number };
            }
            20 if old.is_scalar() => new.number = self.number(),
            _ => {}
        }
        new
    }
}

/// Identities that must be the same.
const SHARED: u32 = 2;

/// What [`super::covers`] finds, found by looking at every entry: which entries say what of numbers
/// and bytes.
fn plainly(old: &State, new: &State, arena: &Arena<'_>, close: Closeness) -> Option<(u64, u64)> {
    let same = close == Closeness::Same;
    let whole = matches!(close, Closeness::Whole { .. });
    let own = close == Closeness::Whole { own: true };
    let mut ids = Ids::new(close != (Closeness::Matters { instances: false }), SHARED);
    let (mut deps, mut live, mut index) = (0, 0, 0);
    let beyond = |set: u64, index| if own && set == entry_bit(index) { 0 } else { set };
    let mut each = |before: &Value, value: &Value, any: bool| {
        let reach = entry_covers(before, value, (new, arena), same, &mut ids)?;
        deps |= beyond(reach, index);
        if before.says_reach() || before.is_scalar() && !any {
            let unknown = before.index == 0 && before.number.is_unknown();
            if before.is_scalar() && whole && before.id > SHARED && unknown {
                ids.owe(before.id, value.deps);
            } else {
                deps |= beyond(value.deps, index);
            }
        }
        index += 1;
        Some(())
    };
    for (before, value) in old.regs().iter().zip(new.regs()) {
        match (before.is_init(), value.is_init()) {
            (false, true) if same => return None,
            (false, _) => {}
            _ => each(before, value, before.number.is_unknown() && before.id == 0)?,
        }
    }
    let regs = old.count_regs();
    for at in 0..old.cells.len() {
        let (cell, found) = (old.cells.get(arena, at)?, new.cells.get(arena, at)?);
        each(&cell.value, &found.value, is_any(&cell))?;
        live |= beyond(found.live, regs + at);
    }
    Some((deps | ids.owed(), live))
}

fn fill(state: &mut State, arena: &mut Arena<'_>, mut of: impl FnMut(u32) -> Option<Value>) {
    for (at, register) in (0..10).zip(Register::all()) {
        state.set_reg(register, of(at).unwrap_or(Value::NOT_INIT));
    }
    for at in 0..CELLS {
        let cell = of(10 + at).map(|value| Cell { addr: at * 8, len: 8, value, live: value.deps });
        state.cells.push(arena, &cell.expect("all cells are there")).expect("room");
    }
}

const CELLS: u32 = 24;

#[test]
fn what_shows_soon_is_what_there_is() {
    let (mut random, mut held, mut words) = (Random(1), [0, 0], vec![0_u64; 4000]);
    let closeness = [
        Closeness::Matters { instances: true },
        Closeness::Whole { own: false },
        Closeness::Whole { own: true },
        Closeness::Same,
    ];
    for round in 0..500_u32 {
        let mut arena = Arena::new(Words::Given(&mut words), 0);
        let mut old = State::new(512, Privilege::Privileged);
        fill(&mut old, &mut arena, |at| {
            (at >= 10 || random.below(3) > 0).then(|| random.value(40))
        });
        let size = Snapshot::measure(&old, &arena);
        let at = arena.alloc(size.words() as usize).expect("room");
        let all = Snapshot::write(&old, &mut arena, at, size);
        let stripped = all.keep_stripped(&mut arena, 0, (u64::MAX, u64::MAX)).expect("room");
        let stripped = Snapshot(stripped);
        for _ in 0..12 {
            let mut new = State::new(512, Privilege::Privileged);
            // Now and then all is the same, but for one thing.
            let (few, one) = (random.below(2) == 0, random.below(10 + CELLS));
            let values: std::vec::Vec<Option<Value>> = (0..10 + CELLS)
                .map(|at| {
                    let before = match at {
                        0..10 => old.regs()[at as usize],
                        _ => old.cells.get(&arena, at - 10).expect("there").value,
                    };
                    let kept = Value { deps: 1 << random.below(60), ..before };
                    let kept = Value {
                        id: if kept.id > SHARED { kept.id + 100 } else { kept.id },
                        ..kept
                    };
                    let value = if few && at != one { kept } else { random.like(&before) };
                    before.is_init().then_some(value)
                })
                .collect();
            fill(&mut new, &mut arena, |at| values[at as usize]);
            for close in closeness {
                let expected = plainly(&old, &new, &arena, close);
                held[usize::from(expected.is_some())] += 1;
                for snapshot in [all, stripped, stripped] {
                    let mut looked = Looked::default();
                    let found = covers_so_far(snapshot, &new, &arena, close, SHARED, &mut looked);
                    let found = found.map(|found| (found.deps, found.live));
                    assert_eq!(found, expected, "{round} {close:?}");
                    if found.is_none() && snapshot == stripped {
                        snapshot.note_apart(&mut arena, looked);
                    }
                }
            }
            new.cells.release(&mut arena);
        }
    }
    assert!(held.iter().all(|held| *held > 500), "{held:?}");
}

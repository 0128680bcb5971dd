//! What is kept comes back as it was.

extern crate std;

use std::vec;
use std::vec::Vec;

use bpf_bytecode::Register;

use super::{ALL_REGS, Plain, Plan, Snapshot, State, Value};
use crate::arena::{Arena, Words, pair};
use crate::domain::{Scalar, Tnum};
use crate::rules::Privilege;
use crate::state::cells::{Cell, REFS, SAVED};
use crate::state::class::{
    Class, half, half_signed, half_unsigned, known_bits, signed, small, unsigned,
};
use crate::state::{Kind, ReturnTo};

/// One number at the least of each class, and the ends of what classes hold.
fn numbers() -> [Scalar; 23] {
    let range = |umin: u32, umax: u32| small(umin, umax, Tnum::between(umin.into(), umax.into()));
    [
        Scalar::constant(0),
        Scalar::constant(1),
        Scalar::constant(0x7fff_ffff),
        Scalar::constant(0x8000_0000),
        Scalar::constant(1 << 32),
        Scalar::constant(u64::MAX),
        Scalar::signed_constant(i32::MIN.into()),
        Scalar::constant(0x1234_5678_9abc_def0),
        Scalar::of_bits(8),
        Scalar::of_bits(16),
        Scalar::of_bits(32),
        Scalar::UNKNOWN,
        range(3, 0x7fff_ffff),
        range(0, 1),
        small(4, 12, Tnum::new(4, 8)),
        Scalar::signed_constant(-5).join(&Scalar::constant(1 << 40)),
        half_signed(pair((-3_i32).cast_unsigned(), 5)),
        half_unsigned(pair(8, u32::MAX)),
        half(pair(8, 0x8000_0004), pair(1 << 31, 16), Tnum::new(0, 0xffff_fffc)),
        known_bits(Tnum::new(1 << 31, 0xff << 40)),
        unsigned(Tnum::new(0, (1 << 42) - 1), 3, 1 << 41),
        signed(Tnum::new(0, !3), (-4_i64).cast_unsigned(), 8),
        signed(Tnum::new(0, u64::MAX), (-4_i64).cast_unsigned(), 1 << 40),
    ]
}

#[test]
fn every_class_has_a_number() {
    for bits in 0..16 {
        let class = Class::from_bits(bits);
        assert_eq!(class as u32, bits);
        assert!(numbers().iter().any(|number| Class::of(number) == class), "{class:?}");
    }
}

/// Each number with every mixture of what else a value has, to `look`.
fn each_value(mut look: impl FnMut(Value)) {
    for number in numbers() {
        for (at, id) in (0_u64..).zip([0, 1, u32::MAX]) {
            for (off, range) in [(0, 0), (-1, 0), (0, i32::MIN), (i32::MAX, 1)] {
                look(Value { id, off, range, deps: at, ..Value::scalar(number) });
                for index in [0, 7, (1 << 18) - 1, 1 << 18, (1 << 22) - 1] {
                    let pointer = Value::pointer(Kind::Packet, index, id);
                    look(Value { off, range, number, deps: 0b101 << at, ..pointer });
                }
            }
        }
    }
}

/// Keeps `state` and loads it again.
fn kept(state: &State, arena: &mut Arena<'_>) -> State {
    let size = Snapshot::measure(state, arena);
    let words = usize::try_from(size.words()).expect("small");
    let at = arena.alloc(words).expect("room");
    let snapshot = Snapshot::write(state, arena, at, size);
    assert_eq!(snapshot.words(arena), size.words());
    assert!(snapshot.weight(arena) >= size.words());
    let mut loaded = State::new(state.frame_bytes, state.privilege);
    snapshot.load(arena, &mut loaded).expect("room");
    arena.free(at, words);
    loaded
}

#[test]
fn registers_come_back() {
    let mut words = [0_u64; 1000];
    let mut arena = Arena::new(Words::Given(&mut words), 0);
    let mut state = State::new(512, Privilege::Privileged);
    let mut next = 0;
    each_value(|value| {
        next = (next + 1) % 10;
        state.set_reg(Register::all().nth(next).expect("ten"), value);
        assert_eq!(kept(&state, &mut arena).regs(), state.regs());
    });
}

#[test]
fn cells_come_back() {
    let spans = [
        (0, 1),
        (504, 8),
        (0, 1023),
        (8, 1024),
        ((1 << 20) - 1, 1),
        (1 << 20, 8),
        (SAVED - 1, 70_000),
        (SAVED, 1),
        (SAVED + 3, 2),
        (REFS, 1),
        (u32::MAX, 1),
    ];
    let mut words = [0_u64; 1000];
    each_value(|value| {
        for (live, (addr, len)) in (0..).zip(spans) {
            let mut arena = Arena::new(Words::Given(&mut words), 0);
            let mut state = State::new(512, Privilege::Privileged);
            let cell = Cell { addr, len, value, live };
            state.cells.push(&mut arena, &cell).expect("room");
            state.set_reg(Register::R3, value);
            let loaded = kept(&state, &mut arena);
            assert_eq!(loaded.cells.get(&arena, 0), Some(cell));
            assert_eq!(loaded.regs(), state.regs());
        }
    });
}

/// Random numbers below a bound.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u32::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

/// Changes registers and some cells of a state.
fn change(state: &mut State, arena: &mut Arena<'_>, random: &mut Random) {
    let all = numbers();
    for _ in 0..random.below(4) {
        let number = all[random.below(16) as usize];
        let register = Register::all().nth(random.below(10) as usize).expect("ten");
        let deps = 1 << random.below(64);
        state.set_reg(register, Value { deps, ..Value::scalar(number) });
    }
    for _ in 0..random.below(3) {
        let number = all[random.below(16) as usize];
        let addr = 8 * random.below(24);
        let value = Value { deps: 1 << random.below(64), ..Value::scalar(number) };
        match random.below(8) {
            0 | 1 => state.fill_stack(arena, addr, random.below(20)),
            2 => state.release(arena, random.below(3)).map(drop),
            3 => state.acquire(arena, random.below(3), addr),
            4 if state.frame < 3 => {
                let to_helper = random.below(2) == 0;
                let to = ReturnTo { pc: addr, function: 1, to_helper };
                state.push_frame(arena, to, if to_helper { 0x3ff } else { 0x3c0 })
            }
            5 => state.pop_frame(arena),
            _ => state.write_stack(arena, addr, 8, value),
        }
        .expect("room");
    }
}

fn cells_of(state: &State, arena: &Arena<'_>) -> Vec<Option<Cell>> {
    (0..state.cells.len()).map(|index| state.cells.get(arena, index)).collect()
}

/// Along a path nodes are made, states wait behind them, and each is resumed after the state
/// has gone on elsewhere, behind the same node and others.
#[test]
fn what_waits_comes_back_as_it_was() {
    let (mut random, mut alike, mut shared, mut there, mut named) = (Random(1), 0, 0, 0, 0);
    for _ in 0..300 {
        let mut words = vec![0_u64; 60_000];
        let mut arena = Arena::new(Words::Given(&mut words), 0);
        let mut state = State::new(512, Privilege::Privileged);
        let (mut last, mut waiting) = (None, Vec::new());
        for _ in 0..12 {
            change(&mut state, &mut arena, &mut random);
            let node = last.is_none() || random.below(3) == 0;
            let plan = Plan::new(&mut state, &arena, last, (!node).then_some(ALL_REGS));
            let at = arena.alloc(plan.words as usize).expect("room");
            let (regs, cells) = (*state.regs(), cells_of(&state, &arena));
            let taken = Snapshot::write_planned(&state, &mut arena, at, &plan);
            assert_eq!(plan.weight, Snapshot::measure(&state, &arena).weight());
            assert_eq!(taken.words(&arena), plan.words);
            if node {
                state.rest_on(&mut arena, taken, &plan);
                last = Some(taken);
            } else {
                alike += u32::from(plan.alike);
                shared += u32::from(!plan.alike && plan.shared >> 10 != 0);
                let words = Plain::words_for(&state);
                let at = arena.alloc(words as usize).expect("room");
                let copy = Plain::write(&state, &mut arena, at, last);
                assert_eq!(copy.words(&arena), words);
                let node = last.expect("a node");
                let alike = node.has_cells_of(&arena, &state);
                let near = node.is_noted(&arena, &state).then(|| {
                    let words = if alike {
                        Plain::words_without_cells(&state, ALL_REGS)
                    } else {
                        Plain::words_with_names(&state, &arena, ALL_REGS)
                    };
                    let at = arena.alloc(words as usize).expect("room");
                    if alike {
                        Plain::write_alike(&state, &mut arena, at, node, ALL_REGS);
                    } else {
                        Plain::write_with_names(&state, &mut arena, (at, words), node, ALL_REGS);
                        named += u32::from(words < Plain::words_for(&state));
                    }
                    assert_eq!(Plain(at).words(&arena), words);
                    (Plain(at), alike)
                });
                assert!(near.is_some() || !plan.alike);
                waiting.push((taken, copy, near, node, regs, cells, state.refs));
            }
        }
        while let Some((taken, copy, near, node, regs, cells, refs)) = waiting.pop() {
            // The cells may be those of the node still, or what became of others.
            for again in [false, true] {
                let Some((near, alike)) = near else { break };
                there += u32::from(again && node.has_cells_of(&arena, &state));
                near.load(&mut arena, &mut state, node).expect("room");
                assert_eq!((state.regs(), state.refs), (&regs, refs));
                assert_eq!(cells_of(&state, &arena), cells);
                assert!(node.has_cells_of(&arena, &state) || !alike);
                if random.below(2) == 0 {
                    change(&mut state, &mut arena, &mut random);
                }
            }
            taken.resume(&mut arena, &mut state, node).expect("room");
            assert_eq!((state.regs(), state.refs), (&regs, refs));
            assert_eq!(cells_of(&state, &arena), cells);
            change(&mut state, &mut arena, &mut random);
            // What goes on from it is what is noted in the copy.
            copy.load(&mut arena, &mut state, node).expect("room");
            assert_eq!((state.regs(), state.refs), (&regs, refs));
            assert_eq!(cells_of(&state, &arena), cells);
            change(&mut state, &mut arena, &mut random);
            let plan = Plan::new(&mut state, &arena, Some(node), Some(ALL_REGS));
            let at = arena.alloc(plan.words as usize).expect("room");
            let (regs, cells) = (*state.regs(), cells_of(&state, &arena));
            let again = Snapshot::write_planned(&state, &mut arena, at, &plan);
            change(&mut state, &mut arena, &mut random);
            again.resume(&mut arena, &mut state, node).expect("room");
            assert_eq!(state.regs(), &regs);
            assert_eq!(cells_of(&state, &arena), cells);
        }
    }
    assert!(alike > 100 && shared > 100 && there > 50, "{alike} {shared} {there}");
    assert!(named > 100, "{named}");
}

/// The older state has a cell where the newer one has none any more.
#[test]
fn what_is_apart_is_looked_for_among_the_cells() {
    let mut words = [0_u64; 1000];
    let mut arena = Arena::new(Words::Given(&mut words), 0);
    let mut state = State::new(512, Privilege::Privileged);
    let cell = |addr, kind| {
        let value = Value { kind, ..Value::scalar(Scalar::constant(7)) };
        Cell { addr, len: 8, value, live: 0 }
    };
    for addr in [8, 16, 24] {
        state.cells.push(&mut arena, &cell(addr, Kind::Scalar)).expect("room");
    }
    let size = Snapshot::measure(&state, &arena);
    let at = arena.alloc(size.words() as usize).expect("room");
    let old = Snapshot::write(&state, &mut arena, at, size);
    assert!(!old.is_apart(&state, &arena, true));
    let mut newer = State::new(512, Privilege::Privileged);
    assert!(!old.is_apart(&newer, &arena, true));
    newer.cells.push(&mut arena, &cell(8, Kind::Scalar)).expect("room");
    assert!(!old.is_apart(&newer, &arena, true));
    newer.cells.push(&mut arena, &cell(16, Kind::Packet)).expect("room");
    assert!(old.is_apart(&newer, &arena, false));
}

/// Where cells need another block, none of the ones before lie there.
#[test]
fn cells_that_outgrow_their_block_lie_nowhere() {
    let mut words = vec![0; 4096];
    let mut arena = Arena::new(Words::Given(&mut words), 0);
    let mut state = State::new(512, Privilege::Privileged);
    for slot in 0..4 {
        state.write_stack(&mut arena, 8 * slot, 8, Value::UNKNOWN).expect("room");
    }
    let len = state.cells.len();
    assert_eq!(state.cells.refill(&mut arena, len).expect("room"), len);
    assert_eq!(state.cells.refill(&mut arena, 200).expect("room"), 0);
}

/// Bytes of which nothing is known are filled once more, in cells of which nothing is known and
/// others: what is there is what is put there.
#[test]
fn what_is_filled_again_is_as_if_put() {
    let (mut random, mut kept) = (Random(3), 0);
    for round in 0..3000_u32 {
        let mut words = vec![0_u64; 2000];
        let mut arena = Arena::new(Words::Given(&mut words), 0);
        let mut state = State::new(512, Privilege::Privileged);
        for _ in 0..random.below(12) {
            let (addr, len) = (random.below(48), 1 + random.below(24));
            match random.below(4) {
                0 => state.write_stack(&mut arena, addr & !7, 8, Value { id: 5, ..Value::UNKNOWN }),
                1 => state.write_stack(&mut arena, addr & !7, 8, Value::pointer(Kind::Map, 1, 0)),
                _ => state.fill_stack(&mut arena, addr, len),
            }
            .expect("room");
        }
        for index in 0..state.cells.len() {
            let bits = (1 << random.below(60), 1 << random.below(60));
            state.cells.set_origins(&mut arena, index, bits);
        }
        let (addr, len) = (random.below(48), 1 + random.below(16));
        let before = cells_of(&state, &arena);
        state.cells.set_untouched(1);
        state.fill_stack(&mut arena, addr, len).expect("room");
        let (quick, after) = (state.cells.is_untouched(), cells_of(&state, &arena));
        // Put there, it is the same again but for what it rests on.
        kept += u32::from(quick);
        assert!(!quick || before == after);
        state.put_misc(&mut arena, addr, len);
        assert_eq!(cells_of(&state, &arena), after, "{round}: {addr} {len}");
    }
    assert!(kept > 300, "{kept}");
}

/// What one entry came from is what it is found to have come from among several.
#[test]
fn origins_of_one_are_those_among_several() {
    let (mut random, mut found) = (Random(4), 0);
    for _ in 0..200 {
        let mut words = vec![0_u64; 20_000];
        let mut arena = Arena::new(Words::Given(&mut words), 0);
        let mut state = State::new(512, Privilege::Privileged);
        for _ in 0..12 {
            change(&mut state, &mut arena, &mut random);
        }
        for index in 0..state.cells.len() {
            let mut set =
                || if random.below(3) == 0 { 3 << random.below(60) } else { 1 << random.below(64) };
            let sets = (set(), set());
            state.cells.set_origins(&mut arena, index, sets);
        }
        let plan = Plan::new(&mut state, &arena, None, None);
        let at = arena.alloc(plan.words as usize).expect("room");
        let taken = Snapshot::write_planned(&state, &mut arena, at, &plan);
        for (bit, bytes) in (0..64).flat_map(|bit| [(1 << bit, false), (1 << bit, true)]) {
            let all = taken.origins_of_several(&arena, bit, bytes);
            found += u32::from(all != 0);
            assert_eq!(taken.origins_of(&arena, bit, bytes), all);
        }
    }
    assert!(found > 1000, "{found}");
}

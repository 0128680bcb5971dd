//! What is kept comes back as it was.

use bpf_bytecode::Register;

use super::{Snapshot, State, Value};
use crate::arena::{Arena, Words};
use crate::domain::{Scalar, Tnum};
use crate::rules::Privilege;
use crate::state::Kind;
use crate::state::cells::{Cell, REFS, SAVED};
use crate::state::class::small;

/// One number at the least of each class, and the ends of what classes hold.
fn numbers() -> [Scalar; 16] {
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
    ]
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

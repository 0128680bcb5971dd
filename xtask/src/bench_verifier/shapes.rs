//! Programs that can be made of any size, each of one kind of code.
//!
//! They are XDP programs without maps, written as slots: what is measured is the
//! verifier, not a compiler.

/// A kind of code.
pub struct Shape {
    /// Its name.
    pub name: &'static str,
    /// Slots that a verifier walks for each slot of the program, at the most.
    pub walked: usize,
    write: fn(&mut Code, usize),
}

/// All kinds.
pub const SHAPES: [Shape; 6] = [
    Shape { name: "straight", walked: 1, write: straight },
    Shape { name: "diamonds", walked: 1, write: diamonds },
    Shape { name: "stack", walked: 1, write: stack },
    Shape { name: "packet", walked: 1, write: packet },
    Shape { name: "calls", walked: 2, write: calls },
    Shape { name: "loops", walked: 5, write: loops },
];

/// A program in the making.
#[derive(Default)]
pub struct Code {
    /// The program's slots.
    pub main: Vec<[u8; 8]>,
    /// A function that it calls, or nothing.
    pub function: Vec<[u8; 8]>,
    /// Slots of `main` that call it.
    pub calls: Vec<usize>,
}

impl Shape {
    /// A program of this kind of `slots` slots, or a few less.
    pub fn program(&self, slots: usize) -> Code {
        let mut code = Code::default();
        (self.write)(&mut code, slots);
        code
    }
}

const ADD: u8 = 0x0f;
const ADD_IMM: u8 = 0x07;
const MUL_IMM: u8 = 0x27;
const AND_IMM: u8 = 0x57;
const AND: u8 = 0x5f;
const RSH_IMM: u8 = 0x77;
const XOR: u8 = 0xaf;
const SUB32: u8 = 0x1c;
const MOV: u8 = 0xbf;
const MOV_IMM: u8 = 0xb7;
const LOAD_U8: u8 = 0x71;
const LOAD_U32: u8 = 0x61;
const LOAD_U64: u8 = 0x79;
const STORE_U64: u8 = 0x7b;
const JGT_IMM: u8 = 0x25;
const JLT_IMM: u8 = 0xa5;
const JLE: u8 = 0xbd;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// Source field of a call of a function.
const LOCAL: u8 = 1;

/// Fields of the context.
const DATA: i16 = 0;
const DATA_END: i16 = 4;
const INGRESS_IFINDEX: i16 = 12;
const RX_QUEUE_INDEX: i16 = 16;

fn slot(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> [u8; 8] {
    let [off_low, off_high] = off.to_le_bytes();
    let [a, b, c, d] = imm.to_le_bytes();
    [code, dst | src << 4, off_low, off_high, a, b, c, d]
}

/// A small number that differs from block to block.
fn vary<N: TryFrom<usize> + Default>(at: usize, below: usize) -> N {
    N::try_from(at % below).unwrap_or_default()
}

impl Code {
    /// Writes blocks up to `slots` slots, with `head` before and an end behind.
    fn fill(&mut self, slots: usize, head: &[[u8; 8]], block: &dyn Fn(&mut Self, usize)) {
        self.main.extend_from_slice(head);
        let mut before = self.main.len();
        for at in 0.. {
            block(self, at);
            let length = self.main.len() - before;
            before = self.main.len();
            if before + self.function.len() + length + 2 > slots {
                break;
            }
        }
        self.main.extend([slot(MOV_IMM, 0, 0, 0, 2), slot(EXIT, 0, 0, 0, 0)]);
    }
}

/// Arithmetic on unknown numbers.
fn straight(code: &mut Code, slots: usize) {
    let head = [slot(LOAD_U32, 6, 1, INGRESS_IFINDEX, 0), slot(LOAD_U32, 7, 1, RX_QUEUE_INDEX, 0)];
    code.fill(slots, &head, &|code, at| {
        code.main.extend([
            slot(ADD, 6, 7, 0, 0),
            slot(MUL_IMM, 6, 0, 0, 3),
            slot(XOR, 7, 6, 0, 0),
            slot(RSH_IMM, 7, 0, 0, vary(at, 7)),
            slot(SUB32, 6, 7, 0, 0),
            slot(AND, 6, 7, 0, 0),
        ]);
    });
}

/// Branches whose sides join at once.
fn diamonds(code: &mut Code, slots: usize) {
    let head = [slot(MOV, 6, 1, 0, 0), slot(MOV_IMM, 7, 0, 0, 0)];
    code.fill(slots, &head, &|code, at| {
        code.main.extend([
            slot(LOAD_U32, 2, 6, INGRESS_IFINDEX, 0),
            slot(MOV, 3, 2, 0, 0),
            slot(AND_IMM, 3, 0, 0, 7),
            slot(JGT_IMM, 2, 0, 1, vary(at, 1000)),
            slot(ADD_IMM, 7, 0, 0, 1),
            slot(MOV, 4, 3, 0, 0),
            slot(ADD, 4, 7, 0, 0),
            slot(XOR, 7, 4, 0, 0),
        ]);
    });
}

/// Sixty-four variables on the stack, and branches between their uses.
fn stack(code: &mut Code, slots: usize) {
    const VARIABLES: usize = 64;
    let place = |at: usize| -8 * (vary::<i16>(at, VARIABLES) + 1);
    let mut head = vec![slot(MOV, 6, 1, 0, 0), slot(MOV_IMM, 2, 0, 0, 0)];
    head.extend((0..VARIABLES).map(|at| slot(STORE_U64, 10, 2, place(at), 0)));
    code.fill(slots, &head, &|code, at| {
        code.main.extend([
            slot(LOAD_U32, 2, 6, INGRESS_IFINDEX, 0),
            slot(STORE_U64, 10, 2, place(at), 0),
            slot(LOAD_U64, 3, 10, place(at + 7), 0),
            slot(ADD, 3, 2, 0, 0),
            slot(STORE_U64, 10, 3, place(at + 13), 0),
            slot(JGT_IMM, 3, 0, 1, vary(at, 1000)),
            slot(MOV, 4, 3, 0, 0),
            slot(MOV_IMM, 4, 0, 0, vary(at, 100)),
        ]);
    });
}

/// Headers that are checked against the packet's end and read.
fn packet(code: &mut Code, slots: usize) {
    let head = [slot(MOV, 6, 1, 0, 0), slot(MOV_IMM, 7, 0, 0, 0)];
    code.fill(slots, &head, &|code, at| {
        code.main.extend([
            slot(LOAD_U32, 2, 6, DATA, 0),
            slot(LOAD_U32, 3, 6, DATA_END, 0),
            slot(MOV, 4, 2, 0, 0),
            slot(ADD_IMM, 4, 0, 0, 14 + vary::<i32>(at, 32)),
            slot(JLE, 4, 3, 2, 0),
            slot(MOV_IMM, 0, 0, 0, 1),
            slot(EXIT, 0, 0, 0, 0),
            slot(LOAD_U8, 5, 2, 12, 0),
            slot(ADD, 7, 5, 0, 0),
        ]);
    });
}

/// Calls of one small function with unknown numbers.
fn calls(code: &mut Code, slots: usize) {
    code.function = vec![
        slot(MOV, 0, 1, 0, 0),
        slot(JGT_IMM, 2, 0, 1, 100),
        slot(ADD, 0, 2, 0, 0),
        slot(EXIT, 0, 0, 0, 0),
    ];
    let head = [slot(MOV, 6, 1, 0, 0), slot(MOV_IMM, 7, 0, 0, 0)];
    code.fill(slots, &head, &|code, _| {
        code.main.extend([
            slot(LOAD_U32, 1, 6, INGRESS_IFINDEX, 0),
            slot(LOAD_U32, 2, 6, RX_QUEUE_INDEX, 0),
        ]);
        code.calls.push(code.main.len());
        code.main.extend([
            slot(CALL, 0, LOCAL, 0, -1),
            slot(ADD, 7, 0, 0, 0),
            slot(AND_IMM, 7, 0, 0, 0xff),
        ]);
    });
}

/// Loops of many rounds, one behind the other.
fn loops(code: &mut Code, slots: usize) {
    let head = [slot(MOV, 6, 1, 0, 0), slot(MOV_IMM, 7, 0, 0, 0)];
    code.fill(slots, &head, &|code, at| {
        code.main.extend([
            slot(MOV_IMM, 8, 0, 0, 0),
            slot(LOAD_U32, 2, 6, INGRESS_IFINDEX, 0),
            slot(ADD, 7, 2, 0, 0),
            slot(ADD_IMM, 8, 0, 0, 1),
            slot(JLT_IMM, 8, 0, -4, 100 + vary::<i32>(at, 1000)),
            slot(AND_IMM, 7, 0, 0, 0xff),
        ]);
    });
}

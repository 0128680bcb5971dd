//! Global functions: those that are verified apart from their callers.
//!
//! A function of a program that others could call, too, is known by what its
//! prototype says and by nothing else: it must be safe for all arguments that
//! fit, and whoever calls it knows no more of its result than that it is a
//! number. What the prototype says comes from the object's types.

/// What a global function takes in one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Param {
    /// A number.
    Number,
    /// The program's context.
    Context,
    /// Memory of so many bytes, which may be read and written.
    Memory(u32),
    /// The same, or null.
    MemoryOrNull(u32),
    /// A dynptr of the caller.
    Dynptr,
    /// Something that is not supported: such a function cannot be called.
    Other,
}

/// A global function of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlobalFunction {
    /// Its first slot in the program.
    pub slot: u32,
    /// What it takes in R1 to R5, as far as it takes something.
    pub params: [Option<Param>; 5],
    /// Whether it returns a number, as it must.
    pub returns_number: bool,
    /// Whether the kernel calls it behind `bpf_throw`, with what was thrown, and takes its
    /// result for the program's. Nobody else may call it.
    pub catches: bool,
}

impl GlobalFunction {
    /// A function that begins at `slot`, takes `params`, five at the most, and
    /// returns a number.
    pub const fn new(slot: u32, params: &[Param]) -> Self {
        let mut out = [None; 5];
        let (mut rest, mut slots): (&[Param], &mut [Option<Param>]) = (params, &mut out);
        while let ([param, more @ ..], [first, after @ ..]) = (rest, slots) {
            *first = Some(*param);
            (rest, slots) = (more, after);
        }
        Self { slot, params: out, returns_number: true, catches: false }
    }

    /// The function, called behind `bpf_throw`.
    #[must_use]
    pub const fn catching(self) -> Self {
        Self { catches: true, ..self }
    }

    /// Whether it takes one number, as a function must that is called behind `bpf_throw`,
    /// and returns one.
    pub const fn takes_cookie(&self) -> bool {
        let one = matches!(self.params, [Some(Param::Number), None, None, None, None]);
        one && self.returns_number
    }

    /// How many of R1 to R5 it takes: up to the last one that it takes something in.
    pub fn arity(&self) -> usize {
        let last = self.params.iter().rposition(Option::is_some);
        last.map_or(0, |last| last.saturating_add(1))
    }
}

//! Kernel functions, as Linux defines them.

use bpf_bytecode::abi::kfunc::{ITER_NUM_MOST, Kfunc};
use bpf_bytecode::opcode::Size;

use crate::error::Fault;
use crate::helpers::{E2BIG, EINVAL};
use crate::run::Run;

impl Run<'_> {
    /// Calls the kernel function of this number with R1 to R5 and gives R0.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] where there is none, [`Fault::Memory`] where the
    /// program has no right to what it passes.
    pub fn call_kfunc(&mut self, number: i32, args: [u64; 5]) -> Result<u64, Fault> {
        let unknown = Fault::Unsupported("call of a kernel function");
        match Kfunc::from_number(number).ok_or(unknown)? {
            Kfunc::IterNumNew => iter_num_new(self, args),
            Kfunc::IterNumNext => iter_num_next(self, args),
            Kfunc::IterNumDestroy => iter_num_destroy(self, args),
            _ => Err(unknown),
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the low half is meant")]
const fn int(value: u64) -> i32 {
    value as i32
}

/// Sets the iterator at `at`: the number given last, and the end.
fn set(run: &mut Run<'_>, at: u64, current: i32, end: i32) -> Result<(), Fault> {
    run.store(at, Size::W, i64::from(current).cast_unsigned())?;
    run.store(at.wrapping_add(4), Size::W, i64::from(end).cast_unsigned())
}

/// `int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end)`
fn iter_num_new(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [at, start, end, ..] = args;
    let (start, end) = (int(start), int(end));
    let result = if start > end {
        EINVAL
    } else if i64::from(end).saturating_sub(start.into()) > i64::from(ITER_NUM_MOST) {
        E2BIG
    } else {
        // The least number has none before it, and wraps.
        set(run, at, start.wrapping_sub(1), end)?;
        return Ok(0);
    };
    set(run, at, 0, 0)?;
    Ok(result)
}

/// `int *bpf_iter_num_next(struct bpf_iter_num *it)`
fn iter_num_next(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [at, ..] = args;
    let current = int(run.load(at, Size::W)?);
    let end = int(run.load(at.wrapping_add(4), Size::W)?);
    // As Linux compares: the next number wraps before it does.
    let next = current.wrapping_add(1);
    if next >= end {
        set(run, at, 0, 0)?;
        return Ok(0);
    }
    set(run, at, next, end)?;
    Ok(at)
}

/// `void bpf_iter_num_destroy(struct bpf_iter_num *it)`; R0 is 0 afterwards.
fn iter_num_destroy(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [at, ..] = args;
    set(run, at, 0, 0)?;
    Ok(0)
}

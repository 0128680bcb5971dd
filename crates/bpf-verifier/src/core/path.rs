//! The way to an error.
//!
//! A node keeps which way each conditional jump went since the node before it.
//! With these bits a path can be gone again without any state.

use bpf_bytecode::instruction::{CallTarget, Instruction, jump_target};

use super::ends::may_end_function;
use super::iterator;
use super::node::Node;
use super::{Explorer, LOST};
use crate::arena::NONE;
use crate::state::cells::Cell;
use crate::state::{Kind, Value};

/// Frames that are told apart.
const FRAMES: usize = 32;

/// Something on the way to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A conditional jump.
    Branch {
        /// Its slot.
        pc: usize,
        /// Whether the condition held.
        taken: bool,
    },
    /// A call of a function of the program.
    Call {
        /// Its slot.
        pc: usize,
        /// The function's first slot.
        target: usize,
    },
    /// The return from one.
    Return {
        /// Slot of the exit, or of what the function ended at instead.
        pc: usize,
        /// Where the caller goes on.
        target: usize,
    },
    /// A long stretch without branches that could have gone another way, as a
    /// loop with a known number of rounds; it is not kept how it went.
    Skipped {
        /// Slot at which it began.
        pc: usize,
        /// Slot to which it led.
        target: usize,
    },
}

/// The branches, calls and returns of one path, from the program's start.
pub struct Path<'a> {
    explorer: &'a Explorer<'a>,
    /// The node that the current stretch leads to; none, for the last one.
    node: Node,
    pc: usize,
    trail: u64,
    /// Jumps of the stretch that are still to come, or [`LOST`].
    left: u32,
    returns: [usize; FRAMES],
    depth: usize,
    /// Instructions that may still be gone without a jump.
    fuel: usize,
}

impl<'a> Path<'a> {
    /// The path to where `explorer` stands. Its nodes must have been turned
    /// round by [`Explorer::turn_path`].
    pub(crate) fn new(explorer: &'a Explorer<'a>, root: Node) -> Self {
        let mut path = Self {
            explorer,
            node: root,
            pc: if root.0 == NONE { 0 } else { root.pc(&explorer.arena) },
            trail: 0,
            left: 0,
            returns: [0; FRAMES],
            depth: 0,
            fuel: 0,
        };
        path.refuel();
        path.next_stretch();
        path
    }

    /// Between two jumps every instruction is gone once at the most.
    fn refuel(&mut self) {
        self.fuel = self.explorer.code.insns.len().saturating_mul(2).saturating_add(2);
    }

    /// Sets out for the next node. Whether there is one.
    fn next_stretch(&mut self) -> bool {
        if self.node.0 == NONE {
            return false;
        }
        let next = Node(self.node.parent(&self.explorer.arena));
        let walker = &self.explorer.walker;
        (self.trail, self.left) = match next.0 {
            NONE => (walker.trail, walker.trail_len),
            _ => next.trail(&self.explorer.arena),
        };
        self.node = next;
        true
    }

    /// Whether the next conditional jump's condition holds; none where the path
    /// ends before it.
    fn bit(&mut self) -> Option<bool> {
        self.left = self.left.checked_sub(1)?;
        self.refuel();
        Some(self.trail.wrapping_shr(self.left) & 1 == 1)
    }

    /// Returns from a function, at this slot.
    fn leave(&mut self, pc: usize) -> Option<Event> {
        self.depth = self.depth.checked_sub(1)?;
        let target = *self.returns.get(self.depth)?;
        self.pc = target;
        Some(Event::Return { pc, target })
    }

    /// Goes to the end of a stretch of which the jumps are not known.
    fn skip(&mut self) -> Event {
        let explorer = self.explorer;
        let (mut depth, mut returns) = (0_usize, [0; FRAMES]);
        let mut add = |value: &Value| {
            if matches!(value.kind, Kind::Return | Kind::ReturnToHelper)
                && let Some(slot) = returns.get_mut(depth)
            {
                *slot = value.id as usize;
                depth = depth.saturating_add(1);
            }
        };
        let from = self.pc;
        if self.node.0 == NONE {
            let cells = &explorer.state.cells;
            for cell in (0..cells.len()).filter_map(|at| cells.get(&explorer.arena, at)) {
                add(&cell.value);
            }
            self.pc = explorer.walker.pc;
        } else {
            let snapshot = self.node.snapshot(&explorer.arena);
            let mut entries = snapshot.read(&explorer.arena);
            for _ in 0..snapshot.regs(&explorer.arena) {
                entries.value(&explorer.arena);
            }
            for _ in 0..snapshot.cells(&explorer.arena) {
                let Cell { value, .. } = entries.cell(&explorer.arena);
                add(&value);
            }
            self.pc = self.node.pc(&explorer.arena);
        }
        (self.depth, self.returns) = (depth, returns);
        self.left = 0;
        self.refuel();
        Event::Skipped { pc: from, target: self.pc }
    }
}

impl Iterator for Path<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            if self.left == LOST {
                return Some(self.skip());
            }
            if self.left == 0 {
                // Where a stretch ends without further jumps, its last
                // instructions are gone before those of the next one.
                let end = match self.node.0 {
                    NONE => self.explorer.walker.pc,
                    _ => self.node.pc(&self.explorer.arena),
                };
                if self.pc == end {
                    if !self.next_stretch() {
                        return None;
                    }
                    continue;
                }
            }
            let pc = self.pc;
            self.fuel = self.fuel.checked_sub(1)?;
            let insn = self.explorer.code.insn(pc).ok()?;
            let next = pc.saturating_add(insn.slots());
            match insn {
                Instruction::Jump { off } => self.pc = jump_target(pc, off)?,
                Instruction::JumpIf { off, .. } => {
                    let taken = self.bit()?;
                    self.pc = if taken { jump_target(pc, off.into())? } else { next };
                    return Some(Event::Branch { pc, taken });
                }
                Instruction::MayGoto { off } => {
                    // The bit says whether a further round was granted.
                    let taken = !self.bit()?;
                    self.pc = if taken { jump_target(pc, off.into())? } else { next };
                    return Some(Event::Branch { pc, taken });
                }
                _ if self.depth > 0 && may_end_function(&insn) => {
                    if self.bit()? {
                        return self.leave(pc);
                    }
                    self.pc = next;
                }
                Instruction::Call(CallTarget::Helper(_)) if self.explorer.calls_back(pc) => {
                    // Where it calls a function, a new stretch begins.
                    self.bit()?;
                    self.pc = next;
                }
                Instruction::Call(CallTarget::Kfunc(number)) if iterator::asks(number) => {
                    self.bit()?;
                    self.pc = next;
                }
                Instruction::Call(CallTarget::Local(_))
                    if self
                        .explorer
                        .code
                        .global_called(&self.explorer.arena, pc, &insn)
                        .is_some() =>
                {
                    self.pc = next;
                }
                Instruction::Call(CallTarget::Local(off)) => {
                    let target = jump_target(pc, off)?;
                    *self.returns.get_mut(self.depth)? = next;
                    self.depth = self.depth.saturating_add(1);
                    self.pc = target;
                    return Some(Event::Call { pc, target });
                }
                Instruction::Exit => return self.leave(pc),
                _ => self.pc = next,
            }
        }
    }
}

impl Explorer<'_> {
    /// Lets every node on the path name its child in the place of its parent,
    /// as a path is gone forwards. Gives the first node. The walk cannot go on
    /// afterwards.
    pub(crate) fn turn_path(&mut self) -> Node {
        let (mut node, mut child) = (Node(self.walker.parent), NONE);
        while node.0 != NONE {
            let parent = node.parent(&self.arena);
            node.set_parent(&mut self.arena, child);
            child = node.0;
            node = Node(parent);
        }
        Node(child)
    }
}

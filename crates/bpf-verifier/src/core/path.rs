//! The way to an error.
//!
//! A node keeps which way each conditional jump went since the node before it.
//! With these bits a path can be gone again without any state.

use bpf_bytecode::instruction::{CallTarget, Instruction, jump_target};

use super::Explorer;
use super::checkpoint::Node;
use crate::arena::NONE;

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
        /// Slot of the exit.
        pc: usize,
        /// Where the caller goes on.
        target: usize,
    },
}

/// The branches, calls and returns of one path, from the program's start.
pub struct Path<'a> {
    explorer: &'a Explorer<'a>,
    /// The node that the current stretch leads to; none, for the last one.
    node: Node,
    pc: usize,
    end: usize,
    trail: u64,
    left: u32,
    returns: [usize; FRAMES],
    depth: usize,
    /// Steps that may still be gone without a jump.
    fuel: usize,
}

impl<'a> Path<'a> {
    /// The path to where `explorer` stands. Its nodes must have been turned
    /// round by [`Explorer::turn_path`].
    pub(crate) fn new(explorer: &'a Explorer<'a>, root: Node) -> Self {
        let mut path = Self {
            explorer,
            node: root,
            pc: 0,
            end: explorer.walker.pc,
            trail: 0,
            left: 0,
            returns: [0; FRAMES],
            depth: 0,
            fuel: 0,
        };
        path.next_stretch();
        path
    }

    /// Sets out for the next node. Whether there is one.
    fn next_stretch(&mut self) -> bool {
        self.fuel = self.explorer.code.insns.len().saturating_mul(2).saturating_add(2);
        if self.node.0 == NONE {
            return false;
        }
        let next = Node(self.node.parent(&self.explorer.arena));
        let walker = &self.explorer.walker;
        (self.trail, self.left) = match next.0 {
            NONE => (walker.trail, walker.trail_len.min(64)),
            _ => next.trail(&self.explorer.arena),
        };
        self.node = next;
        true
    }

    /// Whether the next conditional jump's condition holds; none where the path
    /// ends before it.
    fn bit(&mut self) -> Option<bool> {
        while self.left == 0 {
            if !self.next_stretch() {
                return None;
            }
        }
        self.left = self.left.saturating_sub(1);
        Some(self.trail.wrapping_shr(self.left) & 1 == 1)
    }

    /// Whether nothing of the path is left but to reach its end.
    fn is_last(&self) -> bool {
        self.left == 0 && self.node.0 == NONE
    }
}

impl Iterator for Path<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            let pc = self.pc;
            if self.is_last() && pc == self.end {
                return None;
            }
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
                Instruction::Call(CallTarget::Local(off)) => {
                    let target = jump_target(pc, off)?;
                    *self.returns.get_mut(self.depth)? = next;
                    self.depth = self.depth.saturating_add(1);
                    self.pc = target;
                    return Some(Event::Call { pc, target });
                }
                Instruction::Exit => {
                    self.depth = self.depth.checked_sub(1)?;
                    let target = *self.returns.get(self.depth)?;
                    self.pc = target;
                    return Some(Event::Return { pc, target });
                }
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

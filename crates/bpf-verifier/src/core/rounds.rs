//! Loops whose rounds are bounded by something else than a number in the
//! program: by the allowance of `may_goto`, by an iterator, by a helper that
//! calls a function again and again.
//!
//! The instruction that such a loop passes in every round is its *head*. Where
//! the walk comes to a head again, in a later round, what differs from the round
//! before and nothing has depended on is forgotten. If the state is then covered
//! by an open node of the same head, the loop is *closed*: whatever can follow
//! from here follows from the node. The older state stands for every round.
//!
//! # The bound
//!
//! Every round of such a loop uses up one *grant*: one more number of the iterator, one more
//! of what `may_goto` allows, one more call of the function. One *instance* (an iterator, a
//! call of the helper, the allowance) grants only so many. So a path is cut where it comes to
//! a place that asks the instance, and what lies between two such places, where a grant was
//! used, is a round. Of every place the walk knows ([`Tail`]):
//!
//! - what the costliest round behind it costs (`each`), for each instance. A loop that is
//!   closed says how much that is at least: the path back to the older state consists of rounds.
//! - the costliest path to where the round ends that is under way, if it ends by closing a
//!   loop at an ancestor (`open`);
//! - the costliest path to the program's end, where no loop is closed (`exit`), with how many
//!   grants are used on it.
//!
//! What runs from the place cost is then at most `exit`, and `each` for every grant that
//! they use and `exit` does not: whatever goes round consists of rounds, and comes back to
//! a place of which the same is true. Where the instance is asked first, all it can grant is
//! counted, and it is forgotten: it was made behind whatever leads there, so who comes there
//! again has another one, which counts again. Hence it does not matter at how many nodes a
//! loop is closed, or whether one loop or several ask the same instance.
//!
//! Four things are to be watched. A grant stands for one round only: if none was used since the
//! last place that asked (the iterator had nothing to give), the round is not at its end, no
//! loop is closed, and no done node with such rounds behind it covers the state: there the
//! grant may have been used. So a place knows how many grants are left. What `each` is may be
//! known later than `exit`; so paths keep how many grants they use, and the difference is taken
//! when all is counted. And the places speak of an instance by its identity: a done node that
//! covers a state with another iterator speaks of that one afterwards. And the path on which a
//! loop of one instance is closed stands for any number of its rounds: grants of another are
//! used on it only where that one is asked first behind the loop's head, and so counted before.
//! What it had granted earlier is used in one of these rounds.
//!
//! A summary ([`summary`](super::summary)) of a loop that an iterator bounds which was asked
//! before is such a loop, too: each of its ways round uses a grant. The same is true where
//! `may_goto` grants all of them and nothing else bounds them.
//!
//! Who was given nothing by `may_goto` is given nothing afterwards: on such a path the walk goes
//! on one way only where it asks again ([`Explorer::asks_in_vain`]). What it finds there is said
//! of the nodes in between ([`Node::is_spent`]), and covers no state that may be given more.
//!
//! A node from which a loop of an ancestor is closed serves as a cover only as
//! long as that ancestor is open: afterwards it is not known any more what
//! follows from there.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::{CallTarget, Instruction};

use super::done::Done;
use super::node::{LENGTHS, Node, ROUNDS};
use super::{Explorer, Step};
use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::domain::Scalar;
use crate::rules::MAY_GOTO_ROUNDS;
use crate::state::cells::SAVED;
use crate::state::cover::{Closeness, RestsOn, covers, entry_bit};
use crate::state::{Kind, Value};
use crate::tail::{Ask, Tail};

const INSTANCE: u32 = ROUNDS + 1;
const EXACT: u32 = ROUNDS + 2;
const FIRST: u32 = ROUNDS + 3;

/// Rounds that a state is compared with, the latest ones.
const ROUND_CHECKS: u32 = 8;
/// And of those before them one in so many, so that also what comes back after many
/// rounds is found, such as the index of a ring; as far back as this.
const OLDER_CHECKS: u32 = 64;
const OLDEST_CHECK: u32 = 320;

/// Beside the grants that a place that asks has had: that it is one, and whether one was
/// used since the place before.
const ASKS: u32 = 1 << 31;
const USED: u32 = 1 << 30;
const HAD: u32 = USED - 1;

impl Node {
    pub(super) fn begin_rounds(
        self,
        arena: &mut Arena<'_>,
        (grants, serial): (u32, u32),
        ask: Option<Ask>,
    ) {
        let lengths = low(arena.word(self.field(LENGTHS)));
        arena.set(self.field(LENGTHS), pair(lengths, serial));
        if !self.has_rounds(arena) {
            return;
        }
        let (instance, most, asks) = ask.map_or((0, 0, 0), |ask| {
            let used = if ask.used { USED } else { 0 };
            (ask.instance, ask.most, ASKS | used | ask.had.min(HAD))
        });
        arena.set(self.field(ROUNDS), pair(grants, asks));
        arena.set(self.field(INSTANCE), pair(instance, most));
        self.set_exact(arena, 0);
        arena.set(self.field(FIRST), ask.map_or(0, |ask| ask.first.into()));
    }

    /// A word about rounds; 0, where the program has no loop to keep it for.
    fn about_rounds(self, arena: &Arena<'_>, index: u32) -> u64 {
        if self.has_rounds(arena) { arena.word(self.field(index)) } else { 0 }
    }

    /// Rounds that `may_goto` had granted on the way to the node.
    pub(super) fn grants(self, arena: &Arena<'_>) -> u32 {
        low(self.about_rounds(arena, ROUNDS))
    }

    /// The entries that a loop was closed on: what differs in them is not
    /// covered, and yet nothing was decided on them.
    pub(super) fn exact(self, arena: &Arena<'_>) -> u64 {
        self.about_rounds(arena, EXACT)
    }

    pub(super) fn set_exact(self, arena: &mut Arena<'_>, bits: u64) {
        if self.has_rounds(arena) {
            arena.set(self.field(EXACT), bits);
        }
    }

    /// Greater than those of all nodes before it.
    pub(super) fn serial(self, arena: &Arena<'_>) -> u32 {
        high(arena.word(self.field(LENGTHS)))
    }

    /// What bounds the rounds of a loop of which the node is the head.
    fn instance(self, arena: &Arena<'_>) -> u32 {
        low(self.about_rounds(arena, INSTANCE))
    }

    /// What it asks for, if it is a place that asks.
    fn asks(self, arena: &Arena<'_>) -> Option<Ask> {
        let asks = high(self.about_rounds(arena, ROUNDS));
        if asks & ASKS == 0 {
            return None;
        }
        let word = self.about_rounds(arena, INSTANCE);
        let (had, used) = (asks & HAD, asks & USED != 0);
        let first = low(self.about_rounds(arena, FIRST));
        Some(Ask { instance: low(word), most: high(word), had, used, first })
    }

    /// The node's state is made of that of a round and of that of an earlier one, and says of the
    /// rounds that there were no more than then, so that it may be the first place that asks, as it
    /// looks. It is walked where the path of the later round goes on, which asks like this: behind
    /// the place that asked the same instance first, where all that this one grants is counted.
    /// Whatever runs from here has come past that, and uses what is left. Who ends at the node with
    /// another instance counts by what he asks himself.
    pub(super) fn stands_behind(self, arena: &mut Arena<'_>, later: &Ask) {
        let Some(own) = self.asks(arena) else { return };
        if own.instance == later.instance {
            let word = arena.word(self.field(ROUNDS));
            let used = if later.used { USED } else { 0 };
            arena.set(self.field(ROUNDS), pair(low(word), high(word) & !USED | used));
            arena.set(self.field(FIRST), later.first.into());
        }
    }

    /// Every path from the node was walked. What then follows from it, and what follows
    /// for the path to it.
    pub(super) fn go_round(self, arena: &Arena<'_>, parent: Self) -> (Tail, Tail) {
        let tail = self.tail(arena);
        let Some(ask) = self.asks(arena) else { return (tail, tail) };
        let before = if parent.0 == NONE { 0 } else { parent.serial(arena) };
        let closed = tail.closed(&ask, self.serial(arena), before);
        (closed, closed.asked(&ask))
    }
}

impl Explorer<'_> {
    /// What bounds the rounds of a loop whose head the current instruction is,
    /// where that is not the allowance of `may_goto`.
    fn instance(&self) -> u32 {
        let rounds = self.state.reg(Register::R0);
        if rounds.kind == Kind::Rounds {
            return rounds.id;
        }
        // Of any other call, no loop is closed.
        match self.code.insn(self.walker.pc) {
            Ok(Instruction::Call(CallTarget::Kfunc(_))) => {
                self.asked_iterator().map_or(u32::MAX, |iterator| iterator.id)
            }
            _ => 0,
        }
    }

    /// How many rounds the loop has at the most whose head the current
    /// instruction is.
    pub(super) fn most_rounds(&self) -> u32 {
        match self.code.insn(self.walker.pc) {
            Ok(Instruction::Call(CallTarget::Helper(id))) => self.most_callbacks(id),
            Ok(Instruction::Call(CallTarget::Kfunc(_))) => {
                self.asked_iterator().map_or(u32::MAX, |iterator| iterator.gives())
            }
            _ => MAY_GOTO_ROUNDS,
        }
    }

    /// What the current instruction asks for, if it is a place that asks.
    pub(super) fn asks(&mut self) -> Option<Ask> {
        if !self.code.is_round_head(&self.arena, self.walker.pc) {
            return None;
        }
        let (instance, had) = self.this_round();
        let insn = self.code.insn(self.walker.pc);
        if instance == 0 && !matches!(insn, Ok(Instruction::MayGoto { .. })) {
            return None;
        }
        let had = had?.unsigned_abs();
        let most = self.most_rounds().saturating_sub(had);
        let (used, first) = self.was_used(instance, had);
        Some(Ask { instance, most, had, used, first })
    }

    /// Whether a grant was used since the place before that asked the same instance, which
    /// has given `had` by now; and the serial number of the first that did, 0 for none.
    fn was_used(&mut self, instance: u32, had: u32) -> (bool, u32) {
        let (mut node, mut steps) = (Node(self.walker.parent), 0_u64);
        let mut before = None;
        while had > 0 && before.is_none() && node.0 != NONE {
            let asked = node.asks(&self.arena).filter(|ask| ask.instance == instance);
            let first =
                |ask: &Ask| if ask.is_first() { node.serial(&self.arena) } else { ask.first };
            before = asked.map(|ask| (ask.had, first(&ask)));
            steps = steps.saturating_add(1);
            node = Node(node.parent(&self.arena));
        }
        self.charge_nodes(steps);
        before.map_or((false, 0), |(before, first)| (before < had.min(HAD), first))
    }

    /// What follows from the current state, which a done node covers by this; none, where rounds
    /// behind that would count a grant that was not used here.
    pub(super) fn tail_behind(&mut self, node: Done, rests: &RestsOn) -> Option<Tail> {
        let tail = node.tail(&self.arena);
        if !node.has_rounds(&self.arena) {
            return Some(tail);
        }
        let tail = tail.renamed(|old| rests.renamed.now(old));
        let ask = self.asks();
        for instance in tail.named().into_iter().flatten() {
            let had = match instance {
                _ if ask.is_some_and(|ask| ask.instance == instance) => 0,
                0 => self.walker.grants,
                _ => self.state.counted(&self.arena, instance).unwrap_or(0).unsigned_abs(),
            };
            if had > 0 && !self.was_used(instance, had).0 {
                return None;
            }
        }
        Some(ask.map_or(tail, |ask| tail.asked(&ask)))
    }

    /// Whether the path was given nothing where it asked for the allowance of `may_goto` last: so
    /// it is used up, and nobody is given any of it afterwards. The place had as many grants as
    /// there are now, and the walk went on from there, which is a jump.
    pub(super) fn is_spent(&self) -> bool {
        let (last, arena) = (Node(self.walker.parent), &self.arena);
        if self.walker.grants == 0 || last.0 == NONE {
            return false;
        }
        let asked = last.asks(arena).filter(|ask| ask.instance == 0 && self.walker.trail_len > 0);
        last.is_behind_refusal(arena) || asked.is_some_and(|ask| ask.had == self.walker.grants)
    }

    /// Whether the allowance is used up where the current instruction asks for it, so that the
    /// program goes on one way only: what was walked since it was used up rests on that.
    pub(super) fn asks_in_vain(&mut self) -> bool {
        let spent = self.is_spent();
        if spent {
            self.mark_spent();
        }
        spent
    }

    /// What follows rests on the allowance's being used up: it does so from each node behind the
    /// place that was given nothing.
    pub(super) fn mark_spent(&mut self) {
        let (mut node, mut steps) = (Node(self.walker.parent), 0_u64);
        let more = |node: Node, arena: &Arena<'_>| {
            node.0 != NONE && node.is_behind_refusal(arena) && !node.is_spent(arena)
        };
        while more(node, &self.arena) {
            node.set_spent(&mut self.arena);
            node = Node(node.parent(&self.arena));
            steps = steps.saturating_add(1);
        }
        self.charge_nodes(steps);
    }

    /// Whether what follows from a done node is known: all loops that are closed
    /// behind it are under way, of which `inner` is the innermost. And `may_goto` had
    /// granted no more on the way to it, which no state says: where more was granted,
    /// less is left, and paths from there may have used what led there.
    pub(super) fn resolves(&mut self, node: Done, inner: u32) -> bool {
        if node.grants(&self.arena) > self.walker.grants
            || node.is_spent(&self.arena) && !self.is_spent()
        {
            return false;
        }
        if inner == 0 {
            return true;
        }
        let (mut open, mut steps, mut found) = (Node(self.walker.parent), 0_u64, false);
        while open.0 != NONE {
            let serial = open.serial(&self.arena);
            if serial <= inner {
                found = serial == inner;
                break;
            }
            steps = steps.saturating_add(1);
            open = Node(open.parent(&self.arena));
        }
        self.figures.handled = self.figures.handled.saturating_add(steps / 32);
        self.charge_nodes(steps);
        found
    }

    /// The walk comes to the head of a loop. If an earlier round covers this
    /// one, what follows from it is the rest of that one.
    pub(super) fn close_round(&mut self, point: At) -> Step<Option<Tail>> {
        let mut node = Node(low(self.arena.word(point)));
        let mut widened = false;
        let (instance, rounds) = self.this_round();
        let now = rounds.unwrap_or(0).unsigned_abs();
        for back in 1..=OLDEST_CHECK {
            if node.0 == NONE {
                break;
            }
            // There is about one node a round.
            let looked_at = back <= ROUND_CHECKS
                || now.saturating_sub(back).checked_rem(OLDER_CHECKS) == Some(0);
            if back > ROUND_CHECKS {
                self.work(u64::from(back & 1));
            }
            if looked_at && self.is_later_round(node, instance, rounds) {
                if !widened {
                    if !self.was_used(instance, now).0 {
                        // The round would stand for none.
                        return Ok(None);
                    }
                    if self.rules.covers {
                        self.widen(node)?;
                    }
                    widened = true;
                }
                self.charge_node(node);
                let all = Closeness::Matters { instances: true };
                let (old, shared) = (node.snapshot(&self.arena), self.counted_ids());
                if let Some(rests) = covers(old, &self.state, &self.arena, all, shared)
                    && self.stands_for_derived(old)
                {
                    self.mark_exact(rests.deps);
                    self.mark_read(rests.live);
                    self.figures.unwritten_reads |= rests.unwritten;
                    let (ask, serial) = (node.asks(&self.arena), node.serial(&self.arena));
                    return Ok(ask.map(|ask| Tail::closes(&ask, serial)));
                }
            }
            node = Node(node.next(&self.arena));
        }
        Ok(None)
    }

    /// The last identity by which some summary that is being tried counts its
    /// rounds. What follows from an open node may come back to that one's head,
    /// and speaks of these numbers as they were there; so whatever ends at the
    /// node must have the same ones.
    pub(super) fn counted_ids(&self) -> u32 {
        if self.trials.0 == NONE { 0 } else { self.trials.head_id(&self.arena) }
    }

    /// An open node of an earlier round of the loop: the last one that was made of several,
    /// or else the first one.
    pub(super) fn earlier_round(&mut self, point: At) -> Option<Node> {
        let (instance, rounds) = self.this_round();
        let (mut node, mut first) = (Node(low(self.arena.word(point))), None);
        for _ in 0..OLDEST_CHECK {
            if node.0 == NONE {
                break;
            }
            self.work(1);
            if self.is_later_round(node, instance, rounds) {
                first = Some(node);
                if node.generation(&self.arena) > 0 {
                    break;
                }
            }
            node = Node(node.next(&self.arena));
        }
        first
    }

    /// What bounds the loop at the current instruction, and how much of that was used.
    fn this_round(&self) -> (u32, Option<i32>) {
        match self.instance() {
            0 => (0, i32::try_from(self.walker.grants).ok()),
            instance => (instance, self.rounds()),
        }
    }

    /// How much of it was used; 0, where that is not known.
    pub(super) fn rounds_had(&self) -> u32 {
        self.this_round().1.unwrap_or(0).unsigned_abs()
    }

    /// Whether the current state, in this round of what bounds the loop, is in a later one
    /// than an open node of its head: something that bounds the rounds was used up in
    /// between.
    fn is_later_round(&self, node: Node, instance: u32, rounds: Option<i32>) -> bool {
        if node.snapshot(&self.arena).frame(&self.arena) != self.state.frame
            || node.instance(&self.arena) != instance
        {
            return false;
        }
        let before = match instance {
            0 => i32::try_from(node.grants(&self.arena)).ok(),
            _ => self.rounds_at(node, instance),
        };
        matches!((before, rounds), (Some(before), Some(now)) if before < now)
    }

    /// How many rounds the loop at the current instruction has had.
    fn rounds(&self) -> Option<i32> {
        let rounds = self.state.reg(Register::R0);
        if rounds.kind == Kind::Rounds {
            return Some(rounds.range);
        }
        self.asked_iterator().map(|iterator| iterator.range)
    }

    /// How many it had had at a node.
    fn rounds_at(&self, node: Node, instance: u32) -> Option<i32> {
        let snapshot = node.snapshot(&self.arena);
        let mut entries = snapshot.read(&self.arena);
        for _ in 0..snapshot.regs(&self.arena) {
            let value = entries.value(&self.arena);
            if value.counts_rounds_of(instance) {
                return Some(value.range);
            }
        }
        for _ in 0..snapshot.cells(&self.arena) {
            let value = entries.cell(&self.arena).value;
            if value.counts_rounds_of(instance) {
                return Some(value.range);
            }
        }
        None
    }

    /// Forgets the numbers that differ from those of an earlier round, if
    /// nothing was decided on them, and which ones they were at the head of a
    /// summary.
    fn widen(&mut self, node: Node) -> Step {
        let (snapshot, precise) = (node.snapshot(&self.arena), node.precise(&self.arena));
        let mut entries = snapshot.read(&self.arena);
        let (mask, shared) = (snapshot.reg_mask(&self.arena), self.counted_ids());
        let mut index = 0_u32;
        for (number, value) in (0_u32..).zip(self.state.regs_mut()) {
            if mask.wrapping_shr(number) & 1 == 0 {
                continue;
            }
            let before = entries.value(&self.arena);
            let decided = precise & entry_bit(index) != 0;
            index = index.saturating_add(1);
            if decided {
                continue;
            }
            if differs(&before, value) {
                *value = widened(&before, value);
            } else if is_another(&before, value, shared) {
                (value.index, value.id, value.off, value.range) = (0, 0, 0, 0);
            }
        }
        for _ in 0..snapshot.cells(&self.arena) {
            let cell = entries.cell(&self.arena);
            let decided = precise & entry_bit(index) != 0;
            index = index.saturating_add(1);
            if decided || !cell.value.is_scalar() || cell.addr >= SAVED {
                continue;
            }
            let Ok(read) = self.state.read_stack(&self.arena, cell.addr, cell.len.min(8)) else {
                continue;
            };
            // An address does not become a number, which anybody might see, nor does what holds
            // one, such as a dynptr.
            let run = self.state.written(&self.arena, cell.addr, cell.len);
            if run.pointer || run.opaque {
                continue;
            }
            if cell.len > 8 || differs(&cell.value, &read.value) {
                // What is lent there ends with what it was.
                self.end_dynptrs(cell.addr, cell.len);
                self.state.blur_stack(&mut self.arena, cell.addr, cell.len, None)?;
            } else if is_another(&cell.value, &read.value, shared)
                && let Some((at, mut now)) = self.state.cells.at_addr(&self.arena, cell.addr)
            {
                let value = &mut now.value;
                (value.index, value.id, value.off, value.range) = (0, 0, 0, 0);
                self.state.cells.set(&mut self.arena, at, &now);
            }
        }
        Ok(())
    }
}

/// All numbers of as many bits as both have.
fn widened(before: &Value, now: &Value) -> Value {
    let half = Scalar::of_bits(32);
    let number = if half.covers(&before.number) && half.covers(&now.number) {
        half
    } else {
        Scalar::UNKNOWN
    };
    Value { deps: now.deps, ..Value::scalar(number) }
}

/// Whether a number is not among those of an earlier round.
fn differs(before: &Value, now: &Value) -> bool {
    before.is_scalar() && now.is_scalar() && !before.number.covers(&now.number)
}

/// Whether a number was named at the head of a summary, and is another one now.
fn is_another(before: &Value, now: &Value, shared: u32) -> bool {
    let named = before.id != 0 && before.id <= shared;
    let same = (before.id, before.off, before.range) == (now.id, now.off, now.range);
    named && before.is_scalar() && now.is_scalar() && !same
}

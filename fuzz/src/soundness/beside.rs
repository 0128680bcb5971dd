//! A run, before the eyes of what the verifier foresaw.

use kernel_bpf::bytecode::{BpfProgram, Instruction};
use kernel_bpf::execution::{Observer, Step};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedInfo;

use super::cost::Cost;
use super::member::Identities;
use super::states::States;
use super::world::World;
use super::{access, member};

/// Compares each step with the states of its instruction.
pub(super) struct Beside<'p> {
    program: &'p BpfProgram<ActiveProfile>,
    insns: Vec<Option<Instruction>>,
    states: Option<&'p States>,
    world: Option<World>,
    executed: u64,
    compared: u64,
    /// Instructions of the run that are compared at the most.
    most: u64,
    cost: Cost,
    /// The state that the last step was in.
    before: usize,
    /// For each state those that came behind it, the last one first.
    behind: Vec<[usize; 2]>,
    ids: Identities,
}

impl<'p> Beside<'p> {
    /// Before a run of `program`, for any number of runs.
    pub fn new(program: &'p BpfProgram<ActiveProfile>, states: Option<&'p States>) -> Self {
        let decode = |pc| Instruction::decode(program.insns(), pc).ok();
        Self {
            program,
            insns: (0..program.len()).map(decode).collect(),
            states,
            world: None,
            executed: 0,
            compared: 0,
            most: 0,
            cost: Cost::default(),
            before: 0,
            behind: vec![[0; 2]; states.map_or(0, States::count)],
            ids: Identities::default(),
        }
    }

    /// Before the next run, of which so many instructions are compared.
    pub fn begin(&mut self, most: u64) {
        (self.world, self.executed, self.compared, self.most) = (None, 0, 0, most);
        (self.cost, self.before) = (Cost::default(), 0);
    }

    /// Instructions executed.
    pub const fn executed(&self) -> u64 {
        self.executed
    }

    /// Instructions that were compared with a state.
    pub const fn compared(&self) -> u64 {
        self.compared
    }

    /// # Panics
    /// When the run took more than was proven.
    pub fn assert_within(&self, info: &VerifiedInfo) {
        assert!(
            self.executed <= info.max_insns,
            "{} instructions, {} proven\n{}",
            self.executed,
            info.max_insns,
            self.program.listing()
        );
        self.cost.assert_within(info, self.program);
    }

    /// The number of the state that the step is in. Where an attempt of the verifier came
    /// to nothing, there are states in which it refused the instruction: of several, one
    /// in which `insn` may do what it does.
    fn state(
        &mut self,
        insn: &Instruction,
        states: &States,
        step: &Step<'_, '_>,
        world: &World,
    ) -> usize {
        let ids = &mut self.ids;
        let fits = |number: &usize| member::check(&states.get(*number), step, world, ids).is_ok();
        let allows =
            |number: &usize| access::check(insn, &states.get(*number), step, world).is_ok();
        let (before, all) = (self.before, states.at(step.pc));
        let near = [self.behind[before][0], before + 1, self.behind[before][1]];
        let near = near.into_iter().filter(|near| states.pc(*near) == Some(step.pc));
        let mut found = near.chain(all.iter().copied()).filter(fits).peekable();
        let first = found.peek().copied();
        let found = found.find(allows).or(first);
        found.unwrap_or_else(|| {
            let why: Vec<String> = States::texts(self.program, step.pc)
                .iter()
                .zip(all)
                .take(64)
                .filter_map(|(text, number)| {
                    let state = states.get(*number);
                    let mismatch = member::check(&state, step, world, &mut self.ids).err()?;
                    Some(format!("  {} is not in {text}", mismatch.text(step)))
                })
                .collect();
            panic!(
                "insn {}: in none of {} states, after {} instructions\n{}\n{:x?}\n{}",
                step.pc,
                all.len(),
                self.executed,
                why.join("\n"),
                step.registers,
                self.program.listing()
            )
        })
    }
}

impl Observer for Beside<'_> {
    fn step(&mut self, step: &Step<'_, '_>) {
        if step.tail_called.is_some() {
            return;
        }
        self.executed += 1;
        let insn = self.insns[step.pc].expect("it is executed");
        self.cost.add(&insn, step);
        let Some(states) = self.states.filter(|_| self.compared < self.most) else { return };
        let world = *self.world.get_or_insert_with(|| World::at_entry(step));
        self.compared += 1;
        let number = self.state(&insn, states, step, &world);
        let behind = &mut self.behind[self.before];
        if behind[0] != number {
            *behind = [number, behind[0]];
        }
        self.before = number;
        if let Err(error) = access::check(&insn, &states.get(number), step, &world) {
            let texts = States::texts(self.program, step.pc);
            let text = states.at(step.pc).iter().zip(&texts).find(|(at, _)| **at == number);
            panic!("insn {}: {error}\n{text:?}\n{}", step.pc, self.program.listing());
        }
    }
}

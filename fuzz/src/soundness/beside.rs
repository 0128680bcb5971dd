//! A run, before the eyes of what the verifier foresaw.

use kernel_bpf::bytecode::{BpfProgram, Instruction};
use kernel_bpf::execution::{Observer, Step};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedInfo;

use super::cost::Cost;
use super::member::Identities;
use super::states::{AbstractState, States};
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
    cost: Cost,
    /// For each instruction the state that it was found in the last time.
    last: Vec<usize>,
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
            cost: Cost::default(),
            last: vec![0; program.len()],
            ids: Identities::default(),
        }
    }

    /// Before the next run.
    pub fn begin(&mut self) {
        (self.world, self.executed, self.compared) = (None, 0, 0);
        self.cost = Cost::default();
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

    /// The state that the step is in.
    fn state(&mut self, states: &'p [AbstractState], step: &Step<'_, '_>, world: &World) -> usize {
        let ids = &mut self.ids;
        let fits = |at: &usize| member::check(&states[*at], step, world, ids).is_ok();
        // A loop goes from one state to the next.
        let last = self.last[step.pc];
        let near = [last, last + 1].into_iter().filter(|at| *at < states.len());
        let found = near.chain(0..states.len()).find(fits);
        found.unwrap_or_else(|| {
            let why: Vec<String> = States::texts(self.program, step.pc)
                .iter()
                .zip(states)
                .take(64)
                .filter_map(|(text, state)| {
                    let mismatch = member::check(state, step, world, &mut self.ids).err()?;
                    Some(format!("  {mismatch} is not in {text}"))
                })
                .collect();
            panic!(
                "insn {}: in none of {} states, after {} instructions\n{}\n{:x?}\n{}",
                step.pc,
                states.len(),
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
        self.executed += 1;
        let insn = self.insns[step.pc].expect("it is executed");
        self.cost.add(&insn);
        let world = *self.world.get_or_insert_with(|| World::at_entry(step));
        let Some(states) = self.states else { return };
        self.compared += 1;
        let states = states.at(step.pc);
        let at = self.state(states, step, &world);
        self.last[step.pc] = at;
        if let Err(error) = access::check(&insn, &states[at], step, &world) {
            let texts = States::texts(self.program, step.pc);
            panic!("insn {}: {error}\n{}\n{}", step.pc, texts[at], self.program.listing());
        }
    }
}

//! Every engine of the build, over one case.

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::bytecode::abi::map::MapDef;
use kernel_bpf::execution::{
    BpfContext, BpfExecutor, BpfResult, Environment, Interpreter, VerifiedInterpreter,
};
use kernel_bpf::maps::{self, AnyMap, BpfMap, MapError};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{VerifiedProgram, Verifier, VerifyError};

use crate::case::{Case, Input};
use crate::replay;

#[cfg_attr(all(feature = "cloud-profile", target_arch = "x86_64"), path = "engine/jit.rs")]
#[cfg_attr(not(all(feature = "cloud-profile", target_arch = "x86_64")), path = "engine/no_jit.rs")]
mod compiled;
#[cfg_attr(feature = "cloud-profile", path = "engine/translated.rs")]
#[cfg_attr(not(feature = "cloud-profile"), path = "engine/not_translated.rs")]
mod translated;

/// Budget of the engines in these tests, in instructions.
pub const BUDGET: u64 = 1_000_000;

/// Room in front of a packet and behind it, in bytes.
const ROOM: usize = 64;

/// What an engine made of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// R0, or why there is none.
    pub result: BpfResult,
    /// The input as the program left it.
    pub memory: Vec<u8>,
    /// The maps as the program left them: every value, in the order of the keys.
    pub maps: Vec<Vec<u8>>,
}

/// The verdict on a program. Verification uses a workspace that no case of the
/// corpus exhausts, on either profile.
///
/// # Errors
/// The verifier's.
pub fn verify(
    program: &BpfProgram<ActiveProfile>,
) -> Result<VerifiedProgram<ActiveProfile>, VerifyError> {
    let mut workspace = vec![0_u64; 1 << 20];
    Verifier::<ActiveProfile>::with_workspace(&mut workspace).verify_program(program)
}

/// Runs a case on an engine, with fresh maps and input.
///
/// # Errors
/// The definition that the profile has no map for.
pub fn run_fresh(
    case: &Case,
    run: &dyn Fn(Environment<'_>, &BpfContext<'_>) -> BpfResult,
) -> Result<Outcome, (MapDef, MapError)> {
    replay::same_place(|| run_here(case, run))
}

fn run_here(
    case: &Case,
    run: &dyn Fn(Environment<'_>, &BpfContext<'_>) -> BpfResult,
) -> Result<Outcome, (MapDef, MapError)> {
    let live = case
        .maps
        .iter()
        .map(|def| maps::create::<ActiveProfile>(*def).map_err(|error| (*def, error)))
        .collect::<Result<Vec<AnyMap<ActiveProfile>>, _>>()?;
    let refs: Vec<&dyn BpfMap> = live.iter().map(|map| map as &dyn BpfMap).collect();
    let env = Environment::standard().with_maps(&refs).with_budget(case.budget.unwrap_or(BUDGET));
    let env = if replay::in_arena() { env.with_stack_policy(replay::stack_policy()) } else { env };
    let (result, memory) = over_input(&case.input, case, &|context| run(env, context));
    let maps = live.iter().map(contents).collect();
    Ok(Outcome { result, memory, maps })
}

fn over_input(
    input: &Input,
    case: &Case,
    run: &dyn Fn(&BpfContext<'_>) -> BpfResult,
) -> (BpfResult, Vec<u8>) {
    use kernel_bpf::bytecode::BpfProgType;

    match input {
        Input::Empty => (run(&BpfContext::empty()), Vec::new()),
        Input::Bytes(bytes) => {
            let mut bytes = bytes.clone();
            let result = run(&BpfContext::bytes(&mut bytes));
            (result, bytes)
        }
        Input::Packet(packet) => {
            let mut buffer = [vec![0; ROOM], packet.clone(), vec![0; ROOM]].concat();
            let range = ROOM..ROOM + packet.len();
            let context = if case.prog_type == BpfProgType::Xdp {
                BpfContext::xdp_md(&mut buffer, range)
            } else {
                BpfContext::sk_buff(&mut buffer, range)
            };
            // A program sees the address of the context's own fields.
            let context = Box::new(context.expect("the range is inside the buffer"));
            let result = run(&context);
            let memory = context.with_packet(<[u8]>::to_vec).expect("no run is under way");
            (result, memory)
        }
    }
}

/// Every value of a map, in the order of the keys.
fn contents(map: &AnyMap<ActiveProfile>) -> Vec<u8> {
    if let Some(ring) = map.ring_buf() {
        let mut all = Vec::new();
        let consumed = ring.consume(&mut |record| {
            let mut bytes = vec![0; record.len()];
            record.copy_to(&mut bytes);
            all.extend(bytes);
        });
        assert!(consumed.is_ok(), "consuming a ring buffer");
        return all;
    }
    let key_size = usize::try_from(map.def().key_size).expect("a small key");
    let mut keys = Vec::new();
    let mut next = vec![0; key_size];
    let mut key: Option<Vec<u8>> = None;
    while map.next_key(key.as_deref(), &mut next).is_ok() {
        keys.push(next.clone());
        key = Some(next.clone());
    }
    keys.sort();
    let mut all = Vec::new();
    for key in keys {
        if let Ok(value) = map.lookup(&key) {
            let mut bytes = vec![0; value.len()];
            value.copy_to(&mut bytes);
            all.extend(key);
            all.extend(bytes);
        }
    }
    all
}

/// Runs a case: the case, its program, and the verified program where there is
/// one. The error is the definition that the profile has no map for.
pub type Runner = fn(
    &Case,
    &BpfProgram<ActiveProfile>,
    Option<&VerifiedProgram<ActiveProfile>>,
) -> Result<Outcome, (MapDef, MapError)>;

/// An engine under test.
pub struct Engine {
    /// Name, for messages.
    pub name: &'static str,
    /// Whether the engine runs verified programs only.
    pub verified_only: bool,
    /// Runs a case whose program was verified if it could be.
    pub run: Runner,
}

/// The interpreter, on the program as it stands.
pub const INTERPRETER: Engine = Engine {
    name: "interpreter",
    verified_only: false,
    run: |case, program, _| {
        run_fresh(case, &|env, context| {
            Interpreter::<ActiveProfile>::with_env(env).execute(program, context)
        })
    },
};

/// The interpreter, on the verified program.
pub const VERIFIED_INTERPRETER: Engine = Engine {
    name: "verified interpreter",
    verified_only: true,
    run: |case, _, verified| {
        let verified = verified.expect("the caller has looked");
        run_fresh(case, &|env, context| {
            VerifiedInterpreter::<ActiveProfile>::with_env(env).execute(verified, context)
        })
    },
};

/// Every engine of this build.
pub fn all() -> Vec<Engine> {
    let mut engines = vec![INTERPRETER, VERIFIED_INTERPRETER];
    engines.extend(translated::engines());
    engines.extend(compiled::engines());
    engines
}

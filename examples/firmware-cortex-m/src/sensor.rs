//! The sensor filter on its way from a flat image to decisions.

use core::fmt;

use cortex_m::singleton;
use cortex_m_semihosting::hprintln;
use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::{BpfInsn, BpfProgram, ProgramError};
use kernel_bpf::execution::{BpfContext, BpfError, BpfExecutor, Environment, VerifiedInterpreter};
use kernel_bpf::live::{self, LiveMapError};
use kernel_bpf::loader::LoadError;
use kernel_bpf::loader::flat::{Aligned, FlatImage};
use kernel_bpf::maps::{AnyMap, BpfMap, MapError};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::profile::static_pool::DEFAULT_POOL;
use kernel_bpf::verifier::{InsnFact, Verifier, VerifyError};

/// The program, in flash, where its instructions are executed from.
static IMAGE: &Aligned<[u8]> = &Aligned(*include_bytes!("../../programs/sensor_filter.bpf.kbi"));

/// Maps that the program may have.
const MAPS: usize = 4;
/// Slots that the program may have.
const SLOTS: usize = 256;
/// Worst-case execution time that this board grants to one burst, in units of
/// the verifier's cost table.
const WCET_BUDGET: u64 = 100_000;

/// Samples of a burst.
const SAMPLES: usize = 8;
/// Bytes of a burst as the program reads it.
const BURST_BYTES: usize = 8 + 2 * SAMPLES;

/// Readings of one sensor, as the converter would deliver them.
struct Burst {
    sequence: u32,
    sensor: u16,
    count: u16,
    level: i16,
    /// What the program has to decide.
    decision: u64,
}

const DISCARD: u64 = 0;
const REPORT: u64 = 1;
const ALARM: u64 = 2;
const INVALID: u64 = 3;

const BURSTS: [Burst; 6] = [
    Burst { sequence: 1, sensor: 0, count: 4, level: 100, decision: REPORT },
    Burst { sequence: 2, sensor: 0, count: 8, level: 101, decision: DISCARD },
    // Two bursts were lost, and the level moves.
    Burst { sequence: 5, sensor: 0, count: 8, level: 2500, decision: REPORT },
    // Now it leaves the permitted band.
    Burst { sequence: 6, sensor: 0, count: 8, level: 2500, decision: ALARM },
    Burst { sequence: 1, sensor: 9, count: 8, level: 0, decision: INVALID },
    Burst { sequence: 7, sensor: 0, count: 0, level: 0, decision: INVALID },
];

impl Burst {
    fn bytes(&self) -> [u8; BURST_BYTES] {
        let mut bytes = [0; BURST_BYTES];
        bytes[..4].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.sensor.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.count.to_le_bytes());
        for (index, sample) in bytes[8..].chunks_exact_mut(2).enumerate() {
            // A little noise around the level.
            let noise = [0, 3, -2, 1][index % 4];
            sample.copy_from_slice(&(self.level + noise).to_le_bytes());
        }
        bytes
    }
}

/// What can go wrong between reset and the last decision.
pub enum Error {
    Load(LoadError),
    Live(LiveMapError),
    Map(MapError),
    Build(ProgramError),
    Verify(VerifyError),
    Run(BpfError),
    /// The program has more maps, or longer contents, than there is room for.
    Room(&'static str),
    /// A program that had to be refused was not.
    Accepted,
    /// A decision or a counter is not what it has to be.
    Unexpected {
        what: &'static str,
        expected: u64,
        found: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Live(error) => error.fmt(f),
            Self::Map(error) => error.fmt(f),
            Self::Build(error) => error.fmt(f),
            Self::Verify(error) => error.fmt(f),
            Self::Run(error) => error.fmt(f),
            Self::Room(what) => write!(f, "no room for {what}"),
            Self::Accepted => f.write_str("an unsafe program was accepted"),
            Self::Unexpected { what, expected, found } => {
                write!(f, "{what} is {found}, not {expected}")
            }
        }
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl From<LiveMapError> for Error {
    fn from(error: LiveMapError) -> Self {
        Self::Live(error)
    }
}

impl From<MapError> for Error {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

impl From<ProgramError> for Error {
    fn from(error: ProgramError) -> Self {
        Self::Build(error)
    }
}

impl From<BpfError> for Error {
    fn from(error: BpfError) -> Self {
        Self::Run(error)
    }
}

type Map = AnyMap<ActiveProfile>;

// What `.cargo/config.toml` is for: a program is no more than references to its
// instructions, its definitions and the facts about it, and what was proven.
// (Where pointers are twice as wide it is more.)
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<kernel_bpf::verifier::VerifiedProgram<ActiveProfile>>() <= 192);

/// Verifies the program, runs it over every burst and checks what it decides.
pub fn run() -> Result<(), Error> {
    refuse()?;

    let image = FlatImage::parse(&IMAGE.0)?;
    let program = image.program("sensor_filter")?;
    let no_def = MapDef::new(MapType::Array, 4, 1, 1);
    let defs = singleton!(: [MapDef; MAPS] = [no_def; MAPS]).ok_or(Error::Room("a second run"))?;
    let defs = image.map_defs_into(defs)?;
    let builder = program.builder_with_map_defs(defs);
    let program = builder.ok_or(Error::Room("the image's alignment"))?.build()?;
    let facts = singleton!(: [InsnFact; SLOTS] = [InsnFact::Unreached; SLOTS]);
    let facts = facts.ok_or(Error::Room("a second run"))?;
    let verifier = Verifier::<ActiveProfile>::new().wcet_budget(WCET_BUDGET);
    let verified = verifier.verify_program_into(&program, facts).map_err(Error::Verify)?;
    let info = verified.info();
    hprintln!(
        "sensor_filter: verified, {} insns at the most, WCET {}, stack {} B, workspace {} B",
        info.max_insns,
        info.wcet,
        info.stack_bytes,
        info.workspace_bytes
    );

    let mut maps: [Option<Map>; MAPS] = [const { None }; MAPS];
    let mut count = 0;
    // From the static pool, with their initial contents.
    for map in live::of_image(&image) {
        let place = maps.get_mut(count).ok_or(Error::Room("the maps"))?;
        *place = Some(map?);
        count += 1;
    }
    let Some(first) = maps[0].as_ref() else { return Err(Error::Room("no map at all")) };
    let live: [&dyn BpfMap; MAPS] =
        core::array::from_fn(|index| maps[index].as_ref().unwrap_or(first) as &dyn BpfMap);
    let env = Environment::standard().with_maps(&live[..count]);
    let engine = VerifiedInterpreter::<ActiveProfile>::with_env(env);

    for burst in &BURSTS {
        let mut bytes = burst.bytes();
        let decision = engine.execute(&verified, &BpfContext::bytes(&mut bytes))?;
        expect("the decision", burst.decision, decision)?;
        hprintln!("sensor {} burst {}: decision {}", burst.sensor, burst.sequence, decision);
    }
    report(first)?;
    hprintln!(
        "static pool: {} of {} B free",
        DEFAULT_POOL.free_bytes(),
        DEFAULT_POOL.capacity_bytes()
    );
    Ok(())
}

/// A program that reads a register before anything was written to it.
fn refuse() -> Result<(), Error> {
    static INSNS: [BpfInsn; 2] = [BpfInsn::mov64_reg(0, 7), BpfInsn::exit()];

    let program = BpfProgram::<ActiveProfile>::from_static(&INSNS)?;
    match Verifier::<ActiveProfile>::new().verify(&program) {
        Ok(()) => Err(Error::Accepted),
        Err(error) => {
            hprintln!("refused, as it should be: {}", error);
            Ok(())
        }
    }
}

/// Prints what the program remembers of the first sensor.
fn report(sensors: &Map) -> Result<(), Error> {
    let mut state = [0; 24];
    sensors.lookup(&0_u32.to_ne_bytes())?.copy_to(&mut state);
    let field = |index: usize| {
        let bytes = state.as_chunks::<4>().0[index];
        u32::from_ne_bytes(bytes)
    };
    let (lost, bursts, alarms) = (field(3), field(4), field(5));
    hprintln!("sensor 0: {} bursts, {} lost, {} alarms", bursts, lost, alarms);
    expect("the number of bursts", 4, bursts.into())?;
    expect("the number of lost bursts", 2, lost.into())?;
    expect("the number of alarms", 1, alarms.into())
}

fn expect(what: &'static str, expected: u64, found: u64) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::Unexpected { what, expected, found }) }
}

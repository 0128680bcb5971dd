//! A case of the corpus: a program, its input, and what must come out.

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::text;
use kernel_bpf::bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder};
use kernel_bpf::profile::ActiveProfile;

/// What a program works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    Empty,
    /// Opaque bytes.
    Bytes(Vec<u8>),
    /// A packet, with room in front of it and behind it.
    Packet(Vec<u8>),
}

/// A program, its input, and what must come out.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name, unique in the corpus.
    pub name: String,
    /// The program's type.
    pub prog_type: BpfProgType,
    /// The program.
    pub insns: Vec<BpfInsn>,
    /// Its maps.
    pub maps: Vec<MapDef>,
    /// Its input.
    pub input: Input,
    /// The outcome that every engine must have, as
    /// [`outcome::of`](crate::outcome::of) writes it.
    pub expect: String,
    /// Whether the verifier must accept the program.
    pub verdict: Verdict,
    /// Instructions that it may execute, where that is not the usual number.
    pub budget: Option<u64>,
}

/// What the verifier must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Accept: the program is correct.
    Accept,
    /// Reject: the program misbehaves, or does on some input.
    Reject,
}

impl Case {
    /// The program, over instructions that live as long as the process.
    ///
    /// # Panics
    /// When the case is no program; the corpus is at fault then.
    pub fn program(&self) -> BpfProgram<ActiveProfile> {
        let insns = Vec::leak(self.insns.clone());
        let mut builder = ProgramBuilder::from_static(self.prog_type, insns).name(&self.name);
        for def in &self.maps {
            builder = builder.map(*def);
        }
        builder.build().unwrap_or_else(|e| panic!("case {}: {e}", self.name))
    }
}

/// The cases of a text. A case begins with `== name`, has header lines of the
/// form `key: value`, and after a line `--` its program in assembly. Keys:
///
/// - `type`: program type by Linux's name; a socket filter without it
/// - `bytes`, `packet`: the input as hex digits
/// - `map`: `type key_size value_size max_entries`, several times
/// - `expect`: the outcome
/// - `verdict`: `accept` or `reject`
/// - `budget`: instructions that the program may execute; a million without it
///
/// # Panics
/// When the text is not of this form; the corpus is at fault then.
pub fn parse(file: &str, text: &str) -> Vec<Case> {
    let cases = text.split("\n== ").skip(1);
    cases.map(|case| parse_case(case).unwrap_or_else(|e| panic!("{file}: {case}\n{e}"))).collect()
}

fn parse_case(text: &str) -> Result<Case, String> {
    let (head, body) = text.split_once("\n--\n").ok_or("no line `--`")?;
    let mut lines = head.lines();
    let name = lines.next().ok_or("no name")?.trim().to_owned();
    let mut case = Case {
        name,
        prog_type: BpfProgType::SocketFilter,
        insns: assemble(body)?,
        maps: Vec::new(),
        input: Input::Empty,
        expect: String::new(),
        verdict: Verdict::Accept,
        budget: None,
    };
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let (key, value) = line.split_once(':').ok_or_else(|| format!("header `{line}`"))?;
        header(&mut case, key.trim(), value.trim())?;
    }
    if case.expect.is_empty() { Err("no expectation".to_owned()) } else { Ok(case) }
}

fn header(case: &mut Case, key: &str, value: &str) -> Result<(), String> {
    match key {
        "type" => {
            let known = BpfProgType::ALL.iter().copied().find(|t| t.name() == value);
            case.prog_type = known.ok_or_else(|| format!("type `{value}`"))?;
        }
        "bytes" => case.input = Input::Bytes(hex(value)?),
        "packet" => case.input = Input::Packet(hex(value)?),
        "map" => case.maps.push(map(value)?),
        "expect" => value.clone_into(&mut case.expect),
        "budget" => case.budget = Some(value.parse().map_err(|_| format!("budget `{value}`"))?),
        "verdict" if value == "reject" => case.verdict = Verdict::Reject,
        "verdict" if value == "accept" => case.verdict = Verdict::Accept,
        _ => return Err(format!("header `{key}: {value}`")),
    }
    Ok(())
}

fn map(text: &str) -> Result<MapDef, String> {
    let bad = || format!("map `{text}`");
    let mut words = text.split_whitespace();
    let name = words.next().ok_or_else(bad)?;
    let map_type =
        (0..64).filter_map(MapType::from_number).find(|t| t.name() == name).ok_or_else(bad)?;
    let numbers: Vec<u32> = words.map_while(|word| word.parse().ok()).collect();
    match *numbers.as_slice() {
        [key, value, entries] => Ok(MapDef::new(map_type, key, value, entries)),
        [key, value, entries, flags] => {
            Ok(MapDef::new(map_type, key, value, entries).with_flags(flags))
        }
        _ => Err(bad()),
    }
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes = (0..digits.len()).step_by(2).map(byte).collect::<Option<_>>();
    bytes.ok_or_else(|| format!("hex `{text}`"))
}

fn assemble(source: &str) -> Result<Vec<BpfInsn>, String> {
    let mut slots = vec![BpfInsn::default(); source.len() + 2];
    let filled = text::assemble_into::<ActiveProfile>(source, &mut slots);
    filled.map(|insns| insns.to_vec()).map_err(|e| e.to_string())
}

//! A program that is run again and again, and what it is run over.

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::execution::{BpfResult, Environment, Interpreter, Observer};
use kernel_bpf::maps::BpfMap;
use kernel_bpf::profile::ActiveProfile;
use serde::Serialize;

use super::fields;
use super::input::Input;
use crate::command::run::frame::Form;
use crate::hex;
use crate::live;
use crate::object::{LoadedFile, Unit};

/// What a program was run over.
#[derive(Clone, Debug, Serialize)]
pub struct InputShape {
    /// The packet, frame or context in hex; what is not here is zero.
    pub input: String,
    /// What the input is.
    pub form: &'static str,
    /// Fields of the packet's context that say nothing of the packet.
    pub fields: Vec<FieldShape>,
    /// Entries that maps must have.
    pub maps: Vec<EntryShape>,
    /// What `get_prandom_u32` must give, one number after the other.
    pub random: Vec<u32>,
}

/// A field of the context.
#[derive(Clone, Debug, Serialize)]
pub struct FieldShape {
    pub name: &'static str,
    pub value: u32,
}

/// An entry of a map.
#[derive(Clone, Debug, Serialize)]
pub struct EntryShape {
    pub map: String,
    pub key: String,
    pub value: String,
}

impl InputShape {
    /// In a few lines.
    pub fn lines(&self) -> Vec<String> {
        let form = self.form;
        let bytes = self.input.len() / 2;
        let significant = self.input.trim_end_matches("00").len().div_ceil(2) * 2;
        let hex = self.input.get(..significant).unwrap_or_default();
        let rest = if significant < self.input.len() { ", then zeros" } else { "" };
        let mut lines = vec![match (bytes, hex) {
            (0, _) => format!("{form}: empty"),
            (_, "") => format!("{form}: {bytes} bytes, all zero"),
            _ => format!("{form}: {bytes} bytes: {hex}{rest}"),
        }];
        for FieldShape { name, value } in &self.fields {
            lines.push(format!("context: {name} = {value}"));
        }
        for EntryShape { map, key, value } in &self.maps {
            lines.push(format!("map {map}: entry {key}: {value}"));
        }
        if !self.random.is_empty() {
            let numbers: Vec<_> = self.random.iter().map(u32::to_string).collect();
            lines.push(format!("get_prandom_u32 gives {}", numbers.join(", ")));
        }
        lines
    }
}

/// A program, and the file that it is from.
#[derive(Clone, Copy)]
pub struct Subject<'f> {
    file: &'f LoadedFile,
    pub program: &'f BpfProgram<ActiveProfile>,
}

impl<'f> Subject<'f> {
    /// None where the program could not be loaded.
    pub fn new(file: &'f LoadedFile, unit: &'f Unit) -> Option<Self> {
        Some(Self { file, program: unit.program.as_ref().ok()? })
    }

    /// Runs the program in an environment of its own, before the eyes of an
    /// observer that knows its maps.
    pub fn execute<O: Observer>(
        &self,
        input: &Input,
        budget: u64,
        observer: impl FnOnce(&[&dyn BpfMap]) -> O,
    ) -> Option<(O, BpfResult)> {
        let names: Vec<&str> = self.file.units.iter().map(|unit| unit.name.as_str()).collect();
        let live = live::create(&self.file.maps, &names).ok()?;
        let maps: Vec<&dyn BpfMap> = live.iter().map(|live| &live.map as &dyn BpfMap).collect();
        for ((index, key), value) in &input.entries {
            let map = &live.get(*index)?.map;
            let mut value = value.clone();
            value.resize(map.host_value_size(), 0);
            // What a map does not take it does not have.
            let _ = map.update(key, &value, 0);
        }
        let env = Environment::standard()
            .with_maps(&maps)
            .with_platform(&input.numbers)
            .with_budget(budget);
        input.numbers.rewind();
        let form = Form::of(self.program.prog_type());
        let mut buffer = form.buffer(&input.data);
        let context = form.context(&input.data, &mut buffer).ok()?;
        let context = fields::set(context, &input.fields);
        let mut observer = observer(&maps);
        let interpreter = Interpreter::<ActiveProfile>::with_env(env);
        let result = interpreter.execute_with(self.program, &context, &mut observer);
        Some((observer, result))
    }

    /// The input as data.
    pub fn shape(&self, input: &Input) -> InputShape {
        let form = Form::of(self.program.prog_type());
        let name = |index: usize| {
            self.file.maps.get(index).map(|map| map.name.clone()).unwrap_or_default()
        };
        let size = |index: usize| {
            let size = self.file.maps.get(index).map(|map| map.def.value_size);
            size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0)
        };
        let entry = |((index, key), value): (&(usize, Vec<u8>), &Vec<u8>)| EntryShape {
            map: name(*index),
            key: hex::plain(key),
            value: hex::plain(&value[..value.len().min(size(*index))]),
        };
        let field = |(offset, value): (&u16, &u32)| {
            let name = fields::name(form, *offset)?;
            Some(FieldShape { name, value: *value })
        };
        InputShape {
            input: hex::plain(&input.data),
            form: match form {
                Form::Xdp => "packet",
                Form::Frame | Form::Network => "frame",
                Form::Bytes => "context",
            },
            fields: input.fields.iter().filter_map(field).collect(),
            maps: input.entries.iter().map(entry).collect(),
            random: input.numbers.used(),
        }
    }
}

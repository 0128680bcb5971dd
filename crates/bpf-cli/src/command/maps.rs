//! `kbpf maps`.

use anyhow::Result;
use serde::Serialize;

use crate::args::Input;
use crate::exit::Status;
use crate::loading::Loading;
use crate::object::{LoadedFile, MapUnit};
use crate::output::{Output, Role};

/// A map's definition in JSON.
#[derive(Serialize)]
pub struct MapShape {
    index: usize,
    name: String,
    #[serde(rename = "type")]
    map_type: &'static str,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    initial_bytes: usize,
    programs: Vec<(u32, String)>,
}

impl MapShape {
    /// The shape of the map at `index`.
    pub fn new(index: usize, map: &MapUnit) -> Self {
        Self {
            index,
            name: map.name.clone(),
            map_type: map.def.map_type.name(),
            key_size: map.def.key_size,
            value_size: map.def.value_size,
            max_entries: map.def.max_entries,
            flags: map.def.flags,
            initial_bytes: map.contents.len(),
            programs: map.programs.clone(),
        }
    }

    /// The map as text: a line, and one for each program in it.
    pub fn text(&self, output: Output) -> String {
        let name = output.paint(Role::Heading, &format!("{:<16}", self.name));
        let initial = match self.initial_bytes {
            0 => String::new(),
            bytes => format!("  initial {bytes}B"),
        };
        let line = format!(
            "{:>2}: {name} {:<13} key {:>3}B  value {:>4}B  max_entries {:<8} flags {:#x}{initial}",
            self.index, self.map_type, self.key_size, self.value_size, self.max_entries, self.flags,
        );
        let programs = self.programs.iter().map(|(slot, name)| format!("      [{slot}] = {name}"));
        std::iter::once(line).chain(programs).collect::<Vec<_>>().join("\n")
    }
}

#[derive(Serialize)]
struct Answer {
    maps: Vec<MapShape>,
}

/// Shows the maps of a file.
pub fn run(args: &Input, output: Output) -> Result<Status> {
    let file = LoadedFile::open(&args.file, &Loading::new(&args.loading)?)?;
    // A program that does not exist is an error here as elsewhere; every
    // program of a file sees the same maps.
    file.select(args.prog.as_deref())?;
    let maps = file.maps.iter().enumerate().map(|(i, m)| MapShape::new(i, m)).collect();
    let answer = Answer { maps };
    if output.json {
        output.json("maps", answer)?;
    } else if answer.maps.is_empty() {
        output.line("no maps")?;
    } else {
        for map in &answer.maps {
            output.line(map.text(output))?;
        }
    }
    Ok(Status::Success)
}

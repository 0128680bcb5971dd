//! Memory as a list of objects, each at an address of its own.

use std::collections::BTreeMap;

use kernel_bpf::bytecode::abi::context::{CtxLayout, FieldKind, Sizes};
use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::opcode::Size;
use kernel_bpf::bytecode::{BpfProgType, BpfProgram};
use kernel_bpf::execution::{Fault, Run};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf_tests::case::Input;

use super::helpers::XDP_ADJUST_HEAD;
use super::{Step, Stop, fault};
use crate::mutate::Rng;
use crate::place::{Place, ROOM};

/// Bytes of a frame.
const FRAME: u64 = 512;

/// Where the objects are, and which come before which: as on a host, no multiple or
/// half of an address is another's.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    frames: u64,
    context: u64,
    packet: u64,
    maps: u64,
}

impl Addresses {
    /// Addresses that follow from a number. All bits, and which object comes first,
    /// change from one number to another, but bits of an address that are 0 on every
    /// host, and the lowest ones: objects begin at multiples of 8.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        // Far from each other by their highest bits.
        let mut tops = [9, 11, 13, 15];
        let mut at = |left: usize| {
            let top = rng.below(left);
            tops.swap(top, left - 1);
            tops[left - 1] << 43 | (rng.next_u64() >> 21) & !7
        };
        Self { frames: at(4), context: at(3), packet: at(2), maps: at(1) }
    }
}

/// From one frame to the next, which a program that is not verified can tell: a
/// callee reaches its own frame from its caller's pointer.
const FRAME_STRIDE: u64 = FRAME + 64;
/// Room for all values that the runs of one budget may give a hash map.
const MAP_STRIDE: u64 = 0x1000_0000;
/// From one value of a hash map to the next.
const ENTRY_STRIDE: u64 = 0x1_0000;
/// This near to a value of a hash map may be what the engines keep there.
const BESIDE: u64 = 0x4000;

/// What a program holds for a map.
pub(super) fn handle(index: u32) -> u64 {
    Run::map_handle(index)
}

/// A map.
pub(super) struct Map {
    pub def: MapDef,
    /// Where the value of each key is. An array has all of its keys.
    pub entries: BTreeMap<Vec<u8>, u64>,
    /// Where the next value of a hash map goes.
    next: u64,
    /// The value of a hash map that was replaced last, which stays as it is until another
    /// entry may be given its memory.
    replaced: Option<u64>,
}

/// An object.
struct Object {
    bytes: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Frame,
    Context,
    /// Head- and tailroom included.
    Packet,
    Value {
        map: usize,
    },
    /// What was a hash map's, and may be another entry's by now.
    Deleted,
}

/// What an access to a context finds instead of memory.
enum Field {
    Memory,
    Address(u64),
}

pub(super) struct Memory {
    prog_type: BpfProgType,
    input: Input,
    at: Addresses,
    objects: BTreeMap<u64, Object>,
    frames: u64,
    pub maps: Vec<Map>,
    /// The packet in its object.
    data: u64,
    end: u64,
}

impl Memory {
    pub fn new(program: &BpfProgram<ActiveProfile>, place: &mut Place, at: Addresses) -> Self {
        let input = place.input().clone();
        let room = u64::try_from(ROOM).expect("a small number");
        let mut memory = Self {
            prog_type: program.prog_type(),
            input,
            at,
            objects: BTreeMap::new(),
            frames: 0,
            maps: Vec::new(),
            data: room,
            end: room,
        };
        match memory.input.clone() {
            Input::Empty => {}
            Input::Bytes(bytes) => memory.add(at.context, bytes, Kind::Context),
            Input::Packet(bytes) => {
                memory.end += bytes.len() as u64;
                let buffer = [vec![0; ROOM], bytes, vec![0; ROOM]].concat();
                memory.add(at.packet, buffer, Kind::Packet);
                let size = usize::from(memory.layout().size);
                memory.add(at.context, vec![0; size], Kind::Context);
            }
        }
        for (index, (def, contents)) in place.initial().into_iter().enumerate() {
            let next = at.maps + MAP_STRIDE * index as u64;
            let entries = BTreeMap::new();
            memory.maps.push(Map { def, entries, next, replaced: None });
            // Keys of an array in the order of their numbers.
            let mut contents: Vec<_> = contents.into_iter().collect();
            if def.map_type == MapType::Array {
                contents.sort_by_key(|(key, _)| key.iter().rev().copied().collect::<Vec<u8>>());
            }
            for (key, value) in contents {
                memory.insert(index, key, value);
            }
        }
        memory
    }

    fn layout(&self) -> &'static CtxLayout {
        self.prog_type.context()
    }

    fn add(&mut self, at: u64, bytes: Vec<u8>, kind: Kind) {
        self.objects.insert(at, Object { bytes, kind });
    }

    /// R1 and R2 at the entry: the context, and its length if it is bytes without
    /// structure.
    pub fn entry(&self) -> (u64, u64) {
        match &self.input {
            Input::Empty => (0, 0),
            Input::Bytes(bytes) => (self.at.context, bytes.len() as u64),
            Input::Packet(_) => (self.at.context, 0),
        }
    }

    /// A new frame: its frame pointer.
    pub fn push_frame(&mut self) -> u64 {
        let at = self.at.frames + FRAME_STRIDE * self.frames;
        self.frames += 1;
        self.add(at, vec![0; usize::try_from(FRAME).expect("a small number")], Kind::Frame);
        at + FRAME
    }

    pub fn pop_frame(&mut self) {
        self.frames -= 1;
        self.objects.remove(&(self.at.frames + FRAME_STRIDE * self.frames));
    }

    /// A new value of a map.
    pub fn insert(&mut self, index: usize, key: Vec<u8>, value: Vec<u8>) {
        let map = &mut self.maps[index];
        let replaced = map.replaced.take();
        let at = map.next;
        map.entries.insert(key, at);
        // Values of an array lie one behind the other.
        map.next += match map.def.map_type {
            MapType::Array => value.len().next_multiple_of(8) as u64,
            _ => ENTRY_STRIDE,
        };
        self.add(at, value, Kind::Value { map: index });
        if let Some(at) = replaced {
            self.delete(at);
        }
    }

    /// Takes an entry away.
    pub fn delete(&mut self, at: u64) {
        if let Some(object) = self.objects.get_mut(&at) {
            object.kind = Kind::Deleted;
        }
    }

    /// The address of a byte of an array's first value.
    pub fn value_address(&self, index: u32, offset: u32) -> Step<u64> {
        let map = usize::try_from(index).ok().and_then(|index| self.maps.get(index));
        let Some(map) = map else { return fault(Fault::InvalidInstruction) };
        let first = map.entries.values().min();
        match (map.def.map_type, first) {
            (MapType::Array, Some(at)) if offset < map.def.value_size => Ok(at + u64::from(offset)),
            (MapType::Array, _) => fault(Fault::InvalidInstruction),
            _ => Err(Stop::Declined),
        }
    }

    /// The object at an address that holds `len` bytes from there on, and how far
    /// into it that is.
    fn find(&mut self, address: u64, len: u64, store: bool) -> Step<(&mut Object, usize)> {
        let missing = Fault::Memory { addr: address, size: u32::try_from(len).unwrap_or(u32::MAX) };
        let (data, end) = (self.data, self.end);
        let layout = self.layout();
        let found = self.objects.range(..=address).next_back();
        let inside = found.and_then(|(&start, object)| {
            let offset = address - start;
            let stop = offset.checked_add(len)?;
            let within = match object.kind {
                Kind::Packet => data <= offset && stop <= end,
                _ => stop <= object.bytes.len() as u64,
            };
            within.then_some((start, usize::try_from(offset).ok()?))
        });
        let Some((start, offset)) = inside else {
            return if self.is_beside_entry(address) {
                Err(Stop::Declined)
            } else {
                fault(missing)
            };
        };
        let Some(object) = self.objects.get_mut(&start) else { return fault(missing) };
        let allowed = match object.kind {
            Kind::Frame => true,
            Kind::Packet => !store || layout.packet_writable,
            Kind::Context => {
                let writable = layout.fields.iter().any(|field| field.writes != Sizes::NONE);
                layout.has_packet() || !store || writable
            }
            Kind::Value { map } => {
                let def = &self.maps[map].def;
                if store { def.is_writable() } else { def.is_readable() }
            }
            Kind::Deleted => return Err(Stop::Declined),
        };
        if allowed { Ok((object, offset)) } else { fault(missing) }
    }

    /// Whether an address is near to what is, or was, a hash map's.
    fn is_beside_entry(&self, address: u64) -> bool {
        self.objects.iter().any(|(at, object)| {
            let hashed = match object.kind {
                Kind::Value { map } => self.maps[map].def.map_type != MapType::Array,
                Kind::Deleted => true,
                Kind::Frame | Kind::Context | Kind::Packet => false,
            };
            hashed && address.abs_diff(*at) < BESIDE
        })
    }

    /// What an access finds at a field of a context with a packet.
    fn field(&mut self, address: u64, len: u64, store: bool) -> Step<Field> {
        let missing = Fault::Memory { addr: address, size: u32::try_from(len).unwrap_or(u32::MAX) };
        if !matches!(self.input, Input::Packet(_)) {
            return Ok(Field::Memory);
        }
        let (object, offset) = self.find(address, len, store)?;
        if object.kind != Kind::Context {
            return Ok(Field::Memory);
        }
        let (offset, len) = (u16::try_from(offset), u16::try_from(len));
        let (Ok(offset), Ok(len)) = (offset, len) else { return fault(missing) };
        match self.layout().access(offset, len, store) {
            None => fault(missing),
            Some(FieldKind::PacketData | FieldKind::PacketMeta) => {
                Ok(Field::Address(self.at.packet + self.data))
            }
            Some(FieldKind::PacketEnd) => Ok(Field::Address(self.at.packet + self.end)),
            // All of an `xdp_md`'s numbers are 0 here.
            Some(FieldKind::Scalar) if self.prog_type == BpfProgType::Xdp => Ok(Field::Memory),
            Some(_) => Err(Stop::Declined),
        }
    }

    /// A load as instructions do it: a context's addresses come whole, and not
    /// sign-extended.
    pub fn load(&mut self, address: u64, size: Size, signed: bool) -> Step<u64> {
        match self.field(address, size.bytes() as u64, false)? {
            Field::Address(pointer) if !signed => Ok(pointer),
            _ => self.load_number(address, size),
        }
    }

    /// A load of what must be memory.
    pub fn load_number(&mut self, address: u64, size: Size) -> Step<u64> {
        let bytes = self.read(address, size.bytes())?;
        let mut wide = [0; 8];
        if cfg!(target_endian = "big") {
            wide[8 - bytes.len()..].copy_from_slice(&bytes);
        } else {
            wide[..bytes.len()].copy_from_slice(&bytes);
        }
        Ok(u64::from_ne_bytes(wide))
    }

    /// As [`load_number`](Self::load_number), of what may be written, too.
    pub fn exchangeable(&mut self, address: u64, size: Size) -> Step<u64> {
        self.writable(address, size.bytes())?;
        self.load_number(address, size)
    }

    /// A store as instructions do it.
    pub fn store(&mut self, address: u64, size: Size, value: u64) -> Step<()> {
        self.store_number(address, size, value)
    }

    /// A store of the low bytes of a number.
    pub fn store_number(&mut self, address: u64, size: Size, value: u64) -> Step<()> {
        let len = size.bytes();
        let all = value.to_ne_bytes();
        let low = if cfg!(target_endian = "big") { &all[8 - len..] } else { &all[..len] };
        self.write(address, low)
    }

    /// Bytes of memory.
    pub fn read(&mut self, address: u64, len: usize) -> Step<Vec<u8>> {
        let wide = len as u64;
        if let Field::Address(_) = self.field(address, wide, false)? {
            let size = u32::try_from(len).unwrap_or(u32::MAX);
            return fault(Fault::Memory { addr: address, size });
        }
        let (object, offset) = self.find(address, wide, false)?;
        Ok(object.bytes[offset..offset + len].to_vec())
    }

    fn writable(&mut self, address: u64, len: usize) -> Step<()> {
        let wide = len as u64;
        if let Field::Address(_) = self.field(address, wide, true)? {
            let size = u32::try_from(len).unwrap_or(u32::MAX);
            return fault(Fault::Memory { addr: address, size });
        }
        self.find(address, wide, true).map(|_| ())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Step<()> {
        self.writable(address, bytes.len())?;
        let (object, offset) = self.find(address, bytes.len() as u64, true)?;
        object.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    /// Gives a key, which has a value at an address, another one. An array's is written over;
    /// a hash map gets a new one, and who holds the address goes on with the old one.
    pub fn replace(&mut self, index: usize, key: Vec<u8>, at: u64, value: Vec<u8>) {
        if self.maps[index].def.map_type == MapType::Array {
            if let Some(object) = self.objects.get_mut(&at) {
                object.bytes = value;
            }
            return;
        }
        self.insert(index, key, value);
        self.maps[index].replaced = Some(at);
    }

    /// Moves the packet's first byte; false where that cannot be. A packet keeps
    /// 14 bytes at least.
    pub fn adjust_head(&mut self, context: u64, delta: i64) -> Step<bool> {
        if !matches!(self.input, Input::Packet(_)) || self.prog_type != BpfProgType::Xdp {
            return Err(Stop::Declined);
        }
        if context != self.at.context {
            return fault(Fault::HelperArgument { helper: XDP_ADJUST_HEAD, arg: 1 });
        }
        match self.data.checked_add_signed(delta) {
            Some(data) if data + 14 <= self.end => {
                self.data = data;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The input and the maps as the program left them, in the form of an
    /// [`Outcome`](crate::place::Outcome).
    pub fn finish(mut self) -> (Vec<u8>, Vec<Vec<u8>>) {
        let input = match self.input {
            Input::Empty => vec![0; 2 * ROOM],
            Input::Bytes(_) => {
                let bytes = self.objects.remove(&self.at.context).map(|object| object.bytes);
                [vec![0; ROOM], bytes.unwrap_or_default(), vec![0; ROOM]].concat()
            }
            Input::Packet(_) => {
                let range = usize::try_from(self.data).expect("a small number")
                    ..usize::try_from(self.end).expect("a small number");
                self.objects[&self.at.packet].bytes[range].to_vec()
            }
        };
        let contents = |map: &Map| {
            map.entries
                .iter()
                .flat_map(|(key, at)| key.iter().chain(&self.objects[at].bytes).copied())
                .collect()
        };
        (input, self.maps.iter().map(contents).collect())
    }
}

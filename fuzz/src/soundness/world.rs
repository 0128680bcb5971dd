//! Where the objects are that addresses point into.

use core::ops::Range;

use kernel_bpf::bytecode::abi::context::{CtxLayout, FieldKind};
use kernel_bpf::bytecode::opcode::Size;
use kernel_bpf::execution::{Run, Step};

/// What a run is given, as addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    layout: &'static CtxLayout,
    /// R1 at the entry.
    pub context: u64,
    /// R10 at the entry.
    frame_pointer: u64,
    frame_bytes: u64,
}

impl World {
    /// At a program's first instruction.
    pub fn at_entry(step: &Step<'_, '_>) -> Self {
        let policy = step.run.environment().stack_policy();
        Self {
            layout: step.run.program().prog_type().context(),
            context: step.registers[1],
            frame_pointer: step.registers[10],
            frame_bytes: policy.frame_bytes() as u64,
        }
    }

    /// R10 of a frame, 0 being the program's own.
    pub fn frame_pointer(&self, run: &Run<'_>, frame: u32) -> u64 {
        self.frame_pointer.wrapping_add(run.frame_stride().wrapping_mul(u64::from(frame)))
    }

    /// The bytes of a frame.
    pub fn frame(&self, run: &Run<'_>, frame: u32) -> Range<u64> {
        let end = self.frame_pointer(run, frame);
        end.wrapping_sub(self.frame_bytes)..end
    }

    /// The number of the running frame.
    pub fn running(&self, run: &Run<'_>) -> u32 {
        let above = run.frame_pointer().wrapping_sub(self.frame_pointer);
        u32::try_from(above / run.frame_stride()).expect("frames lie above the first")
    }

    /// What the context says an address of the packet is.
    fn field(&self, run: &Run<'_>, kind: FieldKind) -> Option<u64> {
        let field = self.layout.fields.iter().find(|field| field.kind == kind)?;
        run.load(self.context.wrapping_add(field.offset.into()), Size::W).ok()
    }

    /// The bytes of the packet.
    pub fn packet(&self, run: &Run<'_>) -> Option<Range<u64>> {
        Some(self.field(run, FieldKind::PacketData)?..self.field(run, FieldKind::PacketEnd)?)
    }

    /// The bytes of the packet's metadata.
    pub fn metadata(&self, run: &Run<'_>) -> Option<Range<u64>> {
        Some(self.field(run, FieldKind::PacketMeta)?..self.field(run, FieldKind::PacketData)?)
    }
}

/// The addresses of a map's values, by index of its definition.
pub(super) fn values<'r>(run: &Run<'r>, map: u32) -> impl Iterator<Item = Range<u64>> + use<'r> {
    let map = run.map(Run::map_handle(map));
    let region = move |index| map?.value_region(index);
    (0..).map_while(region).flat_map(|region| {
        let base = region.base().addr().get();
        let value = move |index| {
            let at = (base + index * region.stride()) as u64;
            at..at + region.value_size() as u64
        };
        (0..region.count()).map(value)
    })
}

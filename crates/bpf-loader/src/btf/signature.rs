//! What the types say of global functions.

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::global::{GlobalFunction, Param};
use bpf_profile::PhysicalProfile;

use super::{Btf, Kind, Type};

/// Registers that hold arguments.
const MAX_PARAMS: usize = 5;

/// What tags on a parameter say.
#[derive(Clone, Copy, Default)]
struct Tags {
    context: bool,
    not_null: bool,
    /// Anything else about arguments.
    other: bool,
}

impl<'d, P: PhysicalProfile> Btf<'d, P> {
    /// The signature of the function of type `id`, which begins at `slot` of a
    /// program of type `prog_type`; none for a function that others do not see.
    pub(crate) fn global_function(
        &self,
        id: u32,
        slot: u32,
        prog_type: BpfProgType,
    ) -> Option<GlobalFunction> {
        let function = self.by_id(id).filter(Type::is_global)?;
        let proto = self.by_id(function.target()?)?;
        let mut out = GlobalFunction::new(slot, &[]);
        out.returns_number = proto.kind == Kind::FunctionProto
            && proto.target().is_some_and(|result| self.is_number(result))
            && proto.entry_count() <= MAX_PARAMS;
        let tags = self.tags(id, &proto);
        let params = (0..proto.entry_count()).map_while(|at| proto.parameter(at));
        for ((param, tags), slot) in params.zip(tags).zip(&mut out.params) {
            *slot = Some(self.param(param, tags, prog_type));
        }
        Some(out)
    }

    /// The names of the functions that a program's function of type `id` says are to be
    /// called behind `bpf_throw`.
    pub(crate) fn exception_callbacks(&self, id: u32) -> impl Iterator<Item = &'d str> {
        let tags = self.types().filter(move |tag| {
            tag.kind == Kind::DeclTag && tag.target() == Some(id) && tag.tagged().is_none()
        });
        tags.filter_map(|tag| self.name(&tag).strip_prefix("exception_callback:"))
    }

    fn is_number(&self, id: u32) -> bool {
        let kind = self.resolve(id).map(|found| found.kind);
        matches!(kind, Some(Kind::Int | Kind::Enum | Kind::Enum64))
    }

    /// The tags on the parameters of a function. Where none is a pointer, nobody
    /// asks for them.
    fn tags(&self, function: u32, proto: &Type<'d>) -> [Tags; MAX_PARAMS] {
        let mut out = [Tags::default(); MAX_PARAMS];
        let mut params = (0..proto.entry_count()).map_while(|at| proto.parameter(at));
        if params.all(|id| self.is_number(id)) {
            return out;
        }
        for tag in self.types() {
            let Some(tags) = tag.tagged().and_then(|at| out.get_mut(at)) else { continue };
            if tag.target() != Some(function) {
                continue;
            }
            match self.name(&tag).strip_prefix("arg:") {
                None | Some("nullable") => {}
                Some("ctx") => tags.context = true,
                Some("nonnull") => tags.not_null = true,
                Some(_) => tags.other = true,
            }
        }
        out
    }

    fn param(&self, id: u32, tags: Tags, prog_type: BpfProgType) -> Param {
        if self.is_number(id) {
            return Param::Number;
        }
        let pointer = self.resolve(id).filter(|found| found.kind == Kind::Pointer);
        let Some(target) = pointer.and_then(|found| found.target()) else { return Param::Other };
        if tags.context || self.is_context(target, prog_type) {
            return Param::Context;
        }
        let dynptr = self.resolve(target).is_some_and(|found| {
            matches!(found.kind, Kind::Struct | Kind::Forward) && self.name(&found) == "bpf_dynptr"
        });
        if dynptr {
            let plain = !tags.other && !tags.not_null;
            return if plain { Param::Dynptr } else { Param::Other };
        }
        match self.size_of(target) {
            Some(size) if !tags.other => {
                if tags.not_null {
                    Param::Memory(size)
                } else {
                    Param::MemoryOrNull(size)
                }
            }
            _ => Param::Other,
        }
    }

    /// Whether the type is that by which programs of a type know their context.
    fn is_context(&self, id: u32, prog_type: BpfProgType) -> bool {
        let names = prog_type.context().c_names;
        let (mut next, mut left) = (Some(id), super::MAX_DEPTH);
        while let Some(found) = next.and_then(|id| self.by_id(id))
            && left > 0
        {
            let named = matches!(found.kind, Kind::Struct | Kind::Typedef | Kind::Forward);
            if named && names.contains(&self.name(&found)) {
                return true;
            }
            next = if found.is_modifier() { found.target() } else { None };
            left = left.saturating_sub(1);
        }
        false
    }
}

//! The fields of a packet's context that say nothing of the packet.

use std::collections::BTreeMap;

use kernel_bpf::bytecode::abi::context::{sk_buff, xdp_md};
use kernel_bpf::execution::BpfContext;

use crate::command::run::frame::Form;

/// Offset and name of each field that may have any value, in `struct xdp_md`.
const XDP: &[(u16, &str)] =
    &[(xdp_md::INGRESS_IFINDEX, "ingress_ifindex"), (xdp_md::RX_QUEUE_INDEX, "rx_queue_index")];

/// The same of `struct __sk_buff`.
const SK_BUFF: &[(u16, &str)] = &[
    (sk_buff::MARK, "mark"),
    (sk_buff::QUEUE_MAPPING, "queue_mapping"),
    (sk_buff::PRIORITY, "priority"),
    (36, "ingress_ifindex"),
    (sk_buff::IFINDEX, "ifindex"),
    (sk_buff::TC_INDEX, "tc_index"),
    (sk_buff::CB, "cb[0]"),
    (sk_buff::CB + 4, "cb[1]"),
    (sk_buff::CB + 8, "cb[2]"),
    (sk_buff::CB + 12, "cb[3]"),
    (sk_buff::CB + 16, "cb[4]"),
    (sk_buff::HASH, "hash"),
    (sk_buff::TC_CLASSID, "tc_classid"),
    (84, "napi_id"),
];

/// The fields that may have any value.
const fn of(form: Form) -> &'static [(u16, &'static str)] {
    match form {
        Form::Xdp => XDP,
        Form::Frame | Form::Network => SK_BUFF,
        Form::Bytes => &[],
    }
}

/// The name of the field at `offset`, if it may have any value.
pub fn name(form: Form, offset: u16) -> Option<&'static str> {
    of(form).iter().find(|(at, _)| *at == offset).map(|(_, name)| *name)
}

/// The context with these values of fields.
pub fn set<'b>(context: BpfContext<'b>, fields: &BTreeMap<u16, u32>) -> BpfContext<'b> {
    fields.iter().fold(context, |context, (offset, value)| context.with_field(*offset, *value))
}

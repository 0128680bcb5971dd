//! Programs at the driver.

use super::ProgTypeDef;
use crate::abi::context::{CtxField, CtxForm, CtxLayout, FieldKind, Sizes, xdp_md};

const FIELDS: &[CtxField] = &[
    CtxField::packet(xdp_md::DATA, FieldKind::PacketData),
    CtxField::packet(xdp_md::DATA_END, FieldKind::PacketEnd),
    CtxField::packet(xdp_md::DATA_META, FieldKind::PacketMeta),
    CtxField::scalars(xdp_md::INGRESS_IFINDEX, xdp_md::EGRESS_IFINDEX, Sizes::ONLY_4),
];

const LAYOUT: CtxLayout =
    CtxLayout::bytes(xdp_md::SIZE, FIELDS).of_form(CtxForm::Xdp).with_writable_packet();

// aya and iproute2 name programs in sections `xdp/…`, which libbpf does not.
pub(super) static XDP: ProgTypeDef =
    ProgTypeDef::new(6, "xdp", LAYOUT).in_sections(&["xdp+", "xdp.frags+"]);

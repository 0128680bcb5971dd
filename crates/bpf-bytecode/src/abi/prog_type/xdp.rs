//! Programs at the driver.

use super::ProgTypeDef;
use crate::abi::context::{CtxField, CtxForm, CtxLayout, FieldKind, Sizes, xdp_md};

const FIELDS: [CtxField; 4] = [
    CtxField::packet(xdp_md::DATA, FieldKind::PacketData),
    CtxField::packet(xdp_md::DATA_END, FieldKind::PacketEnd),
    CtxField::packet(xdp_md::DATA_META, FieldKind::PacketMeta),
    CtxField::scalars(xdp_md::INGRESS_IFINDEX, xdp_md::EGRESS_IFINDEX, Sizes::ONLY_4),
];

const LAYOUT: CtxLayout = CtxLayout::bytes(xdp_md::SIZE, &FIELDS)
    .of_form(CtxForm::Xdp)
    .named(&["xdp_md"])
    .with_writable_packet();

// aya and iproute2 name programs in sections `xdp/…`, which libbpf does not.
pub(super) static XDP: ProgTypeDef =
    ProgTypeDef::new(6, "xdp", LAYOUT).in_sections(&["xdp+", "xdp.frags+"]);

/// Behind a redirect to a device, the interface that the packet leaves by.
const BEHIND_DEVMAP: &[CtxField] =
    &[FIELDS[0], FIELDS[1], FIELDS[2], FIELDS[3], CtxField::scalars(20, 24, Sizes::ONLY_4)];

pub(super) static XDP_DEVMAP: ProgTypeDef =
    ProgTypeDef::new(6, "xdp_devmap", CtxLayout { fields: BEHIND_DEVMAP, ..LAYOUT })
        .attached(33)
        .in_sections(&["xdp/devmap", "xdp.frags/devmap"]);

pub(super) static XDP_CPUMAP: ProgTypeDef = ProgTypeDef::new(6, "xdp_cpumap", LAYOUT)
    .attached(35)
    .in_sections(&["xdp/cpumap", "xdp.frags/cpumap"]);

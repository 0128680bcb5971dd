//! The ring buffer.

use std::ptr::NonNull;

use bpf_bytecode::abi::errno::{EAGAIN, EINVAL};
use bpf_maps::memory::Cells;
use bpf_maps::{
    BPF_RB_AVAIL_DATA, BPF_RB_CONS_POS, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_PROD_POS,
    BPF_RB_RING_SIZE, BpfMap, MapError, RingBuf, RingBuffer, Wakeup,
};
use bpf_profile::ActiveProfile;

fn ring() -> RingBuf<ActiveProfile> {
    RingBuf::with_bytes(4096).unwrap()
}

fn drain(ring: &dyn RingBuffer) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let count = ring
        .consume(&mut |record| {
            let mut bytes = vec![0; record.len()];
            record.copy_to(&mut bytes);
            records.push(bytes);
        })
        .unwrap();
    assert_eq!(count, records.len());
    records
}

/// Fills a reserved record.
#[allow(unsafe_code)]
fn fill(record: NonNull<u8>, byte: u8, len: usize) {
    // SAFETY: the record was reserved with this length, and its ring lives.
    unsafe { Cells::new(record, len) }.fill(byte);
}

#[test]
fn records_come_in_order() {
    let ring = ring();
    ring.output(b"one".as_slice().into(), 0).unwrap();
    ring.output(b"two two two".as_slice().into(), 0).unwrap();
    ring.output(b"".as_slice().into(), 0).unwrap();
    assert_eq!(ring.len(), 16 + 24 + 8);
    assert_eq!(drain(&ring), [b"one".to_vec(), b"two two two".to_vec(), Vec::new()]);
    assert_eq!((ring.len(), drain(&ring).len()), (0, 0));
}

#[test]
fn a_reserved_record_holds_back_the_later_ones() {
    let ring = ring();
    let first = ring.reserve(16, 0).unwrap();
    let second = ring.reserve(8, 0).unwrap();
    let third = ring.reserve(1, 0).unwrap();
    assert_eq!(first.addr().get() % 8, 0);
    fill(second, 2, 8);
    fill(third, 3, 1);
    assert_eq!(ring.submit(third, 0), Ok(Wakeup::NotNeeded));
    assert_eq!(ring.discard(second, 0), Ok(Wakeup::NotNeeded));
    assert!(drain(&ring).is_empty());
    fill(first, 1, 16);
    assert_eq!(ring.submit(first, 0), Ok(Wakeup::Needed));
    assert_eq!(drain(&ring), [vec![1; 16], vec![3]]);
}

#[test]
fn waking() {
    let ring = ring();
    let data = b"x".as_slice();
    assert_eq!(ring.output(data.into(), BPF_RB_NO_WAKEUP), Ok(Wakeup::NotNeeded));
    // The consumer has something to read already.
    assert_eq!(ring.output(data.into(), 0), Ok(Wakeup::NotNeeded));
    assert_eq!(ring.output(data.into(), BPF_RB_FORCE_WAKEUP), Ok(Wakeup::Needed));
    assert_eq!(drain(&ring).len(), 3);
    assert_eq!(ring.output(data.into(), 0), Ok(Wakeup::Needed));
    assert_eq!(ring.output(data.into(), 4).unwrap_err().errno(), EINVAL);
    assert_eq!(drain(&ring).len(), 1);
}

#[test]
fn full() {
    let ring = ring();
    let data = [7; 56];
    // 64 bytes each, and Linux leaves the last byte free.
    for _ in 0..63 {
        ring.output(data.as_slice().into(), 0).unwrap();
    }
    assert_eq!(ring.output(data.as_slice().into(), 0).unwrap_err().errno(), EAGAIN);
    assert!(ring.reserve(56, 0).is_none());
    // A smaller one still fits.
    ring.output([8; 48].as_slice().into(), 0).unwrap();
    assert_eq!(ring.len(), 63 * 64 + 56);
    assert_eq!(drain(&ring).len(), 64);
    ring.output(data.as_slice().into(), 0).unwrap();
    assert_eq!(drain(&ring), [data.to_vec()]);
}

#[test]
fn what_never_fits() {
    let ring = ring();
    assert!(ring.reserve(4096, 0).is_none());
    assert!(ring.reserve(4096 - 8, 0).is_none());
    assert!(ring.reserve(u64::MAX, 0).is_none());
    assert!(ring.reserve(u64::from(u32::MAX), 0).is_none());
    assert!(ring.reserve(8, 1).is_none());
    assert_eq!(ring.query(BPF_RB_PROD_POS), 0);
    assert!(ring.reserve(4096 - 16, 0).is_some());
}

#[test]
#[cfg_attr(miri, ignore = "takes long")]
fn over_the_end_in_one_piece() {
    let ring = ring();
    let mut expected = Vec::new();
    for round in 0..1000_u32 {
        let len = 1 + (round as usize * 37) % 900;
        let byte = round.to_le_bytes()[0];
        let record = ring.reserve(len as u64, 0).unwrap();
        fill(record, byte, len);
        ring.submit(record, 0).unwrap();
        expected.push(vec![byte; len]);
        if round % 3 == 2 {
            assert_eq!(drain(&ring), expected);
            expected.clear();
        }
    }
}

#[test]
fn queries() {
    let ring = ring();
    let all = |ring: &RingBuf<ActiveProfile>| {
        [BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE, BPF_RB_CONS_POS, BPF_RB_PROD_POS, 4, u64::MAX]
            .map(|what| ring.query(what))
    };
    assert_eq!(all(&ring), [0, 4096, 0, 0, 0, 0]);
    ring.output([0; 20].as_slice().into(), 0).unwrap();
    assert_eq!(all(&ring), [32, 4096, 0, 32, 0, 0]);
    drain(&ring);
    assert_eq!(all(&ring), [0, 4096, 32, 32, 0, 0]);
}

#[test]
fn only_reserved_records_can_be_submitted() {
    let ring = ring();
    let record = ring.reserve(32, 0).unwrap();
    fill(record, 0, 32);
    let nearby = |offset: isize| NonNull::new(record.as_ptr().wrapping_offset(offset)).unwrap();
    for offset in [-8, -1, 1, 4, 8, 16, 40, 4096, 1 << 20, -(1 << 20)] {
        let error = ring.submit(nearby(offset), 0).unwrap_err();
        assert_eq!(error, MapError::InvalidValue, "{offset}");
    }
    ring.submit(record, 0).unwrap();
    assert_eq!(ring.submit(record, 0), Err(MapError::InvalidValue));
    assert_eq!(ring.discard(record, 0), Err(MapError::InvalidValue));
    drain(&ring);
    assert_eq!(ring.submit(record, 0), Err(MapError::InvalidValue));
}

/// A program writes its records as it likes, with what looks like a header too.
#[test]
fn a_payload_is_no_header() {
    let ring = ring();
    for byte in [0x40, 0x41, 0x80, 0xc0, 0] {
        let record = ring.reserve(32, 0).unwrap();
        let within = NonNull::new(record.as_ptr().wrapping_add(16)).unwrap();
        fill(record, byte, 32);
        assert_eq!(ring.submit(within, 0), Err(MapError::InvalidValue), "{byte:#x}");
        assert_eq!(ring.discard(within, 0), Err(MapError::InvalidValue), "{byte:#x}");
        ring.submit(record, 0).unwrap();
        assert_eq!(ring.submit(within, 0), Err(MapError::InvalidValue), "{byte:#x}");
        assert_eq!(drain(&ring).len(), 1);
    }
}

#[test]
fn one_consumer_at_a_time() {
    let ring = ring();
    ring.output(b"a".as_slice().into(), 0).unwrap();
    ring.consume(&mut |_| {
        assert_eq!(ring.consume(&mut |_| ()), Err(MapError::Busy));
    })
    .unwrap();

    // A closure that unwinds leaves the ring consumable, from the same record.
    ring.output(b"b".as_slice().into(), 0).unwrap();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = ring.consume(&mut |_| std::panic::resume_unwind(Box::new(())));
    }));
    assert!(unwound.is_err());
    assert_eq!(drain(&ring), [b"b".to_vec()]);
}

#[test]
fn no_keys_no_values() {
    let map: &dyn BpfMap = &ring();
    assert_eq!(map.lookup(&[]), Err(MapError::NotSupported));
    assert_eq!(map.update(&[], &[], 0), Err(MapError::NotSupported));
    assert_eq!(map.delete(&[]), Err(MapError::NotSupported));
    assert_eq!(map.next_key(None, &mut []), Err(MapError::NotSupported));
    assert!(map.lookup_ptr(&[], 0).is_none());
    assert!(map.value_region(0).is_none());
    assert!(map.ring_buf().is_some());
    #[cfg(feature = "cloud-profile")]
    assert_eq!(map.resize(8192), Err(MapError::NotSupported));
}

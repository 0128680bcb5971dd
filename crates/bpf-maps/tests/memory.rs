//! Access to raw memory.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use bpf_maps::memory::{
    self, Cells, Misaligned, Rmw, View, compare_exchange_u32, compare_exchange_u64, rmw_u32,
    rmw_u64,
};

/// Bytes that are accessed through one pointer alone.
struct Memory(Box<[Word]>);

/// Aligned to its size, which a number of 32-bit machines is not.
#[derive(Clone)]
#[repr(align(8))]
struct Word(#[allow(dead_code, reason = "accessed as raw memory")] [u8; 8]);

impl Memory {
    fn new(bytes: usize) -> Self {
        Self(vec![Word([0; 8]); bytes.div_ceil(8)].into_boxed_slice())
    }

    fn at(&mut self, offset: usize) -> NonNull<u8> {
        let len = self.0.len() * 8;
        assert!(offset <= len);
        let base = NonNull::from(&mut *self.0).cast::<u8>();
        // SAFETY: within the box, as just seen.
        unsafe { base.add(offset) }
    }
}

#[test]
fn any_alignment() {
    let mut memory = Memory::new(32);
    let base = memory.at(0);
    for offset in 0..16 {
        // SAFETY: at most 24 of 32 bytes are reached.
        unsafe {
            let at = base.add(offset);
            memory::fill(base, 0xee, 32);
            memory::store_u64(at, 0x1122_3344_5566_7788);
            assert_eq!(memory::load_u64(at), 0x1122_3344_5566_7788);
            let mut bytes = [0; 10];
            memory::copy_out(at, &mut bytes);
            assert_eq!(bytes[..8], 0x1122_3344_5566_7788_u64.to_ne_bytes());
            assert_eq!(bytes[8..], [0xee; 2]);
            assert_eq!(memory::load_u32(at).to_ne_bytes(), bytes[..4]);
            assert_eq!(memory::load_u16(at).to_ne_bytes(), bytes[..2]);
            assert_eq!(memory::load_u8(at), bytes[0]);

            memory::store_u32(at, 0xaabb_ccdd);
            memory::store_u16(at.add(4), 0x0102);
            memory::store_u8(at.add(6), 3);
            let expected =
                [0xaabb_ccdd_u32.to_ne_bytes().as_slice(), &0x0102_u16.to_ne_bytes(), &[3]]
                    .concat();
            assert!(memory::equal(at, &expected));
            assert!(!memory::equal(at, &[0; 9]));
        }
    }
}

#[test]
fn copies_of_every_length_and_alignment() {
    let mut memory = Memory::new(128);
    let base = memory.at(0);
    let pattern: Vec<u8> = (1..=40).collect();
    for (len, from, to) in
        (0..40).flat_map(|len| (0..9).map(move |from| (len, from, (from * 5) % 8)))
    {
        // SAFETY: 64 bytes from either start, of 128.
        unsafe {
            let (from, to) = (base.add(from), base.add(64 + to));
            memory::fill(base, 0, 128);
            memory::copy_in(from, &pattern[..len]);
            memory::copy(from, to, len);
            let mut bytes = vec![9; len];
            memory::copy_out(to, &mut bytes);
            assert_eq!(bytes, pattern[..len]);
            // And not a byte more.
            assert_eq!(memory::load_u8(to.add(len)), 0);
            assert_eq!(memory::load_u8(from.add(len)), 0);
        }
    }
}

#[test]
fn read_modify_write() {
    let mut memory = Memory::new(16);
    let at = memory.at(8);
    // SAFETY: 8 bytes from 8 on, of 16.
    unsafe {
        memory::store_u64(at, u64::MAX);
        assert_eq!(rmw_u64(at, Rmw::Add, 2), Ok(u64::MAX));
        assert_eq!(rmw_u64(at, Rmw::Or, 6), Ok(1));
        assert_eq!(rmw_u64(at, Rmw::And, 5), Ok(7));
        assert_eq!(rmw_u64(at, Rmw::Xor, 1), Ok(5));
        assert_eq!(rmw_u64(at, Rmw::Exchange, 9), Ok(4));
        assert_eq!(compare_exchange_u64(at, 8, 1), Ok(9));
        assert_eq!(compare_exchange_u64(at, 9, 1), Ok(9));
        assert_eq!(memory::load_u64(at), 1);

        memory::store_u64(at, u64::MAX);
        assert_eq!(rmw_u32(at, Rmw::Add, 1), Ok(u32::MAX));
        // The other half is untouched.
        assert_eq!(memory::load_u32(at.add(4)), u32::MAX);
        assert_eq!(rmw_u32(at, Rmw::Or, 6), Ok(0));
        assert_eq!(rmw_u32(at, Rmw::And, 3), Ok(6));
        assert_eq!(rmw_u32(at, Rmw::Xor, 3), Ok(2));
        assert_eq!(rmw_u32(at, Rmw::Exchange, 9), Ok(1));
        assert_eq!(compare_exchange_u32(at, 9, 4), Ok(9));
        assert_eq!(compare_exchange_u32(at, 9, 5), Ok(4));
    }
}

#[test]
fn ordered() {
    let mut memory = Memory::new(8);
    let at = memory.at(0);
    // SAFETY: 8 bytes from 0 on, of 8.
    unsafe {
        assert_eq!(memory::store_release_u64(at, 1 << 40), Ok(()));
        assert_eq!(memory::load_acquire_u64(at), Ok(1 << 40));
        assert_eq!(memory::store_release_u32(at, 7), Ok(()));
        assert_eq!(memory::load_acquire_u32(at), Ok(7));
        assert_eq!(memory::store_release_u16(at, 8), Ok(()));
        assert_eq!(memory::load_acquire_u16(at), Ok(8));
        assert_eq!(memory::store_release_u8(at, 9), Ok(()));
        assert_eq!(memory::load_acquire_u8(at), Ok(9));
    }
}

#[test]
fn atomics_must_be_aligned() {
    let mut memory = Memory::new(32);
    let base = memory.at(0);
    for offset in 1..8 {
        // SAFETY: at most 16 of 32 bytes are reached.
        unsafe {
            let at = base.add(offset);
            assert_eq!(rmw_u64(at, Rmw::Add, 1), Err(Misaligned));
            assert_eq!(compare_exchange_u64(at, 0, 1), Err(Misaligned));
            assert_eq!(memory::load_acquire_u64(at), Err(Misaligned));
            assert_eq!(memory::store_release_u64(at, 1), Err(Misaligned));
            assert_eq!(rmw_u32(at, Rmw::Add, 0).is_err(), offset % 4 != 0);
            assert_eq!(memory::load_acquire_u16(at).is_err(), offset % 2 != 0);
            assert_eq!(memory::load_u64(base), 0);
        }
    }
}

#[test]
fn ranges_are_checked() {
    let mut memory = Memory::new(16);
    // SAFETY: 16 bytes, accessed through these cells alone.
    let cells = unsafe { Cells::new(memory.at(0), 16) };
    assert_eq!(cells.write(12, &[1; 4]), Some(()));
    assert_eq!(cells.write(13, &[2; 4]), None);
    assert_eq!(cells.write(usize::MAX, &[2; 4]), None);
    assert_eq!(cells.write(16, &[]), Some(()));
    assert!(cells.holds(12, &[1; 4]) && !cells.holds(11, &[1; 4]) && !cells.holds(13, &[1; 4]));

    let shared = cells.view();
    let plain: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
    for view in [shared, View::from(plain)] {
        assert_eq!((view.len(), view.is_empty()), (16, false));
        assert_eq!((view.byte(12), view.byte(15), view.byte(16)), (Some(1), Some(1), None));
        let mut bytes = [9; 5];
        assert_eq!(view.read(12, &mut bytes), None);
        assert_eq!(bytes, [9; 5]);
        assert_eq!(view.read(11, &mut bytes), Some(()));
        assert_eq!(bytes, [0, 1, 1, 1, 1]);
        assert!(view.part(16, 0).is_some_and(|part| part.is_empty()));
        assert!(view.part(16, 1).is_none() && view.part(usize::MAX, 2).is_none());
        assert!(view.part(8, 8).unwrap().part(8, 1).is_none());
        assert_eq!(format!("{view:?}"), format!("{plain:?}"));
        cells.write_view(0, view.part(12, 4).unwrap()).unwrap();
        assert!(cells.holds(0, &[1; 4]));
        cells.part(0, 4).unwrap().fill(0);
    }
}

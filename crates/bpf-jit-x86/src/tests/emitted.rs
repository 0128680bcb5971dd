//! What is emitted for small programs of each family, in
//! `snapshots/`, bytecode and machine code side by side.

use std::format;
use std::string::String;

use bpf_bytecode::abi::context::FieldKind;
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_verifier::InsnFact;

use super::decode::listing;
use super::{checked, program, proven_new, proven_with, with_maps};
use crate::runtime::offset;

fn show(text: &str) -> String {
    let program = program(text);
    listing(&program, &proven_new(&program))
}

/// The program that ARCHITECTURE.md shows.
#[test]
fn explained() {
    insta::assert_snapshot!(show(
        "r2 = r10\nr2 += -64\nr1 <<= 2\nr2 += r1\nr2 = *(u32 *)(r2 +0)
         w1 = w2\nw1 <<= 7\nw2 >>= 25\nw2 |= w1\nr0 += r2\nexit"
    ));
}

#[test]
fn addresses() {
    insta::assert_snapshot!(show(
        "r2 = r10\nr2 += -256\nr2 += r1\nr0 = *(u8 *)(r2 +0)\n*(u8 *)(r2 +1) = r0
         r3 = r1\nr3 <<= 3\nr4 = r6\nr4 += r3\nr5 = *(u64 *)(r4 +8)\nr0 += r5
         r3 = r1\nr3 <<= 32\nr3 >>= 30\nr4 = r6\nr4 += r3\nr5 = *(u32 *)(r4 +0)\nr0 += r5
         r2 = r1\nr2 += 14\nr1 = r6\nr5 = *(u16 *)(r2 +0)\nr0 += r5\nr0 += r1\nexit"
    ));
}

#[test]
fn rotations() {
    insta::assert_snapshot!(show(
        "r2 = r1\nr2 <<= 13\nr1 >>= 51\nr1 |= r2
         r5 = r1\nr5 >>= 63\nr1 <<= 1\nr1 ^= r5\nw5 = w1\nw5 <<= 2\nw1 >>= 30\nw1 += w5
         w3 = w1\nw3 >>= 25\nw4 = w1\nw4 <<= 7\nw4 |= w3\nw1 ^= w4
         r2 = r1\nr2 <<= 13\nr1 >>= 50\nr1 |= r2\nr0 = r1\nexit"
    ));
}

/// A mask that leaves the upper bits of 32, and a shift of these to the lowest, are one shift;
/// not where the mask leaves less, or is read before that.
#[test]
fn masked() {
    insta::assert_snapshot!(show(
        "r3 = 0xffff0000 ll\nr2 = r1\nr2 &= r3\nr2 >>= 16\nr1 <<= 16\nr1 |= r2
         r4 = 0xfff80000 ll\nr5 = 9
         r2 = r1\nr2 &= r4\nr1 <<= 13\nr2 >>= 19\nr1 |= r2\nr5 += -1\nif r5 != 0 goto -7
         r3 = 0x7fff0000 ll\nr2 = r1\nr2 &= r3\nr2 >>= 16\nr1 ^= r2
         r3 = 0xffff0000 ll\nr2 = r1\nr2 &= r3\nr1 ^= r2\nr2 >>= 16\nr1 ^= r2
         r3 = 0xdeadbeef ll\nw2 ^= w3\nr1 += r2\nr0 = r1\nexit"
    ));
}

/// Bits that a register counts, counts under a mask, and masks of what is only compared with 0;
/// not where a mask leaves too little, widths differ, or the register that counts has changed.
#[test]
fn bits() {
    insta::assert_snapshot!(show(
        "r2 = 1\nr2 <<= r3\nr1 |= r2\nw2 = 1\nw2 <<= w3\nw4 ^= w2\nr2 = 1\nr2 <<= r4
         r2 ^= -1\nr1 &= r2\nr2 = 1\nr2 <<= r4\nr2 |= r1\nr1 += r2
         w2 = 1\nw2 <<= w3\nr1 |= r2\nr2 = 1\nr2 <<= r3\nr3 += 1\nr3 ^= r4\nr1 |= r2
         r2 = 1\nr2 <<= r3\nr1 ^= r2\nr4 &= r2\nif r4 == 0 goto +1\nr1 += r3
         r2 = r3\nr2 &= 63\nr5 = r1\nr5 >>= r2\nr2 = r3\nr2 &= 31\nr1 >>= r2\nr1 += r5
         r2 = r3\nr2 &= 1016\nr5 = r1\nr5 ^= r3\nif r2 == 0 goto +1\nr5 += 3
         r2 = r3\nr2 &= 6\nr5 += 1\nr5 ^= r1\nif r2 != 0 goto +1\nr5 += r2
         r2 = r5\nr2 <<= 1\nr2 ^= r3\nr0 = r5\nr0 ^= r2\nexit"
    ));
}

/// Sums of halves: the two change places where nobody sees it.
#[test]
fn parts() {
    insta::assert_snapshot!(show(
        "w2 = w1\nw2 >>= 16\nw1 &= 65535\nw1 += w2\nw2 = w1\nw2 >>= 16\nw2 += w1
         r3 = r4\nr3 >>= 32\nw4 = w4\nr4 += r3
         w3 = w2\nw3 >>= 8\nw2 &= 255\nr5 = r4\nr5 += 1\nr3 ^= r2\nr0 = r3\nr0 += r5
         w3 = w5\nw3 >>= 16\nw5 &= 65535\nw5 -= w3\nr0 += r5
         w3 = w5\nw3 >>= 16\nw5 &= 65535\nw5 += w3\nr0 += r5\nr0 += r3
         w3 = w5\nw3 >>= 16\nw5 &= 65535\nif r5 == 0 goto +1\nw5 += w3\nr0 += r5\nexit"
    ));
}

#[test]
fn fused() {
    insta::assert_snapshot!(show(
        "r2 = *(u8 *)(r1 +9)\nif r2 != 17 goto out
         r2 = *(u32 *)(r1 +12)\nr2 = be32 r2\nr3 = *(u16 *)(r1 +2)\nr3 = be16 r3\nr2 += r3
         r4 = *(u64 *)(r6 +0)\nr4 += 1\n*(u64 *)(r6 +0) = r4
         r5 = *(u64 *)(r6 +8)\nr2 ^= r5\nr2 = be64 r2\n*(u64 *)(r6 +16) = r2
         r7 &= 64\nif r7 == 0 goto out\nr8 += -1\nif r8 != 0 goto out
         r3 = 0\n*(u32 *)(r6 +4) = r3\nout: r0 = 1\nexit"
    ));
}

/// An outcome that only a branch asks for, soon, is that branch; others are asked for by the flags of
/// what they came of, as is what is compared twice. A jump to what is next is none.
#[test]
fn outcomes() {
    insta::assert_snapshot!(show(
        "w4 = 1\nif w2 < w3 goto +1\nw4 = 0\nif w4 != 1 goto out\nr0 += 2
         w4 = 0\nif r2 & r3 goto +1\nw4 = 1\nif w4 == 0 goto out
         r5 = *(u64 *)(r1 +0)\nw4 = 1\nif r5 != r3 goto +1\nw4 = 0\nr6 = r3\nif w4 == 0 goto +1
         r6 = r2\nr0 += r6\nr0 += r4\nw4 = 1\nif w6 > w3 goto +1\nw4 = 0\nr8 = r6\nr7 = 4
         if w4 != 0 goto out\nr0 += r7\nr0 += r8
         if r2 > r5 goto out\nr7 = r3\nif r2 == r5 goto out\nr7 += r0\nif r2 s< r5 goto out
         if r3 != 0 goto +0\nr0 += r7\nout: exit"
    ));
}

/// A shift says whether the lower half is zero, too, if there is no upper one; not by one bit
/// less.
#[test]
fn shifted_down() {
    insta::assert_snapshot!(show(
        "r0 *= r2\nr3 = r0\nr3 >>= 32\nif w3 != 0 goto out\nr3 = r0\nr3 >>= 31\nif w3 == 0 goto out
         r3 = r0\nr3 >>= 40\nr4 = 1\nif w3 != 0 goto +1\nr4 = r3\nr0 += r4
         r3 = r0\nr3 >>= 32\nif w3 s< 0 goto out\nr0 += r3\nout: r0 += r3\nexit"
    ));
}

/// Of low bits the sign is looked at as they are, if they are not read with it; not where
/// what they are of has changed, or where it is another one's width that has the sign.
#[test]
fn signs() {
    insta::assert_snapshot!(show(
        "w2 = w1\nw2 <<= 24\nw2 s>>= 24\nw3 += 1\nif w2 s> -1 goto out
         r2 = r1\nr2 <<= 48\nr2 s>>= 48\nif r2 s< 0 goto out
         r2 = (s32)r1\nif r2 s>= 0 goto out\nr2 = (s8)r1\nif r2 == 0 goto out
         w2 = w1\nw2 <<= 16\nw2 s>>= 16\nif r2 s< 0 goto out
         w2 = (s8)w1\nr1 += 3\nif w2 s< 0 goto out\nr2 = (s8)r1\nif r2 s> -1 goto out\nr0 += r2
         out: r0 += r3\nexit"
    ));
}

/// A load that is shifted up and down again is one with a sign; not where it has
/// more bits.
#[test]
fn extended() {
    insta::assert_snapshot!(show(
        "r2 = *(u32 *)(r1 +4)\nr2 <<= 32\nr2 s>>= 32\nr3 = *(u16 *)(r1 +8)\nw3 <<= 16\nw3 s>>= 16
         r2 += r3\nr3 = *(u8 *)(r1 +1)\nr3 <<= 56\nr3 s>>= 56\nr2 += r3
         r3 = *(u16 *)(r1 +2)\nw3 <<= 24\nw3 s>>= 24\nr2 += r3
         r1 = *(u16 *)(r1 +2)\nr1 <<= 48\nr1 s>>= 48\nr2 += r1\nr0 = r2\nexit"
    ));
}

/// What is put together of bytes is one load, perhaps with a swap; not what is read again.
#[test]
fn merged() {
    insta::assert_snapshot!(show(
        "r2 = *(u8 *)(r1 +5)\nr2 <<= 8\nr3 = *(u8 *)(r1 +4)\nr2 |= r3\nr0 += r2
         r2 = *(u8 *)(r1 +0)\nw2 <<= 24\nr3 = *(u8 *)(r1 +1)\nw3 <<= 16\nw3 |= w2
         r2 = *(u8 *)(r1 +2)\nw2 <<= 8\nw3 |= w2\nr2 = *(u8 *)(r1 +3)\nw3 |= w2\nr0 ^= r3
         r2 = *(u32 *)(r1 +12)\nr3 = *(u32 *)(r1 +8)\nr2 <<= 32\nr3 |= r2\nr0 += r3
         r2 = *(u8 *)(r1 +6)\nr3 = *(u8 *)(r1 +7)\nr2 <<= 8\nr3 |= r2\nr0 += r3
         r2 = *(u8 *)(r1 +8)\nr3 = *(u8 *)(r1 +9)\nr3 <<= 8\nr3 |= r2\nr0 += r3\nr0 += r2\nexit"
    ));
}

/// What is loaded to be compared is compared where it is, but on the stack; and what is changed by
/// what is loaded sets the flags.
#[test]
fn compared() {
    insta::assert_snapshot!(show(
        "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nif r3 > r2 goto out\nr3 = *(u64 *)(r1 +8)
         if r6 == r3 goto out\nr3 = *(u32 *)(r1 +16)\nif w6 s< w3 goto out
         r4 = *(u8 *)(r1 +20)\nr5 = r1\nr5 += r2\nr3 = *(u8 *)(r5 +21)\nif r4 != r3 goto out
         r3 = *(u16 *)(r1 +22)\nif r4 < r3 goto out\nr3 = *(u16 *)(r1 +24)\nif r6 < r3 goto out
         r3 = *(u64 *)(r10 -8)\nif r3 == r6 goto out\nr3 = *(u64 *)(r1 +32)\nr6 &= r3
         if r6 == 0 goto out\nr0 = r2\nexit\nout: r0 = 2\nexit"
    ));
}

/// Of what is stored in part, for the last time, only the lower half is computed.
#[test]
fn halves() {
    insta::assert_snapshot!(show(
        "r2 = *(u32 *)(r1 +0)\nr3 = r2\nr3 += 1\n*(u32 *)(r1 +0) = r3\nr3 = r2\nr3 <<= 5
         *(u16 *)(r1 +4) = r3\nr3 = r2\nr3 &= -8\n*(u8 *)(r1 +6) = r3\nr3 = r2\nr3 += r6
         *(u64 *)(r1 +8) = r3\nr3 += 8\n*(u32 *)(r1 +16) = r3\nr0 = r3\nexit"
    ));
}

/// A branch over a jump is a branch under the opposite condition.
#[test]
fn turned() {
    insta::assert_snapshot!(show(
        "if r1 == 3 goto +1\ngoto out\nr2 = *(u8 *)(r1 +0)\nif r2 > 7 goto +1\ngoto out
         r3 &= 8\nif r3 == 0 goto +1\ngoto out\nr4 += -1\nif r4 s>= 0 goto +1\ngoto out
         if r5 & 6 goto +1\ngoto out\nif r6 s> r7 goto +2\nr0 = r4\ngoto out\nr0 = 1\nexit
         out: r0 = 2\nexit"
    ));
}

/// A branch over a move is a conditional move.
#[test]
fn chosen() {
    insta::assert_snapshot!(show(
        "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nif r2 < r3 goto +1\nr2 = r3\nr0 += r2
         r4 = 0\nif r3 > 9 goto +1\nr4 = 1\nr0 += r4\nr4 = 1\nif r3 > r2 goto +1\nr4 = 0\nr0 += r4
         again: r2 = *(u64 *)(r1 +8)\nr4 = 5\nif r2 s> r3 goto +1\nr4 = 600\nr0 += r4\nr1 += 8
         w4 = w3\nif r2 > 200 goto +1\nw4 = w6\nr5 = r3\nr5 ^= r2\nif r2 < r3 goto +1\nw5 = w6
         r0 += r4\nr7 = r2\nr7 &= 64\nif r7 == 0 goto +1\nr5 = r3\nr0 ^= r5
         r6 += -1\nif r6 != 0 goto again\nexit"
    ));
}

/// What is put off in front of a conditional move stays so, where no jump leads behind it.
#[test]
fn straight() {
    insta::assert_snapshot!(show(
        "again: r2 = *(u32 *)(r1 +0)\nr3 = *(u8 *)(r1 +4)\nr4 = r10\nr4 += -64\nr4 += r3
         if r2 < r7 goto +1\nr2 = r7\nr5 = *(u8 *)(r4 +0)\nr0 += r5\nr0 += r2
         w5 = w3\nw5 &= 12\nr4 = r3\nif w5 == 0 goto +1\nr4 = r2\nr0 += r4
         r4 = r8\nif w5 == 0 goto +1\nr4 = r7\nr0 ^= r4
         r4 = r10\nr4 += -32\nr4 += r3\nif r2 == 5 goto +2\nif r3 < r2 goto +1\nr2 = r3
         r5 = *(u8 *)(r4 +0)\nr0 += r5\nr0 += r2
         r1 += 8\nr6 += -1\nif r6 != 0 goto again\nexit"
    ));
}

/// A bound is no matter of chance; another number in its place is, and what another register
/// gets.
#[test]
fn bounds() {
    insta::assert_snapshot!(show(
        "again: r2 = *(u32 *)(r1 +0)\nif r2 < 1500 goto +1\nr2 = 1500\nif r2 > 200 goto +1
         r2 = 200\nw3 = w2\nif w3 s> -1 goto +1\nw3 = 0\nr0 += r2\nr0 += r3
         r2 = *(u32 *)(r1 +4)\nr3 = 5\nif r2 < 1500 goto +1\nr3 = 1500\nr0 += r3
         if r2 < 1500 goto +1\nr2 = 1502\nr0 += r2\nr1 += 8\nr6 += -1
         if r6 != 0 goto again\nexit"
    ));
}

/// Products that are sums of shifted numbers, with the sum behind them.
#[test]
fn products() {
    insta::assert_snapshot!(show(
        "r2 = *(u8 *)(r1 +0)\nw0 *= 31\nw0 += w2\nr2 = *(u8 *)(r1 +1)\nw2 += 7\nw0 *= 33\nw2 += w0
         r2 *= 10\nr2 += r3\nr3 *= 24\nr4 = r6\nr4 += r3\nr5 = *(u64 *)(r4 +8)\nr2 += r5
         r2 *= 31\nr2 ^= r7\nr2 *= 31\nr2 += r7\nr0 = r2\nr0 += r7\nr6 = 9
         again: r2 = *(u8 *)(r1 +0)\nr0 *= 33\nr0 += r2\nr7 *= 31\nr7 += r2\nr2 += 1\nr0 ^= r2
         w3 = w0\nw3 *= 63\nr7 *= 17\nr7 ^= r3
         r6 += -1\nif r6 != 0 goto again\nr0 += r7\nexit"
    ));
}

#[test]
fn needless() {
    insta::assert_snapshot!(show(
        "r2 = *(u8 *)(r1 +0)\nr2 &= 255\nw3 = w2\nr3 <<= 32\nr3 >>= 32\nr4 = r3\nr4 *= 5
         r5 = r4\nr5 += 1\nw0 = w5\nr0 += r2\nexit"
    ));
}

#[test]
fn arithmetic() {
    insta::assert_snapshot!(show(
        "r0 = 0\nr1 = 1\nr2 = -1\nr3 = 0x123456789abcdef0 ll\nw4 = -1\nr5 = r1\nw6 = w1
         r7 += r8\nw7 += 1\nr9 -= 1000\nr0 ^= r3\nr1 |= 7\nw2 &= 255\nr3 = -r3\nr4 *= 10
         r5 *= r6\nr0 = be16 r0\nr1 = be32 r1\nr2 = le16 r2\nr3 = bswap64 r3
         r4 = (s8)r5\nw5 = (s16)w6\nexit"
    ));
}

#[test]
fn shifts() {
    insta::assert_snapshot!(show(
        "r0 <<= 3\nw1 >>= 4\nr2 s>>= 63\nr0 <<= r4\nw4 >>= w1\nr4 s>>= r4\nr6 <<= r7
         r3 = r2\nr3 <<= 48\nr3 s>>= 48\nw5 = w2\nw5 <<= 24\nw5 s>>= 24\nw8 = w2\nw8 <<= 16
         w8 >>= 16\nr0 += r3\nr0 += r5\nr0 += r8\nexit"
    ));
}

#[test]
fn division() {
    insta::assert_snapshot!(show(
        "r0 /= 10\nr3 %= r1\nr6 /= r0\nw7 s/= w3\nr0 s%= -1\nw1 %= 0\nexit"
    ));
}

#[test]
fn memory() {
    insta::assert_snapshot!(show(
        "r0 = *(u8 *)(r1 +0)\nr2 = *(u16 *)(r10 -8)\nr3 = *(u32 *)(r7 +0)
         r4 = *(u64 *)(r1 +1000)\nr5 = *(s8 *)(r1 +1)\nr6 = *(s32 *)(r1 +4)
         *(u8 *)(r10 -1) = 7\n*(u16 *)(r10 -4) = -1\n*(u64 *)(r10 -16) = 1
         *(u8 *)(r10 -1) = r2\n*(u64 *)(r10 -16) = r9\nexit"
    ));
}

#[test]
fn atomics() {
    insta::assert_snapshot!(show(
        "lock *(u64 *)(r10 -8) += r1\nlock *(u32 *)(r10 -8) |= w2
         r3 = atomic_fetch_add((u64 *)(r10 -8), r3)\nw4 = atomic_fetch_xor((u32 *)(r1 +4), w4)
         r0 = atomic_fetch_and((u64 *)(r0 +0), r0)\nr5 = xchg_64(r10 -8, r5)
         w0 = cmpxchg32_32(r10 -8, w0, w1)\nexit"
    ));
}

/// A helper that calls a function of the program is a loop, if all is known of it.
#[test]
fn rounds() {
    insta::assert_snapshot!(show(
        "r6 = r1\nr1 = 10\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall 181\nr1 = r6\nr7 = r0
         r2 = subprog[g] ll\nr3 = r10\nr3 += -8\nr4 = 0\ncall 181\nr0 += r7\nexit
         f: r0 = 0\nexit\ng: r7 = r2\n*(u64 *)(r7 +0) = r1\nr0 = *(u64 *)(r10 -8)\nexit"
    ));
}

#[test]
fn jumps() {
    insta::assert_snapshot!(show(
        "start: if r1 == 0 goto out\nif w2 > 7 goto out\nif r3 s< r4 goto out
         if r5 & 0x100 goto start\nif w6 <= 1000 goto start\ngoto start\nout: exit"
    ));
}

#[test]
fn calls() {
    insta::assert_snapshot!(show("call 7\nr6 = r0\ncall local f\nr0 += r6\nexit\nf: r0 = 1\nexit"));
}

/// What is on the stack is loaded by itself, and a key is not loaded that has just been
/// put there.
#[test]
fn stack() {
    let text = "r3 = *(u32 *)(r10 -8)\nw4 += w3\nr3 = *(u64 *)(r1 +8)\nr4 += r3
         *(u32 *)(r10 -4) = r4\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall 1\nr6 = r0
         *(u32 *)(r10 -4) = 9\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall 1\nr6 += r0
         *(u32 *)(r10 -4) = r6\nr6 += 1\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall 1
         r0 += r6\nexit";
    let program = with_maps(text, &[MapDef::new(MapType::Array, 4, 16, 100)]);
    insta::assert_snapshot!(without_links(listing(&program, &proven_new(&program))));
}

/// Values of an array, of one by address, and of a hash map.
#[test]
fn maps() {
    let text = "r6 = map[idx:1][0]+8\nr7 = *(u64 *)(r6 +16)\nr7 &= 7\nr6 += r7\nr7 = *(u8 *)(r6 +0)
         *(u32 *)(r10 -4) = r7\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall 1
         if r0 == 0 goto out\nr7 = *(u64 *)(r0 +8)\n*(u64 *)(r10 -16) = r7
         r1 = map[idx:0]\nr2 = r10\nr2 += -16\ncall 1\nr8 = r0
         r1 = map[idx:2]\nr2 = r10\nr2 += -16\ncall 1\nif r0 != 0 goto out\nr7 = 0
         out: r0 = r7\nexit";
    let maps = [
        MapDef::new(MapType::Array, 4, 16, 100),
        MapDef::new(MapType::Array, 4, 100, 1),
        MapDef::new(MapType::Hash, 8, 8, 100),
    ];
    let program = with_maps(text, &maps);
    insta::assert_snapshot!(without_links(listing(&program, &proven_new(&program))));
}

/// The CPU, for which the host is asked once a run.
#[test]
fn cpu() {
    let program = program("call 8\nr6 = r0\ncall 8\nr0 -= r6\nexit");
    let listing = listing(&program, &proven_new(&program));
    let known = format!("[r15+{:X}h]", offset::KNOWN_CPU);
    insta::assert_snapshot!(listing.replace(&known, "[known CPU]"));
}

/// Where a session has the links depends on what else it has.
fn without_links(mut listing: String) -> String {
    for link in 0..2 {
        for (at, name) in [
            (offset::link_base(link), "base"),
            (offset::link_bound(link), "bound"),
            (offset::link_end(link), "end"),
        ] {
            listing = listing.replace(&format!("[r15+{at:X}h]"), &format!("[link {link}: {name}]"));
        }
    }
    listing
}

#[test]
fn context() {
    let program = program(
        "r2 = *(u32 *)(r1 +4)\nr1 = *(u32 *)(r1 +0)\nr0 = 0\nif r2 > r1 goto +2
         r0 = 1\nr0 = 2\nexit",
    );
    let mut facts = [InsnFact::Plain; 7];
    facts[0] = InsnFact::ContextPointer(FieldKind::PacketEnd);
    facts[1] = InsnFact::ContextPointer(FieldKind::PacketData);
    (facts[4], facts[5]) = (InsnFact::Unreached, InsnFact::Unreached);
    insta::assert_snapshot!(listing(&program, &proven_with(&program, &facts)));
}

#[test]
fn unverified() {
    let program = program(
        "r0 = *(u32 *)(r1 +8)\n*(u64 *)(r10 -8) = r0\nr2 = atomic_fetch_or((u64 *)(r10 -8), r2)
         call 7\ncall local f\nr10 = 1\nexit\nf: r0 = 1\nexit",
    );
    insta::assert_snapshot!(listing(&program, &checked(&program)));
}

/// The end of a loop, once in place of a jump ahead and once of one back; what is put off in
/// front of it stays so.
#[test]
fn copied() {
    insta::assert_snapshot!(show(
        "r0 = 0\nr3 = 0\nagain: r2 = *(u8 *)(r1 +0)\nif r2 s> 9 goto other\nr0 += 3\ngoto next
         other: r0 ^= r2\nnext: r1 += 1\nr3 += 1\nif r3 != 64 goto again
         goto enter\nback: r1 += 1\nr3 += -1\nif r3 != 0 goto enter\nexit
         enter: r2 = *(u8 *)(r1 +0)\nif r2 s> 9 goto back\nr0 <<= 2\nr1 += 8\ngoto back"
    ));
}

//! Programs that are none, registers without values, arithmetic.

mod common;

use common::{SOCKET, XDP};

#[test]
fn smallest_programs() {
    SOCKET.accepts("r0 = 0\nexit");
    SOCKET.rejects("R0 !read_ok", "exit");
    SOCKET.rejects("R2 !read_ok", "r0 = r2\nexit");
    SOCKET.rejects("R0 !read_ok", "r0 += 1\nexit");
    SOCKET.rejects("R3 !read_ok", "r0 = 0\nif r0 == r3 goto +0\nexit");
    SOCKET.rejects("R5 !read_ok", "*(u64 *)(r10 -8) = r5\nr0 = 0\nexit");
}

#[test]
fn unreachable_instructions() {
    SOCKET.rejects("unreachable insn 2", "r0 = 0\nexit\nr0 = 1\nexit");
    SOCKET.rejects("unreachable insn 1", "goto +1\nr0 = 1\nr0 = 0\nexit");
    // Reached by the graph, though by no execution.
    SOCKET.accepts("r0 = 0\nif r0 == 0 goto out\nr0 = r9\nout: exit");
}

#[test]
fn functions_are_closed() {
    SOCKET.rejects(
        "it leaves the function",
        "call local f
         if r0 == 0 goto inside
         exit
         f: r0 = 0
         inside: exit",
    );
    SOCKET.rejects(
        "last insn of the function",
        "call local f
         r0 = 0
         if r0 == 0 goto over
         exit
         over: r0 = 1
         f: r0 = 0
         exit",
    );
}

#[test]
fn immediates_that_linux_refuses() {
    SOCKET.rejects("invalid shift 64", "r0 = 1\nr0 <<= 64\nexit");
    SOCKET.rejects("invalid shift 32", "r0 = 1\nw0 >>= 32\nexit");
    SOCKET.rejects("invalid shift -1", "r0 = 1\nr0 s>>= -1\nexit");
    SOCKET.accepts("r0 = 1\nr0 <<= 63\nw0 <<= 31\nexit");
    SOCKET.rejects("div by zero", "r0 = 1\nr0 /= 0\nexit");
    SOCKET.rejects("div by zero", "r0 = 1\nw0 %= 0\nexit");
    // By a register that may be zero, division is defined.
    SOCKET.accepts("r0 = *(u32 *)(r1 +0)\nr2 = 7\nr2 /= r0\nr0 = r2\nexit");
    // Where it is not reached it does no harm.
    SOCKET.accepts("r0 = 1\nif r0 == 1 goto out\nr0 /= 0\nout: exit");
}

#[test]
fn frame_pointer_is_read_only() {
    SOCKET.rejects("frame pointer is read only", "r10 = 1\nr0 = 0\nexit");
    SOCKET.rejects("frame pointer is read only", "r10 += -8\nr0 = 0\nexit");
    SOCKET.rejects(
        "frame pointer is read only",
        "*(u64 *)(r10 -8) = 1\nr10 = *(u64 *)(r10 -8)\nr0 = 0\nexit",
    );
}

#[test]
fn calls_leave_arguments_without_values() {
    SOCKET.rejects("R1 !read_ok", "r6 = r1\ncall 5\nr0 = r1\nexit");
    SOCKET.accepts("r6 = r1\ncall 5\nr0 = *(u32 *)(r6 +0)\nexit");
    SOCKET.rejects(
        "R0 !read_ok",
        "r2 = map[idx:3] ll
         r3 = 0
         call 12
         exit",
    );
}

#[test]
fn values_on_some_paths_only() {
    SOCKET.rejects(
        "R2 !read_ok",
        "r0 = *(u32 *)(r1 +0)
         if r0 == 0 goto out
         r2 = 1
         out: r0 = r2
         exit",
    );
    SOCKET.accepts(
        "r0 = *(u32 *)(r1 +0)
         r2 = 0
         if r0 == 0 goto out
         r2 = 1
         out: r0 = r2
         exit",
    );
}

#[test]
fn every_arithmetic_instruction_of_version_4() {
    SOCKET.accepts(
        "r0 = *(u32 *)(r1 +0)
         r1 = r0
         r1 s/= 3
         w1 s%= 7
         r2 = (s8)r1
         w3 = (s16)w2
         r4 = (s32)r3
         r4 = bswap16 r4
         r4 = be32 r4
         r4 = le64 r4
         r4 = -r4
         w4 = -w4
         r0 ^= r4
         if w0 s< 5 goto over
         r0 *= r1
         over: gotol end
         end: exit",
    );
}

#[test]
fn what_is_not_supported_is_named() {
    SOCKET.rejects("calls of kernel functions", "r0 = 0\ncall kfunc 7\nexit");
    SOCKET.rejects("by file descriptor", "r1 = map[fd:3] ll\nr0 = 0\nexit");
    XDP.rejects("BPF_LD_[ABS|IND] instructions not allowed", "r6 = r1\nr0 = *(u8 *)skb[0]\nexit");
}

#[test]
fn legacy_packet_loads() {
    SOCKET.accepts("r6 = r1\nr0 = *(u16 *)skb[12]\nexit");
    SOCKET.accepts("r6 = r1\nr7 = 14\nr0 = *(u8 *)skb[r7 +9]\nexit");
    SOCKET.rejects("R6 !read_ok", "r0 = *(u16 *)skb[12]\nexit");
    SOCKET.rejects("R6 invalid mem access 'scalar'", "r6 = 0\nr0 = *(u16 *)skb[12]\nexit");
    SOCKET.rejects("R6 invalid mem access 'ctx'", "r6 = r1\nr6 += 4\nr0 = *(u16 *)skb[12]\nexit");
    SOCKET.rejects("R1 !read_ok", "r6 = r1\nr0 = *(u16 *)skb[12]\nr0 = r1\nexit");
    // The result has as many bits as were loaded.
    SOCKET.accepts(
        "r6 = r1
         r0 = *(u8 *)skb[0]
         if r0 <= 255 goto out
         r0 = r9
         out: exit",
    );
}

//! Programs that Linux's verifier refuses and this one accepts, and why that is
//! sound. Everything else that Linux refuses for the sake of memory, and what it
//! refuses by policy, is refused here too. Every row has its programs in
//! `tests/beyond_linux.rs`, beside near misses that are refused.
//!
//! | what | why Linux refuses it | why it is sound |
//! | --- | --- | --- |
//! | shift by a register that may hold the width of the operand or more | the count's upper bits count as undefined: the result is unknown | RFC 9669 masks the count, every engine does so, and the domain computes with the masked count |
//! | numbers stored at places that are not a multiple of eight, and loads that take bytes of several stores | only stores to aligned slots of eight bytes are kept as numbers | the state holds every run of written bytes with its content; a load puts known bytes together as the machine does, and counts as unknown where one of them is |
//! | an address in a caller's frame that a callee stores in that frame, or in that of a function further in | any address of the stack in another frame is refused | an address may not be stored in a frame that outlives the one it points into; the frame pointed into is that frame or one further out, which ends no earlier |
//! | loops that end, after more rounds than a million walked instructions allow, where later rounds are covered by earlier ones | the walk goes on to the limit | a round is left out only where one that covers it was walked, and only with a bound on the rounds |
//! | numbers on the stack, beside a helper that reads them | what lies where a helper was given an address is forgotten, so that a loop's counter that serves as a key seems to stand still | helpers write no memory but what their signature says, and read the rest |
//! | a comparison of what may be null with a register that holds 0 | null checks are comparisons with the number 0, or with what cannot be null | whoever differs from 0 is not null |
//! | an offset that is the quotient or remainder of known numbers, where only a known one may be added | the result of a division is unknown | the domain divides known numbers as the machine does |
//! | bytes of a packet behind an unknown number of others, all of which one comparison proved to be there | whoever adds an unknown number to a pointer has to compare it again | of the bytes behind a pointer as many are left behind the sum as the number cannot be greater; neither wraps, as `range_behind` in `core/pointer.rs` says |
//! | bytes of a packet at a constant less an unknown number, such as the last of so many | the unknown part of an address that is compared with the end may not be below 0 | the sum is from 0 on and no further than comparisons serve, so neither it nor what it is made of wraps, as `learn_range` in `core/packet.rs` says |
//! | indices that are the quotient or remainder of an unknown number and a constant | the result of a division is unknown | a remainder is below what was divided by, and a quotient no larger than that of the bound |
//! | a size or index whose low half has bounds, where two shifts or a signed move make that half the whole | the shifts lose the bound from below, so that a size might be 0; the move loses both | the half stays as it was, and the domain keeps its bounds |
//! | tail calls in functions behind 256 bytes of frames and more | so that 33 of them, one in the other, do not overrun the kernel's stack | a run has as many frames as its policy says; a tail call that finds none left fails like others |
//! | tail calls and deprecated loads in functions that return nothing by their type | what takes over returns a number, and so does a load beyond the packet | that return is a path of its own, with that number in R0 |
//!
//! # Loaders that may not see addresses
//!
//! [`Privilege::Unprivileged`](crate::Privilege::Unprivileged) keeps addresses
//! inside of the program. Linux's rules for such loaders go further in what is no
//! question of this crate, and a kernel that needs them has to add them:
//!
//! - Linux walks branches that cannot be taken, as a processor might before it
//!   knows better. Here they are not walked: nothing is promised about what can be
//!   measured of speculative execution.
//! - Linux keeps functions, loops, and some helpers and fields of the context from
//!   them.

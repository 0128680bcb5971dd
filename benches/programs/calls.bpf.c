/* Small functions that are called again and again. */
#include "bench.h"

static __noinline u64 mix(u64 a, u64 b)
{
    a ^= b >> 7;
    return a * 0x9e3779b97f4a7c15ULL + b;
}

static __noinline u64 step(u64 state, u64 word, u64 round)
{
    u64 left = mix(state, word);
    u64 right = mix(word, round);
    return left ^ right >> 3;
}

static __always_inline u32 work(u8 *data, u8 *end)
{
    u64 state = 1;
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < BYTES; i += 8)
        state = step(state, READ64(data + i), i);
    return fold(state);
}

WORKLOAD(calls, work)

/* Bit tricks on words of 64 bits: population, reversal, leading zeros, parity,
 * interleaving. */
#include "bench.h"

static __always_inline u64 population(u64 x)
{
    x -= x >> 1 & 0x5555555555555555ULL;
    x = (x & 0x3333333333333333ULL) + (x >> 2 & 0x3333333333333333ULL);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    return x * 0x0101010101010101ULL >> 56;
}

static __always_inline u64 reverse(u64 x)
{
    x = (x >> 1 & 0x5555555555555555ULL) | (x & 0x5555555555555555ULL) << 1;
    x = (x >> 2 & 0x3333333333333333ULL) | (x & 0x3333333333333333ULL) << 2;
    x = (x >> 4 & 0x0f0f0f0f0f0f0f0fULL) | (x & 0x0f0f0f0f0f0f0f0fULL) << 4;
    return __builtin_bswap64(x);
}

static __always_inline u64 leading_zeros(u64 x)
{
    x |= x >> 1;
    x |= x >> 2;
    x |= x >> 4;
    x |= x >> 8;
    x |= x >> 16;
    x |= x >> 32;
    return 64 - population(x);
}

static __always_inline u64 spread(u32 half)
{
    u64 x = half;
    x = (x | x << 16) & 0x0000ffff0000ffffULL;
    x = (x | x << 8) & 0x00ff00ff00ff00ffULL;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fULL;
    x = (x | x << 2) & 0x3333333333333333ULL;
    return (x | x << 1) & 0x5555555555555555ULL;
}

static __always_inline u32 work(u8 *data, u8 *end)
{
    u64 sum = 0;
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < BYTES; i += 8) {
        u64 x = READ64(data + i);
        sum += population(x) << 32 | leading_zeros(x >> (x & 31));
        sum ^= reverse(x) + (spread((u32)x) | spread((u32)(x >> 32)) << 1);
    }
    return fold(sum);
}

WORKLOAD(bits, work)

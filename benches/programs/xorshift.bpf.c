/* A generator of random numbers, and how they fall. */
#include "bench.h"

static __always_inline u32 work(u8 *data, u8 *end)
{
    u64 state = READ64(data) | 1;
    u32 high = 0, runs = 0, last = 0;
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < 1000; i++) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        u32 number = (u32)(state * 0x2545f4914f6cdd1dULL >> 32);
        if (number > 0xc0000000)
            high++;
        if ((number & 1) != last) {
            runs++;
            last = number & 1;
        }
    }
    return fold(state) ^ high << 16 ^ runs;
}

WORKLOAD(xorshift, work)

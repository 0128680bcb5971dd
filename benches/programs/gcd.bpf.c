/* Greatest common divisors by Euclid's algorithm. */
#include "bench.h"

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 sum = 0;
#pragma clang loop unroll(disable)
    for (u32 pair = 0; pair < 16; pair++) {
        u32 a = READ16(data + 4 * pair), b = READ16(data + 4 * pair + 2);
#pragma clang loop unroll(disable)
        for (u32 i = 0; i < 24; i++) {
            if (b == 0)
                break;
            u32 rest = a % b;
            a = b;
            b = rest;
        }
        sum = sum * 31 + a;
    }
    return sum;
}

WORKLOAD(gcd, work)

/* Powers modulo a prime: multiplications and divisions by a constant. */
#include "bench.h"

#define PRIME 1000000007ULL

static __always_inline u32 work(u8 *data, u8 *end)
{
    u64 sum = 0;
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < 16; i++) {
        u64 base = READ32(data + 8 * i), result = 1;
        u32 exponent = READ32(data + 8 * i + 4);
#pragma clang loop unroll(disable)
        for (u32 bit = 0; bit < 32; bit++) {
            if (exponent & 1)
                result = result * base % PRIME;
            base = base * base % PRIME;
            exponent >>= 1;
        }
        sum += result;
    }
    return fold(sum);
}

WORKLOAD(modpow, work)

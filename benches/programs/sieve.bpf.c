/* The sieve of Eratosthenes over 1024 bits on the stack. */
#include "bench.h"

#define LIMIT 1024

static __always_inline u32 work(u8 *data, u8 *end)
{
    u64 composite[LIMIT / 64] = {};
    u32 primes = 0;
#pragma clang loop unroll(disable)
    for (u32 i = 2; i < 32; i++) {
        if (composite[i >> 6] >> (i & 63) & 1)
            continue;
#pragma clang loop unroll(disable)
        for (u32 j = i * i; j < LIMIT; j += i)
            composite[j >> 6] |= 1ULL << (j & 63);
    }
#pragma clang loop unroll(disable)
    for (u32 i = 2; i < LIMIT; i++)
        primes += ~(composite[i >> 6] >> (i & 63)) & 1;
    return primes * 1000 + data[primes & 127];
}

WORKLOAD(sieve, work)

/* SipHash-2-4, a keyed hash of words of 64 bits. */
#include "bench.h"

#define ROUND                                                                  \
    do {                                                                       \
        a += b; b = ROTL64(b, 13); b ^= a; a = ROTL64(a, 32);                  \
        c += d; d = ROTL64(d, 16); d ^= c;                                     \
        a += d; d = ROTL64(d, 21); d ^= a;                                     \
        c += b; b = ROTL64(b, 17); b ^= c; c = ROTL64(c, 32);                  \
    } while (0)

static __always_inline u32 work(u8 *data, u8 *end)
{
    u64 k0 = 0x0706050403020100ULL, k1 = 0x0f0e0d0c0b0a0908ULL;
    u64 a = k0 ^ 0x736f6d6570736575ULL, b = k1 ^ 0x646f72616e646f6dULL;
    u64 c = k0 ^ 0x6c7967656e657261ULL, d = k1 ^ 0x7465646279746573ULL;
    for (u32 i = 0; i < BYTES; i += 8) {
        u64 word = READ64(data + i);
        d ^= word;
        ROUND;
        ROUND;
        a ^= word;
    }
    u64 last = (u64)BYTES << 56;
    d ^= last;
    ROUND;
    ROUND;
    a ^= last;
    c ^= 0xff;
    ROUND;
    ROUND;
    ROUND;
    ROUND;
    return fold(a ^ b ^ c ^ d);
}

WORKLOAD(siphash, work)

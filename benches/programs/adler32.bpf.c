/* Adler-32, reduced after every sixteenth byte. */
#include "bench.h"

#define MODULUS 65521

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 a = 1, b = 0;
    for (u32 i = 0; i < BYTES; i += 16) {
        for (u32 j = 0; j < 16; j++) {
            a += data[i + j];
            b += a;
        }
        a %= MODULUS;
        b %= MODULUS;
    }
    return b << 16 | a;
}

WORKLOAD(adler32, work)

/* Blocks of ChaCha20 on the stack, summed up with the packet. */
#include "bench.h"

#define QUARTER(a, b, c, d)                                                    \
    do {                                                                       \
        x[a] += x[b]; x[d] ^= x[a]; x[d] = ROTL32(x[d], 16);                   \
        x[c] += x[d]; x[b] ^= x[c]; x[b] = ROTL32(x[b], 12);                   \
        x[a] += x[b]; x[d] ^= x[a]; x[d] = ROTL32(x[d], 8);                    \
        x[c] += x[d]; x[b] ^= x[c]; x[b] = ROTL32(x[b], 7);                    \
    } while (0)

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 x[16];
    u32 sum = 0;
    for (u32 block = 0; block < 4; block++) {
        x[0] = 0x61707865;
        x[1] = 0x3320646e;
        x[2] = 0x79622d32;
        x[3] = 0x6b206574;
        for (u32 i = 0; i < 12; i++)
            x[4 + i] = READ32(data + 4 * i) + block;
#pragma clang loop unroll(disable)
        for (u32 i = 0; i < 10; i++) {
            QUARTER(0, 4, 8, 12);
            QUARTER(1, 5, 9, 13);
            QUARTER(2, 6, 10, 14);
            QUARTER(3, 7, 11, 15);
            QUARTER(0, 5, 10, 15);
            QUARTER(1, 6, 11, 12);
            QUARTER(2, 7, 8, 13);
            QUARTER(3, 4, 9, 14);
        }
        for (u32 i = 0; i < 16; i++)
            sum = ROTL32(sum, 5) + x[i];
    }
    return sum;
}

WORKLOAD(chacha20, work)

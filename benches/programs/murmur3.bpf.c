/* MurmurHash3 with 32 bits. */
#include "bench.h"

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 hash = 0x9747b28c;
    for (u32 i = 0; i < BYTES; i += 4) {
        u32 k = READ32(data + i);
        k *= 0xcc9e2d51;
        k = ROTL32(k, 15);
        k *= 0x1b873593;
        hash ^= k;
        hash = ROTL32(hash, 13);
        hash = hash * 5 + 0xe6546b64;
    }
    hash ^= BYTES;
    hash ^= hash >> 16;
    hash *= 0x85ebca6b;
    hash ^= hash >> 13;
    hash *= 0xc2b2ae35;
    return hash ^ hash >> 16;
}

WORKLOAD(murmur3, work)

/* xxHash with 64 bits: four lanes over stripes of 32 bytes. */
#include "bench.h"

#define P1 0x9e3779b185ebca87ULL
#define P2 0xc2b2ae3d27d4eb4fULL
#define P3 0x165667b19e3779f9ULL
#define P4 0x85ebca77c2b2ae63ULL

static __always_inline u64 round(u64 lane, u64 input)
{
    return ROTL64(lane + input * P2, 31) * P1;
}

static __always_inline u64 merge(u64 hash, u64 lane)
{
    return (hash ^ round(0, lane)) * P1 + P4;
}

static __always_inline u32 work(u8 *data, u8 *end)
{
    u64 a = P1 + P2, b = P2, c = 0, d = -P1;
    for (u32 i = 0; i < BYTES; i += 32) {
        a = round(a, READ64(data + i));
        b = round(b, READ64(data + i + 8));
        c = round(c, READ64(data + i + 16));
        d = round(d, READ64(data + i + 24));
    }
    u64 hash = ROTL64(a, 1) + ROTL64(b, 7) + ROTL64(c, 12) + ROTL64(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d) + BYTES;
    hash = (hash ^ hash >> 33) * P2;
    hash = (hash ^ hash >> 29) * P3;
    return fold(hash ^ hash >> 32);
}

WORKLOAD(xxhash64, work)

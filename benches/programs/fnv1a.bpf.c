/* FNV-1a with 64 bits, a byte at a time. */
#include "bench.h"

static __always_inline u32 work(u8 *data, u8 *end)
{
    u64 hash = 0xcbf29ce484222325ULL;
    for (u32 i = 0; i < BYTES; i++) {
        hash ^= data[i];
        hash *= 0x100000001b3ULL;
    }
    return fold(hash);
}

WORKLOAD(fnv1a, work)

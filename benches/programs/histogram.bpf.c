/* How often which bytes occur, by their upper six bits, counted on the stack. */
#include "bench.h"

#define BUCKETS 64

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 counts[BUCKETS] = {};
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < BYTES; i++)
        counts[data[i] >> 2]++;
    u32 most = 0, hash = 0;
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < BUCKETS; i++) {
        if (counts[i] > most)
            most = counts[i];
        hash = hash * 31 + counts[i];
    }
    return hash ^ most;
}

WORKLOAD(histogram, work)

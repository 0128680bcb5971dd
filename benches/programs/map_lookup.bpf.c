/* Counts bytes of the packet in the values of an array. */
#include "bench.h"

#ifdef __bpf__

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 256);
    __type(key, u32);
    __type(value, u64);
} counts SEC(".maps");

#define LOOKUP(key) bpf_map_lookup_elem(&counts, key)

#else

u64 counts[256];

static __noinline u64 *LOOKUP(const u32 *key)
{
    return *key < 256 ? &counts[*key] : 0;
}

#endif

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 found = 0;
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < 256; i++) {
        u32 key = data[i];
        if (key & 1)
            key += 128;
        u64 *count = LOOKUP(&key);
        if (count) {
            *count += 1;
            found++;
        }
    }
    return found;
}

WORKLOAD(map_lookup, work)

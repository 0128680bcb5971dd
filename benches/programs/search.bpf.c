/* Binary search for 64 numbers in an ascending list on the stack. */
#include "bench.h"

#define COUNT 64

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 list[COUNT];
    u32 next = 0, found = 0;
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < COUNT; i++) {
        next += 1 + data[i];
        list[i] = next;
    }
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < COUNT; i++) {
        u32 wanted = READ16(data + 64 + 2 * i) & 0x3fff;
        u32 at = 0;
#pragma clang loop unroll(disable)
        for (u32 step = COUNT / 2; step > 0; step >>= 1) {
            if (list[(at + step) & (COUNT - 1)] <= wanted)
                at = (at + step) & (COUNT - 1);
        }
        found = found * 7 + at;
    }
    return found;
}

WORKLOAD(search, work)

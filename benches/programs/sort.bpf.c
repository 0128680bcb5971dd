/* Sorts 32 numbers on the stack, neighbours by neighbours, without branches that
 * depend on them. */
#include "bench.h"

#define COUNT 32

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 numbers[COUNT];
    for (u32 i = 0; i < COUNT; i++)
        numbers[i] = READ32(data + 4 * i);
#pragma clang loop unroll(disable)
    for (u32 last = COUNT - 1; last > 0; last--) {
#pragma clang loop unroll(disable)
        for (u32 i = 0; i < last; i++) {
            u32 a = numbers[i], b = numbers[i + 1];
            /* All ones where b is less than a. */
            u32 less = (u32)(((u64)b - a) >> 32);
            u32 change = (a ^ b) & less;
            numbers[i] = a ^ change;
            numbers[i + 1] = b ^ change;
        }
    }
    u32 hash = 0;
    for (u32 i = 0; i < COUNT; i++)
        hash = hash * 31 + numbers[i];
    return hash;
}

WORKLOAD(sort, work)

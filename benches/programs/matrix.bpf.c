/* A product of two matrices of 6 by 6 numbers, all on the stack. */
#include "bench.h"

#define SIDE 6

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE];
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < SIDE * SIDE; i++) {
        a[i] = READ16(data + 2 * i);
        b[i] = READ16(data + 256 + 2 * i);
    }
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < SIDE; i++) {
#pragma clang loop unroll(disable)
        for (u32 j = 0; j < SIDE; j++) {
            u32 sum = 0;
#pragma clang loop unroll(disable)
            for (u32 k = 0; k < SIDE; k++)
                sum += a[i * SIDE + k] * b[k * SIDE + j];
            c[i * SIDE + j] = sum;
        }
    }
    u32 hash = 0;
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < SIDE * SIDE; i++)
        hash = hash * 31 + c[i];
    return hash;
}

WORKLOAD(matrix, work)

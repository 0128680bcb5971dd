/* Bytes as hexadecimal text on the stack and back again. */
#include "bench.h"

static const u8 DIGITS[16] = "0123456789abcdef";

static __always_inline u8 value(u32 digit)
{
    return (digit & 15) + (digit >> 6) * 9;
}

static __always_inline u32 work(u8 *data, u8 *end)
{
    u8 text[256];
    u32 sum = 0;
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < 128; i++) {
        u8 byte = data[i];
        text[2 * i] = DIGITS[byte >> 4];
        text[2 * i + 1] = DIGITS[byte & 15];
    }
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < 128; i++)
        sum = sum * 31 + (u8)(value(text[2 * i]) << 4 | value(text[2 * i + 1]));
    return sum;
}

WORKLOAD(hex, work)

/* Names of DNS questions: labels in lower case, hashed with type and class. */
#include "bench.h"

#define LABELS 4

static __always_inline u32 question(u8 *at, u8 *end)
{
    u32 hash = 5381;
    for (u32 label = 0; label < LABELS; label++) {
        if (at + 1 > end)
            return hash;
        u32 length = *at;
        if (length == 0)
            break;
        if (length > 15)
            return hash + length;
        for (u32 i = 0; i < 15; i++) {
            if (i >= length)
                break;
            if (at + 2 + i > end)
                return hash;
            u8 byte = at[1 + i];
            if (byte >= 'A' && byte <= 'Z')
                byte += 'a' - 'A';
            hash = hash * 33 ^ byte;
        }
        hash += length << 8;
        /* Read again, so that the verifier need not know it in each way that the
         * loop ends. */
        at += 1 + (*(volatile u8 *)at & 15);
    }
    if (at + 5 > end)
        return hash;
    return hash ^ (SWAP16(READ16(at + 1)) + ((u32)SWAP16(READ16(at + 3)) << 16));
}

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 sum = 0;
    /* The packet holds sixteen questions, 64 bytes each. */
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < 16; i++)
        sum = ROTL32(sum, 3) + question(data + 64 * i, end);
    return sum;
}

WORKLOAD(dns_name, work)

/* A list of type, length, value: sums by type, until its end. */
#include "bench.h"

static __always_inline u32 work(u8 *data, u8 *end)
{
    u8 *at = data;
    u32 sums = 0, count = 0;
    for (u32 i = 0; i < 256; i++) {
        if (at + 2 > end)
            break;
        u32 type = at[0], length = at[1];
        if (type == 0)
            break;
        u8 *value = at + 2;
        switch (type & 7) {
        case 1:
            if (value + 1 <= end)
                sums += value[0];
            break;
        case 2:
            if (value + 2 <= end)
                sums += SWAP16(READ16(value));
            break;
        case 3:
            if (value + 4 <= end)
                sums ^= SWAP32(READ32(value));
            break;
        case 4:
            if (value + 8 <= end)
                sums += fold(READ64(value));
            break;
        default:
            sums = ROTL32(sums, 1);
        }
        count++;
        at = value + (length & 31);
    }
    return sums ^ count << 20;
}

WORKLOAD(tlv, work)

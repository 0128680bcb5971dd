/* The Internet's checksum: ones' complement sum of 16-bit words in network order,
 * folded once at the end. */
#include "bench.h"

static __always_inline u32 work(u8 *data, u8 *end)
{
    u64 sum = 0;
    for (u32 i = 0; i < BYTES; i += 2)
        sum += SWAP16(READ16(data + i));
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (u16)~sum;
}

WORKLOAD(csum, work)

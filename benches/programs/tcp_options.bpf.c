/* Ethernet, IPv4 with options, TCP with options: a hash of addresses and ports,
 * the window scale, the segment size and the time stamp. */
#include "bench.h"

#define ETHERTYPE_IPV4 0x0800
#define PROTOCOL_TCP 6
#define MAX_OPTIONS 6

static __always_inline u32 options(u8 *at, u8 *stop, u8 *end)
{
    u32 found = 0;
    for (u32 i = 0; i < MAX_OPTIONS; i++) {
        if (at + 1 > end || at >= stop)
            break;
        u8 kind = at[0];
        if (kind == 0)
            break;
        if (kind == 1) {
            at += 1;
            continue;
        }
        if (at + 2 > end)
            break;
        if (kind == 2 && at + 4 <= end)
            found += SWAP16(READ16(at + 2));
        else if (kind == 3 && at + 3 <= end)
            found += (u32)at[2] << 16;
        else if (kind == 8 && at + 10 <= end)
            found ^= SWAP32(READ32(at + 2)) ^ SWAP32(READ32(at + 6));
        u8 length = at[1];
        if (length < 2 || length > 40)
            break;
        at += length;
    }
    return found;
}

static __always_inline u32 frame(u8 *data, u8 *end)
{
    if (data + 14 + 20 > end || SWAP16(READ16(data + 12)) != ETHERTYPE_IPV4)
        return 1;
    u8 *ip = data + 14;
    u32 header = (ip[0] & 15) * 4;
    if (ip[0] >> 4 != 4 || header < 20 || ip[9] != PROTOCOL_TCP)
        return 2;
    u32 hash = READ32(ip + 12) * 31 + READ32(ip + 16);
    u8 *tcp = ip + header;
    if (tcp + 20 > end)
        return 3;
    hash = hash * 31 + READ16(tcp);
    hash = hash * 31 + READ16(tcp + 2);
    u32 offset = (tcp[12] >> 4) * 4;
    if (offset < 20)
        return 4;
    return hash ^ options(tcp + 20, tcp + offset, end) ^ (u32)tcp[13] << 8;
}

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 sum = 0;
    /* The packet holds eight frames, 128 bytes each. */
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < 8; i++)
        sum = ROTL32(sum, 3) + frame(data + 128 * i, end);
    return sum;
}

WORKLOAD(tcp_options, work)

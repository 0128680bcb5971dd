/* Jenkins' hash of 32-bit words, three at a time, as load balancers hash flows. */
#include "bench.h"

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 a = 0xdeadbeef + BYTES, b = a, c = a;
    for (u32 i = 0; i < BYTES - 12; i += 12) {
        a += READ32(data + i);
        b += READ32(data + i + 4);
        c += READ32(data + i + 8);
        a -= c; a ^= ROTL32(c, 4); c += b;
        b -= a; b ^= ROTL32(a, 6); a += c;
        c -= b; c ^= ROTL32(b, 8); b += a;
        a -= c; a ^= ROTL32(c, 16); c += b;
        b -= a; b ^= ROTL32(a, 19); a += c;
        c -= b; c ^= ROTL32(b, 4); b += a;
    }
    a += READ32(data + BYTES - 4);
    c ^= b; c -= ROTL32(b, 14);
    a ^= c; a -= ROTL32(c, 11);
    b ^= a; b -= ROTL32(a, 25);
    c ^= b; c -= ROTL32(b, 16);
    a ^= c; a -= ROTL32(c, 4);
    b ^= a; b -= ROTL32(a, 14);
    c ^= b; c -= ROTL32(b, 24);
    return c;
}

WORKLOAD(jhash, work)

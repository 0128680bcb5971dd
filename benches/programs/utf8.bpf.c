/* UTF-8: how many characters there are, and where the first mistake is. */
#include "bench.h"

static __always_inline u32 work(u8 *data, u8 *end)
{
    u32 characters = 0, needed = 0, low = 0x80, high = 0xbf;
    for (u32 i = 0; i < BYTES; i++) {
        u32 byte = data[i];
        if (needed == 0) {
            if (byte < 0x80) {
                characters++;
            } else if (byte >= 0xc2 && byte <= 0xdf) {
                needed = 1;
            } else if (byte >= 0xe0 && byte <= 0xef) {
                needed = 2;
                if (byte == 0xe0)
                    low = 0xa0;
                if (byte == 0xed)
                    high = 0x9f;
            } else if (byte >= 0xf0 && byte <= 0xf4) {
                needed = 3;
                if (byte == 0xf0)
                    low = 0x90;
                if (byte == 0xf4)
                    high = 0x8f;
            } else {
                return i << 16 | characters;
            }
        } else {
            if (byte < low || byte > high)
                return i << 16 | characters;
            low = 0x80;
            high = 0xbf;
            needed--;
            if (needed == 0)
                characters++;
        }
    }
    return characters;
}

WORKLOAD(utf8, work)

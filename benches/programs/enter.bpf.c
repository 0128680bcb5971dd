/* Nothing but entering and leaving. */
#include "bench.h"

static __always_inline u32 work(u8 *data, u8 *end)
{
    return 7;
}

WORKLOAD(enter, work)

/* What the workloads have in common. Each is compiled twice: for BPF, as an XDP
 * program, and for the machine that measures, as a function of a library. */
#ifndef BENCH_H
#define BENCH_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed int s32;

#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))

#ifdef __bpf__

#define SEC(name) __attribute__((section(name), used))
#define ENTRY SEC("xdp")

/* Linux's context of an XDP program: addresses as 32 bits, which loads widen. */
struct context {
    u32 data;
    u32 data_end;
};

#define ADDRESS(field) ((u8 *)(long)(field))

#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define BPF_MAP_TYPE_ARRAY 2

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;

char _license[] SEC("license") = "GPL";

#else

#define ENTRY

struct context {
    u8 *data;
    u8 *data_end;
};

#define ADDRESS(field) (field)

#endif

/* Bytes of every packet. */
#define BYTES 1024

/* Defines the program `name`, which gives `work` the packet and its end. */
#define WORKLOAD(name, work)                                                   \
    ENTRY u32 name(struct context *ctx)                                        \
    {                                                                          \
        u8 *data = ADDRESS(ctx->data);                                         \
        u8 *end = ADDRESS(ctx->data_end);                                      \
        if (data + BYTES > end)                                                \
            return 0;                                                          \
        return work(data, end);                                                \
    }

#define ROTL32(x, n) ((u32)(x) << (n) | (u32)(x) >> (32 - (n)))
#define ROTL64(x, n) ((u64)(x) << (n) | (u64)(x) >> (64 - (n)))

/* Reads without regard to alignment, as the machines allow. */
#define READ16(p) (*(const u16 *)(p))
#define READ32(p) (*(const u32 *)(p))
#define READ64(p) (*(const u64 *)(p))

#define SWAP16(x) __builtin_bswap16(x)
#define SWAP32(x) __builtin_bswap32(x)

/* 64 bits as the 32 that a program returns. */
static __always_inline u32 fold(u64 x)
{
    return (u32)(x ^ x >> 32);
}

#endif

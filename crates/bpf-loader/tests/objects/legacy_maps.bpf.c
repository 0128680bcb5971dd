// SPDX-License-Identifier: MIT OR Apache-2.0
/* Maps as structures of numbers in the section `maps`, in the form with
 * pinning that iproute2 and aya write. */
#include "../../../../examples/programs/bpf.h"

struct map_def {
	u32 type;
	u32 key_size;
	u32 value_size;
	u32 max_entries;
	u32 flags;
	u32 id;
	u32 pinning;
};

struct map_def counters SEC("maps") = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = 4,
	.value_size = 8,
	.max_entries = 3,
};

struct map_def sources SEC("maps") = {
	.type = BPF_MAP_TYPE_HASH,
	.key_size = 4,
	.value_size = 8,
	.max_entries = 100,
	.flags = BPF_F_NO_PREALLOC,
	.pinning = 1,
};

SEC("socket/legacy")
int legacy(struct __sk_buff *skb)
{
	u32 key = skb->ifindex;
	u64 *count = bpf_map_lookup_elem(&sources, &key);

	if (!count) {
		key = 1;
		count = bpf_map_lookup_elem(&counters, &key);
	}
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

/* Loaders of that time went by sections, and took static programs as well. */
SEC("socket/unshared")
__attribute__((used)) static int unshared(struct __sk_buff *skb)
{
	return skb->len;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

// SPDX-License-Identifier: MIT OR Apache-2.0
/* Compile-once relocations that the object's own types answer. */
#include "../../../../examples/programs/bpf.h"

#define RELOCATABLE __attribute__((preserve_access_index))

struct inner {
	u32 pad;
	u16 cells[6];
} RELOCATABLE;

struct reading {
	u64 time;
	struct inner inner[2];
	u32 low : 5;
	u32 high : 9;
} RELOCATABLE;

enum level { LOW = 3, HIGH = 0x70000001 };

SEC("raw_tp/reading")
int core(struct reading *reading)
{
	u64 sum = reading->time + reading->inner[1].cells[4];

	if (__builtin_preserve_field_info(reading->inner[1].pad, 2))
		sum += __builtin_preserve_field_info(reading->inner[1].pad, 0);
	sum += __builtin_preserve_field_info(reading->inner[0], 1);
	sum += __builtin_preserve_type_info(*(struct reading *)0, 0);
	sum += __builtin_preserve_type_info(*(struct reading *)0, 1);
	sum += __builtin_preserve_enum_value(*(enum level *)HIGH, 1);
	sum += __builtin_preserve_enum_value(*(enum level *)LOW, 0);
	sum += __builtin_btf_type_id(*(struct reading *)0, 0);
	return sum;
}

SEC("raw_tp/target")
int target(void *ctx)
{
	return __builtin_btf_type_id(*(struct reading *)0, 1);
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

// SPDX-License-Identifier: MIT OR Apache-2.0
/* Reads telegrams of a meter, record by record, checks that they are what they say,
 * and keeps the readings. About a thousand instructions, with loops, functions and many
 * variables on the stack, to measure how much memory a program of that size takes to
 * verify. */
#include "../../programs/bpf.h"

#define RECORDS 12
#define KEPT 16

struct reading {
	u64 value;
	u32 unit;
	u32 seen;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u64);
	__type(value, struct reading);
} readings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct event {
	u64 meter;
	u64 value;
	u32 unit;
	u32 cause;
};

u64 accepted;
u64 short_ones;
u64 wrong_sums;
u64 unknown_records;

#define ROTATE(x, by) ((x) << (by) | (x) >> (64 - (by)))
#define ROUND(a, b, c, d)          \
	do {                       \
		a += b;            \
		b = ROTATE(b, 13); \
		b ^= a;            \
		a = ROTATE(a, 32); \
		c += d;            \
		d = ROTATE(d, 16); \
		d ^= c;            \
		a += d;            \
		d = ROTATE(d, 21); \
		d ^= a;            \
		c += b;            \
		b = ROTATE(b, 17); \
		b ^= c;            \
		c = ROTATE(c, 32); \
	} while (0)

/* A keyed sum of what the telegram holds. */
static ALWAYS_INLINE u64 keyed_sum(const u64 *words, u32 count, u64 key0, u64 key1)
{
	u64 a = key0 ^ 0x736f6d6570736575, b = key1 ^ 0x646f72616e646f6d;
	u64 c = key0 ^ 0x6c7967656e657261, d = key1 ^ 0x7465646279746573;

#pragma clang loop unroll(full)
	for (u32 at = 0; at < count; at++) {
		d ^= words[at];
		ROUND(a, b, c, d);
		ROUND(a, b, c, d);
		a ^= words[at];
	}
	c ^= 0xff;
	ROUND(a, b, c, d);
	ROUND(a, b, c, d);
	ROUND(a, b, c, d);
	ROUND(a, b, c, d);
	return a ^ b ^ c ^ d;
}

static NOINLINE void report(u64 meter, u64 value, u32 unit, u32 cause)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return;
	event->meter = meter;
	event->value = value;
	event->unit = unit;
	event->cause = cause;
	bpf_ringbuf_submit(event, 0);
}

/* Keeps a reading, and says so where it is an unlikely one. */
static NOINLINE int keep(u64 meter, u64 value, u32 unit)
{
	u64 key = meter ^ (u64)unit << 48;
	struct reading *before = bpf_map_lookup_elem(&readings, &key);

	if (!before) {
		struct reading first = { .value = value, .unit = unit, .seen = 1 };

		report(meter, value, unit, 1);
		return bpf_map_update_elem(&readings, &key, &first, BPF_NOEXIST) == 0;
	}
	if (value < before->value)
		report(meter, value, unit, 2);
	else if (value - before->value > before->value >> 2)
		report(meter, value, unit, 3);
	before->value = value;
	before->seen++;
	return 1;
}

/* Digits of two to a byte, the last ones first. */
static ALWAYS_INLINE u64 decimal(const u8 *bytes, u32 count)
{
	u64 value = 0;

#pragma clang loop unroll(full)
	for (int at = 5; at >= 0; at--) {
		u8 high = bytes[at] >> 4, low = bytes[at] & 0xf;

		if (at >= (int)count)
			continue;
		if (high > 9 || low > 9)
			return ~0ull;
		value = value * 100 + high * 10 + low;
	}
	return value;
}

SEC("xdp")
int telegrams(struct xdp_md *ctx)
{
	u8 *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	u64 words[6], values[4] = {}, meter, sum;
	u32 kept = 0, kinds = 0;
	u16 check = 0;

	if (at + 64 > end) {
		short_ones++;
		return XDP_DROP;
	}
	if (at[0] != 0x68 || at[3] != 0x68 || at[1] != at[2]) {
		unknown_records++;
		return XDP_DROP;
	}
	__builtin_memcpy(words, at + 8, sizeof(words));
	sum = keyed_sum(words, 6, 0x0706050403020100, 0x0f0e0d0c0b0a0908);
	if ((u32)sum != *(u32 *)(at + 56)) {
		wrong_sums++;
		return XDP_DROP;
	}
	for (int byte = 4; byte < 56; byte++)
		check += at[byte];
	if ((u8)check != at[60]) {
		wrong_sums++;
		return XDP_DROP;
	}
	meter = decimal(at + 8, 4);
	if (meter == ~0ull) {
		unknown_records++;
		return XDP_DROP;
	}
	at += 64;
	for (int record = 0; record < RECORDS; record++) {
		u8 kind, unit;
		u64 value;

		if (at + 8 > end)
			break;
		kind = at[0];
		unit = at[1] & 0x7f;
		switch (kind & 0xf) {
		case 1:
			value = at[2];
			break;
		case 2:
			value = at[2] | at[3] << 8;
			break;
		case 4:
			value = at[2] | at[3] << 8 | at[4] << 16 | (u64)at[5] << 24;
			break;
		case 6:
			value = at[2] | at[3] << 8 | at[4] << 16 | (u64)at[5] << 24 |
				(u64)at[6] << 32 | (u64)at[7] << 40;
			break;
		case 0xa:
			value = decimal(at + 2, 2);
			break;
		case 0xc:
			value = decimal(at + 2, 4);
			break;
		case 0xe:
			value = decimal(at + 2, 6);
			break;
		default:
			value = ~0ull;
		}
		at += 8;
		if (value == ~0ull) {
			unknown_records++;
			continue;
		}
		/* Energy, volume, power and flow, with the powers of ten of their units. */
		if (unit < 0x08) {
			values[0] = unit == 3 ? value : unit > 3 ? value * 1000 : value / 1000;
			kinds |= 1;
		} else if (unit >= 0x10 && unit < 0x18) {
			values[1] = unit == 0x16 ? value * 1000 : value;
			kinds |= 2;
		} else if (unit >= 0x28 && unit < 0x30) {
			values[2] = unit >= 0x2b ? value * 1000 : value;
			kinds |= 4;
		} else if (unit >= 0x38 && unit < 0x40) {
			values[3] = value;
			kinds |= 8;
		} else {
			unknown_records++;
		}
	}
#pragma clang loop unroll(full)
	for (u32 kind = 0; kind < 4; kind++)
		if (kinds >> kind & 1)
			kept += keep(meter, values[kind], kind);
	accepted += kept;
	return kept ? XDP_PASS : XDP_DROP;
}

// SPDX-License-Identifier: MIT OR Apache-2.0
/* Watches a drive: filters what its sensors measure, compares that with what the motor
 * should do, and decides what to do about it. About a thousand instructions, most of them
 * arithmetic on numbers that are not known, to measure how much memory a program of that
 * size takes to verify. */
#include "../../programs/bpf.h"

#define SAMPLES 24
#define AXES 4

/* A report of the converter, as the driver of the bus hands it on. */
struct report {
	u32 sequence;
	u16 axis;
	u16 flags;
	s16 current[SAMPLES];
	s16 speed[8];
	u32 position;
	u16 temperature[4];
};

struct axis {
	u32 sequence;
	u32 lost;
	s32 filtered[4];
	s32 speed;
	s32 integral;
	u32 position;
	u32 hot;
	u32 stalls;
	u32 state;
	u32 peak;
	u32 alarms[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AXES);
	__type(key, u32);
	__type(value, struct axis);
} axes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u64);
} histogram SEC(".maps");

enum { STOPPED, STARTING, RUNNING, BRAKING, FAULT };
enum { GO_ON = 1, SLOWER = 2, BRAKE = 3, CUT_OFF = 4 };

static ALWAYS_INLINE s32 clamp(s32 value, s32 least, s32 most)
{
	return value < least ? least : value > most ? most : value;
}

static ALWAYS_INLINE s32 magnitude(s32 value)
{
	return value < 0 ? -value : value;
}

/* Four filters, one behind the other, each of which lets through less that is fast. */
static ALWAYS_INLINE s32 filter(struct axis *axis, s32 sample)
{
	s32 value = sample << 8;

#pragma clang loop unroll(full)
	for (int stage = 0; stage < 4; stage++) {
		s32 before = axis->filtered[stage];

		value = before + ((value - before) >> (2 + stage));
		axis->filtered[stage] = value;
	}
	return value >> 8;
}

static ALWAYS_INLINE void count(s32 value)
{
	u32 bin = (u32)clamp(magnitude(value) >> 9, 0, 63);
	u64 *bins = bpf_map_lookup_elem(&histogram, &bin);

	if (bins)
		__sync_fetch_and_add(bins, 1);
}

SEC("xdp")
int drive(struct xdp_md *ctx)
{
	struct report *report = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	s32 peak = 0, sum = 0, last = 0, turns = 0, speed = 0, warmest, torque, slip;
	u32 key, crossings = 0, decision = GO_ON;
	struct axis *axis;

	if ((void *)(report + 1) > end)
		return CUT_OFF;
	key = report->axis;
	axis = bpf_map_lookup_elem(&axes, &key);
	if (!axis)
		return CUT_OFF;
	if (axis->sequence && report->sequence != axis->sequence + 1)
		axis->lost += report->sequence - axis->sequence - 1;
	axis->sequence = report->sequence;

	/* The current: filtered, its peak, and how often it changes its sign. */
#pragma clang loop unroll(full)
	for (int at = 0; at < SAMPLES; at++) {
		s32 sample = filter(axis, report->current[at]);

		if (magnitude(sample) > peak)
			peak = magnitude(sample);
		if ((sample ^ last) < 0)
			crossings++;
		sum += sample;
		last = sample;
	}
	count(peak);

	/* The speed: the middle one of every three is believed. */
#pragma clang loop unroll(full)
	for (int at = 0; at < 6; at++) {
		s32 a = report->speed[at], b = report->speed[at + 1], c = report->speed[at + 2];
		s32 low = a < b ? a : b, high = a < b ? b : a;

		turns += c < low ? low : c > high ? high : c;
	}
	speed = turns * 43 >> 8; /* a sixth, about */
	axis->integral = clamp(axis->integral + speed - axis->speed, -100000, 100000);
	axis->speed = speed;

	warmest = report->temperature[0];
#pragma clang loop unroll(full)
	for (int at = 1; at < 4; at++)
		if (report->temperature[at] > warmest)
			warmest = report->temperature[at];

	torque = clamp((sum >> 3) + (axis->integral >> 6), -32000, 32000);
	slip = (s32)(report->position - axis->position) - speed * 4;
	axis->position = report->position;
	axis->peak = peak > (s32)axis->peak ? (u32)peak : axis->peak - (axis->peak >> 4);

	if (warmest > 900) {
		axis->alarms[0]++;
		decision = CUT_OFF;
	} else if (warmest > 750) {
		if (++axis->hot > 20)
			decision = BRAKE;
		else if (axis->hot > 5)
			decision = SLOWER;
	} else if (axis->hot) {
		axis->hot--;
	}
	if (peak > 28000) {
		axis->alarms[1]++;
		decision = CUT_OFF;
	}
	if (crossings > 18) {
		axis->alarms[2]++;
		if (decision < SLOWER)
			decision = SLOWER;
	}
	if (magnitude(slip) > 4000) {
		axis->alarms[3]++;
		if (decision < BRAKE)
			decision = BRAKE;
	}

	switch (axis->state) {
	case STOPPED:
		if (report->flags & 1)
			axis->state = STARTING;
		else if (magnitude(speed) > 50)
			axis->state = FAULT;
		break;
	case STARTING:
		if (magnitude(speed) > 400) {
			axis->state = RUNNING;
			axis->stalls = 0;
		} else if (magnitude(torque) > 9000 && ++axis->stalls > 12) {
			axis->state = FAULT;
			axis->alarms[4]++;
		}
		break;
	case RUNNING:
		if (!(report->flags & 1))
			axis->state = BRAKING;
		else if (magnitude(speed) < 20 && magnitude(torque) > 6000)
			axis->state = STARTING;
		break;
	case BRAKING:
		if (magnitude(speed) < 20)
			axis->state = STOPPED;
		else if (report->flags & 1)
			axis->state = RUNNING;
		else if (decision < BRAKE)
			decision = BRAKE;
		break;
	default:
		axis->alarms[5]++;
		decision = CUT_OFF;
		if (report->flags & 2)
			axis->state = STOPPED;
	}
	if (decision == CUT_OFF)
		axis->state = FAULT;
	count(torque);
	return decision;
}

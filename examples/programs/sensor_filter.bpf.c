// SPDX-License-Identifier: MIT OR Apache-2.0
/* What runs on a microcontroller beside an analogue sensor: smooths bursts of
 * samples with a fixed-point filter, remembers each sensor's state in an array
 * map, and decides whether a burst is worth waking the radio for.
 *
 * The context is the burst itself, plain bytes; nothing in it is a pointer. */
#include "bpf.h"

#define MAX_SENSORS 8
#define BURST 8

/* One burst of readings, in the unit of the converter. */
struct burst {
	u32 sequence;
	u16 sensor;
	u16 count;
	s16 samples[BURST];
};

/* What is known of a sensor. Levels are in 1/256 of the converter's unit. */
struct sensor_state {
	s32 level;
	s32 deviation;
	u32 sequence;
	u32 lost;
	u32 bursts;
	u32 alarms;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SENSORS);
	__type(key, u32);
	__type(value, struct sensor_state);
} sensors SEC(".maps");

enum decision {
	DISCARD = 0, /* nothing new */
	REPORT = 1, /* the level moved */
	ALARM = 2, /* out of the permitted band */
	INVALID = 3, /* no such sensor, or an empty burst */
};

/* Settings, in the converter's unit except for the shift. */
const volatile s32 lower_limit = -2000;
const volatile s32 upper_limit = 2000;
/* A level that moved by more than this is reported. */
const volatile s32 report_step = 40;
/* Weight of a new sample is 1 / 2^smoothing. */
const volatile u32 smoothing = 3;

static ALWAYS_INLINE s32 magnitude(s32 x)
{
	return x < 0 ? -x : x;
}

/* Takes one sample, in 1/256 units, into the running level and deviation. */
static NOINLINE void smooth(struct sensor_state *state, s32 sample)
{
	s32 error = sample - state->level;
	u32 shift = smoothing & 15;

	state->level += error >> shift;
	state->deviation += (magnitude(error) - state->deviation) >> shift;
}

SEC("raw_tracepoint/sensor_burst")
int sensor_filter(struct burst *burst)
{
	s16 samples[BURST];
	struct sensor_state *state;
	u32 sensor = burst->sensor;
	u32 count = burst->count;
	u32 sequence = burst->sequence;
	s32 before, moved, level;

	if (count == 0 || count > BURST)
		return INVALID;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < BURST; i++)
		samples[i] = burst->samples[i];

	state = bpf_map_lookup_elem(&sensors, &sensor);
	if (!state)
		return INVALID;
	if (state->bursts && sequence - state->sequence > 1)
		state->lost += sequence - state->sequence - 1;
	if (!state->bursts)
		state->level = samples[0] * 256;
	state->sequence = sequence;
	state->bursts++;

	before = state->level;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < BURST; i++) {
		if (i >= count)
			break;
		smooth(state, samples[i] * 256);
	}
	level = state->level >> 8;
	if (level < lower_limit || level > upper_limit) {
		state->alarms++;
		return ALARM;
	}
	moved = magnitude(state->level - before) >> 8;
	return moved > report_step || state->bursts == 1 ? REPORT : DISCARD;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

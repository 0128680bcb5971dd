// SPDX-License-Identifier: MIT OR Apache-2.0
/* Programs that ask for the kernel's configuration, with a variable of each kind. */
#include "../../../../examples/programs/bpf.h"

enum libbpf_tristate {
	TRI_NO = 0,
	TRI_YES = 1,
	TRI_MODULE = 2,
};

extern _Bool CONFIG_SMP SEC(".kconfig");
extern enum libbpf_tristate CONFIG_NF_TABLES SEC(".kconfig");
extern int CONFIG_HZ SEC(".kconfig");
extern char CONFIG_CC_VERSION_TEXT[8] SEC(".kconfig");
extern u32 LINUX_KERNEL_VERSION SEC(".kconfig");
extern u64 CONFIG_PHYSICAL_START SEC(".kconfig") __attribute__((weak));
extern u8 CONFIG_LOG_BUF_SHIFT SEC(".kconfig");
extern const int __kernel_variable SEC(".ksyms");

SEC("tracepoint/config")
int uses_config(void *ctx)
{
	return CONFIG_HZ + CONFIG_CC_VERSION_TEXT[2];
}

SEC("tracepoint/version")
int uses_version(void *ctx)
{
	return LINUX_KERNEL_VERSION >= 0x60000;
}

SEC("tracepoint/smp")
int uses_smp(void *ctx)
{
	return CONFIG_SMP;
}

SEC("tracepoint/weak")
int uses_weak(void *ctx)
{
	return CONFIG_PHYSICAL_START == 0;
}

SEC("tracepoint/module")
int uses_module(void *ctx)
{
	return CONFIG_NF_TABLES == TRI_MODULE;
}

SEC("tracepoint/narrow")
int uses_narrow(void *ctx)
{
	return CONFIG_LOG_BUF_SHIFT;
}

SEC("tracepoint/variable")
int uses_variable(void *ctx)
{
	return __kernel_variable;
}

SEC("from-container")
int unnamed_type(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

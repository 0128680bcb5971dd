// SPDX-License-Identifier: MIT OR Apache-2.0
/* Programs that name a function to be called behind bpf_throw, rightly and wrongly. */
#include "../../../../examples/programs/bpf.h"

#define CATCH(f) __attribute__((btf_decl_tag("exception_callback:" #f)))
#define NOINLINE __attribute__((noinline))

extern void bpf_throw(u64 cookie) SEC(".ksyms");

NOINLINE int unrelated(u64 number)
{
	return number + 3;
}

NOINLINE int catches(u64 cookie)
{
	return cookie + 1;
}

NOINLINE static int hidden(u64 cookie)
{
	return cookie + 2;
}

SEC("tc")
CATCH(catches)
int caught(struct __sk_buff *skb)
{
	if (unrelated(skb->len) == 64)
		bpf_throw(7);
	return 0;
}

SEC("tc")
int uncaught(struct __sk_buff *skb)
{
	bpf_throw(hidden(1));
	return 0;
}

SEC("tc")
CATCH(catches)
CATCH(unrelated)
int several(struct __sk_buff *skb)
{
	return 0;
}

SEC("tc")
CATCH(hidden)
int names_hidden(struct __sk_buff *skb)
{
	return 0;
}

SEC("tc")
CATCH(nothing)
int names_nothing(struct __sk_buff *skb)
{
	return 0;
}

SEC("tc")
CATCH(names_itself)
int names_itself(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "MIT OR Apache-2.0";

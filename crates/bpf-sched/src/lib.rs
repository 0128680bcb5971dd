//! Scheduler of BPF executions: throughput on cloud, EDF on embedded.
#![no_std]

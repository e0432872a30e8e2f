/* Exports of the library on host lanes (kernels/library/host.cpp) beyond kernels/api.h, for tests alone: faults on demand, a small
 * device, and counters. The library for cards has none of it. */
#ifndef MILLRACE_HOST_FAULTS_H
#define MILLRACE_HOST_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One fault, once: the event number `after` (from 0) of its kind from now on. Kinds: `allocate` and `pinned` (no memory), `launch`
 * (fails, the device lives), `lost` (a launch after which nothing works on its device), `flip` (a bit of a download). Null cancels
 * faults that have not happened. 0 if the kind is known. */
int32_t millrace_host_fault(const char *kind, uint32_t after);

/* Sets the device memory of all devices together; memory that is allocated already counts. */
void millrace_host_memory(size_t bytes);

/* Counts since the library was loaded: `allocations` of memory of both kinds, `streams`, `launches`, `liveBytes`, `unwiped`
 * (released memory that was not all zeros). */
uint64_t millrace_host_count(const char *what);

/* 1 if these bytes are anywhere in memory that is allocated now, the devices' or pinned, else 0. */
int32_t millrace_host_holds(const uint8_t *bytes, size_t length);

#ifdef __cplusplus
}
#endif

#endif

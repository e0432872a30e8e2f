/* What the library on host lanes (kernels/library/host.cpp) exports beyond kernels/api.h, for tests alone: faults on demand, a
 * small device, and counters. The library for cards has none of it. */
#ifndef MILLRACE_HOST_FAULTS_H
#define MILLRACE_HOST_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One fault, once: the event number `after` (from 0) of its kind from now on. Kinds: `allocate` and `pinned` (no memory), `launch`
 * (fails, the device lives), `lost` (a launch after which nothing works on its device), `flip` (a bit of a download). Null takes
 * back what has not happened. 0 where the kind is known. */
int32_t millrace_host_fault(const char *kind, uint32_t after);

/* Device memory there is, for all devices together; what is allocated already counts. */
void millrace_host_memory(size_t bytes);

/* Counts since the library was loaded: `allocations` of memory of both kinds, `streams`, `launches`, `liveBytes`, `unwiped`
 * (released memory that was not all zeros). */
uint64_t millrace_host_count(const char *what);

/* Whether these bytes stand anywhere in memory that is allocated now, the devices' or pinned: 1 or 0. */
int32_t millrace_host_holds(const uint8_t *bytes, size_t length);

#ifdef __cplusplus
}
#endif

#endif

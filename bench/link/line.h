/*
 * One direction of a link on paper: how long a packet takes over a line of a bandwidth and a delay with a queue before it that
 * has an end. Pure arithmetic on times that it is given, so that it can be checked on virtual time (test/bench/linkLine.c).
 *
 *   packet in ─▶ queue (drop-tail, bytes) ─▶ line (bits a second) ─▶ delay ─▶ packet out
 */
#ifndef MILLRACE_BENCH_LINE_H
#define MILLRACE_BENCH_LINE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef __int128 wide;

static const int64_t NS_PER_S = 1000000000;

struct line {
  int64_t delayNs;
  /* 0: takes no time. */
  int64_t bitsPerSecond;
  /* What may wait for the line, the packet that it is sending included. */
  int64_t queueBytes;
  /* When everything taken so far has been sent. */
  int64_t freeNs;
};

/* When a packet that comes at nowNs is out at the other end; -1 where the queue has no room for it. */
static inline int64_t takePacket(struct line *line, int64_t nowNs, int64_t bytes) {
  int64_t startNs = line->freeNs > nowNs ? line->freeNs : nowNs;
  if (line->bitsPerSecond == 0) return nowNs + line->delayNs;
  int64_t waiting = (int64_t)((wide)(startNs - nowNs) * line->bitsPerSecond / (8 * NS_PER_S));
  if (waiting + bytes > line->queueBytes) return -1;
  line->freeNs = startNs + (int64_t)((wide)bytes * 8 * NS_PER_S / line->bitsPerSecond);
  return line->freeNs + line->delayNs;
}

/* Packets on their way, in the order in which they come out, in one block of memory that is written round and round. */
struct record {
  int64_t dueNs;
  int64_t bytes;
};

struct ring {
  uint8_t *memory;
  size_t size;
  /* Offsets that only grow; modulo size they are places. */
  uint64_t head, tail;
};

static inline int openRing(struct ring *ring, size_t size) {
  free(ring->memory);
  ring->size = size & ~(size_t)15;
  ring->memory = malloc(ring->size);
  ring->head = ring->tail = 0;
  return ring->memory ? 0 : -1;
}

static inline size_t recordSize(int64_t bytes) { return (sizeof(struct record) + (size_t)bytes + 15) & ~(size_t)15; }

static inline struct record *recordAt(struct ring *ring, uint64_t offset) {
  return (struct record *)(void *)(ring->memory + offset % ring->size);
}

/* Where a packet of up to `most` bytes can be written, behind its record; NULL where the ring is full. */
static inline struct record *reserve(struct ring *ring, int64_t most) {
  size_t need = recordSize(most);
  size_t left = ring->size - ring->tail % ring->size;
  if (left < need) {
    /* The rest of the block is too short: skipped, with a mark where one fits (records are 16 bytes, so it does). */
    if (ring->tail + left + need - ring->head > ring->size) return NULL;
    recordAt(ring, ring->tail)->bytes = -1;
    ring->tail += left;
  }
  return ring->tail + need - ring->head > ring->size ? NULL : recordAt(ring, ring->tail);
}

static inline void commit(struct ring *ring, struct record *record, int64_t dueNs, int64_t bytes) {
  record->dueNs = dueNs;
  record->bytes = bytes;
  ring->tail += recordSize(bytes);
}

/* The packet that comes out next; NULL where none is under way. */
static inline struct record *first(struct ring *ring) {
  if (ring->head == ring->tail) return NULL;
  struct record *record = recordAt(ring, ring->head);
  if (record->bytes >= 0) return record;
  ring->head += ring->size - ring->head % ring->size;
  return first(ring);
}

static inline void release(struct ring *ring, const struct record *record) { ring->head += recordSize(record->bytes); }

#endif

/* The line and the ring of bench/link/line.h on virtual time. Prints nothing and ends with 0 on success. */
#include <stdio.h>

#include "../../bench/link/line.h"

static int faults;

#define CHECK(holds)                                             \
  do {                                                           \
    if (!(holds)) {                                              \
      fprintf(stderr, "line %d: not so: %s\n", __LINE__, #holds); \
      faults++;                                                  \
    }                                                            \
  } while (0)

static const int64_t MS = 1000000;

static void oneAfterTheOther(void) {
  struct line line = {45 * MS, 1000000000, 1 << 24, 0};
  /* 1500 bytes at 1 Gbit/s are 12 microseconds. */
  CHECK(takePacket(&line, 0, 1500) == 45 * MS + 12000);
  int64_t dueNs = 0;
  for (int i = 1; i < 1000; i++) dueNs = takePacket(&line, 0, 1500);
  CHECK(dueNs == 45 * MS + 1000 * 12000);
  /* An idle line saves up no capacity. */
  CHECK(takePacket(&line, 100 * MS, 1500) == 145 * MS + 12000);
  CHECK(takePacket(&line, 100 * MS, 750) == 145 * MS + 18000);
}

static void fullQueue(void) {
  struct line line = {MS, 8000000, 10000, 0};
  int taken = 0;
  while (takePacket(&line, 0, 1000) >= 0) taken++;
  CHECK(taken == 10);
  CHECK(line.freeNs == 10 * MS);
  /* A dropped packet takes no time of the line; a packet that fits is accepted. */
  CHECK(takePacket(&line, 0, 1) == -1);
  CHECK(takePacket(&line, MS, 1001) == -1);
  CHECK(takePacket(&line, MS, 1000) == 12 * MS);
  CHECK(takePacket(&line, MS, 1) == -1);
}

static void extremes(void) {
  struct line open = {7, 0, 0, 0};
  CHECK(takePacket(&open, 5, 65535) == 12);
  CHECK(takePacket(&open, 5, 65535) == 12);
  /* Seconds of waiting at 100 Gbit/s: products beyond 64 bits. */
  struct line fast = {0, 100000000000, INT64_MAX / 2, 0};
  fast.freeNs = 3600 * NS_PER_S;
  CHECK(takePacket(&fast, 0, 12500) == 3600 * NS_PER_S + 1000);
  fast.queueBytes = 3600 * (100000000000 / 8);
  CHECK(takePacket(&fast, 0, 12500) == -1);
}

/* Packets of all sizes wrap round the ring, and come out unchanged. */
static void roundAndRound(void) {
  struct ring ring = {0};
  CHECK(openRing(&ring, 5000) == 0);
  CHECK(first(&ring) == NULL);
  uint32_t state = 1;
  int64_t in = 0, out = 0;
  int full = 0;
  while (out < 20000) {
    state = state * 1664525 + 1013904223;
    int64_t bytes = 1 + (state >> 16) % 1400;
    struct record *record = (state >> 8) % 3 ? reserve(&ring, 1400) : NULL;
    if (record) {
      memset(record + 1, (int)(in & 255), (size_t)bytes);
      commit(&ring, record, in++, bytes);
      continue;
    }
    record = first(&ring);
    if (!record) continue;
    full++;
    const uint8_t *content = (const uint8_t *)(record + 1);
    CHECK(record->dueNs == out && content[0] == (out & 255) && content[record->bytes - 1] == (out & 255));
    release(&ring, record);
    out++;
  }
  CHECK(full > 0);
  while (reserve(&ring, 1400)) commit(&ring, reserve(&ring, 1400), in++, 1400);
  CHECK(ring.tail - ring.head <= ring.size);
  free(ring.memory);
}

int main(void) {
  oneAfterTheOther();
  fullQueue();
  extremes();
  roundAndRound();
  return faults ? 1 : 0;
}

/*
 * A link between two network namespaces, for `millrace bench link`: two TUN devices, one in a namespace each, and this process,
 * which carries packets from one to the other as a line of a chosen delay and bandwidth would (line.h).
 *
 *   forwarder forward MTU          makes both namespaces and carries packets until standard input ends
 *   forwarder inside NETNS CMD...  runs a command in one of them
 *
 * Everything it makes belongs to a process: namespaces have no names, devices are not persistent, and whoever is inside dies
 * with its parent. So nothing is left behind, however a run ends. It needs root: the devices' queues cannot be had without.
 *
 * Commands on standard input, one a line: `set DELAY_NS BITS_PER_SECOND QUEUE_BYTES` for both directions, `stats`.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "line.h"

/* Packets that are read or written before the other direction gets its turn. */
#define BURST 64
/* Longer than any burst of a sender: what waits here has not reached the line yet. */
#define DEVICE_QUEUE 30000
#define LATE_CLASSES 24
#define RING_SPARE (4 << 20)

struct direction {
  struct line line;
  struct ring ring;
  int from, to;
  int64_t packets, bytes, queueDrops, otherDrops;
};

static struct direction ways[2];
static int mtu;
/* How much later than due packets left: class n is less than 2^n microseconds. */
static int64_t late[LATE_CLASSES], lateMostNs;

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(3);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Dies with its parent, whatever ends that. */
static void dieWithParent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

static void ask(int socket, unsigned long request, struct ifreq *of, const char *what) {
  if (ioctl(socket, request, of) < 0) fail(what);
}

static void setAddress(int socket, struct ifreq *of, unsigned long request, const char *address) {
  struct sockaddr_in to = {.sin_family = AF_INET};
  inet_pton(AF_INET, address, &to.sin_addr);
  memcpy(&of->ifr_addr, &to, sizeof to);
  ask(socket, request, of, address);
}

/* A new namespace, this process in it, with a TUN device of this address; returns the device. */
static int makeEnd(const char *address) {
  if (unshare(CLONE_NEWNET) < 0) fail("network namespace");
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tun < 0) fail("/dev/net/tun");
  struct ifreq device = {.ifr_name = "millrace0"};
  device.ifr_flags = IFF_TUN | IFF_NO_PI;
  ask(tun, TUNSETIFF, &device, "TUN device");
  int configured = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (configured < 0) fail("socket");
  setAddress(configured, &device, SIOCSIFADDR, address);
  setAddress(configured, &device, SIOCSIFNETMASK, "255.255.255.252");
  device.ifr_mtu = mtu;
  ask(configured, SIOCSIFMTU, &device, "MTU");
  device.ifr_qlen = DEVICE_QUEUE;
  ask(configured, SIOCSIFTXQLEN, &device, "length of the device's queue");
  /* IPv6 would only chat. */
  int six = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY | O_CLOEXEC);
  if (six >= 0) {
    if (write(six, "1", 1) < 0) fail("disable_ipv6");
    close(six);
  }
  device.ifr_flags = IFF_UP | IFF_RUNNING;
  ask(configured, SIOCSIFFLAGS, &device, "device up");
  struct ifreq loop = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  ask(configured, SIOCSIFFLAGS, &loop, "loopback up");
  close(configured);
  return tun;
}

static int openNamespace(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path);
  return file;
}

static void setLines(int64_t delayNs, int64_t bitsPerSecond, int64_t queueBytes) {
  wide underWay = (wide)delayNs * bitsPerSecond / (8 * NS_PER_S) + queueBytes;
  for (int i = 0; i < 2; i++) {
    ways[i].line = (struct line){delayNs, bitsPerSecond, queueBytes, 0};
    /* Small packets take more room than their bytes. */
    if (openRing(&ways[i].ring, (size_t)(2 * underWay) + RING_SPARE) < 0) fail("memory");
  }
}

static void readSome(struct direction *way) {
  static uint8_t lost[65536];
  for (int i = 0; i < BURST; i++) {
    struct record *record = reserve(&way->ring, mtu);
    void *place = record ? (void *)(record + 1) : lost;
    ssize_t bytes = read(way->from, place, record ? (size_t)mtu : sizeof lost);
    if (bytes <= 0) return;
    int64_t dueNs = record ? takePacket(&way->line, now(), bytes) : -1;
    if (dueNs >= 0) commit(&way->ring, record, dueNs, bytes);
    else if (record) way->queueDrops++;
    else way->otherDrops++;
  }
}

static void noteLate(int64_t ns) {
  int class = 0;
  while (class < LATE_CLASSES - 1 && ns >= ((int64_t)1000 << class)) class++;
  late[class]++;
  if (ns > lateMostNs) lateMostNs = ns;
}

static void writeDue(struct direction *way) {
  for (int i = 0; i < BURST; i++) {
    struct record *record = first(&way->ring);
    if (!record) return;
    int64_t lateNs = now() - record->dueNs;
    if (lateNs < 0) return;
    noteLate(lateNs);
    if (write(way->to, record + 1, (size_t)record->bytes) < 0) way->otherDrops++;
    way->packets++;
    way->bytes += record->bytes;
    release(&way->ring, record);
  }
}

/* Less than this many microseconds late are 99 of 100 packets. */
static int64_t lateP99Us(void) {
  int64_t all = 0, seen = 0;
  for (int i = 0; i < LATE_CLASSES; i++) all += late[i];
  for (int i = 0; i < LATE_CLASSES; i++) {
    seen += late[i];
    int64_t bound = (int64_t)1 << i;
    if (seen * 100 >= all * 99) return bound * 1000 < lateMostNs ? bound : lateMostNs / 1000 + 1;
  }
  return 0;
}

/* Since the last time it was asked. */
static void printStats(void) {
  static double cpuBeforeMs;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpuMs = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
  int64_t packets = 0, bytes = 0, queueDrops = 0, otherDrops = 0;
  for (int i = 0; i < 2; i++) {
    packets += ways[i].packets, bytes += ways[i].bytes;
    queueDrops += ways[i].queueDrops, otherDrops += ways[i].otherDrops;
    ways[i].packets = ways[i].bytes = ways[i].queueDrops = ways[i].otherDrops = 0;
  }
  printf("{\"packets\":%lld,\"bytes\":%lld,\"queueDrops\":%lld,\"otherDrops\":%lld,\"lateP99Us\":%lld,\"lateMaxUs\":%lld,\"cpuMs\":%.1f}\n",
         (long long)packets, (long long)bytes, (long long)queueDrops, (long long)otherDrops, (long long)lateP99Us(),
         (long long)(lateMostNs / 1000), cpuMs - cpuBeforeMs);
  memset(late, 0, sizeof late);
  lateMostNs = 0;
  cpuBeforeMs = cpuMs;
}

static void obey(void) {
  static char text[512];
  static size_t length;
  ssize_t more = read(0, text + length, sizeof text - 1 - length);
  if (more <= 0) exit(0);
  length += (size_t)more;
  text[length] = 0;
  for (char *end; (end = strchr(text, '\n')); ) {
    long long delayNs, bitsPerSecond, queueBytes;
    *end = 0;
    if (sscanf(text, "set %lld %lld %lld", &delayNs, &bitsPerSecond, &queueBytes) == 3) {
      setLines(delayNs, bitsPerSecond, queueBytes);
      printf("{}\n");
    } else if (strcmp(text, "stats") == 0) printStats();
    else exit(2);
    length -= (size_t)(end + 1 - text);
    memmove(text, end + 1, length + 1);
  }
  if (length == sizeof text - 1) exit(2);
}

static void carry(void) {
  struct pollfd polled[3] = {{ways[0].from, POLLIN, 0}, {ways[1].from, POLLIN, 0}, {0, POLLIN, 0}};
  for (;;) {
    int64_t nextNs = INT64_MAX;
    for (int i = 0; i < 2; i++) {
      readSome(&ways[i]);
      writeDue(&ways[i]);
      struct record *record = first(&ways[i].ring);
      if (record && record->dueNs < nextNs) nextNs = record->dueNs;
    }
    int64_t waitNs = nextNs == INT64_MAX ? NS_PER_S : nextNs - now();
    if (waitNs < 0) waitNs = 0;
    struct timespec wait = {waitNs / NS_PER_S, waitNs % NS_PER_S};
    if (ppoll(polled, 3, &wait, NULL) < 0 && errno != EINTR) fail("ppoll");
    if (polled[2].revents) obey();
  }
}

static int forward(int argc, char **argv) {
  if (argc != 3 || (mtu = atoi(argv[2])) < 576 || mtu > 65535) return 2;
  dieWithParent();
  setvbuf(stdout, NULL, _IOLBF, 0);
  ways[0].from = ways[1].to = makeEnd("192.0.2.1");
  int a = openNamespace("/proc/self/ns/net");
  ways[1].from = ways[0].to = makeEnd("192.0.2.2");
  int b = openNamespace("/proc/self/ns/net");
  setLines(0, 0, 0);
  /* Woken in time, and ahead of the ends whose packets it carries; it works without, only later. */
  prctl(PR_SET_TIMERSLACK, 1);
  struct sched_param first = {.sched_priority = 1};
  int realtime = sched_setscheduler(0, SCHED_RR, &first) == 0;
  int pid = getpid();
  printf("{\"ends\":[\"/proc/%d/fd/%d\",\"/proc/%d/fd/%d\"],\"realtime\":%s}\n", pid, a, pid, b, realtime ? "true" : "false");
  carry();
  return 0;
}

static int inside(int argc, char **argv) {
  if (argc < 4) return 2;
  dieWithParent();
  if (setns(openNamespace(argv[2]), CLONE_NEWNET) < 0) fail("network namespace");
  execvp(argv[3], argv + 3);
  fail(argv[3]);
  return 3;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "forward") == 0) return forward(argc, argv);
  if (argc > 1 && strcmp(argv[1], "inside") == 0) return inside(argc, argv);
  fprintf(stderr, "usage: forwarder forward MTU | forwarder inside NETNS COMMAND...\n");
  return 2;
}

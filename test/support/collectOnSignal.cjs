// Loaded into the nodes of a soak (`--require`, with `--expose-gc`): collects all garbage on SIGUSR2, so that memory read after it is
// what the process holds. V8 by itself may leave the garbage of half an hour on a heap that was slow to collect once.
process.on('SIGUSR2', () => globalThis.gc());

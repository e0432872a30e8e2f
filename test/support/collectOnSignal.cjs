// Loaded into the nodes of a soak (`--require`, with `--expose-gc`): on SIGUSR2 it collects all garbage and gives freed memory back to
// the system, so that memory read after it is what the process holds. V8 by itself may leave the garbage of half an hour on a heap that
// was slow to collect once, and glibc keeps what was freed for the next allocation.
const koffi = require('koffi');

const giveBack = (() => {
  try {
    return koffi.load('libc.so.6').func('int malloc_trim(size_t)');
  } catch {
    // Another C library, which keeps less.
    return () => 0;
  }
})();

process.on('SIGUSR2', () => {
  globalThis.gc();
  giveBack(0);
});

// Finds out whether this machine's kernel slows down a TCP connection that was idle for a few round trips, as RFC 2861 has it and Linux
// does by default. If it does, connections are kept warm ahead of a phase; if not, warming once is enough. Apart from host.ts, which
// warms nothing.
import { readFileSync } from 'node:fs';

const SETTING = '/proc/sys/net/ipv4/tcp_slow_start_after_idle';

/** True unless the kernel's setting says that it does not; `read` is for tests. */
export function slowsDownIdle(read: (file: string) => string = (file) => readFileSync(file, 'utf8')): boolean {
  try {
    return read(SETTING).trim() !== '0';
  } catch {
    // Not Linux: expect RFC 2861 of it.
    return true;
  }
}

/** Pause between two warmings: as configured, or Infinity (warm once) if that is 0 or the kernel needs no more. */
export function keepWarmMs(configuredMs: number, slowsDown = slowsDownIdle()): number {
  return configuredMs === 0 || !slowsDown ? Infinity : configuredMs;
}

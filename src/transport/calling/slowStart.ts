// Whether this machine's kernel slows a TCP connection down again that was idle for a few round trips, as RFC 2861 has it and
// Linux does unless told otherwise. Where it does, connections are kept warm ahead of a phase; where not, warming once is enough.
import { readFileSync } from 'node:fs';

const SETTING = '/proc/sys/net/ipv4/tcp_slow_start_after_idle';

/** True unless the kernel says that it does not; `read` is for tests. */
export function slowsDownIdle(read: (file: string) => string = (file) => readFileSync(file, 'utf8')): boolean {
  try {
    return read(SETTING).trim() !== '0';
  } catch {
    // Another system: RFC 2861 is what to expect of it.
    return true;
  }
}

/** The pause between two warmings, as configured (0 warms once) and as the kernel needs it. */
export function keepWarmMs(configuredMs: number, slowsDown = slowsDownIdle()): number {
  return configuredMs === 0 || !slowsDown ? Infinity : configuredMs;
}

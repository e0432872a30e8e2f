// Keeps the memory of a process, keys and round secrets, out of core files and out of the reach of other programs of the same user. Both
// bounds are set: the kernel ignores the size limit if core files are piped to a collector, and a process that is not dumpable leaves
// none anywhere, takes no debugger of its own user, and its /proc files are root's. Apart from node.ts because the commands call it
// before the first key is read.
import koffi from 'koffi';
import type { Logger } from '../../base/log.js';

// Linux, include/uapi/linux/prctl.h and asm-generic/resource.h.
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const RLIMIT_CORE = 4;
/** Size of a `struct rlimit`: the soft and the hard limit. */
const RLIMIT_BYTES = 16;

/**
 * Makes this process undumpable and sets RLIMIT_CORE to 0, for all its threads and for good. Call it before the first key is read.
 * @returns the reason if either fails, undefined if both hold; never throws
 */
export function forbidCoreFiles(platform: string = process.platform): string | undefined {
  if (platform !== 'linux') return `not known how to on ${platform}`;
  try {
    const libc = koffi.load(null);
    const prctl = libc.func('int prctl(int, ulong, ulong, ulong, ulong)');
    const setrlimit = libc.func('int setrlimit(int, _In_ uint8_t *)');
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) !== 0) return 'prctl(PR_SET_DUMPABLE) failed';
    if (setrlimit(RLIMIT_CORE, new Uint8Array(RLIMIT_BYTES)) !== 0) return 'setrlimit(RLIMIT_CORE) failed';
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

/** Logs the result of {@link forbidCoreFiles}. */
export function sayCoreFiles(log: Logger, why: string | undefined): void {
  if (why === undefined) log.info('core files and debuggers are disabled: memory stays within this process');
  else log.warn({ why }, 'core files are not disabled and may contain keys: disable them (ulimit -c 0)');
}

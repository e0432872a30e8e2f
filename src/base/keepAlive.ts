// Keeps the process alive while somebody awaits. The timers of the Clock port and idle connections hold no process, so that what runs
// in the background never keeps one from its end; a promise holds none either. A caller's `await` would then end the process in the
// middle, with status 0 or 13, and without a word. Each function that a program awaits goes through here.
const HEARTBEAT_MS = 2 ** 30;
let awaited = 0;
let handle: NodeJS.Timeout | undefined;

/** Runs `work`; the process does not end by itself before its promise settles. */
export async function keepingAlive<T>(work: () => Promise<T>): Promise<T> {
  if (awaited++ === 0) handle = setInterval(() => {}, HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    if (--awaited === 0) clearInterval(handle);
  }
}

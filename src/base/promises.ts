// Promises: one that is settled from outside, one that many callers share, and one that keeps the process alive while a program
// awaits it. And the way to abort what is awaited.
import { MixError } from './errors.js';

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly settled: boolean;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/** Makes a pending promise with its handles. Its rejection never counts as unhandled; callers that await it still get it. */
export function deferred<T>(): Deferred<T> {
  let resolvePromise!: (value: T) => void;
  let rejectPromise!: (reason: unknown) => void;
  let settled = false;
  const promise = new Promise<T>((resolve, reject) => {
    resolvePromise = resolve;
    rejectPromise = reject;
  });
  // Callers that await it get the error. Without such a caller it is no error.
  promise.catch(() => {});
  return {
    promise,
    get settled() {
      return settled;
    },
    resolve(value) {
      settled = true;
      resolvePromise(value);
    },
    reject(reason) {
      settled = true;
      rejectPromise(reason);
    },
  };
}

/**
 * Reason of every abort. Without a given one, each controller makes an error of its own, and V8 keeps what was on an error's stack until
 * the stack is read: `this` of every function. One ended round kept the round that ended it in memory in this way, that one the next, and
 * so on: half of the rounds that were found in a node's memory.
 */
const REASON = new MixError('ABORTED');

/** Aborts a controller's signal; nothing of the present stack stays with the signal. */
export function abort(controller: AbortController): void {
  controller.abort(REASON);
}

/** Returns the pending answer for `key`, or asks anew: simultaneous callers share it. A failure is shared, too. */
export function shared<Key, Answer>(
  underWay: Map<Key, Promise<Answer>>,
  key: Key,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  const known = underWay.get(key);
  if (known) return known;
  const asked = ask().finally(() => {
    if (underWay.get(key) === asked) underWay.delete(key);
  });
  underWay.set(key, asked);
  return asked;
}

/**
 * Interval of a timer that keeps the process alive. Timers of the Clock port, idle connections and pending promises do not: a
 * program that awaits one would end in the middle, with status 0 or 13 and no message. Functions that a program awaits use
 * `keepingAlive`.
 */
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

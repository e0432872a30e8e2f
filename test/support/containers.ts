// Counts the entries of every Map, Set and array reachable from given objects, private fields included: a long run must not let
// them grow. Reflection cannot see private fields; the inspector can, attached to this process from inside. Objects held only by
// a closure are not seen by name: `allEntries` counts the whole heap.
import { getEventListeners } from 'node:events';
import { Session } from 'node:inspector';
import { types } from 'node:util';

/** By class and field, for example `Scheduler.#state.rounds`. */
export type Containers = ReadonlyMap<string, ContainerSize>;

export interface ContainerSize {
  /** Of the largest one. */
  readonly most: number;
  /** Sum of all reached by this name. */
  readonly total: number;
}

/** Plain objects with this many fields count as containers: no record has so many. */
const DICTIONARY_MIN = 48;
const GROUP = 'containers';
const STASH = Symbol.for('millrace.containers');
const stash = globalThis as typeof globalThis & { [STASH]?: unknown };

interface Remote {
  readonly objectId?: string;
}

/** An inspector of this process; every question is answered synchronously. */
class Inspector {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
  }

  #post<T>(method: string, params: object): T {
    let answer: T | undefined;
    let failed: Error | null = null;
    this.#session.post(method, params, (error, result) => {
      failed = error;
      answer = result as T;
    });
    if (failed) throw failed;
    return answer as T;
  }

  #remote(value: unknown): string {
    stash[STASH] = value;
    const expression = `globalThis[Symbol.for('millrace.containers')]`;
    const { result } = this.#post<{ result: Remote }>('Runtime.evaluate', { expression, objectGroup: GROUP });
    return result.objectId!;
  }

  /** Private fields of an object that hold objects, by name; undefined if it has no private fields. */
  privateFields(value: object): readonly (readonly [string, unknown])[] | undefined {
    const objectId = this.#remote(value);
    const params = { objectId, ownProperties: true };
    const { privateProperties = [] } = this.#post<{
      privateProperties?: readonly { readonly name: string; readonly value?: Remote }[];
    }>('Runtime.getProperties', params);
    if (privateProperties.length === 0) return undefined;
    const held = privateProperties.filter((field) => field.value?.objectId !== undefined);
    this.#post('Runtime.callFunctionOn', {
      objectId,
      functionDeclaration: `function (...values) { globalThis[Symbol.for('millrace.containers')] = values; }`,
      arguments: held.map((field) => ({ objectId: field.value!.objectId })),
    });
    const values = stash[STASH] as readonly unknown[];
    return held.map(({ name }, index) => [name, values[index]]);
  }

  /** Entries of all containers of a kind in the heap, after garbage collection. */
  entriesOf(kind: 'Map' | 'Set'): number {
    const { result } = this.#post<{ result: Remote }>('Runtime.evaluate', {
      expression: `${kind}.prototype`,
      objectGroup: GROUP,
    });
    const { objects } = this.#post<{ objects: Remote }>('Runtime.queryObjects', {
      prototypeObjectId: result.objectId,
      objectGroup: GROUP,
    });
    // The prototypes of subclasses are found as well, and have no size.
    const sum = `function () {
      let sum = 0;
      for (const one of this) try { sum += one.size; } catch {}
      return sum;
    }`;
    const params = { objectId: objects.objectId, functionDeclaration: sum, returnByValue: true };
    return this.#post<{ result: { value: number } }>('Runtime.callFunctionOn', params).result.value;
  }

  close(): void {
    stash[STASH] = undefined;
    this.#post('Runtime.releaseObjectGroup', { objectGroup: GROUP });
    this.#session.disconnect();
  }
}

interface Visit {
  readonly value: unknown;
  readonly name: string;
}

const classOf = (value: object): string => value.constructor?.name ?? 'Object';
const isPlain = (value: object): boolean => ['Object', 'null'].includes(classOf(value));

/**
 * Counts from `roots` on. `skip`: objects that are not entered. Functions are not entered either, so objects held only by a
 * closure are not counted; a signal counts as its listeners.
 */
export function containersOf(roots: Iterable<object>, skip: (value: object) => boolean = () => false): Containers {
  const inspector = new Inspector();
  const seen = new Set<object>();
  const found = new Map<string, { most: number; total: number }>();
  /** Classes without private fields: their other instances need no query. */
  const open = new Set<unknown>();
  const waiting: Visit[] = [...roots].map((value) => ({ value, name: classOf(value) }));
  const count = (name: string, size: number) => {
    const before = found.get(name) ?? { most: 0, total: 0 };
    found.set(name, { most: Math.max(before.most, size), total: before.total + size });
  };
  try {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { value, name } = next;
      if (typeof value !== 'object' || value === null || seen.has(value) || skip(value)) continue;
      seen.add(value);
      if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) || types.isPromise(value)) continue;
      const inside = (one: unknown, field = '') => waiting.push({ value: one, name: `${name}${field}` });
      if (value instanceof AbortSignal) count(`${name} listeners`, getEventListeners(value, 'abort').length);
      if (value instanceof AbortController) inside(value.signal, '.signal');
      if (value instanceof AbortSignal || value instanceof AbortController) continue;
      if (Array.isArray(value) || value instanceof Set || value instanceof Map) {
        count(name, Array.isArray(value) ? value.length : value.size);
        for (const entry of value instanceof Map ? value.values() : value) inside(entry, '[]');
        continue;
      }
      const keys = Object.keys(value);
      if (isPlain(value) && keys.length >= DICTIONARY_MIN) {
        count(name, keys.length);
        for (const key of keys) inside((value as Record<string, unknown>)[key], '{}');
        continue;
      }
      const own = isPlain(value) ? name : classOf(value);
      for (const key of keys) {
        // A getter could have side effects.
        const field = Object.getOwnPropertyDescriptor(value, key)?.value as unknown;
        waiting.push({ value: field, name: `${own}.${key}` });
      }
      if (isPlain(value) || open.has(value.constructor)) continue;
      const fields = inspector.privateFields(value);
      if (!fields) open.add(value.constructor);
      for (const [key, field] of fields ?? []) waiting.push({ value: field, name: `${own}.${key}` });
    }
  } finally {
    inspector.close();
  }
  return found;
}

/** Entries of all maps and sets of this process, after garbage collection: takes seconds. */
export function allEntries(): { readonly maps: number; readonly sets: number } {
  const inspector = new Inspector();
  try {
    return { maps: inspector.entriesOf('Map'), sets: inspector.entriesOf('Set') };
  } finally {
    inspector.close();
  }
}

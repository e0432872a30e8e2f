// Aborts: a signal keeps nothing of the stack on which it was aborted.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { abort } from '../../src/base/promises.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Something that aborts a controller in a method of its own, as a round that ends another one. */
class Aborter {
  readonly memory = new Uint8Array(1_000);

  abort(controller: AbortController, how: (controller: AbortController) => void): WeakRef<Aborter> {
    how(controller);
    return new WeakRef(this);
  }
}

async function isKept(how: (controller: AbortController) => void): Promise<boolean> {
  const controller = new AbortController();
  const aborter = new Aborter().abort(controller, how);
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  expect(controller.signal.aborted).toBe(true);
  return aborter.deref() !== undefined;
}

describe('an aborted signal', () => {
  it('does not keep the object that aborted it in memory', async () => {
    expect(await isKept(abort)).toBe(false);
  });

  it('would, with a reason of its own', async () => {
    expect(await isKept((controller) => controller.abort())).toBe(true);
  });
});

// The digit size of a table of the cpu engine depends on its expected use and its size: the powers are the same for all.
import { expect, it } from 'vitest';
import { nativeTable, nativeTableCovers } from '../../src/engine/kernels/native/kernel.js';
import { native } from '../../src/engine/kernels/native/library.js';
import { pooledEngine, referenceEngine } from '../../src/engine/open.js';
import { namedGroup } from '../../src/math/group.js';
import { randomElements, randomExponents } from '../../src/math/sampling.js';
import { describeWith } from '../support/requires.js';
import { SeededRng } from '../support/seededRng.js';

let built = true;
try {
  native();
} catch {
  built = false;
}

describeWith(built ? undefined : 'the native library is not built', 'tables of the native library', () => {
  it('are smaller for few powers and for large ones, and record the exponents that they cover', () => {
    const group = namedGroup('MODP-4096');
    const often = nativeTable('portable', group, 32);
    const seldom = nativeTable('portable', group, 32, 100);
    expect(seldom.length).toBeLessThan(often.length);
    expect(nativeTable('portable', group, 128).length).toBe(nativeTable('portable', group, 128, 16).length);
    expect(nativeTableCovers(often, 32)).toBe(true);
    expect(nativeTableCovers(often, 33)).toBe(false);
  });

  it.each([16, 139, 140])('give the same powers for a batch of %i', async (count) => {
    const group = namedGroup('TEST-512');
    const rng = new SeededRng(`tables/${count}`);
    const base = randomElements(rng, group, 1);
    const exponents = randomExponents(rng, count, 32);
    const engine = pooledEngine('cpu', 'portable', { group, threads: 1, queueLimit: 8 });
    try {
      const options = { exponentBytes: 32 };
      const expected = await referenceEngine(group).powFixed(base, exponents, options);
      expect(Buffer.from(await engine.powFixed(base, exponents, options))).toEqual(Buffer.from(expected));
      const handle = await engine.fixedBase(base);
      expect(Buffer.from(await engine.powFixed(handle, exponents, options))).toEqual(Buffer.from(expected));
      handle.release();
    } finally {
      await engine.close();
    }
  });
});

// The tfjs engine on the backends of every machine, wasm and cpu; and the proof that no sum exceeds the exact range of float32,
// computed at the largest sizes with the largest values.
import { describe, expect, it } from 'vitest';
import { BOUNDS, DIGIT, makeConstants } from '../../src/engine/arrays/residues.js';
import { loadTensors, type TfjsBackend } from '../../src/engine/arrays/tensors.js';
import { openTfjs } from '../../src/engine/arrays/tfjs.js';
import { composedEngine } from '../../src/engine/open.js';
import { type Group, namedGroup } from '../../src/math/group.js';
import { arrayEngineTests } from './arrays.js';

/** Integers up to this are exact in float32; quotients are not rounded up for those below EXACT − 2^14. */
const EXACT = 2 ** 24;
const BACKENDS: readonly TfjsBackend[] = ['wasm', 'cpu'];

for (const backend of BACKENDS) {
  const open = async (group: Group) => composedEngine('tfjs', await openTfjs(group, undefined, [backend]));
  // The cpu backend is plain JavaScript, ten times as slow: its suite in TEST-512 takes 25 s of a core.
  arrayEngineTests(`tfjs (${backend})`, open, backend === 'wasm' ? {} : { most: 6, groups: ['TEST-64'] });

  describe(`sums on the ${backend} backend`, () => {
    const { a, b } = makeConstants(namedGroup('MODP-4096'));
    const k = Math.max(a.moduli.length, b.moduli.length);

    it.each([
      { what: 'digits of a base extension', terms: 2 * k, left: DIGIT - 1, right: DIGIT - 1 },
      { what: 'bytes on the way in', terms: 512, left: 255, right: DIGIT - 1 },
      { what: 'digits on the way out', terms: k, left: DIGIT - 1, right: 255 },
    ])('are exact for maximal inputs: $what', async ({ terms, left, right }) => {
      const { tf, activate } = await loadTensors(backend);
      activate();
      const row = tf.tensor2d(new Float32Array(terms).fill(left), [1, terms], 'float32');
      const matrix = tf.tensor2d(new Float32Array(terms * k).fill(right), [terms, k], 'float32');
      // One term less by one: an odd sum where the largest is even shows that the last bit is kept.
      const odd = new Float32Array(terms).fill(left);
      odd[terms - 1] = left - 1;
      const less = tf.tensor2d(odd, [1, terms], 'float32');
      expect(new Set(await tf.matMul(row, matrix).data())).toEqual(new Set([terms * left * right]));
      expect(new Set(await tf.matMul(less, matrix).data())).toEqual(new Set([terms * left * right - right]));
      expect(terms * left * right).toBeLessThan(EXACT - 2 ** 14);
    });

    it('divides the largest sums to the right quotient', async () => {
      const { tf, activate } = await loadTensors(backend);
      activate();
      const modulus = 16_381;
      const multiples = Array.from({ length: 1022 }, (_, i) => (i + 1) * modulus);
      const values = Float32Array.from(multiples.flatMap((value) => [value - 1, value]));
      expect(Math.max(...values)).toBeGreaterThan(BOUNDS.input(512));
      const row = tf.tensor2d(values, [1, values.length], 'float32');
      const quotients = await tf.floor(tf.div(row, tf.scalar(modulus))).data();
      expect([...quotients]).toEqual(multiples.flatMap((_, i) => [i, i + 1]));
    });
  });
}

describe('the residue number system', () => {
  it.each(['TEST-64', 'TEST-512', 'MODP-2048', 'MODP-3072', 'MODP-4096'])('keeps its bounds in %s', (name) => {
    const group = namedGroup(name);
    const { a, b } = makeConstants(group);
    const k = Math.max(a.moduli.length, b.moduli.length);
    const sums = [BOUNDS.middle(k), BOUNDS.extension(k), BOUNDS.input(group.elementBytes), BOUNDS.output(k)];
    for (const sum of [...sums, BOUNDS.product()]) expect(sum).toBeLessThan(EXACT - 2 ** 14);
    const c = BigInt(a.moduli.length + 1);
    expect(a.product >= c * c * group.p).toBe(true);
    expect(b.product > 4n * c * group.p).toBe(true);
    expect(new Set([...a.moduli, ...b.moduli]).size).toBe(a.moduli.length + b.moduli.length);
  });

  it('has its largest sum at 4096 bits, in the input conversion', () => {
    expect(BOUNDS.input(512)).toBe(16_581_120);
  });
});

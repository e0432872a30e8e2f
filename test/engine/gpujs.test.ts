// The gpujs engine in gpu.js's cpu mode, which runs on every machine; and the proof that no sum of its kernels exceeds the exact
// range of float32.
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { openGpujs } from '../../src/engine/arrays/gpujs.js';
import { asRows, type Gpu, GpujsKernels, LIMB_MAX, SEGMENT_MAX } from '../../src/engine/arrays/gpujsKernels.js';
import { composedEngine } from '../../src/engine/open.js';
import { namedGroup } from '../../src/math/group.js';
import { arrayEngineTests } from './arrays.js';

/** Integers up to this are exact in float32. */
const EXACT = 2 ** 24;
const { GPU } = createRequire(import.meta.url)('gpu.js') as { GPU: new (settings: { mode: 'cpu' }) => Gpu };

arrayEngineTests('gpujs', async (group) => composedEngine('gpujs', await openGpujs(group)));

describe('the kernels of gpujs', () => {
  it.each([SEGMENT_MAX, 257, 385, 513])('sum %i limbs of the maximal value exactly', async (limbs) => {
    const gpu = new GPU({ mode: 'cpu' });
    const kernels = new GpujsKernels(gpu, limbs, false);
    const row = [new Float32Array(limbs).fill(LIMB_MAX)];
    const segments = (await kernels.columns(row, row, 1)) as unknown as readonly (readonly Float32Array[])[];
    expect(segments).toHaveLength(Math.ceil(limbs / SEGMENT_MAX));
    let largest = 0;
    for (let column = 0; column < 2 * limbs; column++) {
      const sums = segments.map((rows) => rows[0]![column]!);
      largest = Math.max(largest, ...sums);
      const terms = Math.max(0, Math.min(column + 1, limbs) - Math.max(0, column - limbs + 1));
      expect(sums.reduce((a, b) => a + b)).toBe(terms * LIMB_MAX ** 2);
    }
    const segment = Math.ceil(limbs / segments.length);
    expect(largest).toBe(segment * LIMB_MAX ** 2);
    expect(largest).toBeLessThan(EXACT);
    gpu.destroy();
  });

  it('have the longest segment that is exact', () => {
    expect(SEGMENT_MAX * LIMB_MAX ** 2).toBe(16_776_446);
    expect((SEGMENT_MAX + 1) * LIMB_MAX ** 2).toBeGreaterThan(EXACT);
  });

  it('keep limbs below their bound if all inputs are maximal', async () => {
    const field = await openGpujs(namedGroup('MODP-4096'));
    const { kernels } = field;
    const full = [new Float32Array(kernels.limbs).fill(LIMB_MAX)];
    // Larger than a number may be: the value is meaningless, the test checks its limbs.
    const rows = asRows(await kernels.montgomery(full, full, 1, full, full));
    expect(Math.max(...rows[0]!)).toBeLessThanOrEqual(LIMB_MAX);
    expect(Math.min(...rows[0]!)).toBeGreaterThanOrEqual(0);
    field.close();
  });
});

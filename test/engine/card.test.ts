// The cuda engine on a real card: the compliance suite at every width with kernels. Skipped without a card, with the reason;
// `npm run gpu` runs it. cuda.test.ts tests the engine on host lanes everywhere.
import { expect, it } from 'vitest';
import { CUDA_LIBRARY, probeCards } from '../../src/engine/cuda/library.js';
import { cudaEngine } from '../../src/engine/open.js';
import { namedGroup } from '../../src/math/group.js';
import { engineCompliance } from '../engine.compliance.js';
import { describeWith } from '../support/requires.js';

/** Another library, and a subset of the widths: `npm run gpu -- --library FILE --widths 2048`. */
const library = process.env.MILLRACE_GPU_LIBRARY ?? CUDA_LIBRARY;
const widths = (process.env.MILLRACE_GPU_WIDTHS ?? '2048,3072,4096').split(',');

const { devices, reason } = probeCards(namedGroup('MODP-4096'), library);
const none = devices.length === 0;

describeWith(
  none ? reason : undefined,
  'the cuda engine on a card',
  () => {
    const sick: string[] = [];
    const settings = {
      ...{ threads: 2, queueLimit: 64, library, crossover: { products: 1, powers: 1 } },
      // Nothing is recomputed on the CPU, and a card that fails is not replaced silently: passing results come from the card.
      checkRate: 0,
      onSick: (device: string, why: string) => void sick.push(`${device}: ${why}`),
    };
    engineCompliance(
      'cuda',
      (group) => cudaEngine({ ...settings, group }),
      widths.map((bits) => `MODP-${bits}`),
    );

    it('kept every card in service to the end', () => expect(sick).toEqual([]));
  },
  true,
);

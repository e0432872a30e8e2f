// Lies about decryption shares: an opening that does not match its commitment, a commitment to a wrong share, an opening for a
// mixed batch without a commitment. Every honest node detects each, names the liar and accepts nothing.
import { describe, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import type { RoundManagerDeps } from '../../src/round/manager.js';
import { Attack, engine, expectFailed, group, lyingEngine, tag } from './attack.js';

/** D_i is the one power of many bases; the proof's powers have one base. */
function wrongShares(): Partial<RoundManagerDeps> {
  const powShared: Engine['powShared'] = async (bases, ...rest) => {
    const out = await engine.powShared(bases, ...rest);
    if (bases.length > group.elementBytes) tag(out, 3);
    return out;
  };
  return { engineOf: async () => lyingEngine({ powShared }) };
}

describe('a share that differs from its commitment', () => {
  it.each([1, 2, 4])('is refused at its opening and names node %i', async (position) => {
    const attack = await Attack.begin([position]);
    attack.tamper(position, 'opening', (batch) => tag(batch, 0));
    expectFailed(await attack.play(), 'COMMITMENT_OPENING', position);
  });

  it.each([
    ['nonce', 0],
    ['proof', 128],
  ])('also if only the %s differs', async (_, at) => {
    const attack = await Attack.begin([3]);
    attack.tamperTrailer(3, 'opening', (extra) => {
      extra[at]! ^= 1;
    });
    expectFailed(await attack.play(), 'COMMITMENT_OPENING', 3);
  });
});

describe('a wrong share with a matching commitment', () => {
  it.each([1, 2, 4])('spoils the outputs, and its proof then names node %i', async (position) => {
    const attack = await Attack.begin([position], { malice: wrongShares });
    expectFailed(await attack.play(), 'DECRYPTION_PROOF', position);
  });

  it('is named with messages of two elements as well', async () => {
    const attack = await Attack.begin([2], { malice: wrongShares, width: 2 });
    expectFailed(await attack.play(), 'DECRYPTION_PROOF', 2);
  });
});

describe('an opening for another mixed batch', () => {
  it('that node 1 never signed names the opener', async () => {
    const attack = await Attack.begin([3]);
    attack.tamperTrailer(3, 'opening', (extra) => {
      extra[32]! ^= 1;
    });
    expectFailed(await attack.play(), 'SIGNATURE_INVALID', 3);
  });
});

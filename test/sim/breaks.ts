// Nodes, disks and first nodes that break a promise on purpose, to show that the simulator can fail: each break belongs to one
// invariant. Nothing here is in a product.

import { isOver } from '../../src/round/machine/admission.js';
import type { RoundEvent } from '../../src/round/machine/state.js';
import type { RoundManagerDeps } from '../../src/round/manager.js';
import { Round, type RoundDeps, type SignedOutputs } from '../../src/round/run/round.js';
import { forgeOpening } from './forge.js';
import type { SimTeam } from './team.js';

export const BREAKS = {
  'early-open': 'node 1 opens its shares as soon as all have committed, before it holds H(x′)',
  'forge-outputs': 'node 1 hands out other outputs than were signed',
  'drop-message': 'the first message of the first round is acknowledged and dropped',
  'forget-reservation': "node 1's disk loses the record that a precomputation is used",
  'keep-secrets': 'node 1 keeps 32 bytes of a round after its end',
} as const;
export type Break = keyof typeof BREAKS;

class EarlyOpener extends Round {
  readonly #team: SimTeam;
  readonly #keyOf: RoundDeps['key'];
  #opened = false;

  constructor(facts: Round['facts'], deps: RoundDeps, team: SimTeam) {
    super(facts, deps);
    this.#team = team;
    this.#keyOf = deps.key;
  }

  override dispatch(event: RoundEvent): void {
    super.dispatch(event);
    if (this.#opened || this.stage !== 'STANDBY') return;
    this.#opened = true;
    // If the round ends before that, there is nothing to open.
    this.#open().catch(() => {});
  }

  async #open(): Promise<void> {
    const own = await this.standby;
    const nothing = { mixDigest: new Uint8Array(32), mixSignature: new Uint8Array(64) };
    const opening = forgeOpening(this.facts, this.#keyOf, own.shares, { ...own, ...nothing });
    for (const to of this.facts.info.team) {
      if (to !== this.facts.self) this.#team.network.inject(this.facts.self, to, opening).catch(() => {});
    }
  }
}

class OutputForger extends Round {
  override get outputs(): SignedOutputs | undefined {
    const signed = super.outputs;
    if (!signed) return undefined;
    const outputs = signed.outputs.slice();
    outputs.fill(1, 0, 1);
    return { ...signed, outputs };
  }
}

class SecretKeeper extends Round {
  override get secretBytes(): number {
    return super.secretBytes + (isOver(this.stage) ? 32 : 0);
  }
}

/** Overrides for the node that breaks the promise. */
export function brokenNode(name: Break | undefined, index: number, team: () => SimTeam): Partial<RoundManagerDeps> {
  if (index !== 0) return {};
  if (name === 'early-open') return { makeRound: (facts, deps) => new EarlyOpener(facts, deps, team()) };
  if (name === 'forge-outputs') return { makeRound: (facts, deps) => new OutputForger(facts, deps) };
  if (name === 'keep-secrets') return { makeRound: (facts, deps) => new SecretKeeper(facts, deps) };
  return {};
}

// An outside view of a scheduler's rounds over a soak: every round that its table has shown, its end, and its outputs.
import { sleep, systemClock } from '../../src/base/clock.js';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import type { DemoNetwork } from '../../src/cli/demo/network.js';
import type { Client } from '../../src/client/client.js';
import type { Stage } from '../../src/protocol/stages.js';
import type { RoundRow } from '../../src/scheduler/records.js';
import type { Ledger } from './ledger.js';

const POLL_MS = 400;
/** Number of tries to get a round's outputs from its nodes. */
const TRIES = 20;

export const isOver = (state: Stage): boolean => state === 'COMPLETED' || state === 'FAILED';

export class SchedulerRounds {
  readonly seen = new Map<RoundId, RoundRow>();
  readonly #network: DemoNetwork;
  readonly #client: Client;
  readonly #ledger: Ledger;
  readonly #fetched = new Map<RoundId, Promise<boolean>>();

  constructor(network: DemoNetwork, client: Client, ledger: Ledger) {
    this.#network = network;
    this.#client = client;
    this.#ledger = ledger;
  }

  /** Polls the table until the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // There is no table while the scheduler is away.
      const table = await this.#network.rounds().catch(() => undefined);
      for (const row of table?.rounds ?? []) this.#take(row);
      await sleep(systemClock, POLL_MS, signal);
    }
  }

  #take(row: RoundRow): void {
    const before = this.seen.get(row.round);
    if (before && isOver(before.state)) {
      if (row.state !== before.state) {
        this.#ledger.problems.push(`round ${row.round} was ${before.state} and is ${row.state}`);
      }
      return;
    }
    this.seen.set(row.round, row);
    if (row.state === 'COMPLETED') {
      this.#ledger.rounds.completed++;
      void this.outputs(row.round, row.team);
    }
    if (row.state === 'FAILED') this.#ledger.rounds.failed++;
  }

  /** Records the outputs of a round in the ledger, once; returns false if no node gives them any more. */
  outputs(round: RoundId, team: readonly NodeId[]): Promise<boolean> {
    let fetched = this.#fetched.get(round);
    if (!fetched) {
      fetched = this.#fetch(round, team);
      this.#fetched.set(round, fetched);
    }
    return fetched;
  }

  async #fetch(round: RoundId, team: readonly NodeId[]): Promise<boolean> {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      try {
        const { messages, invalidSlots } = await this.#client.outputs(round, team[attempt % team.length]!);
        for (const message of messages) this.#ledger.output(round, Buffer.from(message).toString('utf8'));
        if (invalidSlots.length > 0)
          this.#ledger.problems.push(`round ${round}: ${invalidSlots.length} invalid outputs`);
        return true;
      } catch {
        await sleep(systemClock, POLL_MS);
      }
    }
    return false;
  }

  /** The team of a round in an outcome: from the table, with retries while the table is away. */
  async teamOf(round: RoundId): Promise<readonly NodeId[] | undefined> {
    for (let attempt = 0; attempt < 2 * TRIES && !this.seen.has(round); attempt++) await sleep(systemClock, POLL_MS);
    return this.seen.get(round)?.team;
  }
}

// Rounds of a soak: opened one after another by several concurrent workers, with every message followed to its end.

import { utf8 } from '../../src/base/bytes.js';
import { sleep, systemClock } from '../../src/base/clock.js';
import { type Rng, randomBytes } from '../../src/base/rng.js';
import { Client } from '../../src/client/client.js';
import type { Sender } from '../../src/client/compose.js';
import type { Engine } from '../../src/engine/engine.js';
import { NO_FLOORS } from '../../src/protocol/floors.js';
import type { RoundInfo, SignedRoundInfo } from '../../src/protocol/roundInfo.js';
import type { Submission } from '../../src/round/submissions/desk.js';
import type { FeedNetwork } from '../support/feedNetwork.js';
import { codeOfError, type Ledger } from './ledger.js';

const BATCH = 40;
const SENDERS = 20;
const SECOND_MS = 1_000;

export interface SoakRoundsDeps {
  readonly network: FeedNetwork;
  readonly engine: Engine;
  readonly ledger: Ledger;
  readonly rng: Rng;
  readonly log: (line: string) => void;
}

export class SoakRounds {
  readonly #deps: SoakRoundsDeps;
  readonly #client: Client;
  readonly #senders: Sender[];
  #round = 0;
  #running = 0;

  constructor(deps: SoakRoundsDeps) {
    this.#deps = deps;
    const { network, engine } = deps;
    const { name, membership, authority } = network;
    this.#client = new Client({
      network: name,
      membership,
      roundAuthority: authority.publicKey,
      engine,
      floors: NO_FLOORS,
    });
    this.#senders = Array.from({ length: SENDERS }, () => this.#client.createSender());
  }

  async register(): Promise<void> {
    await this.#client.register(this.#senders);
  }

  /** True if no round is open. */
  get idle(): boolean {
    return this.#running === 0;
  }

  /** Runs rounds until the signal aborts, while `held` returns false. */
  async work(signal: AbortSignal, held: () => boolean): Promise<void> {
    while (!signal.aborted) {
      if (held()) {
        await sleep(systemClock, 50, signal);
        continue;
      }
      this.#running++;
      try {
        const failed = this.#deps.ledger.rounds.failed;
        await this.#one(++this.#round);
        // Like a scheduler: does not open rounds as fast as they fail.
        if (this.#deps.ledger.rounds.failed > failed) await sleep(systemClock, SECOND_MS, signal);
      } catch (thrown) {
        this.#deps.ledger.problems.push(`round: ${codeOfError(thrown)} ${(thrown as Error).stack ?? ''}`);
      } finally {
        this.#running--;
      }
    }
  }

  #info(round: number): RoundInfo {
    const { network, engine, rng } = this.#deps;
    const deadlines = {
      precomputeMs: 60 * SECOND_MS,
      standbyMs: 60 * SECOND_MS,
      collectMs: 10 * SECOND_MS,
      realtimeMs: 60 * SECOND_MS,
      precomputePhaseMs: 40 * SECOND_MS,
      realtimePhaseMs: 40 * SECOND_MS,
    };
    const wishes = { group: engine.group.name, slots: BATCH, chunkSlots: 8, deadlines };
    return network.info(round, wishes, randomBytes(rng, 32));
  }

  async #one(round: number): Promise<void> {
    const { network, ledger } = this.#deps;
    const { feed } = network;
    const info = this.#info(round);
    const texts = Array.from({ length: BATCH }, (_, i) => `round ${round} message ${i}`);
    const signed = feed.open(info);
    try {
      await feed.reached(info.round, 'STANDBY');
      feed.assign(info.round);
      await feed.reached(info.round, 'QUEUED');
    } catch (thrown) {
      // No message has been sent yet.
      this.#failed(round, thrown);
      return;
    }
    const ended = feed.reached(info.round, 'COMPLETED').then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const submissions = await this.#compose(signed, texts);
    const answers = await this.#client.submit(info, submissions);
    const failure = await ended;
    if (failure === undefined) {
      ledger.rounds.completed++;
      await this.#takeOutputs(info);
    } else {
      this.#failed(round, failure);
    }
    const outcomes = texts.map((text, i) => this.#follow(info, text, submissions[i]!, answers[i]));
    await Promise.all(outcomes);
  }

  #failed(round: number, thrown: unknown): void {
    const { ledger, log } = this.#deps;
    ledger.rounds.failed++;
    const values = (thrown as { values?: Record<string, unknown> }).values ?? {};
    log(`round ${round} failed: ${String(values.code ?? codeOfError(thrown))} ${String(values.detail ?? '')}`);
  }

  #compose(signed: SignedRoundInfo, texts: readonly string[]): Promise<Submission[]> {
    const outgoing = texts.map((text, i) => ({ sender: this.#senders[i % SENDERS]!, payload: utf8(text) }));
    return this.#client.compose(signed, outgoing);
  }

  /** Fetches the outputs from any node that gives them. */
  async #takeOutputs(info: RoundInfo): Promise<void> {
    const { ledger } = this.#deps;
    for (const node of [...info.team, ...info.team]) {
      try {
        const { messages, invalidSlots } = await this.#client.outputs(info.round, node);
        for (const message of messages) ledger.output(info.round, Buffer.from(message).toString('utf8'));
        if (invalidSlots.length > 0)
          ledger.problems.push(`round ${info.round}: ${invalidSlots.length} invalid outputs`);
        return;
      } catch {
        // Tries another node, or again after a moment: links are being cut.
        await sleep(systemClock, 500);
      }
    }
    ledger.problems.push(`round ${info.round}: no node gives its outputs`);
  }

  /** Records the final outcome of a message, as its sender knows it. */
  async #follow(info: RoundInfo, text: string, submission: Submission, answer: Error | undefined): Promise<void> {
    const { ledger } = this.#deps;
    if (ledger.cameOut(text)) return ledger.ended('mixed');
    // The message was not accepted, and its sender was told at once. After a broken link the outcome is open: the sender is told
    // that as well.
    if (answer) {
      const code = codeOfError(answer);
      return ledger.ended(code.startsWith('LINK_') ? 'unsure' : 'refused', code);
    }
    let last = 'no node answered';
    for (const node of [...info.team, ...info.team]) {
      try {
        const outcome = await this.#client.outcome(info, submission, node);
        if (outcome.state === 'failed') return ledger.ended('failed', outcome.code);
        if (outcome.state === 'rejected') return ledger.ended('rejected', outcome.reason);
        last = outcome.state;
      } catch (thrown) {
        const code = codeOfError(thrown);
        // A node that answers that the round is over has told the sender enough.
        if (code === 'ROUND_OVER') return ledger.ended('failed', code);
        last = code;
      }
      await sleep(systemClock, 300);
    }
    ledger.lost(info.round, text, last);
  }

  close(): void {
    this.#client.close();
    for (const sender of this.#senders) sender.wipe();
  }
}

// Runs the demo's rounds: opens each, composes and submits its messages, waits for all nodes, fetches the outputs as any
// receiver would, and compares what came out with what went in.
import { MixError } from '../../base/errors.js';
import type { NodeId, RoundId } from '../../base/ids.js';
import { randomBytes, systemRng } from '../../base/rng.js';
import { Client } from '../../client/client.js';
import type { Sender } from '../../client/compose.js';
import type { Engine } from '../../engine/engine.js';
import type { PhaseName } from '../../round/roundContext.js';
import type { RoundInfo } from '../../round/roundInfo.js';
import { drawTeam } from '../../round/teamDraw.js';
import type { RoundDisplay } from './display.js';
import type { DemoNetwork } from './network.js';
import type { DemoOptions } from './options.js';

/** Senders of the demo at most; a batch that is larger has senders with several messages. */
const SENDERS_MAX = 1_000;
/** The grain of the pipeline: large enough to keep an engine busy, small enough for five nodes to overlap. */
const CHUNK_SLOTS = 64;
const EXPONENT_BYTES = 32;
const MINUTE_MS = 60_000;

export interface RoundResult {
  readonly round: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly equal: boolean;
  readonly phaseMs: Record<PhaseName, number>;
  readonly precomputeMs: number;
  readonly realtimeMs: number;
}

export class DemoRounds {
  readonly #network: DemoNetwork;
  readonly #options: DemoOptions;
  readonly #client: Client;
  readonly #display: RoundDisplay;
  readonly #senders: Sender[];

  constructor(network: DemoNetwork, options: DemoOptions, engine: Engine, display: RoundDisplay) {
    this.#network = network;
    this.#options = options;
    this.#display = display;
    this.#client = new Client({
      network: network.name,
      membership: network.membership,
      roundAuthority: network.authority.publicKey,
      engine,
    });
    const count = Math.min(options.batch, SENDERS_MAX);
    this.#senders = Array.from({ length: count }, () => this.#client.createSender());
  }

  get senders(): number {
    return this.#senders.length;
  }

  /** Registers all senders with these nodes; with all members by default. */
  async register(nodes?: readonly NodeId[]): Promise<void> {
    await this.#client.register(this.#senders, nodes);
  }

  #info(round: number): RoundInfo {
    const { batch, width, group, teamSize } = this.#options;
    const id = round as RoundId;
    const pool: NodeId[] = this.#network.nodes.map((node) => node.id);
    return {
      network: this.#network.name,
      round: id,
      membership: this.#network.membership.generation,
      team: drawTeam(pool, teamSize, id, randomBytes(systemRng, 32)),
      group: group.name,
      slots: batch,
      width,
      chunkSlots: Math.min(CHUNK_SLOTS, batch),
      exponentBytes: EXPONENT_BYTES,
      minSenders: Math.max(1, Math.floor(this.senders / 2)),
      quotaPerSender: Math.ceil(batch / this.senders),
      // Generous: the slowest engine on the smallest machine must not miss them. `bigint` takes 7 ms for a power at 4096 bits:
      // five of them for each of 1,000 slots, five nodes on two cores, are a minute and a half for the whole precomputation.
      deadlines: {
        precomputeMs: 60 * MINUTE_MS,
        standbyMs: 60 * MINUTE_MS,
        collectMs: 10 * MINUTE_MS,
        realtimeMs: 10 * MINUTE_MS,
        precomputePhaseMs: 20 * MINUTE_MS,
        realtimePhaseMs: 4 * MINUTE_MS,
      },
    };
  }

  /** One round, from opening to verified outputs. @throws MixError where it fails, naming the culprit where known */
  async run(round: number): Promise<{ readonly result: RoundResult; readonly outputs: readonly Uint8Array[] }> {
    const { feed } = this.#network;
    const display = this.#display;
    const messages = this.#options.messagesOf(round - 1);
    const info = this.#info(round);
    display.begin(round, this.#options.rounds, info.team.length);
    display.note('precomputing');
    const startMs = performance.now();
    const signed = feed.open(info);
    const outgoing = messages.map((payload, i) => ({ sender: this.#senders[i % this.senders]!, payload }));
    const ready = feed.reached(info.round, 'STANDBY');
    ready.catch(() => {});
    const submissions = await this.#client.compose(signed, outgoing);
    await ready;
    const precomputeMs = performance.now() - startMs;
    feed.assign(info.round);
    await feed.reached(info.round, 'QUEUED');
    const completed = feed.reached(info.round, 'COMPLETED');
    completed.catch(() => {});
    const answers = await this.#client.submit(info, submissions, (count) => display.note(`${count} messages in`));
    const closedMs = performance.now();
    const refused = answers.find((answer) => answer !== undefined);
    if (refused) throw refused;
    display.note('realtime');
    await completed;
    const realtimeMs = performance.now() - closedMs;
    const outputs = await this.#client.outputs(info.round, info.team.at(-1)!);
    display.note(`${outputs.messages.length} messages out`);
    display.end();
    const result = {
      round,
      messagesIn: messages.length,
      messagesOut: outputs.messages.length,
      equal: sameMultiset(messages, outputs.messages) && outputs.invalidSlots.length === 0,
      phaseMs: display.times(),
      precomputeMs: Math.round(precomputeMs),
      realtimeMs: Math.round(realtimeMs),
    };
    return { result, outputs: outputs.messages };
  }

  close(): void {
    this.#client.close();
    for (const sender of this.#senders) sender.wipe();
  }
}

/** True where both lists hold the same messages, each as often. */
export function sameMultiset(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  if (a.length !== b.length) return false;
  const counts = new Map<string, number>();
  for (const bytes of a) {
    const key = Buffer.from(bytes).toString('latin1');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const bytes of b) {
    const key = Buffer.from(bytes).toString('latin1');
    const left = counts.get(key) ?? 0;
    if (left === 0) return false;
    counts.set(key, left - 1);
  }
  return true;
}

/** Says which of the demo's nodes an error names, by its number. */
export function withNodeNumber(error: MixError, network: DemoNetwork): MixError {
  const { culprit } = error.values;
  const node = typeof culprit === 'string' ? network.nodes.find(({ id }) => id === culprit) : undefined;
  return node ? new MixError(error.code, { ...error.values, node: node.number }, { cause: error }) : error;
}

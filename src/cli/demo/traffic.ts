// The demo's senders and receivers: each batch of messages is sent by clients as anybody would send it, and followed to its end;
// then outputs are fetched, verified, and compared with what went in.
import { deferred, MixError, type NodeId, type RoundId, sleep, systemClock } from '../../base/index.js';
import { Client, type MessageOutcome, type Sender } from '../../client/index.js';
import type { Engine } from '../../engine/index.js';
import { isOver } from '../../round/index.js';
import type { RoundRow } from '../../scheduler/index.js';
import { MessageBook } from './messageBook.js';
import type { DemoNetwork } from './network.js';
import type { DemoOptions } from './options.js';
import { type RoundResult, roundResult } from './results.js';
import { demoFloors, PEER_LOST_MS, SENDERS_MAX } from './settings.js';

/**
 * Time in which the scheduler must report the end of a round whose messages are known to be mixed: longer than nodes wait for one that
 * died before all of them had its signature.
 */
const ROW_LIMIT_MS = 3 * PEER_LOST_MS;
/** Time for which the nodes of such a round are asked for its outputs. */
const OUTPUTS_LIMIT_MS = 20_000;
const POLL_MS = 50;

interface TrafficListener {
  onResult(result: RoundResult, row: RoundRow): void;
  /** Messages that did not come out, with the outcomes that their senders were told. */
  onUndelivered(outcomes: readonly MessageOutcome[]): void;
}

export class DemoTraffic {
  readonly #network: DemoNetwork;
  readonly #options: DemoOptions;
  readonly #client: Client;
  readonly #listener: TrafficListener;
  readonly #senders: Sender[];
  readonly #books = new Map<RoundId, MessageBook>();
  readonly #takenWallMs = new Map<RoundId, number>();
  readonly results: RoundResult[] = [];
  readonly outputs: Uint8Array[] = [];
  undelivered = 0;

  constructor(network: DemoNetwork, options: DemoOptions, engine: Engine, listener: TrafficListener) {
    this.#network = network;
    this.#options = options;
    this.#listener = listener;
    const { membership } = network.nodes;
    const roundAuthority = network.roundAuthority;
    this.#client = new Client({
      network: network.name,
      membership,
      roundAuthority,
      engine,
      floors: demoFloors(options),
    });
    const count = Math.min(options.batch, SENDERS_MAX);
    this.#senders = Array.from({ length: count }, () => this.#client.createSender());
  }

  get senders(): number {
    return this.#senders.length;
  }

  /** Registers all senders with all nodes. */
  async register(): Promise<void> {
    await this.#client.register(this.#senders);
  }

  /**
   * Sends one batch after the other, the next as soon as one is taken, until there were `rounds` of them or `signal` aborts; then follows
   * all to their end. `patience`: messages that no round has taken by then are given up.
   */
  async run(signal: AbortSignal, patience: AbortSignal): Promise<void> {
    const ends: Promise<void>[] = [];
    for (let batch = 0; batch < this.#options.rounds && !signal.aborted; batch++) {
      const { taken, ended } = this.#send(batch, patience);
      ends.push(ended);
      await Promise.race([taken, ended]);
    }
    await Promise.all(ends);
    // Messages left in a book came out and did not go in.
    for (const [round, book] of this.#books) await this.#conclude(round, book);
  }

  #send(batch: number, signal: AbortSignal): { readonly taken: Promise<void>; readonly ended: Promise<void> } {
    const messages = this.#options.messagesOf(batch);
    const outgoing = messages.map((payload, i) => ({ sender: this.#senders[i % this.senders]!, payload }));
    const taken = deferred<void>();
    let count = 0;
    const onTaken = (round: RoundId, more: number) => {
      this.#takenWallMs.set(round, systemClock.wallMs());
      count += more;
      if (count >= messages.length) taken.resolve();
    };
    const ended = this.#client.send(outgoing, { signal, onTaken }).then((outcomes) => this.#check(messages, outcomes));
    return { taken: taken.promise, ended };
  }

  /** Crosses a batch's messages off the outputs of the rounds that mixed them. */
  async #check(messages: readonly Uint8Array[], outcomes: readonly MessageOutcome[]): Promise<void> {
    const touched = new Set<RoundId>();
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.state !== 'mixed') continue;
      touched.add(outcome.round);
      (await this.#openBook(outcome.round)).expect(messages[i]!);
    }
    const undelivered = outcomes.filter(({ state }) => state !== 'mixed');
    this.undelivered += undelivered.length;
    if (undelivered.length > 0) this.#listener.onUndelivered(undelivered);
    for (const round of touched) {
      const book = this.#books.get(round);
      if (book?.settled) await this.#conclude(round, book);
    }
  }

  async #openBook(round: RoundId): Promise<MessageBook> {
    let book = this.#books.get(round);
    if (!book) {
      const { team } = await this.#awaitRow(round, () => true);
      // Fetched at once, because nodes keep the outputs of a limited number of rounds.
      const { messages, invalidSlots } = await this.#fetchOutputs(round, team);
      const row = await this.#awaitRow(round, ({ state }) => isOver(state));
      // Another call may have opened the book in the meantime.
      book = this.#books.get(round) ?? new MessageBook(row, messages, invalidSlots.length);
      this.#books.set(round, book);
    }
    return book;
  }

  /** Fetches outputs from any node of the team that has them: a node may have died, or wait for a signature still to come. */
  async #fetchOutputs(round: RoundId, team: readonly NodeId[]) {
    const endMs = systemClock.nowMs() + OUTPUTS_LIMIT_MS;
    for (;;) {
      let failure: unknown;
      for (const node of [...team].reverse()) {
        try {
          return await this.#client.outputs(round, node);
        } catch (thrown) {
          failure = thrown;
        }
      }
      if (systemClock.nowMs() > endMs) throw failure;
      await sleep(systemClock, POLL_MS);
    }
  }

  /**
   * Gives the scheduler's row of a round that has come out, as soon as it `isGood`; after ROW_LIMIT_MS as it is. The scheduler's view of
   * the round does not matter, nor does a round whose end it never sees: the outputs, with every node's signature, count.
   */
  async #awaitRow(round: RoundId, isGood: (row: RoundRow) => boolean): Promise<RoundRow> {
    const endMs = systemClock.nowMs() + ROW_LIMIT_MS;
    for (;;) {
      // Asked again until it is late: the scheduler may be away for a moment.
      const table = await this.#network.rounds().catch(() => undefined);
      const row = table?.rounds.find((known) => known.round === round);
      const isLate = systemClock.nowMs() > endMs;
      if (table && row && (isLate || isGood(row))) {
        return onWallClock({ ...row, endedMs: row.endedMs ?? table.nowMs }, table.wallMs - table.nowMs);
      }
      if (isLate) throw new MixError('SCHEDULER_FAILED', { round, detail: 'it does not know a round that came out' });
      await sleep(systemClock, POLL_MS);
    }
  }

  async #conclude(round: RoundId, book: MessageBook): Promise<void> {
    if (book.concluded) return;
    book.concluded = true;
    const result = roundResult(this.results.length + 1, book, this.#takenWallMs.get(round));
    this.results.push(result);
    this.outputs.push(...book.outputs);
    this.#listener.onResult(result, book.row);
  }

  close(): void {
    this.#client.close();
    for (const sender of this.#senders) sender.wipe();
  }
}

/** The same row with times since 1970. */
function onWallClock(row: RoundRow, offsetMs: number): RoundRow {
  const moved = (ms: number | undefined) => (ms === undefined ? undefined : ms + offsetMs);
  const { openedMs, standbyMs, queuedMs, realtimeMs, endedMs } = row;
  return {
    ...row,
    openedMs: openedMs + offsetMs,
    standbyMs: moved(standbyMs),
    queuedMs: moved(queuedMs),
    realtimeMs: moved(realtimeMs),
    endedMs: moved(endedMs),
  };
}

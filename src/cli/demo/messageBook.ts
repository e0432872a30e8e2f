// Compares a round's outputs with the messages that went in: every message exactly once, and nothing else. Apart from traffic.ts because
// results.ts reads it, too.
import type { RoundRow } from '../../scheduler/index.js';

const toKey = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

export class MessageBook {
  readonly row: RoundRow;
  readonly outputs: readonly Uint8Array[];
  readonly invalidSlots: number;
  readonly #left = new Map<string, number>();
  #expected = 0;
  #missing = 0;
  /** True once its result has been reported. */
  concluded = false;

  constructor(row: RoundRow, outputs: readonly Uint8Array[], invalidSlots: number) {
    this.row = row;
    this.outputs = outputs;
    this.invalidSlots = invalidSlots;
    for (const output of outputs) this.#left.set(toKey(output), (this.#left.get(toKey(output)) ?? 0) + 1);
  }

  /** Crosses off a message that its sender was told to have been mixed. */
  expect(message: Uint8Array): void {
    this.#expected++;
    const left = this.#left.get(toKey(message)) ?? 0;
    if (left === 0) this.#missing++;
    else this.#left.set(toKey(message), left - 1);
  }

  get expected(): number {
    return this.#expected;
  }

  /** True if as many messages were crossed off as came out. */
  get settled(): boolean {
    return this.#expected >= this.outputs.length;
  }

  /** True if both are the same, each message as often. */
  get equal(): boolean {
    return this.#missing === 0 && this.#expected === this.outputs.length && this.invalidSlots === 0;
  }
}

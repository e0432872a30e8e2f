// Tools for attacks: a team with some malicious nodes (each with its own keys, so it can sign anything), a round played to its
// end, and the result of every honest node: stage, error, culprit, outputs that count.
import { expect } from 'vitest';
import { MixError } from '../../src/base/errors.js';
import type { NodeId } from '../../src/base/ids.js';
import type { Engine } from '../../src/engine/engine.js';
import { multiply } from '../../src/math/arithmetic.js';
import { readElement, writeElement } from '../../src/math/batch.js';
import type { BatchPhase } from '../../src/protocol/batchPhases.js';
import type { BatchSource } from '../../src/protocol/link.js';
import { type RoundInfo, roundDigest } from '../../src/protocol/roundInfo.js';
import type { Stage } from '../../src/protocol/stages.js';
import type { SignedTeamMessage, TeamMessage } from '../../src/protocol/teamMessages.js';
import { isOver } from '../../src/round/machine/admission.js';
import type { RoundManagerDeps } from '../../src/round/manager.js';
import { forgeBatch, forgeMessage } from '../sim/forge.js';
import { refusedBecause, textsOf } from '../sim/outputs.js';
import { type SimNode, SimTeam, type TeamOptions } from '../sim/team.js';
import { Watch } from '../sim/watch.js';
import { engine, group } from '../support/cmix.js';

export { engine, group };

/** Texts of the honest senders in every attack; the first is the one under attack. */
export const TEXTS = ['the victim', 'b', 'c', 'd', 'e', 'f'];

/** Result of a round on one honest node. */
export interface Verdict {
  readonly stage: Stage | undefined;
  readonly code: string | undefined;
  /** Ring position from 1, as the protocol counts: the culprit by this node's own observation or check. */
  readonly culprit: number | undefined;
  /** Hearsay: the position that another member accuses, and the position of that member. */
  readonly accused?: number | undefined;
  readonly reporter?: number | undefined;
  readonly texts: readonly string[];
  readonly invalid: number;
}

export class Attack {
  readonly team: SimTeam;
  readonly watch: Watch;
  readonly evil: ReadonlySet<number>;
  info!: RoundInfo;

  /** `evil`: positions from 1. */
  private constructor(team: SimTeam, evil: readonly number[]) {
    this.team = team;
    this.watch = new Watch(team);
    this.evil = new Set(evil.map((position) => position - 1));
  }

  static async begin(
    evil: readonly number[],
    options: Partial<TeamOptions> & { readonly malice?: (position: number) => Partial<RoundManagerDeps> } = {},
  ): Promise<Attack> {
    const { malice = () => ({}), ...rest } = options;
    const team = new SimTeam({
      seed: `attack/${evil.join()}`,
      nodes: 4,
      chunkSlots: 4,
      deadlines: { precomputeMs: 20_000, collectMs: 2_000, realtimeMs: 20_000 },
      remake: (index) => (evil.includes(index + 1) ? malice(index + 1) : {}),
      ...rest,
    });
    const attack = new Attack(await team.start(), evil);
    attack.prepare();
    return attack;
  }

  /** Signs the next round without opening it. */
  prepare(): void {
    this.#next = this.team.roundInfo();
    this.info = this.#next.info;
    this.watch.open(this.info);
  }

  #next!: ReturnType<SimTeam['roundInfo']>;

  get signed() {
    return this.#next;
  }

  node(position: number): SimNode {
    return this.team.nodes[position - 1]!;
  }

  get members() {
    const { nodes } = this.team;
    return nodes.map(({ id, key }, position) => ({ position, node: id, publicKey: key.publicKey }));
  }

  get facts() {
    return { info: this.info, group, digest: roundDigest(this.info) };
  }

  /** Every batch that this node sends in `phase` (to `only`, if given) is changed and signed anew. */
  tamper(position: number, phase: BatchPhase, change: (batch: Uint8Array, to: number) => void, only?: number): void {
    this.tap(position, {
      batch: (to, source) => {
        const receiver = this.team.nodes.findIndex(({ id }) => id === to) + 1;
        if (source.header.phase !== phase || (only !== undefined && receiver !== only)) return source;
        return this.#changed(position, source, (batch) => change(batch, receiver));
      },
    });
  }

  /** The trailer of a batch of this phase is changed, and signed anew. */
  tamperTrailer(position: number, phase: BatchPhase, change: (extra: Uint8Array) => void): void {
    this.tap(position, {
      batch: (_, source) =>
        source.header.phase === phase ? this.#changed(position, source, () => {}, change) : source,
    });
  }

  #changed(
    position: number,
    source: BatchSource,
    change: (batch: Uint8Array) => void | Promise<void>,
    changeExtra: (extra: Uint8Array) => void = () => {},
  ): BatchSource {
    const forged = (async () => {
      const chunks: Uint8Array[] = [];
      for (let index = 0; index < source.chunks; index++) chunks.push(await source.chunk(index));
      const batch = new Uint8Array(Buffer.concat(chunks));
      await change(batch);
      const extra = (await source.trailer()).extra.slice();
      changeExtra(extra);
      return forgeBatch(this.facts, this.node(position).key, source.header.phase, batch, extra);
    })();
    forged.catch((error) => this.errors.push(error));
    return {
      header: source.header,
      chunks: source.chunks,
      chunk: async (index) => (await forged).chunk(index),
      trailer: async () => (await forged).trailer(),
    };
  }

  /** Like {@link tamper}, but the change may be asynchronous. */
  tamperLate(position: number, phase: BatchPhase, change: (batch: Uint8Array) => Promise<void>): void {
    this.tap(position, {
      batch: (_, source) => (source.header.phase === phase ? this.#changed(position, source, change) : source),
    });
  }

  /** Errors within the attackers' own code: a test must not pass because of them. */
  readonly errors: unknown[] = [];

  /** D_i of every node that has opened, as seen on the network. */
  readonly shares = new Map<number, Uint8Array>();

  recordOpenings(): void {
    for (const { index } of this.team.nodes) {
      this.tap(index + 1, {
        batch: (_, source) => {
          if (source.header.phase !== 'opening') return source;
          return this.#changed(index + 1, source, (batch) => void this.shares.set(index, batch.slice()));
        },
      });
    }
  }

  /** Every message of a kind from this node reaches `to` (from 1) as `change` makes it, properly signed. */
  say<K extends TeamMessage['kind']>(
    position: number,
    kind: K,
    change: (message: TeamMessage & { kind: K }, to: number) => TeamMessage,
  ): void {
    this.tap(position, {
      message: (to, signed) => {
        if (signed.message.kind !== kind) return signed;
        const receiver = this.team.nodes.findIndex(({ id }) => id === to) + 1;
        const changed = change(signed.message as TeamMessage & { kind: K }, receiver);
        return changed === signed.message ? signed : this.message(position, changed);
      },
    });
  }

  /** A message of this round, signed by the node. */
  message(position: number, message: TeamMessage): SignedTeamMessage {
    return forgeMessage(this.facts, this.node(position).key, message);
  }

  readonly #taps = new Map<number, Required<Parameters<SimTeam['network']['tap']>[1]>>();

  /** Adds a tap to the existing ones of a node. */
  tap(position: number, added: Parameters<SimTeam['network']['tap']>[1]): void {
    const before = this.#taps.get(position);
    const tap: Required<Parameters<SimTeam['network']['tap']>[1]> = {
      message: (to, message) => {
        const first = before ? before.message(to, message) : message;
        return first && added.message ? added.message(to, first) : first;
      },
      batch: (to, source) => {
        const first = before ? before.batch(to, source) : source;
        return first && added.batch ? added.batch(to, first) : first;
      },
    };
    this.#taps.set(position, tap);
    this.team.network.tap(this.node(position).id, tap);
  }

  /** Waits, in the round's own time, until a condition is true. */
  async wait(until: () => boolean): Promise<void> {
    while (!until()) await new Promise<void>((resolve) => this.team.clock.after(5, resolve));
  }

  readonly #plans: { readonly when: () => boolean; readonly act: () => void }[] = [];

  /** Acts once, when a condition becomes true during the round. */
  at(when: () => boolean, act: () => Promise<void> | void): void {
    this.#plans.push({ when, act: () => void Promise.resolve(act()).catch((error) => this.errors.push(error)) });
  }

  #doPlanned(): void {
    for (const plan of this.#plans.filter(({ when }) => when())) {
      this.#plans.splice(this.#plans.indexOf(plan), 1);
      plan.act();
    }
  }

  stage(position: number): string | undefined {
    return this.team.stage(this.node(position), this.info.round);
  }

  /** Plays the prepared round to its end at every honest node. */
  async play(texts: readonly string[] = TEXTS): Promise<Verdict[]> {
    await this.team.open(this.#next);
    const first = this.node(1);
    const assigned = new Set<SimNode>();
    let submitted = false;
    const ended = await this.team.until(() => {
      this.#doPlanned();
      for (const node of this.team.nodes) {
        if (assigned.has(node) || this.team.stage(node, this.info.round) !== 'STANDBY') continue;
        assigned.add(node);
        node.manager.assign(this.info.round);
      }
      if (!submitted && this.team.stage(first, this.info.round) === 'QUEUED') {
        submitted = true;
        void this.submit(texts);
      }
      return this.honest().every((node) => isOver((this.team.stage(node, this.info.round) ?? 'PENDING') as Stage));
    });
    expect(ended, 'the round ends at every honest node').toBe(true);
    const verdicts = this.honest().map((node) => this.verdict(node));
    this.#checkHonest(verdicts);
    return verdicts;
  }

  async submit(texts: readonly string[]): Promise<void> {
    for (const submission of await this.team.compose(this.info, texts)) {
      this.node(1).manager.submit(this.info.round, submission);
    }
  }

  honest(): SimNode[] {
    return this.team.nodes.filter(({ index }) => !this.evil.has(index));
  }

  verdict(node: SimNode): Verdict {
    const stage = this.team.stage(node, this.info.round) as Stage | undefined;
    const failure = this.team.failure(node, this.info.round);
    const position = (id: NodeId | undefined) => (id === undefined ? undefined : this.info.team.indexOf(id) + 1);
    const [culprit, accused] = [position(failure?.culprit), position(failure?.accused)];
    const said = { stage, code: failure?.code, culprit, accused, reporter: position(failure?.reporter) };
    if (stage !== 'COMPLETED') return { ...said, texts: [], invalid: 0 };
    const outputs = node.manager.outputs(this.info.round);
    const keyOf = (id: string) => this.team.nodes.find((other) => other.id === id)!.key.publicKey;
    expect(refusedBecause(this.info, outputs, keyOf)).toBeUndefined();
    const { texts, decoded } = textsOf(this.info, outputs);
    return { ...said, texts, invalid: decoded.invalidSlots.length };
  }

  /** Checks after any attack that honest nodes keep the order, keep no secrets, and blame no honest node. */
  #checkHonest(verdicts: readonly Verdict[]): void {
    const byHonest = this.watch.violations.filter(({ detail }) =>
      this.honest().some(({ index }) => detail.startsWith(`node ${index + 1},`)),
    );
    expect(byHonest).toEqual([]);
    expect(this.errors).toEqual([]);
    for (const node of this.honest()) expect(node.manager.secretBytes).toBe(0);
    for (const { culprit } of verdicts) if (culprit) expect([...this.evil]).toContain(culprit - 1);
    // The same for an honest node's accusations of another.
    for (const { accused, reporter } of verdicts) {
      if (accused && !this.evil.has(reporter! - 1)) expect([...this.evil]).toContain(accused - 1);
    }
  }
}

/** The code of the MixError that a call throws or rejects with; 'taken' on success. */
export async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'taken';
  } catch (error) {
    if (error instanceof MixError) return error.code;
    throw error;
  }
}

/** Number of refusals of this kind on a node, from its metrics. */
export async function refusals(node: SimNode, code: string, what: string): Promise<number> {
  const line = (await node.metrics.render())
    .split('\n')
    .find((text) => text.startsWith(`millrace_refused_inputs_total{code="${code}",what="${what}"}`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

/**
 * Checks that every honest node ended with this error and accepted nothing, and names this culprit by its own observation or
 * check.
 */
export function expectFailed(verdicts: readonly Verdict[], code: string, culprit: number | undefined): void {
  for (const verdict of verdicts) expect(verdict).toMatchObject({ stage: 'FAILED', code, culprit, texts: [] });
}

/**
 * Checks likewise a failure that not every node has seen: a witness names the culprit; the others record the accusation of the
 * witness, and blame nobody themselves.
 */
export function expectAccused(verdicts: readonly Verdict[], code: string, culprit: number): void {
  const isWitness = (verdict: Verdict) => verdict.culprit === culprit && verdict.accused === undefined;
  for (const verdict of verdicts) {
    const named = isWitness(verdict) ? {} : { culprit: undefined, accused: culprit };
    expect(verdict).toMatchObject({ stage: 'FAILED', code, texts: [], ...named });
    expect(verdict.reporter).not.toBe(culprit);
  }
  expect(verdicts.some(isWitness)).toBe(true);
}

/** The factor of all tags. */
export const TAG = 7n;

/** Multiplies element `index` of a batch, in place. */
export function tag(batch: Uint8Array, index: number, by: bigint = TAG): void {
  writeElement(group, batch, index, multiply(group, readElement(group, batch, index), by));
}

/** An engine that computes some operation wrongly: for a node that is wrong consistently, towards all others. */
export function lyingEngine(lies: { [K in 'mulGather' | 'powShared']?: Engine[K] }): Engine {
  return new Proxy(engine, {
    get(target, name) {
      if (Object.hasOwn(lies, name)) return lies[name as keyof typeof lies];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A node that tags one element of the output of its `nth` permutation (1: precomputation, 2: realtime). */
export function taggingPermuter(nth: 1 | 2, index: number): Partial<RoundManagerDeps> {
  let calls = 0;
  const mulGather: Engine['mulGather'] = async (...args) => {
    const out = await engine.mulGather(...args);
    if (++calls === nth) tag(out, index);
    return out;
  };
  return { engineOf: async () => lyingEngine({ mulGather }) };
}

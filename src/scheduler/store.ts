// A scheduler's records behind the Store port: every update before any node sees it, every round until it has ended, the registration
// codes with their use, the nodes that are registered, banned or barred from a common team, and evidence. A restart continues from here:
// no number and no round id is given twice, and open rounds resume at the stages that their nodes report.
import { createHash } from 'node:crypto';
import {
  asMixError,
  equalBytes,
  fromHex,
  isNodeId,
  MixError,
  type NodeId,
  type RoundId,
  toHex,
  utf8,
} from '../base/index.js';
import type { Store } from '../base/store.js';
import { SIGNATURE_BYTES } from '../cmix/index.js';
import { decodeUpdate, encodeUpdate } from '../comms/index.js';
import { decodeFields, encodeFields, type SignedRoundInfo, type SignedUpdate } from '../protocol/index.js';
import { type grpc, services } from '../transport/index.js';
import type { Update__Output } from '../transport/proto/generated/millrace/v1/Update.js';
import { HISTORY_MAX } from './feed.js';

const updateKey = (number: number): string => `update/${String(number).padStart(16, '0')}`;
const assignedKey = (round: RoundId): string => `assigned/${String(round).padStart(16, '0')}`;
const endedKey = (round: RoundId): string => `ended/${String(round).padStart(16, '0')}`;
const evidenceKey = (round: RoundId, node: NodeId): string => `evidence/${String(round).padStart(16, '0')}/${node}`;
const NODE = 'node/';
const nodeKey = (node: NodeId): string => `${NODE}${node}`;
const codeKey = (hashed: string): string => `code/${hashed}`;
const BARRED = 'barred/';
const LAST_ROUND = 'last-round';
/** Numbers at which updates continue after a gap. */
const SKIP = 'skip/';
/** Value stored for a code until a node uses it; then the value is that node. */
const UNUSED = 'unused';

const { responseSerialize, responseDeserialize } = services.Scheduler.service.Updates as grpc.MethodDefinition<
  object,
  object
>;

/** Pieces of evidence that are kept, a few kilobytes to a few megabytes each; the oldest go first. */
const EVIDENCE_MAX = 1_000;

export interface NodeEntry {
  readonly banned: boolean;
  /** End of its sit-out by a conviction: Unix time, ms. */
  readonly outUntilMs?: number | undefined;
}

/** A node that evidence has convicted, with the round and the evidence. */
interface Conviction {
  readonly signed: SignedRoundInfo;
  readonly culprit: NodeId;
  readonly evidence: Uint8Array;
}

/** Wraps a round as an update: the form in which it is stored. */
const openUpdate = (round: SignedRoundInfo): SignedUpdate => ({
  number: 1,
  signature: new Uint8Array(SIGNATURE_BYTES),
  update: { kind: 'open', round },
});

/** State that a restart finds. */
export interface Recovered {
  readonly updates: readonly SignedUpdate[];
  /** Key of a torn last record, which is dropped: nobody has seen it. */
  readonly torn: string | undefined;
  /** Rounds that ended, and rounds that were let take messages. */
  readonly ended: ReadonlySet<RoundId>;
  readonly assigned: ReadonlySet<RoundId>;
  readonly nodes: ReadonlyMap<NodeId, NodeEntry>;
  /** Teams that are not drawn again, by teamKey. */
  readonly barred: ReadonlySet<string>;
  readonly lastRound: number;
}

export class SchedulerStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws MixError STORE_CORRUPT naming the record; STORE_FAILED */
  async recover(): Promise<Recovered> {
    const updates: SignedUpdate[] = [];
    const keys = await this.#store.keys('update/');
    for (const key of keys.slice(0, -HISTORY_MAX)) await this.#store.delete(key);
    const skips = new Set((await this.#store.keys(SKIP)).map((key) => numberIn(key, SKIP)));
    let torn: string | undefined;
    for (const key of keys.slice(-HISTORY_MAX)) {
      // Only the last record can be torn; it was never published, and its number is given again.
      if (torn !== undefined) throw corrupt(torn, 'it cannot be read, and is not the last one');
      const bytes = await this.#store.get(key);
      const update = bytes && readUpdate(bytes);
      if (!update || updateKey(update.number) !== key) {
        torn = key;
        continue;
      }
      const before = updates.at(-1)?.number;
      if (before !== undefined && update.number !== before + 1 && !skips.has(update.number)) {
        throw corrupt(key, `number ${before + 1} is missing before it`);
      }
      updates.push(update);
    }
    if (torn !== undefined) await this.#store.delete(torn);
    const rounds = async (prefix: string) =>
      new Set((await this.#store.keys(prefix)).map((key) => numberIn(key, prefix) as RoundId));
    const nodes = new Map<NodeId, NodeEntry>();
    for (const key of await this.#store.keys(NODE)) {
      const bytes = await this.#store.get(key);
      const node = key.slice(NODE.length);
      if (!isNodeId(node)) throw corrupt(key, 'its key names no node');
      if (bytes) nodes.set(node, readEntry(key, bytes));
    }
    const last = await this.#store.get(LAST_ROUND);
    const lastRound = last ? Number(Buffer.from(last).toString()) : 0;
    if (!Number.isSafeInteger(lastRound) || lastRound < 0) throw corrupt(LAST_ROUND, 'it is no round id');
    return {
      updates,
      torn,
      ended: await rounds('ended/'),
      assigned: await rounds('assigned/'),
      nodes,
      barred: new Set((await this.#store.keys(BARRED)).map((key) => key.slice(BARRED.length))),
      lastRound,
    };
  }

  /** Lets the next update have this number though those before it are not in this history: nodes have seen them. */
  async skipTo(number: number): Promise<void> {
    await this.#store.put(`${SKIP}${String(number).padStart(16, '0')}`, utf8('1'));
  }

  /** Stores an update; for a new round first its id, which is never given again. */
  async keep(signed: SignedUpdate): Promise<void> {
    const { number, update } = signed;
    if (update.kind === 'open') await this.#store.put(LAST_ROUND, utf8(String(update.round.info.round)));
    if (update.kind === 'assign') await this.#store.put(assignedKey(update.round), utf8('1'));
    await this.#store.put(updateKey(number), new Uint8Array(responseSerialize(encodeUpdate(signed))));
    if (number > HISTORY_MAX) await this.#store.delete(updateKey(number - HISTORY_MAX));
  }

  async ended(round: RoundId): Promise<void> {
    await this.#store.put(endedKey(round), utf8('1'));
    await this.#store.delete(assignedKey(round));
    const old = (round - HISTORY_MAX) as RoundId;
    if (old > 0) await this.#store.delete(endedKey(old));
  }

  async node(node: NodeId, entry: NodeEntry): Promise<void> {
    await this.#store.put(nodeKey(node), utf8(JSON.stringify(entry)));
  }

  async bar(team: string): Promise<void> {
    await this.#store.put(`${BARRED}${team}`, utf8('1'));
  }

  /** Stores the evidence that convicted a node, with its round, so that anybody may check it again. */
  async evidence(signed: SignedRoundInfo, culprit: NodeId, evidence: Uint8Array): Promise<void> {
    const keys = await this.#store.keys('evidence/');
    for (const key of keys.slice(0, Math.max(0, keys.length + 1 - EVIDENCE_MAX))) await this.#store.delete(key);
    const round = new Uint8Array(responseSerialize(encodeUpdate(openUpdate(signed))));
    await this.#store.put(evidenceKey(signed.info.round, culprit), encodeFields([round, evidence]));
  }

  /** Convictions, oldest first. @throws MixError STORE_CORRUPT naming the record; STORE_FAILED */
  async convictions(): Promise<readonly Conviction[]> {
    const convictions: Conviction[] = [];
    for (const key of await this.#store.keys('evidence/')) {
      const bytes = await this.#store.get(key);
      if (bytes) convictions.push(readConviction(key, bytes));
    }
    return convictions;
  }

  /** Makes a registration code valid, once; only its hash is stored. */
  async addCode(code: string): Promise<void> {
    await this.#store.put(codeKey(toHex(hash(code))), utf8(UNUSED));
  }

  /**
   * Uses a code up for a node. That node may bring it again: it may not have received the answer, or the scheduler died before it
   * registered the node. One call at a time.
   * @throws MixError REGISTRATION_REFUSED if the code is unknown, or used by another node
   */
  async useCode(code: string, node: NodeId): Promise<void> {
    const brought = hash(code);
    const ownKey = codeKey(toHex(brought));
    let known = false;
    // Compares with all codes, each in constant time, so that the time tells nothing about any of them.
    for (const key of await this.#store.keys('code/')) {
      const same = equalBytes(fromHex(key.slice('code/'.length)) ?? new Uint8Array(0), brought);
      known = same || known;
    }
    const state = known ? await this.#store.get(ownKey) : undefined;
    const usedBy = state && Buffer.from(state).toString();
    if (usedBy === node) return;
    if (usedBy !== UNUSED) throw new MixError('REGISTRATION_REFUSED', {});
    await this.#store.put(ownKey, utf8(node));
  }
}

const hash = (code: string): Uint8Array => new Uint8Array(createHash('sha256').update(code.trim()).digest());

const corrupt = (record: string, why: string): MixError => new MixError('STORE_CORRUPT', { record, why });

/** The number at the end of a key. @throws MixError STORE_CORRUPT */
function numberIn(key: string, prefix: string): number {
  const number = Number(key.slice(prefix.length));
  if (!Number.isSafeInteger(number) || number < 1) throw corrupt(key, 'its key has no number');
  return number;
}

/** @throws MixError STORE_CORRUPT: a lost entry would lift a ban */
function readEntry(key: string, bytes: Uint8Array): NodeEntry {
  let entry: Partial<NodeEntry> | null;
  try {
    entry = JSON.parse(Buffer.from(bytes).toString()) as Partial<NodeEntry> | null;
  } catch (thrown) {
    throw corrupt(key, `it cannot be read: ${String(thrown)}`);
  }
  const { banned, outUntilMs } = entry ?? {};
  if (typeof banned !== 'boolean' || (outUntilMs !== undefined && !Number.isFinite(outUntilMs))) {
    throw corrupt(key, 'it is no entry of a node');
  }
  return { banned, outUntilMs };
}

/** @throws MixError STORE_CORRUPT */
function readConviction(key: string, bytes: Uint8Array): Conviction {
  const culprit = key.slice(key.lastIndexOf('/') + 1);
  let fields: readonly Uint8Array[];
  try {
    fields = decodeFields(bytes, 2, 'evidence');
  } catch (thrown) {
    throw corrupt(key, `it cannot be read: ${asMixError(thrown).message}`);
  }
  const [round, evidence] = fields;
  const opened = round && readUpdate(round)?.update;
  if (opened?.kind !== 'open' || !evidence || !isNodeId(culprit)) throw corrupt(key, 'it is no evidence in a round');
  return { signed: opened.round, culprit, evidence };
}

function readUpdate(bytes: Uint8Array): SignedUpdate | undefined {
  try {
    return decodeUpdate(responseDeserialize(Buffer.from(bytes)) as Update__Output);
  } catch {
    // The caller refuses the history, or drops a torn end.
    return undefined;
  }
}

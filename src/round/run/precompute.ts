// The precomputation of one node: key share, Generate, its part of both rings, and its decryption shares. Each step returns the
// inputs of the next. A chunk is multiplied as soon as it and the node's own encryption of it are there; only the permutation
// waits for a whole batch.

import { type Deferred, deferred, MixError, randomBytes, type Secret } from '../../base/index.js';
import {
  combineTeamKey,
  createKeyShare,
  type DecryptionProof,
  decodeKeyShare,
  decryptionShares,
  encodeKeyShare,
  encryptBatch,
  encryptionHeads,
  keyShareListDigest,
  NONCE_BYTES,
  precompDecrypt,
  precompPermute,
  proveDecryption,
  randomPermutation,
  type ShareContext,
  shareCommitment,
  splitCipher,
} from '../../cmix/index.js';
import type { FixedBase, Prepared } from '../../engine/index.js';
import { bigintToBytes, elementAt, randomElements, randomExponents } from '../../math/index.js';
import { type BatchTrailer, chunkCount, chunkRange, memberAt } from '../../protocol/index.js';
import type { IncomingBatch } from '../exchange/batches.js';
import type { RoundContext } from './context.js';

/** A node's own share of the team key: z, Z_i, and its encoding to publish. */
interface OwnKeyShare {
  readonly exponents: Secret;
  readonly publicShares: Uint8Array;
  readonly encoded: Uint8Array;
}

/** A node's encryption of one chunk of r: the bytes (node 1 sends them first) and the operand (the others multiply by it). */
interface EncryptedChunk {
  readonly bytes: Uint8Array;
  readonly operand: Prepared;
}

/** A chunk of uniform elements, the exponents that encrypt it, and its heads: g to the power of those exponents, once computed. */
interface DrawnChunk {
  readonly firstSlot: number;
  readonly plain: Uint8Array;
  readonly exponents: Uint8Array;
  readonly heads: Deferred<Uint8Array>;
}

/** A chunk of r; the ring multiplies by its encryption. */
interface RingChunk extends DrawnChunk {
  readonly encrypted: Deferred<EncryptedChunk>;
}

/** Uniform elements, and the exponents that encrypt them. */
interface Draw<Chunk extends DrawnChunk = DrawnChunk> {
  readonly plain: Uint8Array;
  readonly exponents: Uint8Array;
  readonly chunks: readonly Chunk[];
}

/** The secrets that a node draws for a round, and the powers that it computes before it knows Z. */
interface Drawn {
  readonly r: Draw<RingChunk>;
  readonly s: Draw;
  /** Enc(s; y′), prepared, once it is computed. */
  readonly encryptedS: Deferred<Prepared>;
  /** π as `source`: out[k] = in[source[k]]. */
  readonly source: Uint32Array;
  readonly generator: Promise<FixedBase>;
}

/** The team key. */
interface TeamKey {
  /** Tables of Z_e. */
  readonly bases: readonly FixedBase[];
  /** Z_i of each member, in ring order. */
  readonly publicShares: readonly Uint8Array[];
  /** Digest of the list of all shares. */
  readonly digest: Uint8Array;
}

/** @throws MixError INTERNAL if the position is not in the team */
export function publicShareAt({ publicShares }: TeamKey, position: number): Uint8Array {
  const share = publicShares[position];
  if (!share) throw new MixError('INTERNAL', { what: 'key share missing', position });
  return share;
}

/** The factors of realtime, prepared, and π. */
export interface Generated {
  readonly r: Prepared;
  readonly s: Prepared;
  readonly source: Uint32Array;
}

/** A node's decryption shares, opened only after the mix commitment, and the other results of Reveal. */
interface Revealed {
  readonly shares: Uint8Array;
  readonly proof: DecryptionProof;
  readonly nonce: Uint8Array;
  readonly commitment: Uint8Array;
  /** Trailer of the revealed C. */
  readonly reveal: BatchTrailer;
  /** c₁..c_w inverted, prepared for Identify. Public. */
  readonly inversePayload: Prepared;
  /** c₀ of every slot, for checking shares. Public. */
  readonly c0: Uint8Array;
}

/** The results of the precomputation. */
export interface Standby extends Revealed {
  readonly generated: Generated;
  readonly key: TeamKey;
}

/** A resource that the engine holds for a round. */
interface Handle {
  release(): void;
}

export class Precompute {
  readonly #round: RoundContext;
  readonly #chunks: number;
  /** Waits that may never resolve, and resources of the engine that are not secret. */
  readonly #waits: Pick<Deferred<never>, 'settled' | 'reject'>[] = [];
  readonly #handles = new Set<Handle>();
  #generated = 0;

  constructor(round: RoundContext) {
    this.#round = round;
    this.#chunks = chunkCount(round.facts.info);
  }

  /** Returns the context that binds the share of the node at `position`. */
  shareContext(position: number): ShareContext {
    const { group, digest: roundDigest, info } = this.#round.facts;
    const { node } = memberAt(this.#round.facts, position);
    return { group, roundDigest, node, width: info.width, exponentBytes: info.exponentBytes };
  }

  async makeKeyShare(): Promise<OwnKeyShare> {
    const { engine, rng, secrets } = this.#round.ports;
    const context = this.shareContext(this.#round.facts.position);
    const { exponents, share } = await createKeyShare(engine, rng, context);
    return { exponents: secrets.hold(exponents), publicShares: share.elements, encoded: encodeKeyShare(share) };
  }

  /** Combines the shares of all, encoded and in ring order, to Z, and builds its tables. */
  async combine(encoded: readonly Uint8Array[]): Promise<TeamKey> {
    const { engine } = this.#round.ports;
    const { group, info, digest: roundDigest } = this.#round.facts;
    const shares = encoded.map((share) => decodeKeyShare(group, info.width, share));
    const teamKey = await combineTeamKey(engine, shares, info.width).catch((error) => {
      throw this.#withCopier(error);
    });
    const bases: FixedBase[] = [];
    for (let e = 0; e < info.width; e++) bases.push(await this.#table(elementAt(group, teamKey, e)));
    const publicShares = shares.map(({ elements }) => elements);
    return { bases, publicShares, digest: keyShareListDigest(roundDigest, shares) };
  }

  /**
   * Names the culprit of two equal shares. Each came with a proof of knowledge bound to its node, so nobody copied a share whose
   * exponent it does not know: this node's own is fresh, so the other is at fault; between two others the later one is.
   */
  #withCopier(error: unknown): unknown {
    if (!(error instanceof MixError) || error.code !== 'KEY_SHARE_DUPLICATE') return error;
    const { first, second } = error.values;
    const culprit = second === this.#round.facts.position ? first : second;
    if (culprit === undefined) return error;
    return new MixError('KEY_SHARE_DUPLICATE', { ...error.values, culprit }, { cause: error });
  }

  /** Makes a table of powers that is released with the round. */
  async #table(element: Uint8Array): Promise<FixedBase> {
    return this.#keep(await this.#round.ports.engine.fixedBase(element, this.#round.precompute));
  }

  /** Releases the handle when the round ends, or at once if the round ended while it was made. */
  #keep<T extends Handle>(handle: T): T {
    if (!this.#round.ports.signal.aborted) {
      this.#handles.add(handle);
      return handle;
    }
    handle.release();
    throw new MixError('ABORTED', { what: 'the round has ended' });
  }

  #free(handle: Handle): void {
    if (this.#handles.delete(handle)) handle.release();
  }

  /** A value that comes later, or never if the round ends. */
  #later<T>(): Deferred<T> {
    const later = deferred<T>();
    this.#waits.push(later);
    return later;
  }

  /** Draws the values that need no other member: r, s, y, y′ and π. */
  draw(): Drawn {
    const { rng, secrets, onProgress } = this.#round.ports;
    const { group, info } = this.#round.facts;
    onProgress('generate', 0);
    const draw = (): Draw => {
      const plain = secrets.hold(randomElements(rng, group, info.slots * info.width));
      const exponents = secrets.hold(randomExponents(rng, info.slots, info.exponentBytes));
      const chunks = Array.from({ length: this.#chunks }, (_, index) => this.#cut(plain, exponents, index));
      return { plain, exponents, chunks };
    };
    const plainR = draw();
    const r = {
      ...plainR,
      chunks: plainR.chunks.map((chunk) => ({ ...chunk, encrypted: this.#later<EncryptedChunk>() })),
    };
    const s = draw();
    const source = secrets.hold(randomPermutation(rng, info.slots));
    const generator = this.#table(bigintToBytes(group.g, group.elementBytes));
    return { r, s, encryptedS: this.#later(), source, generator };
  }

  #cut(plain: Uint8Array, exponents: Uint8Array, index: number): DrawnChunk {
    const { group, info } = this.#round.facts;
    const { from, to } = chunkRange(info, index);
    const slotBytes = info.width * group.elementBytes;
    return {
      firstSlot: from,
      plain: plain.subarray(from * slotBytes, to * slotBytes),
      exponents: exponents.subarray(from * info.exponentBytes, to * info.exponentBytes),
      heads: this.#later(),
    };
  }

  /**
   * Computes g^y for both encryptions while the shares are exchanged. Chunk by chunk, so that the check of the others' shares is
   * never more than one chunk behind in the engine's queue.
   */
  async raiseHeads({ r, s, generator }: Drawn): Promise<void> {
    const { secrets, engine } = this.#round.ports;
    const base = await generator;
    const options = { exponentBytes: this.#round.facts.info.exponentBytes, ...this.#round.precompute };
    for (const { exponents, heads } of [...r.chunks, ...s.chunks]) {
      heads.resolve(secrets.hold(await encryptionHeads(engine, base, exponents, options)));
      this.#advance();
    }
  }

  /** Computes Enc(r; y) and Enc(s; y′), chunk by chunk, r first, so that the ring can start on the first chunk. */
  async generate({ r, s, encryptedS, source, generator }: Drawn, { bases }: TeamKey): Promise<Generated> {
    const { secrets, engine } = this.#round.ports;
    const { group, info } = this.#round.facts;
    const work = this.#round.precompute;
    const preparedR = secrets.hold(await engine.prepare(r.plain, work));
    const preparedS = secrets.hold(await engine.prepare(s.plain, work));
    const g = await generator;
    for (const chunk of r.chunks) {
      const bytes = secrets.hold(await this.#encrypt(chunk, { g, team: bases }));
      const operand = secrets.hold(await engine.prepare(bytes, work));
      chunk.encrypted.resolve({ bytes, operand });
    }
    this.#forget(r);
    const encS = secrets.hold(engine.allocate(info.slots, info.width + 1));
    for (const chunk of s.chunks) {
      const bytes = secrets.hold(await this.#encrypt(chunk, { g, team: bases }));
      encS.set(bytes, chunk.firstSlot * (info.width + 1) * group.elementBytes);
      secrets.drop(bytes);
    }
    this.#forget(s);
    encryptedS.resolve(secrets.hold(await engine.prepare(encS, work)));
    secrets.drop(encS);
    for (const table of [g, ...bases]) this.#free(table);
    return { r: preparedR, s: preparedS, source };
  }

  async #encrypt(
    chunk: DrawnChunk,
    bases: { readonly g: FixedBase; readonly team: readonly FixedBase[] },
  ): Promise<Uint8Array> {
    const { exponentBytes, width } = this.#round.facts.info;
    const heads = await chunk.heads.promise;
    const options = { exponentBytes, width, heads, ...this.#round.precompute };
    const cipher = await encryptBatch(this.#round.ports.engine, bases, chunk.plain, chunk.exponents, options);
    this.#round.ports.secrets.drop(heads);
    this.#advance();
    return cipher;
  }

  /** Generate takes four steps per chunk: the heads of r and of s ahead, then both encryptions with Z. */
  #advance(): void {
    this.#generated++;
    this.#round.ports.onProgress('generate', this.#generated / (4 * this.#chunks));
  }

  #forget(draw: Draw): void {
    this.#round.ports.secrets.drop(draw.plain);
    this.#round.ports.secrets.drop(draw.exponents);
  }

  /** This node's part of the decrypt ring: C ← C ∘ Enc(r), each chunk as soon as it is in. The first node has no input. */
  async runRing({ r }: Drawn, incoming: IncomingBatch | undefined): Promise<void> {
    const round = this.#round;
    const { engine, onProgress, secrets } = round.ports;
    const out = round.outgoing('precompDecrypt');
    onProgress('precompDecrypt', 0);
    let done = 0;
    const chunk = async ({ encrypted }: RingChunk, index: number) => {
      const own = await encrypted.promise;
      const place = out.place(index);
      if (incoming) {
        const input = await incoming.arrival(index);
        await precompDecrypt(engine, input, own.operand, { ...round.precompute, out: place });
      } else place.set(own.bytes);
      secrets.drop(own.bytes);
      secrets.drop(own.operand);
      out.ready(index);
      onProgress('precompDecrypt', ++done / out.chunks);
    };
    await Promise.all(r.chunks.map(chunk));
  }

  /** C′[k] = C[π⁻¹(k)] ∘ Enc(s)[k], once the whole batch is in. Node 1's result is the C that it reveals. */
  async permute({ source, encryptedS }: Drawn): Promise<void> {
    const round = this.#round;
    const { info, position } = round.facts;
    round.ports.onProgress('precompPermute', 0);
    const input = round.isLast ? round.whole('precompDecrypt', position) : round.whole('precompPermute', position + 1);
    const out = round.outgoing(round.isFirst ? 'reveal' : 'precompPermute');
    const encS = await encryptedS.promise;
    const options = { ...round.precompute, width: info.width, out: out.bytes };
    await precompPermute(round.ports.engine, input, source, encS, options);
    round.ports.secrets.drop(encS);
    out.readyAll();
    round.ports.onProgress('precompPermute', 1);
  }

  /** Computes D_i, σ_i and com_i over the revealed C, and inverts c₁..c_w. */
  async makeShares({ exponents, publicShares }: OwnKeyShare, reveal: BatchTrailer): Promise<Revealed> {
    const { engine, rng, secrets, onProgress } = this.#round.ports;
    const { group, info, position, digest: roundDigest, self } = this.#round.facts;
    const work = this.#round.precompute;
    const { root: cipherDigest } = reveal;
    onProgress('reveal', 0);
    const { c0, payload } = splitCipher(group, this.#round.whole('reveal', 0), info.width);
    const options = { exponentBytes: info.exponentBytes, ...work };
    const shares = secrets.hold(await decryptionShares(engine, c0, exponents, options));
    onProgress('reveal', 0.7);
    const statement = { publicShares, exponents, c0, shares, batchDigest: cipherDigest };
    const proof = await proveDecryption(engine, rng, this.shareContext(position), statement, work);
    onProgress('reveal', 0.9);
    const inversePayload = this.#keep(await engine.prepare(await engine.invertBatch(payload, work), work));
    const nonce = secrets.hold(randomBytes(rng, NONCE_BYTES));
    const commitment = shareCommitment({ roundDigest, node: self, cipherDigest, shares, proof, nonce });
    secrets.drop(exponents);
    onProgress('reveal', 1);
    return { shares, proof, nonce, commitment, reveal, inversePayload, c0 };
  }

  /** Rejects every wait of this driver and frees its resources that are not secret. */
  abort(reason: MixError): void {
    for (const wait of this.#waits) if (!wait.settled) wait.reject(reason);
    for (const handle of this.#handles) this.#free(handle);
  }
}

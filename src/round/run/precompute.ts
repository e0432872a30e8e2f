// The precomputation of one node: key share, Generate, its part of both rings, and its decryption shares. Multiplications
// of a chunk start as soon as that chunk and the node's own encryption of it are there; nothing waits for a whole batch
// but the permutation.

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
  type KeyShare,
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
import { bigintToBytes, elementOf, randomElements, randomExponents } from '../../math/index.js';
import { chunkCount, chunkRange } from '../../protocol/index.js';
import type { RoundContext } from './context.js';

/** What Reveal leaves behind, opened only after the mix commitment. */
interface OwnShares {
  readonly shares: Uint8Array;
  readonly proof: DecryptionProof;
  readonly nonce: Uint8Array;
  readonly commitment: Uint8Array;
}

/** A node's encryption of one chunk of r: the bytes (what node 1 sends first) and the operand (what the others multiply by). */
interface EncryptedChunk {
  readonly bytes: Uint8Array;
  readonly operand: Prepared;
}

/** Uniform elements, and the exponents that encrypt them. */
interface Draw {
  readonly plain: Uint8Array;
  readonly exponents: Uint8Array;
}

export class Precompute {
  readonly #round: RoundContext;
  readonly #encryptedR: Deferred<EncryptedChunk>[];
  readonly #encryptedS = deferred<Prepared>();
  #exponents: Secret | undefined;
  #draws: { readonly r: Draw; readonly s: Draw } | undefined;
  readonly #heads: { readonly r: Deferred<Uint8Array>[]; readonly s: Deferred<Uint8Array>[] };
  #generated = 0;
  #generator: FixedBase | undefined;
  #teamBases: FixedBase[] = [];
  readonly #keyShares: (KeyShare | undefined)[] = [];
  /** r and s, prepared: what realtime multiplies by. */
  preparedR: Prepared | undefined;
  preparedS: Prepared | undefined;
  /** π as `source`: out[k] = in[source[k]]. */
  source: Uint32Array | undefined;
  own: OwnShares | undefined;
  /** c₁..c_w inverted, prepared for Identify. Public. */
  inversePayload: Prepared | undefined;
  /** c₀ of every slot, for checking shares. Public. */
  c0: Uint8Array | undefined;

  constructor(round: RoundContext) {
    this.#round = round;
    const perChunk = <T>() => Array.from({ length: chunkCount(round.facts.info) }, () => deferred<T>());
    this.#encryptedR = perChunk<EncryptedChunk>();
    this.#heads = { r: perChunk<Uint8Array>(), s: perChunk<Uint8Array>() };
  }

  /** The context that binds the share of the node at `position`. */
  shareContext(position: number): ShareContext {
    const { group, digest: roundDigest, info } = this.#round.facts;
    return { group, roundDigest, node: info.team[position]!, width: info.width, exponentBytes: info.exponentBytes };
  }

  async makeKeyShare(): Promise<Uint8Array> {
    const { engine, rng, secrets } = this.#round.ports;
    const context = this.shareContext(this.#round.facts.position);
    const { exponents, share } = await createKeyShare(engine, rng, context);
    this.#exponents = secrets.hold(exponents);
    return encodeKeyShare(share);
  }

  /** Combines all shares to Z and builds the tables; gives the digest of their list. */
  async combine(shares: readonly KeyShare[]): Promise<Uint8Array> {
    const { engine } = this.#round.ports;
    const { group, info, digest: roundDigest } = this.#round.facts;
    const teamKey = await combineTeamKey(engine, shares, info.width).catch((error) => {
      throw this.#withCopier(error);
    });
    for (let e = 0; e < info.width; e++) this.#teamBases.push(await this.#table(elementOf(group, teamKey, e)));
    return keyShareListDigest(roundDigest, shares);
  }

  /**
   * Who is to blame for two equal shares. Each came with a proof of knowledge bound to its node, so nobody copied what it
   * does not know: our own is fresh, so the other is at fault; between two others the later one is.
   */
  #withCopier(error: unknown): unknown {
    if (!(error instanceof MixError) || error.code !== 'KEY_SHARE_DUPLICATE') return error;
    const { first, second } = error.values;
    const culprit = second === this.#round.facts.position ? first! : second!;
    return new MixError('KEY_SHARE_DUPLICATE', { ...error.values, culprit }, { cause: error });
  }

  /** A table of powers that does not outlive the round, not even where the round ended while it was made. */
  async #table(element: Uint8Array): Promise<FixedBase> {
    const base = await this.#round.ports.engine.fixedBase(element, this.#round.precompute);
    return this.#releaseLate(base);
  }

  #releaseLate<T extends { release(): void }>(handle: T): T {
    if (!this.#round.ports.signal.aborted) return handle;
    handle.release();
    throw new MixError('ABORTED', { what: 'the round has ended' });
  }

  /**
   * What needs nobody else, while the shares are exchanged: r, s, y, y′, π, and g^y for both encryptions. Chunk after
   * chunk, so that checking the others' shares is never more than one chunk behind in the engine's queue.
   */
  async drawAhead(): Promise<void> {
    const { rng, secrets, engine, onProgress } = this.#round.ports;
    const { group, info } = this.#round.facts;
    onProgress('generate', 0);
    const draw = (): Draw => ({
      plain: secrets.hold(randomElements(rng, group, info.slots * info.width)),
      exponents: secrets.hold(randomExponents(rng, info.slots, info.exponentBytes)),
    });
    const r = draw();
    const s = draw();
    this.#draws = { r, s };
    this.source = secrets.hold(randomPermutation(rng, info.slots));
    this.#generator = await this.#table(bigintToBytes(group.g, group.elementBytes));
    const options = { exponentBytes: info.exponentBytes, ...this.#round.precompute };
    for (const [name, { exponents }] of [
      ['r', r],
      ['s', s],
    ] as const) {
      for (const [index, head] of this.#heads[name].entries()) {
        const own = this.#exponentsOf(exponents, index);
        head.resolve(secrets.hold(await encryptionHeads(engine, this.#generator, own, options)));
        this.#advance();
      }
    }
  }

  /** Enc(r; y) and Enc(s; y′), chunk by chunk, r first, so that the ring can start on the first chunk. */
  async generate(): Promise<void> {
    const { secrets, engine } = this.#round.ports;
    const { group, info } = this.#round.facts;
    const { r, s } = this.#draws!;
    const work = this.#round.precompute;
    this.preparedR = secrets.hold(await engine.prepare(r.plain, work));
    this.preparedS = secrets.hold(await engine.prepare(s.plain, work));
    for (const [index, chunk] of this.#encryptedR.entries()) {
      const bytes = secrets.hold(await this.#encrypt(r, 'r', index));
      const operand = secrets.hold(await engine.prepare(bytes, work));
      chunk.resolve({ bytes, operand });
    }
    this.#forget(r);
    const encS = secrets.hold(engine.allocate(info.slots, info.width + 1));
    for (const index of this.#encryptedR.keys()) {
      const bytes = secrets.hold(await this.#encrypt(s, 's', index));
      encS.set(bytes, chunkRange(info, index).from * (info.width + 1) * group.elementBytes);
      secrets.drop(bytes);
    }
    this.#forget(s);
    this.#encryptedS.resolve(secrets.hold(await engine.prepare(encS, work)));
    secrets.drop(encS);
    this.#releaseTables();
  }

  async #encrypt(draw: Draw, name: 'r' | 's', index: number): Promise<Uint8Array> {
    const { group, info } = this.#round.facts;
    const { from, to } = chunkRange(info, index);
    const slotBytes = info.width * group.elementBytes;
    const heads = await this.#heads[name][index]!.promise;
    const { exponentBytes, width } = info;
    const cipher = await encryptBatch(
      this.#round.ports.engine,
      { g: this.#generator!, team: this.#teamBases },
      draw.plain.subarray(from * slotBytes, to * slotBytes),
      this.#exponentsOf(draw.exponents, index),
      { exponentBytes, width, heads, ...this.#round.precompute },
    );
    this.#round.ports.secrets.drop(heads);
    this.#advance();
    return cipher;
  }

  #exponentsOf(exponents: Uint8Array, index: number): Uint8Array {
    const { from, to } = chunkRange(this.#round.facts.info, index);
    const { exponentBytes } = this.#round.facts.info;
    return exponents.subarray(from * exponentBytes, to * exponentBytes);
  }

  /** Generate is four powers a chunk: two ahead, two with Z. */
  #advance(): void {
    this.#generated++;
    this.#round.ports.onProgress('generate', this.#generated / (4 * this.#encryptedR.length));
  }

  #forget(draw: Draw): void {
    this.#round.ports.secrets.drop(draw.plain);
    this.#round.ports.secrets.drop(draw.exponents);
  }

  /** This node's part of the decrypt ring: C ← C ∘ Enc(r), each chunk as soon as it is in. */
  async runRing(): Promise<void> {
    const round = this.#round;
    const { engine, onProgress, secrets } = round.ports;
    const out = round.outgoing('precompDecrypt');
    onProgress('precompDecrypt', 0);
    let done = 0;
    const chunk = async (index: number) => {
      const own = await this.#encryptedR[index]!.promise;
      const place = out.place(index);
      if (round.isFirst) place.set(own.bytes);
      else {
        const input = await round.received('precompDecrypt', round.facts.position - 1)!.arrival(index);
        await precompDecrypt(engine, input, own.operand, { ...round.precompute, out: place });
      }
      secrets.drop(own.bytes);
      secrets.drop(own.operand);
      out.ready(index);
      onProgress('precompDecrypt', ++done / out.chunks);
    };
    await Promise.all(Array.from({ length: out.chunks }, (_, index) => chunk(index)));
  }

  /** C′[k] = C[π⁻¹(k)] ∘ Enc(s)[k], once the whole batch is in. Node 1's result is the C that it reveals. */
  async permute(): Promise<void> {
    const round = this.#round;
    const { info, position } = round.facts;
    round.ports.onProgress('precompPermute', 0);
    const input = round.isLast
      ? round.outgoing('precompDecrypt').bytes
      : round.received('precompPermute', position + 1)!.bytes;
    const out = round.outgoing(round.isFirst ? 'reveal' : 'precompPermute');
    const encS = await this.#encryptedS.promise;
    const options = { ...round.precompute, width: info.width, out: out.bytes };
    await precompPermute(round.ports.engine, input, this.source!, encS, options);
    round.ports.secrets.drop(encS);
    out.readyAll();
    round.ports.onProgress('precompPermute', 1);
  }

  /** D_i, σ_i and com_i over the revealed C; and c₁..c_w inverted. */
  async makeShares(cipher: Uint8Array, cipherDigest: Uint8Array): Promise<Uint8Array> {
    const { engine, rng, secrets, onProgress } = this.#round.ports;
    const { group, info, position, digest: roundDigest, self } = this.#round.facts;
    const work = this.#round.precompute;
    onProgress('reveal', 0);
    const { c0, payload } = splitCipher(group, cipher, info.width);
    this.c0 = c0;
    const exponents = this.#exponents!;
    const options = { exponentBytes: info.exponentBytes, ...work };
    const shares = secrets.hold(await decryptionShares(engine, c0, exponents, options));
    onProgress('reveal', 0.7);
    const statement = { publicShares: this.publicShare(position), exponents, c0, shares, batchDigest: cipherDigest };
    const proof = await proveDecryption(engine, rng, this.shareContext(position), statement, work);
    onProgress('reveal', 0.9);
    this.inversePayload = this.#releaseLate(await engine.prepare(await engine.invertBatch(payload, work), work));
    const nonce = secrets.hold(randomBytes(rng, NONCE_BYTES));
    const commitment = shareCommitment({ roundDigest, node: self, cipherDigest, shares, proof, nonce });
    this.own = { shares, proof, nonce, commitment };
    secrets.drop(exponents);
    onProgress('reveal', 1);
    return commitment;
  }

  /** Z_i of each position, as its key share said; set by the round when the shares are in. */
  publicShare(position: number): Uint8Array {
    const share = this.#keyShares[position];
    if (!share) throw new MixError('INTERNAL', { what: 'key share missing', position });
    return share.elements;
  }

  keepKeyShare(position: number, share: KeyShare): void {
    this.#keyShares[position] = share;
  }

  /** Our own, as we published it. */
  keepOwnKeyShare(encoded: Uint8Array): void {
    const { group, info, position } = this.#round.facts;
    this.keepKeyShare(position, decodeKeyShare(group, info.width, encoded));
  }

  get keyShares(): readonly KeyShare[] {
    return this.#keyShares.filter((share) => share !== undefined);
  }

  #releaseTables(): void {
    this.#generator?.release();
    for (const base of this.#teamBases) base.release();
    this.#teamBases = [];
  }

  /** Ends every wait inside this driver and frees what is not a secret. */
  abort(reason: MixError): void {
    const waits = [...this.#encryptedR, ...this.#heads.r, ...this.#heads.s, this.#encryptedS];
    for (const wait of waits) if (!wait.settled) wait.reject(reason);
    this.#releaseTables();
    this.inversePayload?.release();
  }
}

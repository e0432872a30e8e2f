// The secret that a sender and a node share, agreed by X25519 (RFC 7748) for one key epoch and drawn through HKDF (RFC 5869), and
// the values derived from it for one submission: slot keys k_i, one element each, and the MAC by which a node knows that a slot's
// payload is the sender's. Slot keys and MAC keys have separate labels. Node and sender use the same functions, so that they
// cannot diverge.
import { createHash, createHmac, diffieHellman, type KeyObject } from 'node:crypto';
import {
  type DigestPart,
  digest,
  equalBytes,
  MixError,
  type Rng,
  randomBytes,
  Secret,
  type SenderId,
  secretBytes,
} from '../base/index.js';
import type { Engine } from '../engine/index.js';
import { checkWidth, elementAt, type Group, hashIntoElement } from '../math/index.js';
import { CURVE_KEY_BYTES, privateCurveKey, publicCurveBytes, publicCurveKey } from './curveKeys.js';
import { type PhaseOptions, phaseOptions } from './elgamal.js';
import { HMAC_KEY_BYTES, HmacKey } from './hmac.js';

/** Bytes of the public salt of a submission: fresh for every message. */
export const SALT_BYTES = 16;
export const MAC_BYTES = 32;
const SECRET_BYTES = 32;

/** Returns the id of the sender with this X25519 public key: its SHA-256, as 64 hex digits. */
export function deriveSenderId(publicKey: Uint8Array): SenderId {
  return createHash('sha256').update(publicKey).digest('hex') as SenderId;
}

/** X25519; refuses the all-zero result, which every low-order public key gives. @throws MixError DH_SECRET_ZERO */
function x25519(privateKey: KeyObject, publicKey: Uint8Array): Uint8Array {
  const theirs = publicCurveKey('X25519', publicKey);
  let shared: Buffer;
  try {
    shared = diffieHellman({ privateKey, publicKey: theirs });
  } catch (error) {
    // OpenSSL itself fails the derivation if the result is zero; nothing else can fail for a key of 32 bytes.
    throw new MixError('DH_SECRET_ZERO', {}, { cause: error });
  }
  if (shared.every((byte) => byte === 0)) throw new MixError('DH_SECRET_ZERO');
  return shared;
}

const NO_SALT = new Uint8Array(SECRET_BYTES);

/** HKDF-Extract of RFC 5869, without a salt: returns the key from which all derivations of `bytes` are expanded. */
function extract(bytes: Uint8Array, room?: Uint8Array): HmacKey {
  const extracted = createHmac('sha256', NO_SALT).update(bytes).digest();
  const key = new HmacKey(extracted, room);
  extracted.fill(0);
  return key;
}

/**
 * The secret of a sender and a node, 32 bytes, with the keys that depend on it alone: the key that slot keys are expanded from
 * and the key of its MACs. Two thousand derivations per batch are on the critical path, and each would begin with these.
 */
export class SenderSecret extends Secret {
  readonly #extracted: HmacKey;
  readonly #macKey: HmacKey;

  /** Owns `bytes`, as every Secret does. */
  constructor(bytes: Uint8Array) {
    super(bytes);
    // One buffer for both, because nodes keep many of these.
    const room = secretBytes(2 * HMAC_KEY_BYTES);
    this.#extracted = extract(bytes, room.subarray(0, HMAC_KEY_BYTES));
    const macKey = this.#extracted.expand('mac-key');
    this.#macKey = new HmacKey(macKey, room.subarray(HMAC_KEY_BYTES));
    macKey.fill(0);
  }

  /** Derives 32 bytes for one purpose, the caller's to wipe. @throws MixError EPOCH_EXPIRED after wipe() */
  expand(label: string, ...parts: readonly DigestPart[]): Uint8Array {
    this.#refuseWiped();
    return this.#extracted.expand(label, ...parts);
  }

  /** Computes HMAC-SHA256 (RFC 2104) under a key for MACs alone, 32 bytes. @throws MixError EPOCH_EXPIRED after wipe() */
  mac(domain: string, ...parts: readonly DigestPart[]): Uint8Array {
    this.#refuseWiped();
    return this.#macKey.mac(domain, ...parts);
  }

  override wipe(): void {
    super.wipe();
    this.#extracted.wipe();
    this.#macKey.wipe();
  }

  /** Refuses to compute with wiped keys: zeros would be a key that everybody knows. */
  #refuseWiped(): void {
    if (this.wiped) throw new MixError('EPOCH_EXPIRED', { what: 'sender secret' });
  }
}

interface AgreedKeys {
  readonly node: Uint8Array;
  readonly sender: Uint8Array;
  readonly epoch: number;
}

/** HKDF of the X25519 output, bound to both public keys and the epoch. Wipes `shared`. */
function deriveSecret(shared: Uint8Array, keys: AgreedKeys): SenderSecret {
  const extracted = extract(shared);
  shared.fill(0);
  const secret = new SenderSecret(extracted.expand('sender-secret', keys.node, keys.sender, keys.epoch));
  extracted.wipe();
  return secret;
}

/** A node's X25519 key of one epoch: the source of every sender's secret with the node in that epoch. */
export class EpochKey {
  readonly publicKey: Uint8Array;
  readonly epoch: number;
  readonly #seed: Secret;
  #key: KeyObject | undefined;

  private constructor(seed: Secret, epoch: number) {
    this.#seed = seed;
    this.#key = privateCurveKey('X25519', seed);
    this.publicKey = publicCurveBytes('X25519', this.#key);
    this.epoch = epoch;
  }

  static generate(rng: Rng, epoch: number): EpochKey {
    return new EpochKey(new Secret(randomBytes(rng, CURVE_KEY_BYTES)), epoch);
  }

  /**
   * Returns the secret shared with a sender, 32 bytes.
   * @throws MixError DH_SECRET_ZERO, LENGTH_MISMATCH, EPOCH_EXPIRED after wipe()
   */
  agree(senderPublicKey: Uint8Array): SenderSecret {
    if (!this.#key) throw new MixError('EPOCH_EXPIRED', { epoch: this.epoch });
    const shared = x25519(this.#key, senderPublicKey);
    return deriveSecret(shared, { node: this.publicKey, sender: senderPublicKey, epoch: this.epoch });
  }

  /** Ends the epoch. OpenSSL clears its own copy when the key object, dropped here, is collected. */
  wipe(): void {
    this.#seed.wipe();
    this.#key = undefined;
  }
}

/** A sender's X25519 key. */
export class SenderKey {
  readonly publicKey: Uint8Array;
  readonly senderId: SenderId;
  readonly seed: Secret;
  #key: KeyObject | undefined;

  private constructor(seed: Secret) {
    this.seed = seed;
    this.#key = privateCurveKey('X25519', seed);
    this.publicKey = publicCurveBytes('X25519', this.#key);
    this.senderId = deriveSenderId(this.publicKey);
  }

  /** Makes the key of 32 private bytes (RFC 7748, 5). @throws MixError LENGTH_MISMATCH */
  static fromSeed(seed: Secret): SenderKey {
    return new SenderKey(seed);
  }

  static generate(rng: Rng): SenderKey {
    return new SenderKey(new Secret(randomBytes(rng, CURVE_KEY_BYTES)));
  }

  /**
   * Returns the secret shared with a node in an epoch, 32 bytes.
   * @throws MixError DH_SECRET_ZERO, LENGTH_MISMATCH, EPOCH_EXPIRED after wipe()
   */
  agree(nodeEpochPublicKey: Uint8Array, epoch: number): SenderSecret {
    if (!this.#key) throw new MixError('EPOCH_EXPIRED', { what: 'sender key' });
    const shared = x25519(this.#key, nodeEpochPublicKey);
    return deriveSecret(shared, { node: nodeEpochPublicKey, sender: this.publicKey, epoch });
  }

  /** Wipes the key, as {@link EpochKey.wipe} does. */
  wipe(): void {
    this.seed.wipe();
    this.#key = undefined;
  }
}

/**
 * Computes k_e for one (round, salt): each element is hashed to the group from a key for this submission alone. The last step has
 * a BigInt quotient, so it is not constant-time and not fully wiped; its remains open one slot of one round, not the sender's
 * secret.
 * @returns width elements, the caller's to wipe
 * @throws MixError WIDTH_INVALID, LENGTH_MISMATCH; EPOCH_EXPIRED for a wiped secret
 */
export function slotKeys(
  group: Group,
  secret: SenderSecret,
  roundDigest: Uint8Array,
  salt: Uint8Array,
  width: number,
): Uint8Array {
  checkWidth(width);
  checkSalt(salt);
  const submissionKey = secret.expand('slot-keys', group.name, roundDigest, salt);
  const keys = new Uint8Array(width * group.elementBytes);
  try {
    for (let e = 0; e < width; e++) {
      hashIntoElement(group, elementAt(group, keys, e), 'slot-key', submissionKey, e);
    }
  } finally {
    submissionKey.fill(0);
  }
  return keys;
}

function checkSalt(salt: Uint8Array): void {
  if (salt.length !== SALT_BYTES) {
    throw new MixError('LENGTH_MISMATCH', { what: 'salt', length: salt.length, expected: SALT_BYTES });
  }
}

/** H(M) of a submission's elements. */
export function payloadDigest(elements: Uint8Array): Uint8Array {
  return digest('payload', elements);
}

/** The fields that the MAC of a submission covers. */
interface SubmissionFields {
  readonly roundDigest: Uint8Array;
  readonly sender: SenderId;
  /** SALT_BYTES bytes. */
  readonly salt: Uint8Array;
  /** H(M), see {@link payloadDigest}. */
  readonly payloadDigest: Uint8Array;
}

/** Computes the MAC of a submission for one node, 32 bytes. @throws MixError EPOCH_EXPIRED for a wiped secret */
export function submissionMac(secret: SenderSecret, fields: SubmissionFields): Uint8Array {
  const { roundDigest, sender, salt } = fields;
  return secret.mac('submission-mac', roundDigest, sender, salt, fields.payloadDigest);
}

/** True if `mac` is the submission's; compared in constant time. */
export function verifyMac(secret: SenderSecret, fields: SubmissionFields, mac: Uint8Array): boolean {
  return mac.length === MAC_BYTES && equalBytes(submissionMac(secret, fields), mac);
}

/**
 * Computes the payloads of a sender: M = m ∘ (∏ k_i)⁻¹, for n messages at once.
 * @param plain n × width elements
 * @param keysPerNode the slot keys of every node of the team, n × width elements each
 * @throws MixError LENGTH_MISMATCH for an empty team; the engine's errors
 */
export async function blindMessage(
  engine: Engine,
  plain: Uint8Array,
  keysPerNode: readonly Uint8Array[],
  options: PhaseOptions = {},
): Promise<Uint8Array> {
  const [first, ...others] = keysPerNode;
  if (!first) throw new MixError('LENGTH_MISMATCH', { what: 'slot keys', nodes: 0 });
  const work = phaseOptions(options);
  let keys = first;
  for (const more of others) {
    const next = await engine.mul(keys, more, work);
    if (keys !== first) keys.fill(0);
    keys = next;
  }
  const inverse = await engine.invertBatch(keys, work);
  if (keys !== first) keys.fill(0);
  try {
    return await engine.mul(plain, inverse, work);
  } finally {
    inverse.fill(0);
  }
}

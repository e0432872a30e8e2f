// Node identities: Ed25519 keys (RFC 8032) by node:crypto, the node id that is derived from a public key, and a verifier that
// returns false for anything malformed. The signed value is always a digest with its own domain (base/bytes).
import { createHash, type KeyObject, sign, verify } from 'node:crypto';
import { equalBytes, fromHex, type NodeId, type Rng, randomBytes, Secret, toHex } from '../base/index.js';
import { CURVE_KEY_BYTES, privateCurveKey, publicCurveBytes, publicCurveKey } from './curveKeys.js';

export const SIGNATURE_BYTES = 64;

/** Limit of cached parsed keys, which save a verification the parsing: far more than a membership list has. */
const CACHE_KEYS_MAX = 1024;
const publicKeys = new Map<string, KeyObject>();

// Encodings of the points of order 1, 2, 4 and 8, sign bit cleared. Under such a key one signature fits many messages, so that
// its owner could deny or repeat a signed message: these keys are never accepted.
const SMALL_ORDER = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
].map((hex) => fromHex(hex)!);

function isSmallOrder(publicKey: Uint8Array): boolean {
  const unsigned = Uint8Array.from(publicKey);
  unsigned[CURVE_KEY_BYTES - 1]! &= 0x7f;
  return SMALL_ORDER.some((point) => equalBytes(point, unsigned));
}

/** Returns the id of the node with this identity key: the first 16 bytes of its SHA-256, as 32 hex digits. */
export function deriveNodeId(publicKey: Uint8Array): NodeId {
  return createHash('sha256').update(publicKey).digest('hex').slice(0, 32) as NodeId;
}

/** An Ed25519 identity key: signs its node's messages. */
export class SigningKey {
  readonly seed: Secret;
  readonly publicKey: Uint8Array;
  readonly nodeId: NodeId;
  readonly #key: KeyObject;

  private constructor(seed: Secret) {
    this.#key = privateCurveKey('Ed25519', seed);
    this.seed = seed;
    this.publicKey = publicCurveBytes('Ed25519', this.#key);
    this.nodeId = deriveNodeId(this.publicKey);
  }

  /** Makes the key of a 32-byte seed (RFC 8032, 5.1.5); the caller wipes the Secret. @throws MixError LENGTH_MISMATCH */
  static fromSeed(seed: Secret): SigningKey {
    return new SigningKey(seed);
  }

  static generate(rng: Rng): SigningKey {
    return new SigningKey(new Secret(randomBytes(rng, CURVE_KEY_BYTES)));
  }

  /** Signs `digest`: 64 bytes, deterministic. */
  sign(digest: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, digest, this.#key));
  }
}

function parsed(publicKey: Uint8Array): KeyObject | undefined {
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== CURVE_KEY_BYTES) return undefined;
  const name = toHex(publicKey);
  let key = publicKeys.get(name);
  if (!key) {
    if (isSmallOrder(publicKey)) return undefined;
    key = publicCurveKey('Ed25519', publicKey);
    // The oldest goes first: a flood of unknown keys costs parsing, but no memory.
    if (publicKeys.size >= CACHE_KEYS_MAX) publicKeys.delete(publicKeys.keys().next().value!);
    publicKeys.set(name, key);
  }
  return key;
}

/** True if `signature` is the key's over `digest`. False for any malformed input or small-order key; never throws. */
export function verifySignature(publicKey: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  if (!(signature instanceof Uint8Array) || signature.length !== SIGNATURE_BYTES) return false;
  if (!(digest instanceof Uint8Array)) return false;
  try {
    const key = parsed(publicKey);
    return key !== undefined && verify(null, digest, key, signature);
  } catch {
    // A key that is no point of the curve has no valid signature.
    return false;
  }
}

// X25519 and Ed25519 keys as node:crypto's objects, from and to their 32 raw bytes (RFC 8410); shared by senderKeys.ts and
// signatures.ts. A private key passes through bytes that are wiped; OpenSSL clears its own copy when the object is collected.
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { concat, fromHex, MixError, type Secret, secretBytes, wipeAll } from '../base/index.js';

/** Bytes of a private and of a public key of either curve. */
export const CURVE_KEY_BYTES = 32;

type Curve = 'X25519' | 'Ed25519';

/** DER bytes before the 32 key bytes: in PKCS #8, and in SubjectPublicKeyInfo. */
const PREFIXES: Readonly<Record<Curve, { readonly pkcs8: Uint8Array; readonly spki: Uint8Array }>> = {
  X25519: { pkcs8: fromHex('302e020100300506032b656e04220420')!, spki: fromHex('302a300506032b656e032100')! },
  Ed25519: { pkcs8: fromHex('302e020100300506032b657004220420')!, spki: fromHex('302a300506032b6570032100')! },
};

function checkLength(curve: Curve, what: string, bytes: unknown): void {
  if (bytes instanceof Uint8Array && bytes.length === CURVE_KEY_BYTES) return;
  const length = bytes instanceof Uint8Array ? bytes.length : typeof bytes;
  throw new MixError('LENGTH_MISMATCH', { what: `${curve} ${what} key`, length, expected: CURVE_KEY_BYTES });
}

/** Makes a private key of 32 bytes; the caller wipes those. @throws MixError LENGTH_MISMATCH */
export function privateCurveKey(curve: Curve, seed: Secret): KeyObject {
  checkLength(curve, 'private', seed.reveal());
  const { pkcs8 } = PREFIXES[curve];
  const der = secretBytes(pkcs8.length + CURVE_KEY_BYTES);
  der.set(pkcs8);
  der.set(seed.reveal(), pkcs8.length);
  try {
    return createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' });
  } finally {
    wipeAll(der);
  }
}

/** Makes a public key of 32 bytes. @throws MixError LENGTH_MISMATCH; OpenSSL's error if the bytes are no point */
export function publicCurveKey(curve: Curve, bytes: Uint8Array): KeyObject {
  checkLength(curve, 'public', bytes);
  return createPublicKey({ key: Buffer.from(concat([PREFIXES[curve].spki, bytes])), format: 'der', type: 'spki' });
}

/** Returns the 32 bytes of the public key of a private one. */
export function publicCurveBytes(curve: Curve, privateKey: KeyObject): Uint8Array {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return Uint8Array.from(spki.subarray(PREFIXES[curve].spki.length));
}

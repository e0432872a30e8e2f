// The identifiers that cross rooms, branded so that one cannot be passed for another.
// Apart because it imports nothing: every other file may name parties.

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A round's number, assigned by the signer of the RoundInfo; never used twice. */
export type RoundId = Branded<number, 'RoundId'>;
/** A node: the first 16 bytes of the SHA-256 of its Ed25519 identity key, as 32 hex digits. */
export type NodeId = Branded<string, 'NodeId'>;
/** A sender: SHA-256 of its X25519 public key, as 64 hex digits. */
export type SenderId = Branded<string, 'SenderId'>;
/** One run of a node process: 16 random bytes as hex. Round secrets never outlive it. */
export type BootId = Branded<string, 'BootId'>;

export const isRoundId = (value: unknown): value is RoundId => Number.isSafeInteger(value) && (value as number) > 0;
export const isNodeId = (value: unknown): value is NodeId => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
export const isSenderId = (value: unknown): value is SenderId =>
  typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
export const isBootId = (value: unknown): value is BootId => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);

// Used by every room: bytes and digests, checks, time, errors, ids, promises, randomness, secrets, shares. `log`, `metrics` and
// `store` load a library each and are imported by their own names: with them in here, a worker thread takes 114 ms to load
// instead of 39.
export {
  concat,
  DIGEST_BYTES,
  type DigestPart,
  digest,
  equalBytes,
  framed,
  framedLength,
  frameInto,
  fromHex,
  sha256,
  sha256Into,
  sha256PairInto,
  toHex,
  uint64,
  utf8,
  xof,
  xofInto,
} from './bytes.js';
export {
  checkBytes,
  checkIndices,
  checkMethods,
  checkObject,
  checkSignal,
  checkText,
  checkWhole,
  kindName,
  refuse,
} from './checks.js';
export {
  type BackoffBounds,
  backoffMs,
  busyMeter,
  type CancelTimer,
  type Clock,
  HeardClocks,
  nextTurn,
  sleep,
  systemClock,
  takeMedian,
  timeOfDayIn,
  timestamp,
} from './clock.js';
export { asMixError, type ErrorCode, type ErrorValues, isErrorCode, MixError } from './errors.js';
export { REST_LOAD, Shares } from './fairShares.js';
export {
  type BootId,
  isBootId,
  isNodeId,
  isRoundId,
  isSenderId,
  type NodeId,
  type RoundId,
  type SenderId,
} from './ids.js';
export { abort, type Deferred, deferred, keepingAlive, shared } from './promises.js';
export { type Rng, randomBelow, randomBytes, randomFraction, systemRng } from './rng.js';
export { Secret, secretBytes, wipeAll } from './secret.js';

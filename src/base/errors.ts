// The one error type of the project. Every failure that a caller can meet has a code in the catalogue below, with its meaning,
// its remedy, and whether the same call may succeed when repeated (retry). A MixError crosses the network as its code and values
// (transport/status.ts) and comes out as the same MixError.

interface CatalogueEntry {
  /** Description of the failure, without the values. */
  readonly what: string;
  /** Advice to the reader of the message. */
  readonly remedy: string;
  /** True if the same call may succeed later: connection trouble, a message that overtook another one. */
  readonly retry?: boolean;
}

const catalogue = {
  // base
  INTERNAL: { what: 'an internal invariant broke', remedy: 'report this as a bug, with the log around it' },
  ABORTED: { what: 'the work was aborted by its caller', remedy: 'nothing to do: the caller aborted it' },
  STORE_FAILED: {
    what: 'the store could not be read or written',
    remedy: 'check the data directory: space, permissions',
  },
  STORE_CORRUPT: {
    what: 'records of the store are missing or changed',
    remedy:
      'do not run on it, because a round could run twice: a scheduler restores data directory and .head file together from a backup; a node moves both away and joins with a new identity',
  },
  CONFIG_INVALID: {
    what: 'the configuration is not valid',
    remedy: 'correct the named key; `millrace init` writes a commented example',
  },
  INPUT_INVALID: {
    what: 'an input of the command is not valid',
    remedy: 'correct the named option or file; see --help',
  },
  ARGUMENT_INVALID: {
    what: 'an argument does not have the required type or value',
    remedy: 'pass the named argument as expected; nothing was done',
  },
  BENCH_UNAVAILABLE: {
    what: 'this benchmark cannot run on this machine',
    remedy: 'provide the named requirement, then run it again',
  },
  // math and engine input
  LENGTH_MISMATCH: {
    what: 'a buffer does not have the length that its use requires',
    remedy: 'pass whole elements: count × elementBytes',
  },
  ELEMENT_RANGE: {
    what: 'a group element is outside 1..q',
    remedy: 'send canonical elements of the absolute-value group',
  },
  EXPONENT_RANGE: {
    what: 'an exponent or scalar is outside its range',
    remedy: 'send scalars below q, of the declared length',
  },
  WIDTH_INVALID: { what: 'the width is not an integer from 1 to 16', remedy: 'use the width of the RoundInfo' },
  SLOT_COUNT: { what: 'the number of slots is not the expected one', remedy: 'use the slot count of the RoundInfo' },
  BATCH_TOO_LARGE: {
    what: 'a batch is larger than one buffer can be',
    remedy: 'cut it into several calls, or use fewer slots or a smaller width',
  },
  PERMUTATION_INVALID: {
    what: 'an index list is not a permutation of the slots',
    remedy: 'name every slot exactly once',
  },
  GROUP_UNKNOWN: { what: 'there is no group of this name', remedy: 'use MODP-2048, MODP-3072 or MODP-4096' },
  // engine
  ENGINE_UNKNOWN: {
    what: 'there is no engine of this name',
    remedy: 'use auto, cuda, cpu, openssl, bigint, reference, gpujs or tfjs',
  },
  ENGINE_UNAVAILABLE: { what: 'the engine cannot run on this machine', remedy: 'see the reason, or let `auto` choose' },
  ENGINE_SELFCHECK: {
    what: 'the engine computed a wrong result in its self-check',
    remedy: 'do not use it here; report the machine',
  },
  ENGINE_BUSY: {
    what: "the engine's queue is full",
    remedy: 'wait for running work, or give the node fewer rounds',
    retry: true,
  },
  ENGINE_CLOSED: { what: 'the engine is closed', remedy: 'open a new one' },
  ENGINE_WORKER: {
    what: 'a worker of the engine died',
    remedy: 'the work was not done; a new worker starts automatically',
  },
  HANDLE_RELEASED: { what: 'a prepared operand was used after its release', remedy: 'prepare it again' },
  HANDLE_FOREIGN: {
    what: 'a prepared operand or fixed base belongs to another engine',
    remedy: 'prepare it with the engine that uses it',
  },
  BUFFER_OVERLAP: { what: 'the result buffer overlaps an input', remedy: 'pass a buffer of its own for the result' },
  // protocol
  SIGNATURE_INVALID: {
    what: 'a signature does not verify',
    remedy: 'the sender must sign with the key of the membership list',
  },
  MESSAGE_MALFORMED: { what: 'a message does not decode', remedy: 'encode it as the protocol version prescribes' },
  KEY_SHARE_IDENTITY: {
    what: 'a team key share is the identity element',
    remedy: 'the node must pick a fresh random share',
  },
  KEY_SHARE_DUPLICATE: {
    what: 'two nodes published the same team key share',
    remedy: 'the later node copied it; take it out of the team',
  },
  KEY_SHARE_PROOF: {
    what: 'a team key share has no valid proof of knowledge',
    remedy: 'the node must prove its share for this round',
  },
  KEY_SHARES_DISAGREE: {
    what: 'the nodes hold different lists of team key shares',
    remedy: 'the round is void; a node equivocated',
  },
  MESSAGE_TOO_LONG: {
    what: 'the message is longer than a slot can carry',
    remedy: 'shorten it, or use rounds of a larger width',
  },
  MESSAGE_INVALID: { what: 'an output does not decode to a message', remedy: 'it was mauled or never well-formed' },
  DH_SECRET_ZERO: {
    what: 'a key agreement gave the all-zero secret',
    remedy: 'the other side sent a low-order public key; refuse it',
  },
  DECRYPTION_PROOF: {
    what: 'a decryption share is wrong: its proof does not verify',
    remedy: 'the named node lied about its share',
  },
  COMMITMENT_OPENING: {
    what: 'an opening does not match its commitment',
    remedy: 'the named node opened other values than it committed to',
  },
  MERKLE_ROOT: {
    what: 'a batch does not match its signed root',
    remedy: 'the named node signed another batch than it sent',
  },
  // rounds
  ROUND_INFO_INVALID: {
    what: 'a RoundInfo is not valid',
    remedy: 'the scheduler must send a well-formed, signed RoundInfo',
  },
  ROUND_BELOW_FLOOR: {
    what: 'the round is below the floors of this party, which hold for signed rounds, too',
    remedy:
      'let the scheduler open larger rounds; lower the floor (`[floors]` of node.toml, `floors` of Client) knowingly only',
  },
  ROUND_UNKNOWN: {
    what: 'this node does not know the round',
    remedy: 'wait for the scheduler to announce it',
    retry: true,
  },
  ROUND_REUSED: { what: 'the round id was used before', remedy: 'a round runs once, ever: open a new one' },
  ROUND_LIMIT: { what: 'the node has reached its limit of open rounds', remedy: 'wait until one ends', retry: true },
  MEMORY_LIMIT: {
    what: 'the round needs more memory than the node has left for rounds',
    remedy: 'wait until one ends, raise limits.memory_mib, or let rounds be smaller',
    retry: true,
  },
  ROUND_OVER: { what: 'the round has ended', remedy: 'submit to another round' },
  ROUND_WRONG_PHASE: {
    what: 'this message is not possible in the present phase of the round',
    remedy: 'follow the order of the protocol',
  },
  PHASE_SENDER_WRONG: {
    what: 'another node sends the batch of this phase',
    remedy: 'follow the ring order of the RoundInfo',
  },
  BATCH_HEADER: {
    what: 'the header of a batch does not fit its round',
    remedy: 'use slots, width and chunk size of the RoundInfo',
  },
  CHUNK_INDEX: {
    what: 'a chunk index is outside the batch',
    remedy: 'number chunks from 0 by the chunk size of the RoundInfo',
  },
  CHUNK_LENGTH: { what: 'a chunk does not have the length its index requires', remedy: 'send whole chunks' },
  CHUNK_CONFLICT: {
    what: 'a slot was sent twice with different contents',
    remedy: 'each (round, phase, slot) takes one input, ever',
  },
  CHUNK_MISSING: {
    what: 'a batch ended before all its chunks were in',
    remedy: 'send the whole batch again, unchanged',
    retry: true,
  },
  EQUIVOCATION: {
    what: 'a node sent two contradictory statements',
    remedy: 'the named node is faulty; take it out of the team',
  },
  EVIDENCE_INVALID: {
    what: 'the evidence in a report or round error convicts nobody',
    remedy: 'the node that sent it is faulty: it must check evidence first',
  },
  DEADLINE_MISSED: {
    what: 'a phase did not end in time',
    remedy: 'look at the named node: it is stalled, overloaded or cut off',
  },
  PEER_LOST: { what: 'a team member cannot be reached', remedy: 'look at the named node and at the network to it' },
  LINK_REFUSED: {
    what: 'a team member refuses everything that another one sends',
    remedy: 'look at the two named nodes: certificates, membership lists and clocks',
  },
  PEER_RESTARTED: { what: 'a team member restarted and lost the round', remedy: 'the round is void; open a new one' },
  TABLE_DISAGREE: {
    what: 'the nodes hold different slot tables',
    remedy: 'the round is void; the first node or a verdict equivocated',
  },
  TABLE_INVALID: { what: 'the slot table breaks a rule', remedy: 'the first node must build it by the rules' },
  OUTPUTS_DISAGREE: {
    what: 'the nodes computed different outputs',
    remedy: 'nothing was accepted; a node lied about its input',
  },
  OUTPUTS_INCOMPLETE: {
    what: 'the outputs do not match the signed slot table: a dummy is missing, or comes twice',
    remedy: 'nothing was accepted; a node copied a slot over another one, and its team is not drawn again',
  },
  TOO_FEW_SENDERS: {
    what: 'the batch has fewer distinct senders than the round requires',
    remedy: 'wait for more senders',
  },
  SCHEDULER_FAILED: { what: 'the scheduler failed the round', remedy: 'see its reason' },
  SHUTTING_DOWN: { what: 'the node is shutting down', remedy: 'use another round' },
  // senders
  SENDER_UNKNOWN: {
    what: 'the sender is not registered with this node in this key epoch',
    remedy: 'register with every node, then submit',
  },
  PUZZLE_REQUIRED: {
    what: 'the node is under load, and a registration costs work now',
    remedy: 'find a nonce of the given number of bits for each key, and register again (Client does so by itself)',
  },
  SHARE_USED: {
    what: 'the node is under load, and this address has used its share',
    remedy: 'try again in a moment, with less at a time',
    retry: true,
  },
  NODES_UNUSABLE: {
    what: 'no node gives a usable answer',
    remedy:
      'compare network name, membership list and authority key with those of the network; see the error of each node',
  },
  SENDER_QUOTA: { what: 'the sender has used up its slots of this round', remedy: 'submit to another round' },
  REGISTRY_FULL: {
    what: 'the node has reached its limit of registered senders',
    remedy: 'try another time or another team',
  },
  EPOCH_EXPIRED: { what: "the node's key epoch is over", remedy: 'register again' },
  MAC_INVALID: {
    what: 'the MAC of a submission does not verify',
    remedy: 'derive keys from the current registration, for this round',
  },
  SUBMISSION_REPLAYED: {
    what: 'this (sender, salt) is in the round already',
    remedy: 'use a fresh salt for every message',
  },
  ROUND_NOT_COLLECTING: {
    what: 'the round does not take messages now',
    remedy: 'submit to a round that is QUEUED',
    retry: true,
  },
  ROUND_FULL: { what: 'the batch is full', remedy: 'submit to another round' },
  OUTPUTS_UNKNOWN: {
    what: 'this node has no outputs of that round',
    remedy: 'ask for a completed, recent round',
    retry: true,
  },
  // comms
  LINK_DOWN: {
    what: 'the connection failed',
    remedy: 'check that the peer runs and its address is right',
    retry: true,
  },
  LINK_TIMEOUT: { what: 'the call ran past its deadline', remedy: 'check the peer and the network', retry: true },
  PEER_UNKNOWN: {
    what: 'the certificate that the other side shows is not on the membership list',
    remedy: 'use the certificate that the list pins',
  },
  TOKEN_REFUSED: {
    what: 'the token of a call is missing, unknown, expired, or that of another connection',
    remedy: 'authenticate again on this connection',
    retry: true,
  },
  HANDSHAKE_REFUSED: {
    what: 'the handshake of a connection was refused',
    remedy: 'check the identity key of the membership list, and that both nodes are of one network',
  },
  PROTOCOL_UNSUPPORTED: {
    what: 'the peer speaks another major version of the protocol',
    remedy: 'run releases whose protocol has the same major version',
  },
  COOLING_OFF: {
    what: 'the peer failed too often and is not called for a while',
    remedy: 'wait; look at the peer and at the network to it',
    retry: true,
  },
  REGISTRATION_REFUSED: {
    what: 'the registration code is not valid, or was used before',
    remedy: 'ask the operator of the scheduler for a new one',
  },
  REGISTRATION_LIMIT: {
    what: 'this member has tried too many registration codes',
    remedy: 'wait a minute, and check the code in the configured file',
  },
  PEER_ROLE: {
    what: 'the caller is known, but does not have the role that this call needs',
    remedy: 'ask the right service',
  },
  CERTIFICATE_EXPIRED: {
    what: 'the certificate has expired, by the clock of the side that checks it',
    remedy: 'renew it with `millrace keys`; if the clocks named here differ, set the wrong one',
  },
  CERTIFICATE_NOT_YET_VALID: {
    what: 'the certificate is not valid yet, by the clock of the side that checks it',
    remedy: 'compare the clocks named here and set the wrong one; the certificate needs no renewal',
  },
  CERTIFICATE_INVALID: { what: 'a certificate cannot be used', remedy: 'create a new one with `millrace keys`' },
  MESSAGE_TOO_LARGE: { what: 'a message is larger than its limit', remedy: 'keep to the limits of docs/protocol.md' },
  UPDATE_INVALID: {
    what: 'an update of the scheduler is out of order or not signed by it',
    remedy: 'check the scheduler key in the configuration',
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;

/** Values of an error: plain ones, never secrets, never the sender of a message. */
export type ErrorValues = Readonly<Record<string, string | number | boolean>>;

const findEntry = (code: ErrorCode): CatalogueEntry => catalogue[code];

/** An error with a code, the values that explain it, and a remedy. */
export class MixError extends Error {
  override readonly name = 'MixError';
  readonly code: ErrorCode;
  readonly values: ErrorValues;

  constructor(code: ErrorCode, values: ErrorValues = {}, options?: { cause?: unknown }) {
    super(describe(code, values), options);
    this.code = code;
    this.values = values;
  }

  /** Advice to the reader of the error. */
  get remedy(): string {
    return findEntry(this.code).remedy;
  }

  /** True if the same call may simply be repeated. */
  get retryable(): boolean {
    return findEntry(this.code).retry === true;
  }
}

function describe(code: ErrorCode, values: ErrorValues): string {
  const detail = Object.entries(values)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
  return `${code}: ${findEntry(code).what}${detail === '' ? '' : ` (${detail})`}`;
}

/** True if `code` is in the catalogue: for codes from the network. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(catalogue, code);
}

/** All codes, for documentation and tests. */
export function errorCodes(): readonly ErrorCode[] {
  return Object.keys(catalogue) as ErrorCode[];
}

/** Turns anything thrown into a MixError; another error becomes INTERNAL with its message. */
export function asMixError(thrown: unknown): MixError {
  if (thrown instanceof MixError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new MixError('INTERNAL', { message }, { cause: thrown });
}

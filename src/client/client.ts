// The client of senders and receivers: sends messages and follows them to their end, or makes each step by itself (register with every
// node, submit to a round's first node, ask for the outcome of a message); fetches outputs, which count only when every node of the team
// has signed them.
import {
  asMixError,
  type Clock,
  checkBytes,
  checkMethods,
  checkObject,
  checkSignal,
  checkText,
  checkWhole,
  type ErrorCode,
  equalBytes,
  keepingAlive,
  MixError,
  type NodeId,
  type Rng,
  type RoundId,
  randomBelow,
  refuse,
  shared,
  systemClock,
  systemRng,
} from '../base/index.js';
import { codeId, type DecodedOutputs, decodeOutputs, outputDigest, SenderKey } from '../cmix/index.js';
import { GatewayClient } from '../comms/index.js';
import { type Engine, referenceEngine } from '../engine/index.js';
import { type GroupName, namedGroup } from '../math/index.js';
import {
  checkFloors,
  isSaidBy,
  isSignedBy,
  type Member,
  Membership,
  type Outcome,
  pinnedCertificates,
  type RoundFloors,
  type RoundInfo,
  roundDigest,
  SAFE_FLOORS,
  type SignedRoundInfo,
} from '../protocol/index.js';
import { REGISTER_MAX, type Submission } from '../round/index.js';
import {
  checkFunction,
  checkInfo,
  checkNodes,
  checkRoundId,
  checkSenders,
  checkSigned,
  checkSubmission,
  checkSubmissions,
} from './arguments.js';
import { type ComposedSubmission, checkMessages, composeSubmissions, type OutgoingMessage, Sender } from './compose.js';
import {
  Delivery,
  type DeliveryOptions,
  type Look,
  type MessageOutcome,
  type NodeFailure,
  settledSoon,
  Unsent,
} from './delivery.js';

/** Register calls under way at once over one connection. */
const REGISTER_WINDOW = 4;
/** Submissions under way at once over one connection. */
const SUBMIT_WINDOW = 64;
/** Refusals that hold for every further submission to the same round and node. */
const CLOSED: readonly ErrorCode[] = [
  'ROUND_FULL',
  'ROUND_NOT_COLLECTING',
  'ROUND_OVER',
  'ROUND_UNKNOWN',
  'SHARE_USED',
  'LINK_DOWN',
  'LINK_TIMEOUT',
  'COOLING_OFF',
];
/** Time in which further nodes are awaited once one has answered. */
const LOOK_GRACE_MS = 250;
/** Nodes that are asked for rounds that take messages; several, because some may be away. */
const ASKED = 3;
/** Interval of the warnings of one client. */
const WARNED_MS = 10_000;

export interface ClientOptions {
  readonly network: string;
  readonly membership: Membership;
  /** Key of the round authority, whose signature makes a RoundInfo valid: Ed25519 public key, 32 bytes. */
  readonly roundAuthority: Uint8Array;
  /** Computes blinding; by default an inline engine, which suits single messages. The caller closes it. */
  readonly engine?: Engine;
  readonly rng?: Rng;
  /** Floors of the rounds that messages go into, whatever is signed. Default: {@link SAFE_FLOORS}. */
  readonly floors?: Partial<RoundFloors>;
}

/** The outputs of a round, verified. */
export interface VerifiedOutputs extends DecodedOutputs {
  readonly info: RoundInfo;
  /** Code ids of all messages among them, by which a sender knows its own. */
  readonly codeIds: ReadonlySet<string>;
}

const ENGINE_METHODS = ['allocate', 'mul', 'invertBatch', 'product', 'close'];
const IDENTITY_KEY_BYTES = 32;

/** @throws MixError ARGUMENT_INVALID naming the option */
function checkOptions(options: ClientOptions): void {
  checkObject(options, 'options');
  const { network, membership, roundAuthority, engine, rng, floors } = options;
  checkText(network, 'options.network');
  if (network === '' || network.length > 64) refuse('options.network', 'a name of 1 to 64 characters', network);
  if (!(membership instanceof Membership))
    refuse('options.membership', 'a Membership (see loadMembership)', membership);
  checkBytes(roundAuthority, 'options.roundAuthority');
  if (roundAuthority.length !== IDENTITY_KEY_BYTES) {
    refuse('options.roundAuthority', `an Ed25519 public key of ${IDENTITY_KEY_BYTES} bytes`, roundAuthority);
  }
  if (engine !== undefined) checkMethods(engine, 'options.engine', ENGINE_METHODS);
  if (rng !== undefined) checkMethods(rng, 'options.rng', ['fill']);
  if (floors === undefined) return;
  checkObject(floors, 'options.floors');
  for (const [name, value] of Object.entries(floors)) {
    if (!Object.hasOwn(SAFE_FLOORS, name)) refuse(`options.floors.${name}`, Object.keys(SAFE_FLOORS).join(', '), name);
    checkWhole(value, `options.floors.${name}`, 1, 2 ** 31);
  }
}

export class Client {
  readonly #options: ClientOptions;
  readonly #rng: Rng;
  readonly #warn = limitedWarning(systemClock);
  readonly #floors: RoundFloors;
  readonly #gateways = new Map<NodeId, GatewayClient>();
  /** Questions under way, shared by all sends that wait for a round: one at a time for each node. */
  readonly #asking = new Map<NodeId, Promise<readonly SignedRoundInfo[]>>();
  readonly #looking = new Map<'all', Promise<Look>>();
  #membership: Membership;

  /** @throws MixError ARGUMENT_INVALID naming the option that is wrong */
  constructor(options: ClientOptions) {
    checkOptions(options);
    const { membership, roundAuthority, rng = systemRng, floors } = options;
    this.#options = { ...options, roundAuthority: Uint8Array.from(roundAuthority) };
    this.#membership = membership;
    this.#rng = rng;
    this.#floors = { ...SAFE_FLOORS, ...floors };
  }

  /** The membership list that it uses. */
  get membership(): Membership {
    return this.#membership;
  }

  /**
   * Takes over another membership list, also while messages are on their way: nodes that joined are asked, connections to nodes that left
   * or changed their address or certificate are closed.
   * @throws MixError ARGUMENT_INVALID
   */
  follow(membership: Membership): void {
    if (!(membership instanceof Membership)) refuse('membership', 'a Membership (see loadMembership)', membership);
    this.#membership = membership;
    // Answers under way come from the old list: later calls do not share them.
    this.#asking.clear();
    this.#looking.clear();
    for (const [node, gateway] of this.#gateways) {
      const member = membership.find(node);
      if (member && isDialledAlike(member, gateway.member)) continue;
      gateway.close();
      this.#gateways.delete(node);
    }
  }

  createSender(): Sender {
    return new Sender(SenderKey.generate(this.#rng));
  }

  /**
   * Registers senders with every node, in its current key epoch; those already registered in it are left out.
   * @throws MixError ARGUMENT_INVALID naming the argument, before anything is sent; PEER_UNKNOWN, LINK_*, errors of a node
   */
  async register(senders: readonly Sender[], nodes?: readonly NodeId[]): Promise<void> {
    checkSenders(senders, 'senders');
    if (nodes !== undefined) checkNodes(nodes, 'nodes');
    const targets = nodes ?? this.#membership.members.map(({ node }) => node);
    const all = [...senders];
    await keepingAlive(() => Promise.all(targets.map((node) => this.#registerWith(node, all))));
  }

  async #registerWith(node: NodeId, senders: readonly Sender[]): Promise<void> {
    const gateway = this.#gateway(node);
    const { epoch, epochKey } = await gateway.describe();
    const missing = senders.filter((sender) => !sender.knows(node, epoch));
    let next = 0;
    const lane = async () => {
      while (next < missing.length) {
        const batch = missing.slice(next, next + REGISTER_MAX);
        next += batch.length;
        await gateway.register(
          batch.map(({ key }) => key.publicKey),
          epoch,
        );
        for (const sender of batch) sender.agree(node, epochKey, epoch);
      }
    };
    await Promise.all(Array.from({ length: REGISTER_WINDOW }, lane));
  }

  /**
   * Rounds that take messages at `node` now and that this client may use.
   * @throws MixError SIGNATURE_INVALID, ROUND_INFO_INVALID if one is not signed as it must be; ROUND_BELOW_FLOOR if all are below the
   * floors; LINK_*; ARGUMENT_INVALID
   */
  async rounds(node: NodeId): Promise<SignedRoundInfo[]> {
    checkText(node, 'node');
    return [...(await keepingAlive(() => shared(this.#asking, node, () => this.#roundsAt(node))))];
  }

  async #roundsAt(node: NodeId): Promise<readonly SignedRoundInfo[]> {
    const rounds = await this.#gateway(node).rounds();
    let low: unknown;
    const usable = rounds.filter((round) => {
      this.#checkSigned(round);
      try {
        checkFloors(round.info, this.#floors);
        return true;
      } catch (refusal) {
        low = refusal;
        return false;
      }
    });
    if (low && usable.length === 0) throw low;
    return usable;
  }

  /**
   * Rounds that take messages now, newest first, as some nodes have heard; a few are asked at random. Empty if there is none, or none of
   * those nodes answers.
   */
  async collecting(): Promise<SignedRoundInfo[]> {
    return [...(await this.look()).rounds];
  }

  /**
   * The same, with the nodes whose answers cannot be used, and the reasons. Waits for several answers, so that a fast node does not
   * choose for the sender.
   */
  look(): Promise<Look> {
    return keepingAlive(() => shared(this.#looking, 'all', () => this.#lookAtSome()));
  }

  async #lookAtSome(): Promise<Look> {
    const nodes = this.#membership.members.map(({ node }) => node);
    const failures: NodeFailure[] = [];
    const asked = Array.from({ length: Math.min(ASKED, nodes.length) }, async () => {
      const [node] = nodes.splice(randomBelow(this.#rng, nodes.length), 1);
      try {
        return await this.rounds(node!);
      } catch (thrown) {
        failures.push({ node: node!, error: asMixError(thrown) });
        throw thrown;
      }
    });
    const { values } = await settledSoon(systemClock, asked, LOOK_GRACE_MS);
    const rounds = new Map(values.flat().map((round) => [round.info.round, round]));
    return {
      rounds: [...rounds.values()].sort((a, b) => b.info.round - a.info.round),
      usable: values.length,
      failures,
    };
  }

  /**
   * Sends messages and follows each to its end, over as many rounds as it takes: a message that a round could not take, or failed without
   * reading, goes into another one. Fetches the outputs of each round once, because no single node's word shows that a message was mixed.
   * See client/delivery.ts.
   */
  async send(
    messages: readonly OutgoingMessage[],
    options: Partial<DeliveryOptions> = {},
  ): Promise<readonly MessageOutcome[]> {
    checkSendOptions(options);
    const delivery = new Delivery(this, { clock: systemClock, rng: this.#rng, onTrouble: this.#warn, ...options });
    return keepingAlive(() => delivery.run(messages));
  }

  /**
   * Composes messages for a round; submit the result, and keep it to submit it again or to ask for its outcome.
   * @throws MixError ARGUMENT_INVALID naming the argument; ROUND_INFO_INVALID, SIGNATURE_INVALID, ROUND_BELOW_FLOOR; MESSAGE_TOO_LONG,
   * SENDER_UNKNOWN
   */
  async compose(round: SignedRoundInfo, messages: readonly OutgoingMessage[]): Promise<ComposedSubmission[]> {
    checkSigned(round, 'round');
    checkMessages(messages, 'messages');
    this.#checkRound(round);
    const engine = this.#options.engine ?? this.#inlineEngine(round.info.group);
    return keepingAlive(() => composeSubmissions(engine, this.#rng, round.info, messages));
  }

  #inlineEngine(group: GroupName): Engine {
    return referenceEngine(namedGroup(group));
  }

  /**
   * Submits to the round's first node. Each submission gets its own answer: undefined if it was taken, else the error. Once it is clear
   * that the round takes no more, the rest is not sent: {@link Unsent}. `onTaken` is called as answers come.
   * @throws MixError ARGUMENT_INVALID naming the argument, before anything is sent
   */
  async submit(
    info: RoundInfo,
    submissions: readonly Submission[],
    onTaken: (count: number) => void = () => {},
  ): Promise<(MixError | undefined)[]> {
    checkInfo(info, 'info');
    checkSubmissions(submissions, 'submissions');
    checkFunction(onTaken, 'onTaken');
    const all = [...submissions];
    return keepingAlive(() => this.#submit(info, all, onTaken));
  }

  async #submit(
    info: RoundInfo,
    submissions: readonly Submission[],
    onTaken: (count: number) => void,
  ): Promise<(MixError | undefined)[]> {
    const gateway = this.#gateway(info.team[0]!);
    const answers: (MixError | undefined)[] = new Array(submissions.length).fill(undefined);
    let next = 0;
    let taken = 0;
    let closed: Unsent | undefined;
    const lane = async () => {
      for (let index = next++; index < submissions.length; index = next++) {
        answers[index] = closed;
        if (closed) continue;
        try {
          await gateway.submit(info.round, submissions[index]!);
          onTaken(++taken);
        } catch (thrown) {
          const error = asMixError(thrown);
          answers[index] = error;
          if (CLOSED.includes(error.code)) closed ??= new Unsent(error.code, error.values);
        }
      }
    };
    await Promise.all(Array.from({ length: SUBMIT_WINDOW }, lane));
    return answers;
  }

  /**
   * Asks `node` (by default the round's first) for the outcome of a submission: its word, which nothing proves.
   * @throws MixError ARGUMENT_INVALID naming the argument, before anything is sent; PEER_UNKNOWN, LINK_*, errors of the node
   */
  async outcome(info: RoundInfo, submission: Submission, node?: NodeId): Promise<Outcome> {
    checkInfo(info, 'info');
    checkSubmission(submission, 'submission');
    if (node !== undefined) checkText(node, 'node');
    const asked = node ?? info.team[0]!;
    return keepingAlive(() => this.#gateway(asked).outcome(info.round, submission.sender, submission.salt));
  }

  /**
   * Fetches the outputs of a round from one node and verifies them: the RoundInfo's signature, and every node's under H(out).
   * @throws MixError SIGNATURE_INVALID, OUTPUTS_UNKNOWN, ROUND_OVER if the round failed, LINK_*; ARGUMENT_INVALID
   */
  async outputs(round: RoundId, node: NodeId): Promise<VerifiedOutputs> {
    checkRoundId(round, 'round');
    checkText(node, 'node');
    return keepingAlive(() => this.#outputs(round, node));
  }

  async #outputs(round: RoundId, node: NodeId): Promise<VerifiedOutputs> {
    const fetched = await this.#gateway(node).outputs(round, (signed) => {
      this.#checkRound(signed);
      if (signed.info.round !== round) {
        throw new MixError('MESSAGE_MALFORMED', { what: 'round', got: signed.info.round });
      }
    });
    const { info } = fetched.round;
    const digest = roundDigest(info);
    if (!equalBytes(outputDigest(digest, fetched.outputs), fetched.digest)) {
      throw new MixError('SIGNATURE_INVALID', { what: 'output digest', node });
    }
    const message = { kind: 'outputSignature', digest: fetched.digest } as const;
    for (const [position, member] of info.team.entries()) {
      const { identityKey } = this.#membership.get(member);
      const signature = fetched.signatures[position];
      if (!signature || !isSaidBy(identityKey, digest, member, message, signature)) {
        throw new MixError('SIGNATURE_INVALID', { what: 'outputs', signer: member });
      }
    }
    const decoded = decodeOutputs(namedGroup(info.group), info.width, fetched.outputs);
    return { ...decoded, info, codeIds: collectCodeIds(info, fetched.outputs, decoded.invalidSlots) };
  }

  /** @throws MixError ROUND_INFO_INVALID, SIGNATURE_INVALID, ROUND_BELOW_FLOOR */
  #checkRound(round: SignedRoundInfo): void {
    this.#checkSigned(round);
    checkFloors(round.info, this.#floors);
  }

  #checkSigned(round: SignedRoundInfo): void {
    const { network } = round.info;
    if (network !== this.#options.network) {
      throw new MixError('ROUND_INFO_INVALID', { field: 'network', got: network, expected: this.#options.network });
    }
    if (!isSignedBy(round, this.#options.roundAuthority)) {
      throw new MixError('SIGNATURE_INVALID', { what: 'RoundInfo', round: round.info.round });
    }
  }

  #gateway(node: NodeId): GatewayClient {
    let gateway = this.#gateways.get(node);
    if (!gateway) {
      gateway = new GatewayClient(this.#membership.get(node), this.#options.network);
      this.#gateways.set(node, gateway);
    }
    return gateway;
  }

  close(): void {
    for (const gateway of this.#gateways.values()) gateway.close();
    this.#gateways.clear();
  }
}

const isDialledAlike = (a: Member, b: Member): boolean =>
  a.gatewayAddress === b.gatewayAddress &&
  equalBytes(a.identityKey, b.identityKey) &&
  pinnedCertificates(a).join() === pinnedCertificates(b).join();

/** @throws MixError ARGUMENT_INVALID */
function checkSendOptions(options: Partial<DeliveryOptions>): void {
  checkObject(options, 'options');
  checkSignal(options.signal, 'options.signal');
  for (const name of ['onTaken', 'onTrouble'] as const) {
    const told = options[name];
    if (told !== undefined && typeof told !== 'function') refuse(`options.${name}`, 'a function', told);
  }
}

/** Warns a caller without an `onTrouble` of its own why nothing happens: once in a while, for any number of messages that wait. */
export function limitedWarning(clock: Clock): (failures: readonly NodeFailure[]) => void {
  let warnedMs = Number.NEGATIVE_INFINITY;
  return (failures) => {
    const nowMs = clock.nowMs();
    if (nowMs - warnedMs < WARNED_MS) return;
    warnedMs = nowMs;
    const lines = failures.map(({ node, error }) => `${node}: ${error.message}`);
    process.emitWarning(`no node gives an answer that can be used\n${lines.join('\n')}`, {
      code: 'MILLRACE_NODES_UNUSABLE',
    });
  };
}

function collectCodeIds(info: RoundInfo, outputs: Uint8Array, invalidSlots: readonly number[]): ReadonlySet<string> {
  const group = namedGroup(info.group);
  const slotBytes = info.width * group.elementBytes;
  const invalid = new Set(invalidSlots);
  const ids = new Set<string>();
  for (let slot = 0; slot < info.slots; slot++) {
    if (!invalid.has(slot)) ids.add(codeId(group, outputs.subarray(slot * slotBytes, (slot + 1) * slotBytes)));
  }
  return ids;
}

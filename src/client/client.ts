// What a sender or receiver uses: sends messages and follows them to their end, or does each step by itself (register with every
// node, submit to a round's first node, ask what became of a message); fetches outputs, which count only when every node of the
// team has signed them.
import { equalBytes } from '../base/bytes.js';
import { systemClock } from '../base/clock.js';
import { asMixError, type ErrorCode, MixError } from '../base/errors.js';
import type { NodeId, RoundId } from '../base/ids.js';
import { type Rng, randomBelow, systemRng } from '../base/rng.js';
import { type DecodedOutputs, decodeOutputs, outputDigest } from '../cmix/outputs.js';
import { SenderKey } from '../cmix/senderKeys.js';
import { GatewayClient } from '../comms/gatewayClient.js';
import type { Membership } from '../comms/peers.js';
import type { Engine } from '../engine/engine.js';
import { referenceEngine } from '../engine/open.js';
import { type GroupName, namedGroup } from '../math/group.js';
import type { Outcome } from '../round/outcome.js';
import { isSignedBy, type RoundInfo, roundDigest, type SignedRoundInfo } from '../round/roundInfo.js';
import type { Submission } from '../round/submissions/desk.js';
import { REGISTER_MAX } from '../round/submissions/registration.js';
import { isSaidBy } from '../round/teamMessages.js';
import { composeSubmissions, type OutgoingMessage, Sender } from './compose.js';
import { Delivery, type DeliveryOptions, type Fate, Unsent } from './delivery.js';

/** Register calls under way at once over one connection. */
const REGISTER_WINDOW = 8;
/** Submissions under way at once over one connection. */
const SUBMIT_WINDOW = 64;
/** What is as true of the next submission as of the one that is refused so. */
const CLOSED: readonly ErrorCode[] = [
  'ROUND_FULL',
  'ROUND_NOT_COLLECTING',
  'ROUND_OVER',
  'ROUND_UNKNOWN',
  'LINK_DOWN',
  'LINK_TIMEOUT',
  'COOLING_OFF',
];
/** Nodes asked for rounds that take messages: some may be away. */
const ASKED = 3;

export interface ClientOptions {
  readonly network: string;
  readonly membership: Membership;
  /** Whose signature makes a RoundInfo valid: Ed25519 public key. */
  readonly roundAuthority: Uint8Array;
  /** Computes blinding; by default inline, which suits single messages. The caller's to close. */
  readonly engine?: Engine;
  readonly rng?: Rng;
}

/** The outputs of a round, verified. */
export interface VerifiedOutputs extends DecodedOutputs {
  readonly info: RoundInfo;
}

export class Client {
  readonly #options: ClientOptions;
  readonly #rng: Rng;
  readonly #gateways = new Map<NodeId, GatewayClient>();

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#rng = options.rng ?? systemRng;
  }

  createSender(): Sender {
    return new Sender(SenderKey.generate(this.#rng));
  }

  /** Registers senders with every node, in its current key epoch; those already registered in it are left out. */
  async register(senders: readonly Sender[], nodes?: readonly NodeId[]): Promise<void> {
    const targets = nodes ?? this.#options.membership.members.map(({ node }) => node);
    await Promise.all(targets.map((node) => this.#registerWith(node, senders)));
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

  /** Rounds that take messages at `node` now. @throws MixError SIGNATURE_INVALID where one is not signed as it must be */
  async rounds(node: NodeId): Promise<SignedRoundInfo[]> {
    const rounds = await this.#gateway(node).rounds();
    for (const round of rounds) this.#checkRound(round);
    return rounds;
  }

  /**
   * Rounds that take messages now, newest first, as some nodes have heard; a few are asked at random. Empty where there is none,
   * or none of those nodes answers.
   */
  async collecting(): Promise<SignedRoundInfo[]> {
    const nodes = this.#options.membership.members.map(({ node }) => node);
    const asked = Array.from({ length: Math.min(ASKED, nodes.length) }, async () => {
      const [node] = nodes.splice(randomBelow(this.#rng, nodes.length), 1);
      const rounds = await this.rounds(node!);
      if (rounds.length === 0) throw new MixError('ROUND_NOT_COLLECTING', { node: node! });
      return rounds;
    });
    // The first that knows one: nobody waits for a node that is away.
    const rounds = await Promise.any(asked).catch(() => []);
    return [...rounds].sort((a, b) => b.info.round - a.info.round);
  }

  /**
   * Sends messages and follows each to its end, over as many rounds as it takes: what a round could not take, or failed without
   * reading, goes into another one. Fetches the outputs of each round once: that a message was mixed is no single node's word. See
   * client/delivery.ts.
   */
  send(messages: readonly OutgoingMessage[], options: Partial<DeliveryOptions> = {}): Promise<readonly Fate[]> {
    return new Delivery(this, { clock: systemClock, ...options }).run(messages);
  }

  /** Composes messages for a round; submit the result, and keep it to submit it again or to ask for its outcome. */
  compose(round: SignedRoundInfo, messages: readonly OutgoingMessage[]): Promise<Submission[]> {
    this.#checkRound(round);
    const { engine } = this.#options;
    return composeSubmissions(engine ?? this.#inlineEngine(round.info.group), this.#rng, round.info, messages);
  }

  #inlineEngine(group: GroupName): Engine {
    return referenceEngine(namedGroup(group));
  }

  /**
   * Submits to the round's first node. Each submission gets its own answer: undefined where it was taken, else the error. Once it is
   * clear that the round takes no more, the rest does not leave: {@link Unsent}. `onTaken` is called as answers come.
   */
  async submit(
    info: RoundInfo,
    submissions: readonly Submission[],
    onTaken: (count: number) => void = () => {},
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

  /** What became of a submission, as `node` (by default the round's first) tells it: its word, which nothing proves. */
  outcome(info: RoundInfo, submission: Submission, node: NodeId = info.team[0]!): Promise<Outcome> {
    return this.#gateway(node).outcome(info.round, submission.sender, submission.salt);
  }

  /**
   * Fetches the outputs of a round from one node and verifies them: the RoundInfo's signature, and every node's under H(out).
   * @throws MixError SIGNATURE_INVALID, OUTPUTS_UNKNOWN, ROUND_OVER where the round failed, LINK_*
   */
  async outputs(round: RoundId, node: NodeId): Promise<VerifiedOutputs> {
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
      const { identityKey } = this.#options.membership.get(member);
      const signature = fetched.signatures[position];
      if (!signature || !isSaidBy(identityKey, digest, member, message, signature)) {
        throw new MixError('SIGNATURE_INVALID', { what: 'outputs', signer: member });
      }
    }
    return { ...decodeOutputs(namedGroup(info.group), info.width, fetched.outputs), info };
  }

  #checkRound(round: SignedRoundInfo): void {
    if (round.info.network !== this.#options.network || !isSignedBy(round, this.#options.roundAuthority)) {
      throw new MixError('SIGNATURE_INVALID', { what: 'RoundInfo', round: round.info.round });
    }
  }

  #gateway(node: NodeId): GatewayClient {
    let gateway = this.#gateways.get(node);
    if (!gateway) {
      gateway = new GatewayClient(this.#options.membership.get(node), this.#options.network);
      this.#gateways.set(node, gateway);
    }
    return gateway;
  }

  close(): void {
    for (const gateway of this.#gateways.values()) gateway.close();
    this.#gateways.clear();
  }
}

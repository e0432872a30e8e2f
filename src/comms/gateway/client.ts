// A sender's connection to one node's gateway: typed calls that return the values of docs/protocol.md, or a MixError.
import {
  asMixError,
  equalBytes,
  MixError,
  type NodeId,
  nextTurn,
  type RoundId,
  type SenderId,
  systemClock,
  systemRng,
} from '../../base/index.js';
import { silentLog } from '../../base/log.js';
import { createMetrics } from '../../base/metrics.js';
import { verifySignature } from '../../cmix/index.js';
import { namedGroup } from '../../math/index.js';
import type { Member, Outcome, SignedRoundInfo } from '../../protocol/index.js';
import { type Submission, solve } from '../../round/index.js';
import {
  type Attempt,
  asBytes,
  type grpc,
  Host,
  type HostOptions,
  LinkMetrics,
  malformed,
  openStub,
  PROTOCOL_VERSION,
  peerFacts,
  REPLY_BYTES_MAX,
  services,
  transmit,
  unary,
} from '../../transport/index.js';
import type { GatewayClient as WireClient } from '../../transport/proto/generated/millrace/v1/Gateway.js';
import type { NodeDescription__Output } from '../../transport/proto/generated/millrace/v1/NodeDescription.js';
import type { OutcomeReply__Output } from '../../transport/proto/generated/millrace/v1/OutcomeReply.js';
import type { OutputsFrame__Output } from '../../transport/proto/generated/millrace/v1/OutputsFrame.js';
import type { RoundsReply__Output } from '../../transport/proto/generated/millrace/v1/RoundsReply.js';
import { decodeRound } from '../roundCodec.js';
import { descriptionDigest } from './service.js';

const OUTPUTS_DEADLINE_MS = 60_000;
/** Times that a node may ask for more work for one registration. */
const PUZZLES_MAX = 4;
/**
 * A sender waits, and tries again by itself while its node is away for a moment. A node that stays away is dialled every three seconds,
 * and does not hold up a caller that asks several nodes.
 */
const SENDER_OPTIONS: Partial<HostOptions> = {
  auth: false,
  retriesMax: 3,
  backoff: { firstMs: 50, longestMs: 1_000 },
  coolOff: { failures: 12, windowMs: 36_000 },
  replyBytesMax: REPLY_BYTES_MAX,
};

/** Outputs as a node sent them: only their length is verified yet. */
interface FetchedOutputs {
  readonly round: SignedRoundInfo;
  readonly outputs: Uint8Array;
  readonly digest: Uint8Array;
  readonly signatures: readonly Uint8Array[];
}

export class GatewayClient {
  readonly member: Member;
  readonly #network: string;
  readonly #metrics = new LinkMetrics(createMetrics());
  readonly #host: Host;

  constructor(member: Member, network: string, options: Partial<HostOptions> = {}) {
    this.member = member;
    this.#network = network;
    // A sender shows no certificate and signs nothing: its submissions carry MACs.
    const self = { network, id: '', sign: () => new Uint8Array(0) };
    const ports = { clock: systemClock, rng: systemRng, log: silentLog, metrics: this.#metrics };
    const facts = { ...peerFacts(member), address: member.gatewayAddress };
    this.#host = new Host(facts, { ...SENDER_OPTIONS, ...options }, { self, certificate: () => undefined, ...ports });
  }

  #call<Reply>(
    make: (client: WireClient, options: grpc.CallOptions, done: grpc.requestCallback<Reply>) => grpc.ClientUnaryCall,
  ): Promise<Reply> {
    const attempt = unary<WireClient, Reply>(services.Gateway, (client, _metadata, options, done) =>
      make(client, options, done),
    );
    return this.#send(attempt, this.#host.options.sendTimeoutMs);
  }

  /** Makes a call. Every call of a sender may be repeated: a submission is known by its sender and salt. */
  #send<Reply>(attempt: Attempt<Reply>, timeoutMs: number): Promise<Reply> {
    const { signal } = new AbortController();
    return transmit(this.#host, this.#metrics, attempt, { lane: 'control', signal, timeoutMs, idempotent: true });
  }

  /** Work for a registration, in bits, as the node last demanded it. */
  #registerBits = 0;

  /** Fetches the node's epoch key, signed by its identity. @throws MixError SIGNATURE_INVALID, MESSAGE_MALFORMED, LINK_* */
  async describe(): Promise<{ readonly epoch: number; readonly epochKey: Uint8Array }> {
    const { node, identityKey } = this.member;
    const reply = await this.#call<NodeDescription__Output>((client, options, done) =>
      client.describe({}, options, done),
    );
    const { epoch, epochKey, protocol, signature } = reply;
    if (protocol !== PROTOCOL_VERSION) throw new MixError('MESSAGE_MALFORMED', { what: 'protocol', protocol });
    const signed = descriptionDigest(this.#network, node, epoch, epochKey);
    if (!equalBytes(asBytes(reply.identityKey), identityKey) || !verifySignature(identityKey, signed, signature)) {
      throw new MixError('SIGNATURE_INVALID', { what: 'node description', node });
    }
    this.#registerBits = reply.registerBits;
    return { epoch, epochKey: asBytes(epochKey).slice() };
  }

  /**
   * Registers senders by their X25519 public keys, at most REGISTER_MAX; does the work that a node under load demands.
   * @throws MixError EPOCH_EXPIRED, REGISTRY_FULL, SHARE_USED; PUZZLE_REQUIRED if the node demands more than any node may, or too often
   */
  async register(senderKeys: readonly Uint8Array[], epoch: number): Promise<void> {
    for (let tries = 1; ; tries++) {
      const bits = this.#registerBits;
      const nonces: Uint8Array[] = [];
      for (const key of bits > 0 ? senderKeys : []) {
        nonces.push(await solve({ node: this.member.node, key, epoch }, bits, systemRng, nextTurn));
      }
      try {
        return await this.#register({ senderKeys: [...senderKeys], epoch, nonces });
      } catch (thrown) {
        const { code, values } = asMixError(thrown);
        const asked = Number(values.bits);
        // The demand grew while this client was at work.
        if (code !== 'PUZZLE_REQUIRED' || tries >= PUZZLES_MAX || !(asked > bits)) throw thrown;
        this.#registerBits = asked;
      }
    }
  }

  async #register(request: { senderKeys: Uint8Array[]; epoch: number; nonces: Uint8Array[] }): Promise<void> {
    const { senders } = await this.#call<{ senders: string[] }>((client, options, done) =>
      client.register(request, options, done),
    );
    if (senders.length !== request.senderKeys.length) throw malformed('register reply');
  }

  /** Fetches the rounds that take messages now, as this node has heard; their signatures are not verified yet. */
  async rounds(): Promise<SignedRoundInfo[]> {
    const { rounds } = await this.#call<RoundsReply__Output>((client, options, done) =>
      client.rounds({}, options, done),
    );
    return rounds.map(decodeRound);
  }

  /** @throws MixError: see SubmissionDesk.take */
  async submit(round: RoundId, submission: Submission): Promise<void> {
    const { sender, salt, payload, macs } = submission;
    const request = { round, sender, salt, payload, macs: [...macs] };
    await this.#call((client, options, done) => client.submit(request, options, done));
  }

  async outcome(round: RoundId, sender: SenderId, salt: Uint8Array): Promise<Outcome> {
    const { state, reason, node, resendable } = await this.#call<OutcomeReply__Output>((client, options, done) =>
      client.outcome({ round, sender, salt }, options, done),
    );
    switch (state) {
      case 'pending':
      case 'mixed':
        return { state };
      case 'rejected':
        return { state, reason, node: node as NodeId };
      case 'failed':
        return { state, code: reason, resendable };
      case 'unknown':
        return { state, resendable };
      default:
        throw malformed('outcome');
    }
  }

  /**
   * Fetches the outputs of a round; verify them before use (client/client.ts). `checkRound` throws if their RoundInfo is not the expected
   * one: only after that their size is trusted, and memory taken for it.
   */
  outputs(round: RoundId, checkRound: (signed: SignedRoundInfo) => void): Promise<FetchedOutputs> {
    return this.#send((ready) => {
      const call = openStub<WireClient>(services.Gateway, ready.connection).outputs(
        { round },
        { deadline: ready.deadline },
      );
      const done = new Promise<FetchedOutputs>((resolve, reject) => {
        const stream = new OutputsReader(checkRound);
        call.on('data', (frame: OutputsFrame__Output) => {
          try {
            stream.take(frame);
          } catch (error) {
            call.cancel();
            reject(error);
          }
        });
        call.on('error', reject);
        call.on('end', () => {
          try {
            resolve(stream.finish());
          } catch (error) {
            reject(error);
          }
        });
      });
      return { done, cancel: () => call.cancel() };
    }, OUTPUTS_DEADLINE_MS);
  }

  close(): void {
    this.#host.close();
  }
}

/** Collects an output stream; its size is known from the RoundInfo before a byte is kept. */
class OutputsReader {
  readonly #checkRound: (signed: SignedRoundInfo) => void;
  #fetched: FetchedOutputs | undefined;
  #at = 0;

  constructor(checkRound: (signed: SignedRoundInfo) => void) {
    this.#checkRound = checkRound;
  }

  take(frame: OutputsFrame__Output): void {
    if (frame.header) {
      if (this.#fetched || !frame.header.round) throw malformed('outputs header');
      const round = decodeRound(frame.header.round);
      const { slots, width, group } = round.info;
      const bytes = slots * width * namedGroup(group).elementBytes;
      if (frame.header.bytesTotal !== bytes) throw malformed('outputs size');
      this.#checkRound(round);
      const signatures = frame.header.signatures.map((signature) => asBytes(signature).slice());
      const digest = asBytes(frame.header.digest).slice();
      this.#fetched = { round, outputs: new Uint8Array(bytes), digest, signatures };
      return;
    }
    const content = frame.content;
    if (!this.#fetched || !content || this.#at + content.length > this.#fetched.outputs.length)
      throw malformed('outputs frame');
    this.#fetched.outputs.set(content, this.#at);
    this.#at += content.length;
  }

  finish(): FetchedOutputs {
    if (!this.#fetched || this.#at !== this.#fetched.outputs.length) throw malformed('outputs truncated');
    return this.#fetched;
  }
}

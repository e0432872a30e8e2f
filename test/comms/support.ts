// Real listeners on loopback: identities, certificates, a membership list and a team service per node, with a receiver that
// records its input. Ports are free ones, so that tests can run concurrently.
import { setMaxListeners } from 'node:events';
import { systemClock } from '../../src/base/clock.js';
import { isErrorCode, MixError } from '../../src/base/errors.js';
import type { BootId, NodeId, RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics, type Metrics } from '../../src/base/metrics.js';
import { systemRng } from '../../src/base/rng.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { TeamLink } from '../../src/comms/team/link.js';
import { addTeamService } from '../../src/comms/team/service.js';
import type {
  BatchHeader,
  BatchSink,
  BatchSource,
  CirclePing,
  Claim,
  ClaimRejection,
  LinkReceiver,
} from '../../src/protocol/link.js';
import { type Member, Membership } from '../../src/protocol/membership.js';
import type { BatchTrailer, SignedTeamMessage } from '../../src/protocol/teamMessages.js';
import { TOKEN_KEY } from '../../src/transport/calling/call.js';
import { ownConnection, pinnedCredentials } from '../../src/transport/calling/channels.js';
import { Connection, type DialOptions } from '../../src/transport/calling/connection.js';
import { authenticate, type PeerIdentity, type Self } from '../../src/transport/calling/handshake.js';
import type { HostDeps, HostOptions } from '../../src/transport/calling/host.js';
import { HostManager } from '../../src/transport/calling/hosts.js';
import { type CertificatePair, createCertificate } from '../../src/transport/certificates.js';
import { type AuthContext, grpc } from '../../src/transport/grpc.js';
import { LinkMetrics } from '../../src/transport/linkMetrics.js';
import {
  CallAuthenticator,
  type CallAuthenticatorOptions,
  type CallFacts,
} from '../../src/transport/serving/callAuthenticator.js';
import { addHandshakeService } from '../../src/transport/serving/handshakeService.js';
import { type Listener, listen } from '../../src/transport/serving/server.js';
import { SeededRng } from '../support/seededRng.js';

/** The network of all nodes here. */
export const NETWORK = 'test';

export const never: AbortSignal = new AbortController().signal;
// Many concurrent calls listen to it, as to a round's own signal.
setMaxListeners(0, never);
export const zeros = (length: number): Uint8Array => new Uint8Array(length);

/** Records its input; refuses as the test configures. */
export class RecordingReceiver implements LinkReceiver {
  readonly messages: { from: NodeId; message: SignedTeamMessage }[] = [];
  readonly circles: { from: NodeId; ping: CirclePing }[] = [];
  readonly screened: { from: NodeId; round: RoundId; claims: readonly Claim[] }[] = [];
  rejections: readonly ClaimRejection[] = [];
  readonly headers: BatchHeader[] = [];
  readonly chunks: { index: number; bytes: Uint8Array }[] = [];
  readonly trailers: BatchTrailer[] = [];
  bootId = '0'.repeat(32) as BootId;
  refuseHeader: MixError | undefined;
  refuseChunk: MixError | undefined;
  /** The acknowledgement waits for this promise. */
  acknowledge: Promise<void> = Promise.resolve();
  /** Called at every event, for tests that wait for one. */
  onEvent: () => void = () => {};

  async onMessage(from: NodeId, message: SignedTeamMessage): Promise<void> {
    this.messages.push({ from, message });
    this.onEvent();
  }

  onBatch(_from: NodeId, header: BatchHeader): BatchSink {
    if (this.refuseHeader) throw this.refuseHeader;
    this.headers.push(header);
    this.onEvent();
    return {
      chunk: (index, bytes) => {
        if (this.refuseChunk) throw this.refuseChunk;
        this.chunks.push({ index, bytes: bytes.slice() });
        this.onEvent();
      },
      end: async (trailer) => {
        this.trailers.push(trailer);
        this.onEvent();
        await this.acknowledge;
      },
    };
  }

  onScreen(from: NodeId, round: RoundId, claims: readonly Claim[]): readonly ClaimRejection[] {
    this.screened.push({ from, round, claims });
    return this.rejections;
  }

  onPing(): BootId {
    return this.bootId;
  }

  onCircle(from: NodeId, ping: CirclePing): void {
    this.circles.push({ from, ping });
    this.onEvent();
  }

  /** Resolves when `holds` is true, checked at every event. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.onEvent = () => {
        if (holds()) resolve();
      };
      this.onEvent();
    });
  }
}

export interface Identity {
  readonly key: SigningKey;
  readonly node: NodeId;
  readonly certificate: CertificatePair;
}

const DAY_MS = 24 * 3600 * 1000;

/** A node's identity; `validity` "expired" makes an expired certificate. */
export async function identity(name: string, validity: 'valid' | 'expired' = 'valid'): Promise<Identity> {
  const key = SigningKey.generate(new SeededRng(name));
  const issuedMs = Date.now() - (validity === 'expired' ? 30 * DAY_MS : 0);
  return { key, node: key.nodeId, certificate: await createCertificate('millrace', 10, issuedMs) };
}

export function memberOf({ key, certificate }: Identity, teamPort = 1, gatewayPort = 1): Member {
  return {
    node: key.nodeId,
    address: `127.0.0.1:${teamPort}`,
    gatewayAddress: `127.0.0.1:${gatewayPort}`,
    identityKey: key.publicKey,
    certificate: certificate.certificate,
  };
}

/** The host manager of an identity. */
export function hostsOf(own: Identity, options: Partial<HostOptions> = {}, deps: Partial<HostDeps> = {}): HostManager {
  const self = { network: NETWORK, id: own.node, sign: (bytes: Uint8Array) => own.key.sign(bytes) };
  return new HostManager(options, {
    self,
    certificate: () => own.certificate,
    clock: systemClock,
    rng: systemRng,
    log: silentLog,
    metrics: new LinkMetrics(createMetrics()),
    ...deps,
  });
}

/** A link with hosts of its own, closed together. */
export class OwnLink extends TeamLink {
  readonly hosts: HostManager;

  constructor(membership: () => Membership, own: Identity, hosts = hostsOf(own), options: Partial<HostOptions> = {}) {
    super(membership, hosts, options);
    this.hosts = hosts;
  }

  close(): void {
    this.hosts.close();
  }
}

/** The authenticator of a node's listener, for the members of a list. */
export function authenticatorOf(
  own: Identity,
  membership: () => Membership,
  options: Partial<CallAuthenticatorOptions> = {},
): CallAuthenticator {
  const self = { id: own.node, sign: (bytes: Uint8Array) => own.key.sign(bytes) };
  return new CallAuthenticator({ network: NETWORK, self, membership, clock: systemClock, rng: systemRng, ...options });
}

/** A serving node: its team listener, and the list of its permitted callers. */
export interface ServingNode extends Identity {
  readonly receiver: RecordingReceiver;
  readonly metrics: Metrics;
  readonly member: Member;
  readonly link: OwnLink;
  readonly authenticator: CallAuthenticator;
  /** Stops the listener at once. */
  stop(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
}

export class Loopback {
  readonly nodes: ServingNode[] = [];
  membership = new Membership(0, []);
  readonly authenticatorOptions: Partial<CallAuthenticatorOptions>;

  private constructor(authenticatorOptions: Partial<CallAuthenticatorOptions>) {
    this.authenticatorOptions = authenticatorOptions;
  }

  /** Starts nodes with these identities; each may call each other. `unlisted` are further members of the list. */
  static async start(
    identities: readonly Identity[],
    unlisted: readonly Member[] = [],
    authenticatorOptions: Partial<CallAuthenticatorOptions> = {},
  ): Promise<Loopback> {
    const loopback = new Loopback(authenticatorOptions);
    for (const one of identities) loopback.nodes.push(await loopback.#serve(one));
    loopback.membership = new Membership(0, [...loopback.nodes.map(({ member }) => member), ...unlisted]);
    return loopback;
  }

  async #serve(one: Identity): Promise<ServingNode> {
    const receiver = new RecordingReceiver();
    const metrics = createMetrics();
    const authenticator = authenticatorOf(one, () => this.membership, this.authenticatorOptions);
    const authenticate = (call: CallFacts) => void authenticator.admit(call);
    const identify = (context: AuthContext) => authenticator.identify(context);
    const bind = (port: number): Promise<Listener> =>
      listen(
        {
          address: `127.0.0.1:${port}`,
          certificate: one.certificate,
          authenticate,
          log: silentLog,
          metrics,
        },
        (server, errors) => {
          addHandshakeService(server, errors, authenticator);
          addTeamService(server, errors, { receiver, identify, idleMs: IDLE_MS });
        },
      );
    let listener = await bind(0);
    const { port } = listener;
    return {
      ...one,
      receiver,
      metrics,
      member: memberOf(one, port),
      link: new OwnLink(() => this.membership, one),
      authenticator,
      stop: () => listener.close(0),
      restart: async () => {
        listener = await bind(port);
      },
    };
  }

  async close(): Promise<void> {
    for (const node of this.nodes) {
      node.link.close();
      await node.stop();
    }
  }
}

/** Idle limit of streams: longer than a busy machine may stall this process. */
export const IDLE_MS = 10_000;

/** A batch of `chunks` chunks of 64 bytes, all ready. */
export function batchSource(chunks: number, changes: Partial<BatchSource> = {}): BatchSource {
  return {
    header: { round: 1 as RoundId, phase: 'precompDecrypt', slots: chunks, elements: 1, chunkSlots: 1 },
    chunks,
    chunk: async (index) => new Uint8Array(64).fill(index),
    trailer: async () => ({ root: zeros(32), extra: zeros(0), signature: zeros(64) }),
    ...changes,
  };
}

export function keyShareMessage(from: NodeId, round = 1): SignedTeamMessage {
  const message = { kind: 'keyShare', share: zeros(64).fill(7) } as const;
  return { round: round as RoundId, from, message, signature: zeros(64) };
}

/** A client that sends and receives raw bytes for any method. */
export class RawClient {
  readonly #ready: Promise<{ readonly client: grpc.Client; readonly token: string | undefined }>;

  /** `session`: also authenticates as a member, on the connection of its calls. */
  constructor(
    address: string,
    certificate: string,
    own?: CertificatePair,
    session?: { self: Self; peer: PeerIdentity },
  ) {
    // An attacker sets no limit of its own.
    const channel = { 'grpc.max_send_message_length': -1 };
    const client = new grpc.Client(address, pinnedCredentials(certificate, own), { ...ownConnection, ...channel });
    this.#ready = session
      ? RawClient.#authenticated({ address, trusted: [certificate], own, channel }, session)
      : Promise.resolve({ client, token: undefined });
    this.#ready.catch(() => {});
  }

  static async #authenticated(
    target: Pick<DialOptions, 'address' | 'trusted' | 'own' | 'channel'>,
    { self, peer }: { self: Self; peer: PeerIdentity },
  ) {
    const connection = await Connection.dial({ ...target, peer: peer.id, timeoutMs: 5_000 });
    const { token } = await authenticate(connection, self, peer, 5_000);
    const insecure = grpc.credentials.createInsecure();
    const client = new grpc.Client('', insecure, { channelOverride: connection.channel });
    return { client, token: token?.toMetadata() };
  }

  /** Metadata of an honest client, replaced by `changed`. */
  async #wire(changed?: grpc.Metadata): Promise<{ client: grpc.Client; metadata: grpc.Metadata }> {
    const { client, token } = await this.#ready;
    const metadata = new grpc.Metadata();
    if (token) metadata.set(TOKEN_KEY, token);
    return { client, metadata: changed ?? metadata };
  }

  /** Resolves when connected and authenticated. */
  async connected(): Promise<void> {
    await this.#ready;
  }

  /** A unary call, or a server stream with its frames dropped; resolves with the error, undefined on success. */
  async call(path: string, message: Uint8Array, changed?: grpc.Metadata): Promise<grpc.ServiceError | undefined> {
    const { client, metadata } = await this.#wire(changed);
    const options = { deadline: Date.now() + 30_000 };
    return new Promise((resolve) => {
      const stream = client.makeServerStreamRequest(path, raw, raw, Buffer.from(message), metadata, options);
      stream.on('error', (error: grpc.ServiceError) => resolve(error));
      stream.on('data', () => {});
      stream.on('end', () => resolve(undefined));
    });
  }

  /** A server stream without end: accepted (no error) when its headers arrive. */
  async subscribe(path: string, message: Uint8Array, changed?: grpc.Metadata): Promise<grpc.ServiceError | undefined> {
    const { client, metadata } = await this.#wire(changed);
    return new Promise((resolve) => {
      const stream = client.makeServerStreamRequest(path, raw, raw, Buffer.from(message), metadata);
      stream.on('error', (error: grpc.ServiceError) => resolve(error));
      stream.on('data', () => {});
      stream.on('metadata', () => {
        resolve(undefined);
        stream.cancel();
      });
    });
  }

  /** A client stream of these frames; `end: false` leaves it open. */
  async stream(
    path: string,
    frames: readonly Uint8Array[],
    end = true,
    changed?: grpc.Metadata,
  ): Promise<grpc.ServiceError | undefined> {
    const { client, metadata } = await this.#wire(changed);
    return new Promise((resolve) => {
      const call = client.makeClientStreamRequest(path, raw, raw, metadata, (error) => resolve(error ?? undefined));
      call.on('error', () => {});
      for (const frame of frames) call.write(Buffer.from(frame));
      if (end) call.end();
    });
  }

  close(): void {
    void this.#ready.then(
      ({ client }) => client.close(),
      () => {},
    );
  }
}

const raw = (bytes: Buffer): Buffer => bytes;

/** The code that a raw error carries on the wire, or the transport's error. */
export function wireCode(error: grpc.ServiceError | undefined): string {
  if (!error) return 'ok';
  const code = error.metadata.get('mix-code')[0];
  return isErrorCode(code) ? code : `untyped: ${error.code} ${error.details}`;
}

/** The code of the MixError that a promise rejects with, or 'ok'. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    if (error instanceof MixError) return error.code;
    throw error;
  }
}

/** Sum of a counter's samples whose labels include all of `labels`. */
export async function counted(metrics: Metrics, name: string, labels: Record<string, string> = {}): Promise<number> {
  let sum = 0;
  for (const line of (await metrics.render()).split('\n')) {
    if (!line.startsWith(`millrace_${name}`)) continue;
    if (Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`))) {
      sum += Number(line.slice(line.lastIndexOf(' ')));
    }
  }
  return sum;
}

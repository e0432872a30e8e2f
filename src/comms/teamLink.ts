// The Link port over gRPC: one attempt per call, each on the member's pinned channel. Precomputation and realtime have
// connections of their own, so that a realtime chunk never waits behind a precomputation's megabytes.
import { MixError } from '../base/errors.js';
import { type BootId, isBootId, type NodeId } from '../base/ids.js';
import { isRealtime } from '../round/batchPhases.js';
import type { BatchSource, Link } from '../round/link.js';
import type { SignedTeamMessage } from '../round/teamMessages.js';
import type { CertificatePair } from './certificates.js';
import { cancelOn, checkSignal, deadlineIn, ownConnection, pinnedCredentials, UNARY_DEADLINE_MS } from './channels.js';
import type { BatchFrame } from './generated/millrace/v1/BatchFrame.js';
import type { TeamClient } from './generated/millrace/v1/Team.js';
import { type grpc, services } from './grpc.js';
import type { Member, Membership } from './peers.js';
import { fromStatus } from './status.js';
import { encodeEnvelope } from './teamCodec.js';

type Lane = 'control' | 'precompute' | 'realtime';

export class TeamLink implements Link {
  readonly #membership: () => Membership;
  readonly #own: CertificatePair;
  readonly #clients = new Map<string, { readonly member: Member; readonly client: TeamClient }>();

  constructor(membership: () => Membership, own: CertificatePair) {
    this.#membership = membership;
    this.#own = own;
  }

  async deliver(to: NodeId, message: SignedTeamMessage, signal: AbortSignal): Promise<void> {
    await this.#unary(to, signal, (client, options, done) => client.deliver(encodeEnvelope(message), options, done));
  }

  async ping(to: NodeId, signal: AbortSignal): Promise<BootId> {
    const { bootId } = await this.#unary<{ bootId: string }>(to, signal, (client, options, done) =>
      client.ping({}, options, done),
    );
    if (!isBootId(bootId)) throw new MixError('MESSAGE_MALFORMED', { what: 'boot id', peer: to });
    return bootId;
  }

  async transfer(to: NodeId, source: BatchSource, signal: AbortSignal): Promise<void> {
    checkSignal(signal);
    const client = this.#client(to, isRealtime(source.header.phase) ? 'realtime' : 'precompute');
    let failed = false;
    let stop = () => {};
    // No deadline of its own: chunks come as they are computed, and the round's deadline aborts the signal.
    const acknowledged = new Promise<void>((resolve, reject) => {
      const call = client.transfer((error) => {
        failed = true;
        if (error) reject(callError(error, to, signal));
        else resolve();
      });
      // What ends the call comes to the callback; a late write to an ended stream is nobody's error.
      call.on('error', () => {});
      stop = cancelOn(signal, call);
      this.#pump(call, source, () => failed).catch((error) => {
        call.cancel();
        reject(error);
      });
    });
    try {
      await acknowledged;
    } finally {
      stop();
    }
  }

  /** Writes frames as they become ready, with back-pressure. */
  async #pump(call: grpc.ClientWritableStream<BatchFrame>, source: BatchSource, failed: () => boolean): Promise<void> {
    await write(call, { header: { ...source.header } });
    for (let index = 0; index < source.chunks; index++) {
      const content = await source.chunk(index);
      if (failed()) return;
      await write(call, { chunk: { index, content } });
    }
    const trailer = await source.trailer();
    if (failed()) return;
    await write(call, { trailer: { ...trailer } });
    call.end();
  }

  async #unary<Reply>(
    to: NodeId,
    signal: AbortSignal,
    make: (client: TeamClient, options: grpc.CallOptions, done: grpc.requestCallback<Reply>) => grpc.ClientUnaryCall,
  ): Promise<Reply> {
    checkSignal(signal);
    const client = this.#client(to, 'control');
    return new Promise((resolve, reject) => {
      let stop = () => {};
      const call = make(client, { deadline: deadlineIn(UNARY_DEADLINE_MS) }, (error, reply) => {
        stop();
        if (error) reject(callError(error, to, signal));
        else resolve(reply!);
      });
      stop = cancelOn(signal, call);
    });
  }

  #client(to: NodeId, lane: Lane): TeamClient {
    const key = `${lane}/${to}`;
    const member = this.#membership().get(to);
    const known = this.#clients.get(key);
    if (known?.member === member) return known.client;
    // The membership list has another entry for this node: its address or certificate may have changed.
    known?.client.close();
    const client = new services.Team(member.address, pinnedCredentials(member.certificate, this.#own), ownConnection);
    this.#clients.set(key, { member, client });
    return client;
  }

  close(): void {
    for (const { client } of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}

/** Our own abort looks like a failed connection to grpc-js. */
function callError(error: grpc.ServiceError, to: NodeId, signal: AbortSignal): MixError {
  return signal.aborted ? new MixError('ABORTED') : fromStatus(error, to);
}

/** Resolves when the frame is buffered within the stream's limit, or the call has ended: its callback tells how. */
function write(call: grpc.ClientWritableStream<BatchFrame>, frame: BatchFrame): Promise<void> {
  return new Promise((resolve) => {
    if (call.destroyed || call.writableEnded || call.write(frame)) return resolve();
    const done = () => {
      for (const event of ['drain', 'close', 'error'] as const) call.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error'] as const) call.once(event, done);
  });
}

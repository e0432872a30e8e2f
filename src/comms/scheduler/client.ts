// A node's connection to its scheduler: the SchedulerPort over gRPC. A report is sent until it is acknowledged or the host's
// retries are used up; following and reporting again after that is node/schedulerFollower.ts's business.
import { MixError } from '../../base/index.js';
import type { NodeReport, SchedulerPort, SignedUpdate } from '../../protocol/index.js';
import {
  callMetadata,
  cancelOn,
  fromStatus,
  type Host,
  type HostManager,
  openStub,
  services,
  transmit,
  unary,
} from '../../transport/index.js';
import type { SchedulerClient as WireClient } from '../../transport/proto/generated/millrace/v1/Scheduler.js';
import type { Update__Output } from '../../transport/proto/generated/millrace/v1/Update.js';
import { decodeUpdate, encodeReport } from '../roundCodec.js';

/** What a scheduler is called in handshakes, logs and metrics. */
export const SCHEDULER_ID = 'scheduler';

interface SchedulerAddress {
  readonly address: string;
  /** PEM, pinned. */
  readonly certificate: string;
  /** Ed25519 public key, 32 bytes. */
  readonly key: Uint8Array;
}

export class SchedulerClient implements SchedulerPort {
  readonly #hosts: HostManager;
  readonly #host: Host;

  /** `hosts` is the caller's to close. */
  constructor({ address, certificate, key }: SchedulerAddress, hosts: HostManager) {
    this.#hosts = hosts;
    const facts = { id: SCHEDULER_ID, address, certificates: [certificate], identityKey: key };
    // The follower asks again by itself, and says so in the log.
    this.#host = hosts.add(facts, { retriesMax: 1 });
  }

  async *updates(after: number, signal: AbortSignal, onOpen: () => void = () => {}): AsyncIterable<SignedUpdate> {
    if (signal.aborted) return;
    const { options } = this.#host;
    // Opened by the same rules as any call; what comes afterwards lasts as long as the connection does.
    const stream = await transmit(
      this.#host,
      this.#hosts.deps.metrics,
      (wire) => {
        const client: WireClient = openStub(services.Scheduler, wire.connection);
        const call = client.updates({ after }, callMetadata(wire));
        const opened = new Promise<typeof call>((resolve, reject) => {
          call.once('metadata', () => resolve(call));
          call.once('error', reject);
          call.once('end', () => reject(new MixError('LINK_DOWN', { peer: SCHEDULER_ID, detail: 'the stream ended' })));
        });
        // Nobody else listens once the loop below is left, and cancelling is an error to the stream.
        call.on('error', () => {});
        return { done: opened, cancel: () => call.cancel() };
      },
      { lane: 'control', signal, timeoutMs: options.sendTimeoutMs, idempotent: true },
    ).catch((thrown: unknown) => {
      // Left while the stream was being opened: the scheduler may have it already, and that is no error either.
      if (signal.aborted) return undefined;
      throw thrown;
    });
    if (!stream) return;
    const stop = cancelOn(signal, stream);
    onOpen();
    try {
      for await (const update of stream as AsyncIterable<Update__Output>) yield decodeUpdate(update);
    } catch (thrown) {
      if (signal.aborted) return;
      throw fromStatus(thrown, SCHEDULER_ID);
    } finally {
      stop();
      stream.cancel();
    }
    if (!signal.aborted) throw new MixError('LINK_DOWN', { peer: SCHEDULER_ID, detail: 'the stream ended' });
  }

  async register(code: string): Promise<void> {
    const attempt = unary(services.Scheduler, (client: WireClient, metadata, options, done) =>
      client.register({ code }, metadata, options, done),
    );
    const { signal } = new AbortController();
    const { sendTimeoutMs: timeoutMs } = this.#host.options;
    // A code is used once: whether it was, a second attempt could not tell from whether it is wrong.
    await transmit(this.#host, this.#hosts.deps.metrics, attempt, {
      lane: 'control',
      signal,
      timeoutMs,
      idempotent: false,
    });
  }

  async report(report: NodeReport, signal: AbortSignal = new AbortController().signal): Promise<void> {
    const attempt = unary(services.Scheduler, (client: WireClient, metadata, options, done) =>
      client.report(encodeReport(report), metadata, options, done),
    );
    const { sendTimeoutMs: timeoutMs } = this.#host.options;
    // What a node says of itself, or of a round's stage, is true again when it comes again.
    await transmit(this.#host, this.#hosts.deps.metrics, attempt, {
      lane: 'control',
      signal,
      timeoutMs,
      idempotent: true,
    });
  }
}

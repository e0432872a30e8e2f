// A node's connection to its scheduler: the SchedulerPort over gRPC. A report is sent until it is acknowledged or the host's retries are
// used up; after that node/schedulerFollower.ts follows and reports again.
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

/** Name of a scheduler in handshakes, logs and metrics. */
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

  /** The caller closes `hosts`. */
  constructor({ address, certificate, key }: SchedulerAddress, hosts: HostManager) {
    this.#hosts = hosts;
    const facts = { id: SCHEDULER_ID, address, certificates: [certificate], identityKey: key };
    // The follower asks again by itself, and logs it.
    this.#host = hosts.add(facts, { retriesMax: 1 });
  }

  async *updates(after: number, signal: AbortSignal, onOpen: () => void = () => {}): AsyncIterable<SignedUpdate> {
    if (signal.aborted) return;
    const { options } = this.#host;
    // The stream is opened by the same rules as any call; after that it lasts as long as the connection.
    const stream = await transmit(
      this.#host,
      this.#hosts.deps.metrics,
      (ready) => {
        const client: WireClient = openStub(services.Scheduler, ready.connection);
        const call = client.updates({ after }, callMetadata(ready));
        const opened = new Promise<typeof call>((resolve, reject) => {
          call.once('metadata', () => resolve(call));
          call.once('error', reject);
          call.once('end', () => reject(new MixError('LINK_DOWN', { peer: SCHEDULER_ID, detail: 'the stream ended' })));
        });
        // No other listener is left after the loop below, and cancelling is an error to the stream.
        call.on('error', () => {});
        return { done: opened, cancel: () => call.cancel() };
      },
      { lane: 'control', signal, timeoutMs: options.sendTimeoutMs, idempotent: true },
    ).catch((thrown: unknown) => {
      // Aborted while the stream was being opened: that is no error, though the scheduler may have the stream already.
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
    // Each call counts as a try of a code, of which there are few. The follower registers again on its next connection.
    await transmit(this.#host, this.#hosts.deps.metrics, attempt, {
      lane: 'control',
      signal,
      timeoutMs,
      idempotent: false,
    });
  }

  async report(report: NodeReport, signal: AbortSignal = new AbortController().signal): Promise<void> {
    const { clock } = this.#host;
    const attempt = unary(services.Scheduler, (client: WireClient, metadata, options, done) =>
      // Read for each attempt: the scheduler judges its own clock by those of the nodes.
      client.report({ ...encodeReport(report), timeMs: Math.round(clock.wallMs()) }, metadata, options, done),
    );
    const { sendTimeoutMs: timeoutMs } = this.#host.options;
    // A report may arrive twice: the second one changes nothing.
    await transmit(this.#host, this.#hosts.deps.metrics, attempt, {
      lane: 'control',
      signal,
      timeoutMs,
      idempotent: true,
    });
  }
}

// A node's connection to its scheduler: the SchedulerPort over gRPC. It never gives up by itself: following and reporting
// again after a failure is node/follow.ts's business.
import { MixError } from '../base/errors.js';
import type { NodeReport, SchedulerPort, SignedUpdate } from '../round/schedulerPort.js';
import type { CertificatePair } from './certificates.js';
import { cancelOn, deadlineIn, ownConnection, pinnedCredentials, UNARY_DEADLINE_MS } from './channels.js';
import type { SchedulerClient as WireClient } from './generated/millrace/v1/Scheduler.js';
import type { Update__Output } from './generated/millrace/v1/Update.js';
import { REPLY_BYTES_MAX, services } from './grpc.js';
import { decodeUpdate, encodeReport } from './roundCodec.js';
import { fromStatus } from './status.js';

const PEER = 'scheduler';

export class SchedulerClient implements SchedulerPort {
  readonly #client: WireClient;

  constructor(address: string, certificate: string, own: CertificatePair) {
    this.#client = new services.Scheduler(address, pinnedCredentials(certificate, own), {
      ...ownConnection,
      'grpc.max_receive_message_length': REPLY_BYTES_MAX,
    });
  }

  async *updates(after: number, signal: AbortSignal): AsyncIterable<SignedUpdate> {
    const call = this.#client.updates({ after });
    // Nobody else listens once the loop below is left, and cancelling is an error to the stream.
    call.on('error', () => {});
    const stop = cancelOn(signal, call);
    try {
      for await (const update of call as AsyncIterable<Update__Output>) yield decodeUpdate(update);
    } catch (thrown) {
      if (signal.aborted) return;
      throw fromStatus(thrown, PEER);
    } finally {
      stop();
      call.cancel();
    }
    if (!signal.aborted) throw new MixError('LINK_DOWN', { peer: PEER, detail: 'the stream ended' });
  }

  report(report: NodeReport): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.report(encodeReport(report), { deadline: deadlineIn(UNARY_DEADLINE_MS) }, (error) => {
        if (error) reject(fromStatus(error, PEER));
        else resolve();
      });
    });
  }

  close(): void {
    this.#client.close();
  }
}

// The one way a call leaves this process, unary or streaming: on a connection that is up and authenticated, tried again if that is
// safe and may help.
//
//   no connection         nothing was sent: tried again, whatever the call does
//   token refused         the peer has read nothing of the call: authenticated and tried again
//   our certificate       changed since the connection was made, and the peer no longer takes the old one: dialled again
//   connection failed     under the call, which may have arrived or not: tried again only if that changes nothing, after a
//                         pause that grows
//   deadline, any error   of the call itself: goes back to the caller with its code, at once
//
// A call's deadline bounds all its attempts. A timeout is not taken for a broken connection: the HTTP/2 pings find those.
import { asMixError, MixError } from '../../base/index.js';
import type { LinkMetrics } from '../linkMetrics.js';
import { fromStatus, isOutOfTime } from '../status.js';
import type { Attempt, ReadyConnection } from './call.js';
import { cancelOn, checkSignal } from './channels.js';
import type { Host, Lane } from './host.js';

interface TransmitOptions {
  readonly lane: Lane;
  readonly signal: AbortSignal;
  /** Time for all attempts together. */
  readonly timeoutMs: number;
  /** True if the call may arrive twice with no other effect than once. */
  readonly idempotent: boolean;
  /** Attempts after the first; by default the host's. */
  readonly retriesMax?: number;
}

/**
 * Refusals of tokens or certificates after which a call fails. Fewer are taken for bad luck: a session that ends, a peer that restarts in
 * between.
 */
const REFUSALS_MAX = 3;

/**
 * Makes a call. @throws MixError: the peer's own, LINK_DOWN, LINK_TIMEOUT, COOLING_OFF, PEER_UNKNOWN, TOKEN_REFUSED, ABORTED
 */
export async function transmit<Result>(
  host: Host,
  metrics: LinkMetrics,
  attempt: Attempt<Result>,
  options: TransmitOptions,
): Promise<Result> {
  const { lane, signal, timeoutMs } = options;
  const retriesMax = options.retriesMax ?? host.options.retriesMax;
  const { clock } = host;
  const endMs = clock.nowMs() + timeoutMs;
  let retries = 0;
  let refusals = 0;
  for (;;) {
    checkSignal(signal);
    let ready: ReadyConnection | undefined;
    try {
      ready = await host.connect(lane, endMs, signal);
      return await run(attempt, ready, signal);
    } catch (thrown) {
      if (signal.aborted) throw new MixError('ABORTED');
      const error = fromStatus(thrown, host.facts.id);
      const failure = classifyFailure(error, ready, host);
      if (failure === 'token') host.refuseToken(lane, ready!);
      if (failure === 'connection' || failure === 'certificate') host.retire(lane, ready!);
      const mayRepeat = failure === 'connection' ? options.idempotent : failure !== 'call';
      const limit =
        failure === 'token' || failure === 'certificate' ? ++refusals < REFUSALS_MAX : retries++ < retriesMax;
      if (!mayRepeat || !limit || clock.nowMs() >= endMs) throw error;
      metrics.retry(host.facts.id);
      if (failure === 'connection') await host.pauseBefore(retries - 1, signal);
    }
  }
}

/** The part that failed: reaching the peer, the token, our certificate, the connection under the call, or the call itself. */
type Failure = 'dial' | 'token' | 'certificate' | 'connection' | 'call';

function classifyFailure({ code }: MixError, ready: ReadyConnection | undefined, host: Host): Failure {
  if (!ready) return code === 'LINK_DOWN' || code === 'LINK_TIMEOUT' ? 'dial' : 'call';
  if (code === 'TOKEN_REFUSED') return ready.token ? 'token' : 'call';
  if (code === 'LINK_DOWN') return 'connection';
  const refusedCertificate = code === 'PEER_UNKNOWN' || isOutOfTime(code);
  return refusedCertificate && host.isOutdated(ready) ? 'certificate' : 'call';
}

async function run<Result>(attempt: Attempt<Result>, ready: ReadyConnection, signal: AbortSignal): Promise<Result> {
  const end = ready.connection.begin();
  let stop = () => {};
  try {
    const running = attempt(ready);
    stop = cancelOn(signal, running);
    return await running.done;
  } catch (thrown) {
    if (isServiceError(thrown) || thrown instanceof MixError) throw thrown;
    // The connection went down before the call began.
    if (!ready.connection.up)
      throw new MixError('LINK_DOWN', { peer: ready.peer, detail: 'closed' }, { cause: thrown });
    throw asMixError(thrown);
  } finally {
    stop();
    end();
  }
}

const isServiceError = (thrown: unknown): boolean => typeof (Object(thrown) as { code?: unknown }).code === 'number';

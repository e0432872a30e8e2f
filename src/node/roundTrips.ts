// Measures the round trip to every other member once a minute, and reports it to the scheduler, which orders rings by it.
// Apart from node.ts because it needs links and a clock only.
import { abort, type Clock, type NodeId, sleep } from '../base/index.js';
import type { Link, LinkProbe, NodeReport } from '../protocol/index.js';

/** Pause between measurements. Routes change rarely; a thousand members are pinged in this time without haste. */
const PERIOD_MS = 60_000;
/** Pings under way at once. */
const WINDOW = 8;
const TIMEOUT_MS = 5_000;

interface RoundTripDeps {
  readonly link: Link & LinkProbe;
  readonly others: () => readonly NodeId[];
  readonly clock: Clock;
  readonly report: (report: NodeReport) => void;
}

/** Runs until the signal aborts; never rejects. */
export async function measureRoundTrips(deps: RoundTripDeps, signal: AbortSignal): Promise<void> {
  const { clock, report } = deps;
  while (!signal.aborted) {
    const roundTrips = await measureAll(deps, signal);
    if (roundTrips.length > 0 && !signal.aborted) report({ kind: 'roundTrips', roundTrips });
    await sleep(clock, PERIOD_MS, signal);
  }
}

async function measureAll(
  { link, others, clock }: RoundTripDeps,
  signal: AbortSignal,
): Promise<{ readonly peer: NodeId; readonly ms: number }[]> {
  const waiting = [...others()];
  const found: { readonly peer: NodeId; readonly ms: number }[] = [];
  const work = async () => {
    for (let peer = waiting.pop(); peer && !signal.aborted; peer = waiting.pop()) {
      const attempt = new AbortController();
      const cancel = clock.after(TIMEOUT_MS, () => abort(attempt));
      const stop = () => abort(attempt);
      signal.addEventListener('abort', stop, { once: true });
      try {
        await link.ping(peer, attempt.signal);
        const ms = link.roundTripMs(peer);
        if (ms !== undefined) found.push({ peer, ms });
      } catch {
        // No answer, no round trip. Liveness checks notice that a node is away.
      } finally {
        cancel();
        signal.removeEventListener('abort', stop);
      }
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, work));
  return found;
}

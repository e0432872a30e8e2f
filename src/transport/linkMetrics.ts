// Metrics of each link, by peer: none is about a slot, a sender or a message. A gauge has no value for a peer
// until something was measured, so that nothing is reported before it is known.
import type { Metrics } from '../base/metrics.js';
import { WINDOW_BYTES } from './http2Windows.js';

const THROUGHPUT_BUCKETS = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000];
/** Transfers of fewer bytes measure the round trip, not the link. */
const THROUGHPUT_BYTES_MIN = 100_000;

export class LinkMetrics {
  readonly #connected;
  readonly #window;
  readonly #roundTrip;
  readonly #throughput;
  readonly #retries;
  readonly #reauthentications;
  readonly #dialFailures;

  constructor(metrics: Metrics) {
    const peer = ['peer'] as const;
    const lane = ['peer', 'lane'] as const;
    this.#connected = metrics.gauge('link_connected', '1 if a connection to a peer is up, else 0', lane);
    this.#window = metrics.gauge('link_window_bytes', 'HTTP/2 window of a connection that is up', lane);
    this.#roundTrip = metrics.gauge('link_round_trip_ms', 'Last measured round trip to a peer', peer);
    this.#throughput = metrics.histogram(
      'link_throughput_mbit_per_s',
      'Rate of batches to a peer, their acknowledgement included',
      THROUGHPUT_BUCKETS,
      lane,
    );
    this.#retries = metrics.counter('link_retries_total', 'Sends to a peer that were tried again', peer);
    this.#reauthentications = metrics.counter(
      'link_reauthentications_total',
      'Tokens that a peer refused, after which the connection was authenticated again',
      peer,
    );
    this.#dialFailures = metrics.counter('link_dial_failures_total', 'Attempts to connect to a peer that failed', peer);
  }

  up(peer: string, lane: string): void {
    this.#connected.set({ peer, lane }, 1);
    this.#window.set({ peer, lane }, WINDOW_BYTES);
  }

  down(peer: string, lane: string): void {
    this.#connected.set({ peer, lane }, 0);
    this.#window.remove({ peer, lane });
  }

  roundTrip(peer: string, ms: number): void {
    this.#roundTrip.set({ peer }, ms);
  }

  transferred(peer: string, lane: string, bytes: number, ms: number): void {
    if (bytes >= THROUGHPUT_BYTES_MIN && ms > 0) this.#throughput.observe({ peer, lane }, (bytes * 8) / (ms * 1000));
  }

  retry(peer: string): void {
    this.#retries.inc({ peer });
  }

  reauthentication(peer: string): void {
    this.#reauthentications.inc({ peer });
  }

  dialFailed(peer: string): void {
    this.#dialFailures.inc({ peer });
  }

  /** Forgets a peer that is no longer one. */
  remove(peer: string, lanes: readonly string[]): void {
    for (const metric of [this.#roundTrip, this.#retries, this.#reauthentications, this.#dialFailures]) {
      metric.remove({ peer });
    }
    for (const lane of lanes) {
      this.#throughput.remove({ peer, lane });
      this.#connected.remove({ peer, lane });
      this.#window.remove({ peer, lane });
    }
  }
}

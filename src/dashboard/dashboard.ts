// Serves the live page, its events, and the table of rounds. A reader gets the present view at once, and then one twice a second. A
// reader that does not read is dropped; one too many is refused.
import type { ServerResponse } from 'node:http';
import { type Clock, systemClock } from '../base/index.js';
import type { NodeSpan, RoundRow, SchedulerView } from '../scheduler/index.js';
import { PAGE, PAGE_POLICY } from './page.js';
import { buildTimeline, type Timeline } from './timeline.js';

const PERIOD_MS = 500;
const READERS_MAX = 32;
/** Most bytes that may wait in a connection that is not read. */
const BACKLOG_BYTES_MAX = 256 * 1024;

/** Rounds in the table: the last ones. */
const ROWS_MAX = 100;

/** The scheduler that the page shows. */
interface Shown {
  view(): SchedulerView;
  rounds(): readonly RoundRow[];
  spans(): readonly NodeSpan[];
}

/** One event of the page, and the body of /rounds. */
export type LiveView = SchedulerView & { readonly timeline: Timeline };
export interface RoundTable {
  /** The scheduler's clock, by which all times of the rows are, and the same moment since 1970. */
  readonly nowMs: number;
  readonly wallMs: number;
  readonly rounds: readonly RoundRow[];
}

export class Dashboard {
  readonly #shown: Shown;
  readonly #clock: Clock;
  readonly #readers = new Set<ServerResponse>();
  readonly #timer: NodeJS.Timeout;

  constructor(shown: Shown, clock: Clock = systemClock) {
    this.#shown = shown;
    this.#clock = clock;
    this.#timer = setInterval(() => this.#push(), PERIOD_MS);
    this.#timer.unref();
  }

  /** Answers the page's paths; false for any other path. */
  answer(path: string, response: ServerResponse): boolean {
    if (path === '/') {
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': PAGE_POLICY,
        'x-content-type-options': 'nosniff',
      });
      response.end(PAGE);
      return true;
    }
    if (path === '/rounds') {
      const { nowMs, wallMs } = { nowMs: this.#clock.nowMs(), wallMs: this.#clock.wallMs() };
      const table: RoundTable = { nowMs, wallMs, rounds: this.#shown.rounds().slice(-ROWS_MAX) };
      response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(table)}\n`);
      return true;
    }
    if (path !== '/events') return false;
    if (this.#readers.size >= READERS_MAX) {
      response.writeHead(503).end();
      return true;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.#readers.add(response);
    response.once('close', () => this.#readers.delete(response));
    response.write(this.#event());
    return true;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const reader of this.#readers) reader.destroy();
  }

  #event(): string {
    const view = this.#shown.view();
    const nodes = view.nodes.map(({ node }) => node);
    const timeline = buildTimeline(nodes, this.#shown.spans(), this.#clock.nowMs());
    const live: LiveView = { ...view, timeline };
    return `data: ${JSON.stringify(live)}\n\n`;
  }

  #push(): void {
    if (this.#readers.size === 0) return;
    const event = this.#event();
    for (const reader of this.#readers) {
      // One event of a large network alone may be as long.
      if (reader.writableLength > Math.max(BACKLOG_BYTES_MAX, 2 * event.length)) reader.destroy();
      else reader.write(event);
    }
  }
}

// Serves the live page and its events. A reader gets what holds now, and then twice a second; one that does not read is dropped,
// and so is one too many.
import type { ServerResponse } from 'node:http';
import type { SchedulerView } from '../scheduler/schedulerState.js';
import { PAGE, PAGE_POLICY } from './page.js';

const PERIOD_MS = 500;
const READERS_MAX = 32;
/** What may wait in a connection that is not read. */
const BACKLOG_BYTES_MAX = 256 * 1024;

export class Dashboard {
  readonly #view: () => SchedulerView;
  readonly #readers = new Set<ServerResponse>();
  readonly #timer: NodeJS.Timeout;

  constructor(view: () => SchedulerView) {
    this.#view = view;
    this.#timer = setInterval(() => this.#push(), PERIOD_MS);
    this.#timer.unref();
  }

  /** Answers what is the page's; false where a path is not. */
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
    return `data: ${JSON.stringify(this.#view())}\n\n`;
  }

  #push(): void {
    if (this.#readers.size === 0) return;
    const event = this.#event();
    for (const reader of this.#readers) {
      if (reader.writableLength > BACKLOG_BYTES_MAX) reader.destroy();
      else reader.write(event);
    }
  }
}

// A real browser without a window, driven over the pipes of its debugging protocol, for tests of the live page. They are skipped
// if no Chromium is installed.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const FLAGS = [
  '--headless=new',
  '--remote-debugging-pipe',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--window-size=1000,700',
];

/** Returns the installed browser's command; undefined if there is none. */
export function findBrowser(): string | undefined {
  return NAMES.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}

interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export class Browser {
  readonly #process: ChildProcess;
  readonly #profile = mkdtempSync(join(tmpdir(), 'millrace-browser-'));
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #next = 0;
  #session = '';
  #ended: string | undefined;

  constructor(command: string) {
    const flags = [...FLAGS, `--user-data-dir=${this.#profile}`, 'about:blank'];
    this.#process = spawn(command, flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    // A browser that has ended answers no more: pending calls are rejected.
    this.#process.once('error', (error) => this.#over(error.message));
    this.#process.once('exit', () => this.#over('the browser has ended'));
    (this.#process.stdio[3] as Writable).on('error', () => {});
    let text = '';
    (this.#process.stdio[4] as Readable).setEncoding('utf8').on('data', (part: string) => {
      const answers = (text + part).split('\0');
      text = answers.pop() ?? '';
      for (const answer of answers.map((one) => JSON.parse(one) as Answer)) {
        if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
      }
    });
  }

  #over(message: string): void {
    this.#ended = message;
    for (const answer of this.#waiting.values()) answer({ error: { message } });
  }

  async #call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    if (this.#ended !== undefined) throw new Error(`${method}: ${this.#ended}`);
    const id = ++this.#next;
    const session = this.#session === '' ? {} : { sessionId: this.#session };
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    const { result, error } = await answered;
    this.#waiting.delete(id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  async open(url: string): Promise<void> {
    const { targetId } = await this.#call('Target.createTarget', { url });
    const { sessionId } = await this.#call('Target.attachToTarget', { targetId, flatten: true });
    this.#session = sessionId as string;
  }

  /** The value of an expression in the page. */
  async value(expression: string): Promise<unknown> {
    const { result } = await this.#call('Runtime.evaluate', { expression, returnByValue: true });
    return (result as { readonly value?: unknown }).value;
  }

  /** PNG */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.#call('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data as string, 'base64');
  }

  async close(): Promise<void> {
    if (this.#ended === undefined) {
      const gone = new Promise((resolve) => this.#process.once('close', resolve));
      this.#process.kill('SIGKILL');
      await gone;
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

// The queue in front of the workers, controlled by the test: a chunk ends when the test ends it, and no clock is involved.
import { describe, expect, it } from 'vitest';
import { MixError } from '../../src/base/errors.js';
import { ChunkQueue, type Failure, type SubmitOptions } from '../../src/engine/pool/queue.js';

/** Runs everything that waits only for microtasks. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

class Bench {
  /** Chunks in the order of their start; chunks handed over together are joined by "+". */
  readonly started: string[] = [];
  readonly depths: string[] = [];
  readonly busyMs = { realtime: 0, precompute: 0 };
  nowMs = 0;
  readonly queue: ChunkQueue<string>;
  readonly #running = new Map<
    string,
    { resolve: (failures: (Failure | undefined)[]) => void; reject: (error: unknown) => void }
  >();

  constructor(inFlightMax = 2, operationsMax = 8, workers = inFlightMax, apart = false) {
    this.queue = new ChunkQueue<string>({
      inFlightMax,
      apart,
      workers,
      togetherUs: 100,
      operationsMax,
      run: (chunks) => {
        const chunk = chunks.join('+');
        this.started.push(chunk);
        return new Promise((resolve, reject) => this.#running.set(chunk, { resolve, reject }));
      },
      nowMs: () => this.nowMs,
      onBusy: (priority, seconds) => {
        this.busyMs[priority] += 1_000 * seconds;
      },
      onDepth: (priority, operations) => this.depths.push(`${priority} ${operations}`),
    });
  }

  get running(): string[] {
    return [...this.#running.keys()];
  }

  submit(chunks: readonly string[], options: Partial<SubmitOptions> = {}, chunkUs?: number): Promise<string> {
    const done = this.queue
      .operation({ priority: 'precompute', ...options }, (step) => step(chunks, chunkUs))
      .then(
        () => 'done',
        (error: MixError) => error.code,
      );
    return done;
  }

  async end(chunk: string, error?: unknown): Promise<void> {
    const running = this.#running.get(chunk)!;
    this.#running.delete(chunk);
    if (error) running.reject(error);
    else running.resolve(chunk.split('+').map(() => undefined));
    await settled();
  }

  /** Ends chunks that were handed over together; the named one fails. */
  async endFailing(chunks: string, failing: string, error: unknown): Promise<void> {
    const running = this.#running.get(chunks)!;
    this.#running.delete(chunks);
    running.resolve(chunks.split('+').map((one) => (one === failing ? { error } : undefined)));
    await settled();
  }

  async endAll(): Promise<void> {
    while (this.#running.size > 0) await this.end(this.running[0]!);
  }
}

describe('the chunk queue', () => {
  it('keeps no more chunks in flight than its limit', async () => {
    const bench = new Bench(2);
    const done = bench.submit(['a1', 'a2', 'a3', 'a4']);
    expect(bench.running).toEqual(['a1', 'a2']);
    await bench.end('a2');
    expect(bench.running).toEqual(['a1', 'a3']);
    await bench.endAll();
    expect(await done).toBe('done');
    expect(bench.queue.inFlight).toBe(0);
  });

  it('hands over one precomputation chunk per worker after realtime work, and two again after a while without it', async () => {
    const bench = new Bench(4, 8, 2);
    const names = (of: string, count: number) => Array.from({ length: count }, (_, i) => `${of}${i}`);
    const before = bench.submit(names('a', 8));
    expect(bench.running).toHaveLength(4);
    const realtime = bench.submit(['r'], { priority: 'realtime' });
    await bench.end('a0');
    expect(bench.running).toContain('r');
    await bench.end('a1');
    await bench.end('a2');
    // Two are in flight: a realtime chunk that comes now waits behind none that has not begun.
    expect(bench.running).toEqual(['a3', 'r']);
    await bench.end('r');
    expect(bench.running).toHaveLength(2);
    const urgent = bench.submit(['s1', 's2', 's3'], { priority: 'realtime' });
    expect(bench.running).toEqual(expect.arrayContaining(['s1', 's2']));
    await bench.endAll();
    const later = bench.submit(names('b', 1_100));
    for (let i = 0; i < 990; i++) {
      expect(bench.running).toHaveLength(2);
      await bench.end(bench.running[0]!);
    }
    for (let i = 0; i < 10; i++) await bench.end(bench.running[0]!);
    expect(bench.running).toHaveLength(4);
    await bench.endAll();
    expect(await Promise.all([before, realtime, urgent, later])).toEqual(Array(4).fill('done'));
  });

  it('lets no level wait for the other if each has its own workers', async () => {
    const bench = new Bench(2, 8, 2, true);
    const names = (of: string, count: number) => Array.from({ length: count }, (_, i) => `${of}${i}`);
    const done = [bench.submit(names('p', 4))];
    done.push(bench.submit(names('r', 3), { priority: 'realtime' }));
    expect(bench.running).toEqual(['p0', 'p1', 'r0', 'r1']);
    await bench.end('r0');
    expect(bench.running).toEqual(['p0', 'p1', 'r1', 'r2']);
    await bench.end('p0');
    // Also right after realtime work: precomputation in flight blocks nothing.
    expect(bench.running).toEqual(['p1', 'r1', 'r2', 'p2']);
    await bench.endAll();
    expect(await Promise.all(done)).toEqual(['done', 'done']);
  });

  it('counts no core twice if precomputation yields to realtime work', async () => {
    const bench = new Bench(4, 8, 2, true);
    const done = [bench.submit(['p1', 'p2', 'p3'])];
    bench.nowMs = 100;
    done.push(bench.submit(['r1'], { priority: 'realtime' }));
    bench.nowMs = 110;
    done.push(bench.submit(['r2', 'r3'], { priority: 'realtime' }));
    bench.nowMs = 130;
    await bench.endAll();
    expect(await Promise.all(done)).toEqual(['done', 'done', 'done']);
    // Two cores: both for precomputation, then one each, then none for it.
    expect(bench.busyMs.precompute).toBeCloseTo(200 + 10);
    expect(bench.busyMs.realtime).toBeCloseTo(10 + 40);
  });

  it('lets realtime overtake precomputation that has begun, and is first come first served within a level', async () => {
    const bench = new Bench(1);
    const done = [
      bench.submit(['p1', 'p2', 'p3']),
      bench.submit(['q1']),
      bench.submit(['r1', 'r2'], { priority: 'realtime' }),
      bench.submit(['s1'], { priority: 'realtime' }),
    ];
    await bench.endAll();
    expect(bench.started).toEqual(['p1', 'r1', 'r2', 's1', 'p2', 'p3', 'q1']);
    expect(await Promise.all(done)).toEqual(['done', 'done', 'done', 'done']);
  });

  it('takes operations of a level by their order, also before one that has begun, and never across levels', async () => {
    const bench = new Bench(1);
    const done = [
      bench.submit(['late1', 'late2'], { order: 7 }),
      bench.submit(['second'], { order: 5 }),
      bench.submit(['first'], { order: 3 }),
      bench.submit(['third'], { order: 5 }),
      bench.submit(['unordered']),
      bench.submit(['realtime'], { order: 9, priority: 'realtime' }),
    ];
    await bench.endAll();
    expect(bench.started).toEqual(['late1', 'realtime', 'unordered', 'first', 'second', 'third', 'late2']);
    expect(await Promise.all(done)).toEqual(Array(6).fill('done'));
  });

  it('serves the operation with the least remaining work first, and lets none pass one of unknown length', async () => {
    const bench = new Bench(1);
    const done = [
      bench.submit(['running'], {}, 900),
      bench.submit(['long1', 'long2'], {}, 160),
      bench.submit(['half1', 'half2'], {}, 150),
      bench.submit(['short'], {}, 280),
      bench.submit(['unknown']),
      bench.submit(['late'], {}, 120),
    ];
    await bench.endAll();
    expect(bench.started).toEqual(['running', 'short', 'half1', 'half2', 'long1', 'long2', 'unknown', 'late']);
    expect(await Promise.all(done)).toEqual(Array(6).fill('done'));
  });

  it('refuses operations beyond its limit, in each level separately, and accepts one again when one has ended', async () => {
    const bench = new Bench(1, 2);
    const done = [bench.submit(['a']), bench.submit(['b'])];
    expect(await bench.submit(['c'])).toBe('ENGINE_BUSY');
    done.push(bench.submit(['d'], { priority: 'realtime' }));
    await bench.end('a');
    done.push(bench.submit(['e']));
    await bench.endAll();
    expect(await Promise.all(done)).toEqual(['done', 'done', 'done', 'done']);
    expect(bench.depths.at(-1)).toMatch(/ 0$/);
  });

  it('counts the time that its workers compute, by level, without the time of waiting for them', async () => {
    // One worker, and one more chunk in flight than it computes at a time.
    const bench = new Bench(2, 8, 1);
    bench.nowMs = 1_000;
    const done = [bench.submit(['a1', 'a2'])];
    bench.nowMs = 1_100;
    await bench.end('a1');
    done.push(bench.submit(['b'], { priority: 'realtime' }));
    bench.nowMs = 1_300;
    await bench.end('a2');
    bench.nowMs = 1_340;
    await bench.end('b');
    bench.nowMs = 9_000;
    done.push(bench.submit(['c']));
    bench.nowMs = 9_010;
    await bench.end('c');
    expect(await Promise.all(done)).toEqual(['done', 'done', 'done']);
    // Idle until 1000 and from 1340 to 9000; the two in flight from 1100 to 1300 shared one worker.
    expect(bench.busyMs.precompute).toBeCloseTo(100 + 100 + 10);
    expect(bench.busyMs.realtime).toBeCloseTo(100 + 40);
  });

  it('never refuses a later step of an accepted operation', async () => {
    const bench = new Bench(1, 1);
    const steps = bench.queue.operation({ priority: 'precompute' }, async (step) => {
      await step(['a']);
      await step([]);
      await step(['b']);
      return 7;
    });
    expect(await bench.submit(['x'])).toBe('ENGINE_BUSY');
    await bench.end('a');
    expect(bench.running).toEqual(['b']);
    await bench.end('b');
    expect(await steps).toBe(7);
  });

  it('checks for an abort between chunks: those in flight end first, the others never start', async () => {
    const bench = new Bench(2);
    const abort = new AbortController();
    let outcome = 'open';
    const done = bench.submit(['a1', 'a2', 'a3', 'a4'], { signal: abort.signal }).then((code) => {
      outcome = code;
    });
    const other = bench.submit(['b1']);
    abort.abort();
    await settled();
    // The chunks in flight still write into the caller's buffer: it is not returned before they end.
    expect(outcome).toBe('open');
    await bench.end('a1');
    expect(outcome).toBe('open');
    await bench.end('a2');
    await done;
    expect(outcome).toBe('ABORTED');
    await bench.endAll();
    expect(await other).toBe('done');
    expect(bench.started).toEqual(['a1', 'a2', 'b1']);
  });

  it('rejects at once for an aborted signal, and for one aborted while the operation waits', async () => {
    const bench = new Bench(1);
    expect(await bench.submit(['a'], { signal: AbortSignal.abort() })).toBe('ABORTED');
    const first = bench.submit(['b']);
    const abort = new AbortController();
    const waiting = bench.submit(['c'], { signal: abort.signal });
    abort.abort();
    expect(await waiting).toBe('ABORTED');
    await bench.endAll();
    expect(await first).toBe('done');
    expect(bench.started).toEqual(['b']);
  });

  it('drops the rest of an operation when a chunk fails, and continues with the others', async () => {
    const bench = new Bench(1);
    const failing = bench.submit(['a1', 'a2']);
    const other = bench.submit(['b1']);
    await bench.end('a1', new MixError('ENGINE_WORKER'));
    expect(await failing).toBe('ENGINE_WORKER');
    await bench.endAll();
    expect(await other).toBe('done');
    expect(bench.started).toEqual(['a1', 'b1']);
  });

  it('closes gracefully: running work ends, waiting and later work is refused', async () => {
    const bench = new Bench(1);
    const running = bench.submit(['a1']);
    const begun = bench.submit(['b1', 'b2']);
    let closed = false;
    const close = bench.queue.close().then(() => {
      closed = true;
    });
    expect(await begun).toBe('ENGINE_CLOSED');
    expect(closed).toBe(false);
    await bench.end('a1');
    await close;
    expect(await running).toBe('done');
    expect(await bench.submit(['c'])).toBe('ENGINE_CLOSED');
    expect(bench.started).toEqual(['a1']);
  });

  it('removes its listeners from a signal that outlives the work', async () => {
    const bench = new Bench(1);
    const signal = new AbortController().signal;
    let listeners = 0;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    const done = bench.submit(['a'], { signal });
    expect(listeners).toBe(1);
    await bench.endAll();
    await done;
    expect(listeners).toBe(0);
  });

  it('hands short chunks over together if more wait than can be in flight: a share for each call, within a limit of time', async () => {
    const bench = new Bench(2);
    const short = { priority: 'precompute' } as const;
    const done = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => bench.submit([name], short, 40));
    expect(bench.started).toEqual(['a', 'b']);
    await bench.end('a');
    // Six wait for two calls: three each, of which only two fit into 100 µs.
    await bench.end('b');
    expect(bench.started).toEqual(['a', 'b', 'c+d', 'e+f']);
    await bench.end('c+d');
    // Two are left: one for each call.
    expect(bench.started.at(-1)).toBe('g');
    await bench.endAll();
    expect(await Promise.all(done)).toEqual(Array(8).fill('done'));
  });

  it('does not join chunks of unknown length, or with chunks of the other level', async () => {
    const bench = new Bench(1);
    const done = [
      bench.submit(['p'], {}, 1),
      bench.submit(['q1', 'q2']),
      bench.submit(['r'], { priority: 'realtime' }, 1),
      bench.submit(['s'], {}, 1),
      bench.submit(['t'], {}, 1),
    ];
    await bench.endAll();
    expect(bench.started).toEqual(['p', 'r', 'q1', 'q2', 's+t']);
    expect(await Promise.all(done)).toEqual(Array(5).fill('done'));
  });

  it('fails only the operation with the failed chunk among those handed over together', async () => {
    const bench = new Bench(1);
    const first = bench.submit(['a'], {}, 40);
    const done = [bench.submit(['b'], {}, 40), bench.submit(['c'], {}, 40)];
    await bench.end('a');
    expect(bench.running).toEqual(['b+c']);
    await bench.endFailing('b+c', 'b', new MixError('INTERNAL', { message: 'cannot' }));
    expect(await Promise.all([first, ...done])).toEqual(['done', 'INTERNAL', 'done']);
    expect(bench.queue.inFlight).toBe(0);
  });

  it('settles an operation once, even if several of its chunks fail together', async () => {
    const bench = new Bench(1);
    const blocked = bench.submit(['z'], {}, 40);
    const done = bench.submit(['a1', 'a2', 'a3', 'a4'], {}, 40);
    await bench.end('z');
    expect(bench.running).toEqual(['a1+a2']);
    await bench.endFailing('a1+a2', 'a1', new MixError('INTERNAL', { message: 'cannot' }));
    expect(await Promise.all([blocked, done])).toEqual(['done', 'INTERNAL']);
    expect(bench.started).toEqual(['z', 'a1+a2']);
    // Its waiting chunks do not count any more when the rest is shared.
    const later = bench.submit(['b'], {}, 40);
    expect(bench.running).toEqual(['b']);
    await bench.endAll();
    expect(await later).toBe('done');
  });
});

// The live page in a real browser: it draws the scheduler's data, follows them, and reports a scheduler that is away.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import { Dashboard } from '../../src/dashboard/dashboard.js';
import type { SchedulerView } from '../../src/scheduler/machine/state.js';
import type { NodeSpan } from '../../src/scheduler/records.js';
import { Browser, findBrowser } from '../support/browser.js';
import { describeWith } from '../support/requires.js';

const command = findBrowser();
const IDS = Array.from({ length: 8 }, (_, i) => String(i + 1).repeat(32) as NodeId);

const nodes = IDS.map((node, i) => {
  const status = i === 7 ? ('inactive' as const) : ('active' as const);
  return {
    node,
    status,
    rounds: 2,
    stages: { PRECOMPUTING: 2, STANDBY: i },
    engine: 'cpu',
    busyShare: 0.5,
    roundTripMs: i === 0 ? null : 12.5,
    blamed: i,
  };
});
const counts = {
  stock: 3,
  stockTarget: 4,
  precomputing: 2,
  realtime: 1,
  consumed: 9,
  waited: 1,
  completed: 9,
  failed: 1,
};
const view: SchedulerView = { nodes, ...counts, roundsPerMinute: 12.5, overlapShare: 0.87 };
const spans = (nowMs: number): NodeSpan[] =>
  IDS.flatMap((node, i) => [
    { node, round: 3 as RoundId, kind: 'precompute', fromMs: nowMs - 50_000 + 3_000 * i, toMs: nowMs - 30_000 },
    { node, round: 4 as RoundId, kind: 'precompute', fromMs: nowMs - 35_000, toMs: undefined },
    { node, round: 2 as RoundId, kind: 'realtime', fromMs: nowMs - 20_000, toMs: nowMs - 15_000 },
  ]);

describeWith(command ? undefined : 'no browser', 'the live page in a browser', () => {
  let shown: SchedulerView;
  let dashboard: Dashboard;
  let server: Server;
  let browser: Browser;
  const text = async (query: string) => String(await browser.value(`document.querySelector('${query}').textContent`));
  const count = (query: string) => browser.value(`document.querySelectorAll('${query}').length`);

  beforeEach(async () => {
    shown = view;
    dashboard = new Dashboard({ view: () => shown, spans: () => spans(systemClock.nowMs()), rounds: () => [] });
    server = createServer((request, response) => {
      if (!dashboard.answer(request.url ?? '/', response)) response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = new Browser(command!);
    await browser.open(`http://127.0.0.1:${(server.address() as { port: number }).port}/`);
  });
  afterEach(async () => {
    await browser.close();
    dashboard.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('draws a lane for each node, follows changes, and reports when the scheduler is away', async () => {
    await expect.poll(() => count('.node')).toBe(8);
    expect(await count('.lane .p')).toBe(16);
    expect(await count('.lane .r')).toBe(8);
    expect(await text('#state')).toBe('live');
    expect(await text('#figures')).toContain('87 %');
    expect(await text('.inactive .status')).toBe('inactive');
    const title = (nth: number) => browser.value(`document.querySelectorAll('.node')[${nth}].title`);
    expect(String(await title(0)).split('\n')).toEqual([
      IDS[0],
      'engine cpu',
      'busy 50 %',
      'round trip to others –',
      'to blame for 0 of its last rounds',
    ]);
    expect(await title(7)).toContain('round trip to others 12.5 ms\nto blame for 7 of');
    // The position of a bar is its time: five seconds out of sixty, twenty seconds ago.
    const bar = `(() => { const lane = document.querySelector('.lane').getBoundingClientRect();
      const bar = document.querySelector('.lane .r').getBoundingClientRect();
      return [(bar.left - lane.left) / lane.width, bar.width / lane.width]; })()`;
    const [left, width] = (await browser.value(bar)) as [number, number];
    expect(left).toBeCloseTo(40 / 60, 1);
    expect(width).toBeCloseTo(5 / 60, 1);
    const picture = await browser.screenshot();
    expect(picture.subarray(1, 4).toString()).toBe('PNG');
    // For people to look at.
    const directory = join('build', 'screenshots');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'page.png'), picture);
    shown = { ...view, completed: 10 };
    await expect.poll(() => text('#figures')).toContain('completed10');
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await expect.poll(() => text('#state')).toBe('away, trying again');
  });
});

// The live page: served as a whole, fed with the present state and its changes, and without any data about senders or messages.
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import { Dashboard, type LiveView, type RoundTable } from '../../src/dashboard/dashboard.js';
import type { SchedulerView } from '../../src/scheduler/machine/state.js';
import type { NodeSpan, RoundRow } from '../../src/scheduler/records.js';

const NODE = 'ab'.repeat(16) as NodeId;

const view: SchedulerView = {
  nodes: [
    {
      node: NODE,
      status: 'active',
      rounds: 2,
      stages: { STANDBY: 1, REALTIME: 1 },
      engine: 'cpu',
      busyShare: 0.5,
      roundTripMs: 0.25,
      blamed: 1,
    },
  ],
  stock: 1,
  stockTarget: 2,
  precomputing: 0,
  realtime: 1,
  consumed: 5,
  waited: 0,
  completed: 4,
  failed: 0,
  roundsPerMinute: 2,
  overlapShare: null,
};

const spans: readonly NodeSpan[] = [
  { node: NODE, round: 3 as RoundId, kind: 'precompute', fromMs: 1_000, toMs: 3_000 },
  { node: NODE, round: 2 as RoundId, kind: 'realtime', fromMs: 8_000, toMs: undefined },
];
const rows = [{ round: 2, state: 'REALTIME' }] as unknown as readonly RoundRow[];
/** The timeline that the page gets at ten seconds. */
const timeline = {
  [NODE]: [
    [3, 'p', 90, 70],
    [2, 'r', 20, 0],
  ],
};

let shown: SchedulerView;
let dashboard: Dashboard;
let server: Server;
let url: string;
beforeEach(async () => {
  shown = view;
  const clock = { ...systemClock, nowMs: () => 10_000 };
  dashboard = new Dashboard({ view: () => shown, spans: () => spans, rounds: () => rows }, clock);
  server = createServer((request, response) => {
    if (!dashboard.answer(request.url ?? '/', response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterEach(async () => {
  dashboard.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** The events of a stream, in order of arrival. */
async function* events(abort: AbortSignal): AsyncGenerator<LiveView> {
  const response = await fetch(`${url}/events`, { signal: abort });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  let text = '';
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(part).toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield JSON.parse(text.slice('data: '.length, end)) as LiveView;
      text = text.slice(end + 2);
    }
  }
}

it('is one self-contained document, and may load nothing', async () => {
  const response = await fetch(url);
  const text = await response.text();
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(text).toContain('<title>Millrace</title>');
  expect(text).not.toMatch(/(src|href)=|https?:\/\/|@import/);
  expect((await fetch(`${url}/other`)).status).toBe(404);
});

it('gets the present state at once, and then its changes', async () => {
  const abort = new AbortController();
  const stream = events(abort.signal);
  expect((await stream.next()).value).toEqual({ ...view, timeline });
  shown = { ...view, completed: 5 };
  let next: SchedulerView = view;
  while (next.completed !== 5) next = (await stream.next()).value as SchedulerView;
  expect(next).toEqual({ ...shown, timeline });
  abort.abort();
  await stream.next().catch(() => {});
});

it('accepts a limited number of readers', async () => {
  const abort = new AbortController();
  // Kept: an unreferenced response is closed, and makes room.
  const responses: Response[] = [];
  for (let i = 0; i < 40; i++) responses.push(await fetch(`${url}/events`, { signal: abort.signal }));
  const codes = responses.map(({ status }) => status);
  expect(codes.filter((code) => code === 200).length).toBe(32);
  expect(codes.filter((code) => code === 503).length).toBe(8);
  abort.abort();
  await expect
    .poll(async () => {
      const again = new AbortController();
      const { status } = await fetch(`${url}/events`, { signal: again.signal });
      again.abort();
      return status;
    })
    .toBe(200);
});

it('gives the table of rounds with the clock of its times', async () => {
  const table = (await (await fetch(`${url}/rounds`)).json()) as RoundTable;
  expect(table).toMatchObject({ nowMs: 10_000, rounds: rows });
  expect(Math.abs(table.wallMs - Date.now())).toBeLessThan(60_000);
});

it('shows nodes, stages and counts, and has no field for anything else', async () => {
  const abort = new AbortController();
  const shownNow = (await events(abort.signal).next()).value as LiveView;
  abort.abort();
  const counts = ['completed', 'consumed', 'failed', 'overlapShare', 'precomputing', 'realtime', 'roundsPerMinute'];
  const all = [...counts, 'nodes', 'stock', 'stockTarget', 'timeline', 'waited'];
  expect(Object.keys(shownNow).sort()).toEqual(all.sort());
  const ofNode = ['blamed', 'busyShare', 'engine', 'node', 'roundTripMs', 'rounds', 'stages', 'status'];
  expect(Object.keys(shownNow.nodes[0]!).sort()).toEqual(ofNode);
});

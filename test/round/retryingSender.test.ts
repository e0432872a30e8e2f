// The retrying sender and the peer watch on a virtual clock: temporary errors are retried with growing pauses, refusals are not,
// and a peer that stays unreachable or comes back as another process is reported once each time.
import { describe, expect, it } from 'vitest';
import { type ErrorCode, MixError } from '../../src/base/errors.js';
import type { BootId, NodeId, RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import type { Link } from '../../src/protocol/link.js';
import type { SignedTeamMessage } from '../../src/protocol/teamMessages.js';
import { Liveness } from '../../src/round/exchange/liveness.js';
import { RetryingSender } from '../../src/round/exchange/retryingSender.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

const PEER = 'p'.repeat(32) as NodeId;
const message = { round: 4 as RoundId, message: { kind: 'sharesDigest' } } as SignedTeamMessage;
const retry = { firstMs: 10, longestMs: 100, peerLostMs: 1_000 };

/** Advances the clock to `untilMs`, with everything that happens until then. */
async function pass(clock: VirtualClock, untilMs: number): Promise<void> {
  const mark = clock.after(untilMs - clock.nowMs(), () => {});
  do await new Promise((resolve) => setImmediate(resolve));
  while (clock.nowMs() < untilMs && clock.step());
  mark();
}

/** A sender whose attempts are answered by the script: undefined is an acknowledgement. */
function setUp(answer: (attempt: number, nowMs: number) => ErrorCode | undefined) {
  const clock = new VirtualClock();
  const attempts: number[] = [];
  const events: string[] = [];
  const link = {
    deliver: async () => {
      attempts.push(clock.nowMs());
      const code = answer(attempts.length, clock.nowMs());
      if (code) throw new MixError(code);
    },
  } as unknown as Link;
  const sender = new RetryingSender({
    ...{ link, clock, retry, log: silentLog },
    rng: new SeededRng('sending'),
    onPeerLost: (peer) => events.push(`lost ${peer === PEER} at ${clock.nowMs() >= retry.peerLostMs}`),
    onRefused: (_, round, what, error) => events.push(`refused ${round} ${what} ${error.code}`),
  });
  const stop = new AbortController();
  let done = false;
  const deliver = () => sender.deliver(PEER, message, stop.signal).then(() => (done = true));
  return { clock, attempts, events, deliver, stop, isDone: () => done };
}

describe('the retrying sender', () => {
  it('retries temporary errors, with jittered pauses that grow to a limit', async () => {
    const { clock, attempts, deliver, isDone } = setUp((attempt) => (attempt < 12 ? 'ROUND_UNKNOWN' : undefined));
    void deliver();
    await pass(clock, 5_000);
    expect(isDone()).toBe(true);
    const pauses = attempts.slice(1).map((at, i) => at - attempts[i]!);
    for (const [i, pause] of pauses.entries()) {
      const base = Math.min(10 * 2 ** i, 100);
      expect(pause).toBeGreaterThanOrEqual(base * 0.5);
      expect(pause).toBeLessThan(base * 1.5);
    }
    expect(new Set(pauses.map((pause) => pause.toFixed(3))).size).toBe(pauses.length);
  });

  it('does not retry a refusal, and reports it', async () => {
    const { clock, attempts, events, deliver, isDone } = setUp(() => 'ROUND_WRONG_PHASE');
    void deliver();
    await pass(clock, 1_000);
    expect([isDone(), attempts.length, events]).toEqual([true, 1, ['refused 4 sharesDigest ROUND_WRONG_PHASE']]);
  });

  it('reports no refusal if the round just ended', async () => {
    const { clock, attempts, events, deliver } = setUp(() => 'ABORTED');
    void deliver();
    await pass(clock, 1_000);
    expect([attempts.length, events]).toEqual([1, []]);
  });

  it('continues with a lost peer, reports it once, and again when it is lost again', async () => {
    const { clock, events, deliver } = setUp((_, nowMs) => (nowMs < 3_000 || nowMs > 4_000 ? 'LINK_DOWN' : undefined));
    void deliver();
    void deliver();
    await pass(clock, 4_500);
    expect(events).toEqual(['lost true at true']);
    void deliver();
    await pass(clock, 9_000);
    expect(events).toEqual(['lost true at true', 'lost true at true']);
  });

  it('reports no peer as lost that answers, with any answer', async () => {
    const { clock, events, deliver } = setUp((attempt) => (attempt % 3 === 0 ? 'ROUND_UNKNOWN' : 'LINK_TIMEOUT'));
    void deliver();
    await pass(clock, 10_000);
    expect(events).toEqual([]);
  });

  it('stops at once when aborted', async () => {
    const { clock, attempts, deliver, stop, isDone } = setUp(() => 'LINK_DOWN');
    void deliver();
    await pass(clock, 200);
    const before = attempts.length;
    stop.abort();
    await pass(clock, 2_000);
    expect([isDone(), attempts.length]).toEqual([true, before]);
    expect(clock.pending).toBe(0);
  });
});

describe('the peer watch', () => {
  function watching(ping: (nowMs: number) => string | undefined) {
    const clock = new VirtualClock();
    const events: string[] = [];
    const watched: NodeId[] = [PEER];
    const link = {
      ping: async () => {
        const boot = ping(clock.nowMs());
        if (boot === undefined) throw new MixError('LINK_TIMEOUT');
        return boot as BootId;
      },
    } as unknown as Link;
    const watch = new Liveness({
      ...{ link, clock, options: { intervalMs: 100, lostMs: 500 }, watched: () => watched },
      onTrouble: (_, trouble) => events.push(`${trouble} at ${clock.nowMs()}`),
    });
    void watch.run();
    return { clock, events, watched, watch };
  }

  it('is silent about a peer that answers, or misses a few answers', async () => {
    const { clock, events } = watching((nowMs) => (nowMs % 500 === 0 ? 'a' : undefined));
    await pass(clock, 5_000);
    expect(events).toEqual([]);
  });

  it('reports a peer that does not answer for long enough, also one that never did', async () => {
    const dead = watching(() => undefined);
    await pass(dead.clock, 550);
    expect(dead.events).toEqual(['PEER_LOST at 500']);
    const dies = watching((nowMs) => (nowMs < 300 ? 'a' : undefined));
    await pass(dies.clock, 750);
    expect(dies.events).toEqual(['PEER_LOST at 700']);
  });

  it('reports a peer that answers as another run of its process', async () => {
    const { clock, events } = watching((nowMs) => (nowMs < 1_000 ? 'a' : 'b'));
    await pass(clock, 3_000);
    expect(events).toEqual(['PEER_RESTARTED at 1000']);
  });

  it('forgets a peer without open rounds: a restart in between is not reported', async () => {
    const { clock, events, watched } = watching((nowMs) => (nowMs < 1_000 ? 'a' : 'b'));
    await pass(clock, 500);
    watched.pop();
    await pass(clock, 1_500);
    watched.push(PEER);
    await pass(clock, 3_000);
    expect(events).toEqual([]);
  });

  it('pings nobody after it is closed', async () => {
    const { clock, watch } = watching(() => 'a');
    await pass(clock, 300);
    watch.close();
    await pass(clock, 1_000);
    expect(clock.pending).toBe(0);
  });
});

// The catalogue of errors and the metrics factory: every error states its cause and a remedy, and no metric reveals who sent
// which message.
import { describe, expect, it } from 'vitest';
import { asMixError, type ErrorCode, errorCodes, isErrorCode, MixError } from '../../src/base/errors.js';
import { createMetrics } from '../../src/base/metrics.js';

describe('every error', () => {
  it('has a code in capitals, a cause, and a remedy', () => {
    for (const code of errorCodes()) {
      const error = new MixError(code);
      expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
      expect(error.message).toMatch(new RegExp(`^${code}: \\S.{10,}`));
      expect(error.remedy.length).toBeGreaterThan(8);
      // One sentence each, without an end, for a line of a log or a terminal.
      for (const text of [error.message, error.remedy]) expect(text).not.toMatch(/[\n]|\.$/);
      expect(typeof error.retryable).toBe('boolean');
    }
  });

  it('prints its values, and keeps its cause', () => {
    const cause = new Error('underneath');
    const error = new MixError('CHUNK_INDEX', { index: 7, phase: 'reveal', again: false }, { cause });
    expect(error.message).toBe('CHUNK_INDEX: a chunk index is outside the batch (index=7, phase=reveal, again=false)');
    expect([error.name, error.cause]).toEqual(['MixError', cause]);
    expect(error).toBeInstanceOf(Error);
  });

  it('is retryable only if a retry can help', () => {
    const retryable = errorCodes().filter((code) => new MixError(code).retryable);
    for (const code of ['LINK_DOWN', 'LINK_TIMEOUT', 'ROUND_UNKNOWN', 'CHUNK_MISSING', 'ENGINE_BUSY'] as const) {
      expect(retryable).toContain(code);
    }
    const final: readonly ErrorCode[] = [
      'SIGNATURE_INVALID',
      'CHUNK_CONFLICT',
      'EQUIVOCATION',
      'ROUND_OVER',
      'INTERNAL',
    ];
    for (const code of final) expect(retryable).not.toContain(code);
  });
});

describe('error codes from outside', () => {
  it('are those of the catalogue, without inherited names', () => {
    for (const code of errorCodes()) expect(isErrorCode(code)).toBe(true);
    for (const code of ['', 'NOPE', 'toString', '__proto__', 'constructor', 5, null, undefined, {}]) {
      expect(isErrorCode(code)).toBe(false);
    }
  });

  it('of anything thrown are INTERNAL, except of a MixError', () => {
    const mix = new MixError('ROUND_OVER');
    expect(asMixError(mix)).toBe(mix);
    for (const thrown of [new TypeError('x'), 'x', null, undefined, 5]) {
      const error = asMixError(thrown);
      expect([error.code, error.cause]).toEqual(['INTERNAL', thrown]);
    }
  });
});

describe('metrics', () => {
  it('are counted, set, observed and rendered under one prefix', async () => {
    const metrics = createMetrics();
    metrics.counter('things_total', 'Things', ['code']).inc({ code: 'A' });
    metrics.gauge('level', 'Level').set(3);
    let read = 0;
    metrics.observed('seen', 'Seen', () => ++read);
    metrics.histogram('phase_seconds', 'Phase', [0.1, 1], ['phase']).observe({ phase: 'reveal' }, 0.5);
    const text = await metrics.render();
    for (const line of [
      'millrace_things_total{code="A"} 1',
      'millrace_level 3',
      'millrace_seen 1',
      'millrace_phase_seconds_bucket{le="1",phase="reveal"} 1',
    ]) {
      expect(text).toContain(line);
    }
    expect(await metrics.render()).toContain('millrace_seen 2');
    expect(metrics.contentType).toMatch(/^text\/plain/);
  });

  it('requested twice by one name are the same, and each factory has its own', async () => {
    const metrics = createMetrics();
    metrics.counter('same_total', 'Same').inc();
    metrics.counter('same_total', 'Same').inc();
    expect(await metrics.render()).toContain('millrace_same_total 2');
    expect(await createMetrics().render()).not.toContain('same_total');
  });

  it('include process metrics only on request', async () => {
    expect(await createMetrics({ processMetrics: true }).render()).toContain('process_cpu_seconds_total');
    expect(await createMetrics().render()).not.toContain('process_cpu');
  });
});

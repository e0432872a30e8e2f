// The options of `millrace bench` in combination: their results, and refusals by name. Each by itself: test/cli/arguments.
import { describe, expect, it } from 'vitest';
import { benchOptions, gpuShape, type RawBenchOptions } from '../../src/bench/options.js';
import { OPERATIONS } from '../../src/engine/operations.js';

const raw: RawBenchOptions = { bits: 4096, exponentBits: 256, batch: 1000, threads: 1, repeat: 7 };

describe('bench options', () => {
  it('become a group and operations', () => {
    const { group, ...rest } = benchOptions({ ...raw, engine: 'cpu', op: 'mul', bits: 3072 });
    expect(group.name).toBe('MODP-3072');
    const numbers = { exponentBits: 256, batch: 1000, threads: 1, repeat: 7 };
    expect(rest).toEqual({ ...numbers, engine: 'cpu', operations: ['mul'] });
  });

  it('default to the best engine and all operations', () => {
    const { engine, operations } = benchOptions(raw);
    expect(engine).toBe('auto');
    expect(operations).toEqual(OPERATIONS);
  });

  it('take exponents of whole bytes, from 64 bits to twice the modulus', () => {
    expect(benchOptions({ ...raw, exponentBits: 64 }).exponentBits).toBe(64);
    expect(benchOptions({ ...raw, exponentBits: 8192 }).exponentBits).toBe(8192);
    for (const [bits, exponentBits] of [
      [4096, 56],
      [4096, 257],
      [4096, 8200],
      [2048, 4104],
    ] as const) {
      expect(() => benchOptions({ ...raw, bits, exponentBits })).toThrow(
        expect.objectContaining({
          code: 'INPUT_INVALID',
          values: expect.objectContaining({ option: '--exponent-bits' }),
        }),
      );
    }
  });

  it('of the card default to all widths and batches, and to fewer with --quick', () => {
    const shape = { minutes: 4, quick: false, slots: 1000 };
    expect(gpuShape(shape)).toEqual({
      ...{ ...shape, widths: [4096, 3072, 2048], batches: [32, 256, 1024, 4096, 16_384, 65_536] },
    });
    expect(gpuShape({ ...shape, quick: true }).batches).toEqual([32, 1024, 16_384]);
    expect(gpuShape({ ...shape, widths: [2048], batches: [1, 7] })).toMatchObject({ widths: [2048], batches: [1, 7] });
  });
});

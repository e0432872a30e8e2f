// The options of `millrace bench`: what is taken, and that each wrong one is refused with its name.
import { describe, expect, it } from 'vitest';
import { MixError } from '../../src/base/errors.js';
import { parseBenchOptions, type RawBenchOptions } from '../../src/bench/options.js';
import { OPERATIONS } from '../../src/engine/operations.js';

const raw: RawBenchOptions = { bits: '4096', exponentBits: '256', batch: '1000', threads: '1', repeat: '7' };

describe('bench options', () => {
  it('become numbers, a group and operations', () => {
    const { group, ...rest } = parseBenchOptions({ ...raw, engine: 'cpu', op: 'mul', bits: '3072' });
    expect(group.name).toBe('MODP-3072');
    const numbers = { exponentBits: 256, batch: 1000, threads: 1, repeat: 7 };
    expect(rest).toEqual({ ...numbers, engine: 'cpu', operations: ['mul'] });
  });

  it('mean the best engine and all operations where nothing is said', () => {
    const { engine, operations } = parseBenchOptions(raw);
    expect(engine).toBe('auto');
    expect(operations).toEqual(OPERATIONS);
  });

  it('take exponents from 64 bits to twice the modulus', () => {
    expect(parseBenchOptions({ ...raw, exponentBits: '64' }).exponentBits).toBe(64);
    expect(parseBenchOptions({ ...raw, exponentBits: '8192' }).exponentBits).toBe(8192);
  });

  it.each([
    ['--bits', { bits: '1024' }],
    ['--bits', { bits: '4096.0' }],
    ['--exponent-bits', { exponentBits: '56' }],
    ['--exponent-bits', { exponentBits: '257' }],
    ['--exponent-bits', { exponentBits: '8200' }],
    ['--batch', { batch: '0' }],
    ['--batch', { batch: '65537' }],
    ['--batch', { batch: '1e3' }],
    ['--threads', { threads: '0' }],
    ['--threads', { threads: '-1' }],
    ['--repeat', { repeat: '' }],
    ['--repeat', { repeat: 'many' }],
    ['--engine', { engine: 'abacus' }],
    ['--op', { op: 'sqrt' }],
    ['--op', { op: '' }],
  ])('refuse a wrong %s: %o', (option, wrong) => {
    let thrown: unknown;
    try {
      parseBenchOptions({ ...raw, ...wrong });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(MixError);
    expect((thrown as MixError).code).toBe('INPUT_INVALID');
    expect((thrown as MixError).values.option).toBe(option);
  });
});

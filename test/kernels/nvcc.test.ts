// The kernels compiled by nvcc: they compile for the oldest target and for the newest, a multiplication and a squaring spill
// nothing, and their issued instructions, counted from the machine code, stay below NVIDIA's CGBN. `npm run kernels` covers all
// targets and all kernels.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requires.js';

interface Kernel {
  readonly name: string;
  readonly registers: number;
  readonly stack: number;
  readonly spillStores: number;
  readonly spillLoads: number;
}
interface Compiled {
  readonly target: string;
  readonly cubin: string;
  readonly kernels: readonly Kernel[];
}
interface Counted {
  readonly issued: number;
  readonly wide: number;
  readonly shuffles: number;
  readonly perWide: number;
}
interface Row {
  readonly bits: number;
  readonly tpi: number;
  readonly multiply: Counted;
  readonly square: Counted;
  readonly squareToMultiply: number;
  readonly wideSquareToMultiply: number;
}
interface Nvcc {
  findNvcc(): string | undefined;
  compileFor(nvcc: string, root: string, source: string, target: string, directory: string): Promise<Compiled>;
  resourcesOf(said: string): Kernel[];
}
interface Model {
  readonly CGBN: Readonly<Record<number, number>>;
  instructionModel(cubin: string): Row[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const load = async <T>(path: string): Promise<T> =>
  (await import(new URL(`../../scripts/kernels/${path}`, import.meta.url).href)) as T;
const { findNvcc, compileFor, resourcesOf } = await load<Nvcc>('nvcc.mjs');
const { CGBN, instructionModel } = await load<Model>('model.mjs');
const { functionsOf } = await load<{ functionsOf(cubin: Buffer): unknown[] }>('sass.mjs');
const nvcc = findNvcc();
/**
 * Limit of issued instructions of a 4096-bit squaring, relative to a multiplication, by lanes: little above the figures of
 * docs/gpu.md.
 */
const ISSUED_MAX: Readonly<Record<number, number>> = { 8: 0.8, 16: 0.8, 32: 0.8 };

describeWith(
  nvcc ? undefined : 'no nvcc',
  'the kernels under nvcc',
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-nvcc-'));
    const compiled: Compiled[] = [];
    beforeAll(async () => {
      for (const target of ['sm_75', 'sm_90']) {
        compiled.push(await compileFor(nvcc ?? '', root, 'kernels/dev/model.cu', target, directory));
      }
    }, 300_000);
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    it('multiply and square without a spill, with registers for twelve warps', () => {
      for (const { target, kernels } of compiled) {
        expect(kernels).toHaveLength(27);
        for (const kernel of kernels) {
          const { name, registers, stack, spillStores, spillLoads } = kernel;
          expect({ target, name, stack, spillStores, spillLoads }).toEqual({
            target,
            name,
            stack: 0,
            spillStores: 0,
            spillLoads: 0,
          });
          expect(registers, `${target} ${name}`).toBeLessThanOrEqual(168);
        }
      }
    });

    it('issue fewer instructions per wide multiply-add than CGBN, and fewer for a square than for a product', () => {
      const rows = instructionModel(compiled.at(-1)?.cubin ?? '');
      expect(rows).toHaveLength(9);
      for (const { bits, tpi, multiply, square, wideSquareToMultiply } of rows) {
        const limbs = bits / 32;
        const padded = bits === 3072 && tpi === 32 ? 4 / 3 : 1;
        // Two products of n by n limbs over the lanes.
        expect(multiply.wide).toBeCloseTo((2 * limbs * limbs * padded) / tpi, 6);
        expect(multiply.issued).toBeGreaterThan(multiply.wide);
        expect(square.issued).toBeLessThanOrEqual(multiply.issued);
        if (bits === 2048 && tpi === 32) continue;
        expect(wideSquareToMultiply).toBeLessThan(0.82);
        if (bits === 4096) expect(square.issued / multiply.issued).toBeLessThan(ISSUED_MAX[tpi] ?? 0);
      }
      for (const { tpi, multiply } of rows.filter(({ bits }) => bits === 4096)) {
        expect(multiply.perWide, `${tpi} lanes`).toBeLessThan(CGBN[tpi] ?? 0);
      }
    });

    it('cannot be counted from a file that is no cubin, or a missing one', () => {
      expect(() => functionsOf(readFileSync(fileURLToPath(import.meta.url)))).toThrow('not a 64-bit ELF file');
      expect(() => instructionModel(compiled[0]?.cubin.replace('sm_75', 'sm_00') ?? '')).toThrow('ENOENT');
    });
  },
  true,
);

it('reads the report of ptxas on a kernel, spills above all', () => {
  const said = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN1k4holdILi4096ELi8ELNS0_4HeldE2EEEvv' for 'sm_90'
ptxas info    : Function properties for _ZN1k4holdILi4096ELi8ELNS0_4HeldE2EEEvv
    24 bytes stack frame, 16 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 128 registers, used 0 barriers`;
  expect(resourcesOf(said)).toEqual([
    { name: 'square 4096/8 special', registers: 128, stack: 24, spillStores: 16, spillLoads: 20 },
  ]);
});

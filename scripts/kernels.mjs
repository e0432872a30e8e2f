// npm run kernels -- [--json] [--targets sm_80,sm_90] [--seed N]: checks of the CUDA kernels that need no card. Compiles them for
// all targets if nvcc is installed, prints the resources and the number of issued instructions of each, and runs them on host
// lanes against BigInt. Ends with status 1 if any value is out of its limits.
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allJobs } from './kernels/cases.mjs';
import { buildHost, runHost } from './kernels/host.mjs';
import { CGBN, instructionModel } from './kernels/model.mjs';
import { compileFor, compilePtx, findNvcc, PTX, TARGETS, WIDTHS } from './kernels/nvcc.mjs';
import { commandLine, number, someOf } from './lib/command.mjs';
import { findCompiler } from './native.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Limit of registers of a batch kernel, so that a multiprocessor holds at least twelve warps. */
const REGISTERS_MAX = 168;
/** Kernels that may keep a few bytes on the stack: they do not run per element, or wait for memory anyway. */
const MAY_SPILL = /^(PowShared|MultiExp|TableEntries|TableRows|Fold|InvertDown|InvertUp) /;
const SPILL_BYTES_MAX = 256;

const readOptions = () =>
  commandLine(
    'npm run kernels --',
    'compiles the CUDA kernels if nvcc is installed, and runs them on host lanes against BigInt',
  )
    .option('--targets <list>', `some of ${TARGETS.join(', ')}`, someOf(TARGETS), TARGETS)
    .option('--seed <number>', 'seed of the operands', number(0, 999_999_999), 1)
    .option('--json', 'end with one line of JSON', false)
    .parse()
    .opts();

/** Runs `jobs` on as many processes as there are cores. */
async function inParallel(jobs) {
  const results = [];
  const pending = [...jobs.entries()];
  const lane = async () => {
    for (let next = pending.shift(); next; next = pending.shift()) results[next[0]] = await next[1]();
  };
  await Promise.all(Array.from({ length: Math.max(1, cpus().length) }, lane));
  return results;
}

/** Descriptions of compiled kernels that exceed limits. */
function outOfBounds(compiled) {
  return compiled.flatMap(({ target, kernels }) =>
    kernels.flatMap(({ name, registers, spillStores, spillLoads }) => {
      const spilled = Math.max(spillStores, spillLoads);
      const allowed = MAY_SPILL.test(name) ? SPILL_BYTES_MAX : 0;
      return [
        ...(registers > REGISTERS_MAX ? [`${target} ${name}: ${registers} registers, at most ${REGISTERS_MAX}`] : []),
        ...(spilled > allowed ? [`${target} ${name}: ${spilled} bytes spilled, at most ${allowed}`] : []),
      ];
    }),
  );
}

function printKernels(compiled) {
  for (const { target, kernels } of compiled) {
    for (const { name, registers, stack, spillStores, spillLoads } of kernels) {
      console.log(
        `${target}  ${name.padEnd(34)} ${registers} registers, stack ${stack}, spills ${spillStores}/${spillLoads} bytes`,
      );
    }
  }
}

function printModel(model) {
  console.log(
    '\nissued a warp, sm_90          multiply  a wide mad  (CGBN)   square  to multiply  wide mads to multiply',
  );
  for (const { bits, tpi, multiply, square, squareToMultiply, wideSquareToMultiply } of model) {
    const cgbn = bits === 4096 ? CGBN[tpi].toFixed(2) : '';
    console.log(
      `${bits} bits, ${String(tpi).padStart(2)} lanes         ${String(multiply.issued).padStart(8)}` +
        `  ${multiply.perWide.toFixed(3).padStart(10)}  ${cgbn.padStart(6)} ${String(square.issued).padStart(8)}` +
        `  ${squareToMultiply.toFixed(3).padStart(11)}  ${wideSquareToMultiply.toFixed(3).padStart(21)}`,
    );
  }
}

async function compileAll(nvcc, targets, directory) {
  const work = targets.flatMap((target) =>
    WIDTHS.map((bits) => () => compileFor(nvcc, root, 'kernels/card.cu', target, directory, [`MILLRACE_BITS=${bits}`])),
  );
  const small = targets.map((target) => () => compileFor(nvcc, root, 'kernels/dev/model.cu', target, directory));
  const ptx = WIDTHS.map(
    (bits) => () => compilePtx(nvcc, root, 'kernels/card.cu', directory, [`MILLRACE_BITS=${bits}`]),
  );
  const held = await inParallel(small);
  const compiled = await inParallel(work);
  await inParallel(ptx);
  const newest = held.find(({ target }) => target === 'sm_90') ?? held.at(-1);
  return { compiled: [...held, ...compiled], model: instructionModel(newest.cubin) };
}

async function main() {
  const { json, targets, seed } = readOptions();
  const directory = mkdtempSync(join(tmpdir(), 'millrace-kernels-'));
  const result = { nvcc: false, targets: [], spillBytes: 0, instructionsPerWideMad: {}, squareToMultiply: null };
  const faults = [];
  try {
    const nvcc = findNvcc();
    if (nvcc) {
      const { compiled, model } = await compileAll(nvcc, targets, directory);
      if (!json) printKernels(compiled);
      if (!json) printModel(model);
      faults.push(...outOfBounds(compiled));
      const full = model.filter(({ bits }) => bits === 4096);
      Object.assign(result, {
        nvcc: true,
        targets: [...targets, PTX],
        // Only kernels in which every instruction counts; the others are listed separately.
        spillBytes: compiled
          .flatMap(({ kernels }) => kernels)
          .filter(({ name }) => !MAY_SPILL.test(name))
          .reduce((sum, { spillStores, spillLoads }) => sum + spillStores + spillLoads, 0),
        instructionsPerWideMad: Object.fromEntries(
          full.map(({ tpi, multiply }) => [tpi, Number(multiply.perWide.toFixed(3))]),
        ),
        squareToMultiply: Number(Math.max(...full.map((one) => one.squareToMultiply)).toFixed(3)),
        squareToMultiplyByLanes: Object.fromEntries(
          full.map((one) => [one.tpi, Number(one.squareToMultiply.toFixed(3))]),
        ),
        registersMax: Math.max(...compiled.flatMap(({ kernels }) => kernels.map(({ registers }) => registers))),
      });
      for (const { tpi, multiply } of full) {
        if (multiply.perWide >= CGBN[tpi])
          faults.push(`${tpi} lanes: ${multiply.perWide} issued a wide multiply-add, CGBN ${CGBN[tpi]}`);
      }
    } else {
      console.error('millrace: warning: no nvcc: the kernels were not compiled for a card');
    }
    const compiler = findCompiler();
    if (!compiler) throw new Error('no C++ compiler: install g++');
    const program = await buildHost(root, compiler, join(directory, 'host'));
    const jobs = allJobs({ seed });
    const wrong = runHost(program, jobs);
    faults.push(...wrong.map((name) => `on the host: ${name}`));
    Object.assign(result, { hostCases: jobs.length, hostMismatches: wrong.length });
    for (const fault of faults) console.error(`millrace: error: ${fault}`);
    if (!json) console.log(`\non the host: ${jobs.length} cases, ${wrong.length} wrong`);
    if (json) console.log(JSON.stringify(result));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  process.exitCode = faults.length > 0 ? 1 : 0;
}

await main();

// The CUDA library: its path, its cards, and the reason if there are none. It loads without a driver and without a card.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Clock, systemClock, systemRng } from '../../base/index.js';
import { type Logger, silentLog } from '../../base/log.js';
import { type Group, randomElements, randomExponents } from '../../math/index.js';
import { type Executor, makeRequest } from '../checked/request.js';
import { bindLibrary } from '../kernels/native/library.js';
import type { QueueWatch } from '../pool/queue.js';
import { type Crossover, crossing } from './crossover.js';
import { Device } from './device.js';
import { CudaExecutor } from './executor.js';

/** Output of scripts/cuda.mjs; the relative path is right from src/engine and dist/engine alike. */
export const CUDA_LIBRARY = fileURLToPath(new URL('../../../build/cuda/libmillrace_cuda.so', import.meta.url));

/** Bit lengths that the kernels are compiled for. */
const WIDTHS: readonly number[] = [2048, 3072, 4096];

/** Default share of a card's results of which one unit is computed again. */
const CHECK_RATE = 1 / 16;

/** Sizes at which cards and CPU are timed: a nearly empty launch, and a larger one. */
const PRODUCT_SIZES = [64, 4096] as const;
const POWER_SIZES = [8, 512] as const;
const EXPONENT_BYTES = 32;

type CudaProbe =
  | { readonly devices: readonly string[]; readonly reason: '' }
  /** `built`: the library exists, so a card was expected. */
  | { readonly devices: readonly []; readonly reason: string; readonly built: boolean };

/** Returns the cards that compute in a group, or the reason why there are none. */
export function probeCards(group: Group, library = CUDA_LIBRARY): CudaProbe {
  const none = (reason: string, built: boolean): CudaProbe => ({ devices: [], reason, built });
  if (!existsSync(library)) {
    return none('the CUDA library is not built (`npm run build:cuda`, where the CUDA toolkit is)', false);
  }
  try {
    const { devices, deviceError } = bindLibrary(library, 'the CUDA library is gone');
    if (devices.length === 0) return none(`no card: ${deviceError() || 'none found'}`, true);
    if (!WIDTHS.includes(group.bits)) return none(`no CUDA kernels for ${group.bits} bits`, false);
    return { devices, reason: '' };
  } catch (thrown) {
    return none(`the CUDA library does not load: ${thrown instanceof Error ? thrown.message : thrown}`, true);
  }
}

export interface OpenCardsOptions {
  readonly group: Group;
  /** Computes small batches, and everything once the cards have failed. Closed with the cards. */
  readonly cpu: Executor;
  readonly library?: string;
  /** Share of a card's results that is checked on the CPU. */
  readonly checkRate?: number;
  /** Default: measured. */
  readonly crossover?: Crossover;
  readonly log?: Logger;
  readonly clock?: Clock;
  readonly onSick?: (device: string, reason: string) => void;
  readonly onBusy?: QueueWatch['onBusy'];
}

/** Opens all cards of the library, and times them against the CPU. @throws Error if the library is gone */
export async function openCards(options: OpenCardsOptions): Promise<CudaExecutor> {
  const { group, cpu, library = CUDA_LIBRARY, log = silentLog, clock = systemClock } = options;
  const { devices: names } = bindLibrary(library, 'the CUDA library is gone');
  const onSick = (device: Device, reason: string) => {
    log.error({ device: device.name, reason }, `${device.name} is out of service: ${reason}`);
    options.onSick?.(device.name, reason);
  };
  const devices = names.map((name, index) => new Device(group, name, { library, index }, onSick, options.onBusy));
  const crossover = options.crossover ?? (await measuredOnFirst(group, clock, devices, cpu));
  const shown = (elements: number) => (Number.isFinite(elements) ? elements : 'never');
  const { products, powers } = crossover;
  log.info({ products: shown(products), powers: shown(powers) }, 'elements from which on a card computes');
  const { checkRate = CHECK_RATE } = options;
  return new CudaExecutor({ group, devices, cpu, crossover, checkRate, random: randomShare, log });
}

/** Random number in [0, 1): not secret, but a card must not foresee it. */
function randomShare(): number {
  const bytes = new Uint8Array(4);
  systemRng.fill(bytes);
  return new DataView(bytes.buffer).getUint32(0) / 2 ** 32;
}

/** Measures on the first card that works; failing ones take themselves out of service. Infinity if none works. */
async function measuredOnFirst(
  group: Group,
  clock: Clock,
  devices: readonly Device[],
  cpu: Executor,
): Promise<Crossover> {
  for (const device of devices) {
    const crossover = await measured(group, clock, device, cpu).catch((thrown: unknown) => {
      if (device.sick === undefined) throw thrown;
      return undefined;
    });
    if (crossover) return crossover;
  }
  return { products: Infinity, powers: Infinity };
}

async function measured(group: Group, clock: Clock, device: Device, cpu: Executor): Promise<Crossover> {
  const options = { priority: 'precompute' } as const;
  const element = group.elementBytes;
  const elements = randomElements(systemRng, group, PRODUCT_SIZES[1]);
  const exponents = randomExponents(systemRng, POWER_SIZES[1], EXPONENT_BYTES);
  const out = new Uint8Array(new SharedArrayBuffer(elements.length));
  const product = (count: number) => {
    const a = elements.subarray(0, count * element);
    return makeRequest('mul', { a, b: a }, out.subarray(0, a.length));
  };
  const power = (count: number) => {
    const bases = elements.subarray(0, count * element);
    const some = exponents.subarray(0, count * EXPONENT_BYTES);
    const shape = { exponentBytes: EXPONENT_BYTES };
    return makeRequest('pow', { bases, exponents: some }, out.subarray(0, bases.length), shape);
  };
  const contest = (sizes: readonly [number, number], request: typeof product | typeof power) =>
    crossing(clock, {
      sizes,
      onDevice: (count) => device.compute(request(count), options),
      onCpu: (count) => cpu.execute(request(count), options),
    });
  return { products: await contest(PRODUCT_SIZES, product), powers: await contest(POWER_SIZES, power) };
}

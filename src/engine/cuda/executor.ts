// The cuda executor: cards in front, the cpu executor behind. Work goes to the least busy card if that is faster, else to the
// CPU; the CPU also replaces a failed card and checks results of cards. A card's failure is never the caller's: the request is
// computed again on the CPU, and the card is out of service.
//
// Prepared operands exist twice: in the cpu executor's form in the handle's storage, and on one card, under that storage.
import { asMixError, refuse } from '../../base/index.js';
import { type Logger, silentLog } from '../../base/log.js';
import type { Group } from '../../math/index.js';
import {
  type ComputeRequest,
  type ExecuteOptions,
  type Executor,
  elementsOfRequest,
  type Request,
  type RequestOf,
  type TableRequest,
} from '../checked/request.js';
import { passesSpotCheck } from '../checked/spotCheck.js';
import { findEntry } from '../operations.js';
import { SharedBuffers } from '../pool/sharedBuffers.js';
import { type Crossover, operationClass } from './crossover.js';
import { type Device, isDeviceFailure } from './device.js';

/** Length of the exponents for which a table is made ahead of its first use: that of a round's exponents. */
const TABLE_EXPONENT_BYTES = 32;

interface CudaOptions {
  readonly group: Group;
  readonly devices: readonly Device[];
  readonly cpu: Executor;
  /** Number of elements from which on a card is faster. */
  readonly crossover: Crossover;
  /** Share of a card's results of which one unit is computed again on the CPU: 0 to 1. */
  readonly checkRate: number;
  /** Random number in [0, 1), fresh each time: selects the results to check, and the unit. */
  readonly random: () => number;
  readonly log?: Logger;
}

export class CudaExecutor implements Executor {
  readonly #options: CudaOptions;
  readonly #log: Logger;

  constructor(options: CudaOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
  }

  get devices(): readonly Device[] {
    return this.#options.devices;
  }

  /** Returns the same executor with one card only and everything on it, for the self-check of the card. */
  onlyOn(device: Device): Executor {
    const everything = { products: 1, powers: 1 };
    return new CudaExecutor({ ...this.#options, devices: [device], crossover: everything, checkRate: 0 });
  }

  get threads(): number {
    return this.#options.cpu.threads;
  }

  get path(): string {
    const { devices, cpu } = this.#options;
    return `${devices.map(({ name }) => name).join(', ')}; small batches: ${cpu.path}`;
  }

  async execute(request: Request, options: ExecuteOptions): Promise<void> {
    if (request.op === 'prepare') return this.#prepare(request, options);
    if (request.op === 'table') return this.#table(request, options);
    const device = this.#deviceFor(request);
    if (!device) return this.#options.cpu.execute(request, options);
    const buffers = new SharedBuffers();
    try {
      if (await this.#onDevice(device, buffers.request(request), options)) buffers.finish();
      else await this.#options.cpu.execute(request, options);
    } finally {
      buffers.wipe();
    }
  }

  degraded(): readonly string[] {
    return this.devices.flatMap(({ name, sick }) => (sick === undefined ? [] : [`${name} is out of service: ${sick}`]));
  }

  forget(storage: ArrayBufferLike): void {
    for (const device of this.#options.devices) device.forget(storage);
    this.#options.cpu.forget?.(storage);
  }

  async close(): Promise<void> {
    await Promise.all(this.#options.devices.map((device) => device.close()));
    await this.#options.cpu.close();
  }

  /** Returns the least busy card in service. */
  #idlest(): Device | undefined {
    const healthy = this.#options.devices.filter(({ sick }) => sick === undefined);
    return healthy.sort((a, b) => a.load - b.load)[0];
  }

  /** Chooses the card for a request: the one that holds its operand, or any; undefined if the CPU is the better place. */
  #deviceFor(request: ComputeRequest): Device | undefined {
    const { crossover, group, devices } = this.#options;
    if (elementsOfRequest(group, request) < crossover[operationClass(request.op)]) return undefined;
    if (!findEntry(request.op).native) return undefined;
    if (!request.prepared) return this.#idlest();
    return devices.find((device) => device.sick === undefined && device.residentMultiplier(request));
  }

  /** Returns true if the card has written the result, false if the CPU has to compute it. */
  async #onDevice(device: Device, request: ComputeRequest, options: ExecuteOptions): Promise<boolean> {
    const { checkRate, random, cpu, group } = this.#options;
    try {
      if (request.op === 'powFixed')
        await device.makeResidentTable(request.operands.base, request.exponentBytes, options);
      await device.compute(request, options);
    } catch (thrown) {
      return this.#failed(device, thrown);
    } finally {
      // The table of a base without a handle serves this call only.
      if (request.op === 'powFixed' && !request.slot) device.forget(request.operands.base.buffer);
    }
    if (random() >= checkRate || (await passesSpotCheck(group, cpu, request, options, random))) return true;
    this.#log.error({ device: device.name, operation: request.op }, 'a card computed a wrong result: out of service');
    device.retire(`a wrong result of ${request.op}`);
    return false;
  }

  /** Logs a card's failure; rethrows the caller's own errors. */
  #failed(device: Device, thrown: unknown): false {
    const error = asMixError(thrown);
    if (!isDeviceFailure(error)) throw error;
    this.#log.warn({ device: device.name, reason: error.message }, 'a card failed: its work goes to the CPU');
    return false;
  }

  async #prepare(request: RequestOf<'prepare'>, options: ExecuteOptions): Promise<void> {
    const { crossover, group, cpu } = this.#options;
    await cpu.execute(request, options);
    const device = this.#idlest();
    if (!device || elementsOfRequest(group, request) < crossover.products) return;
    const buffers = new SharedBuffers();
    try {
      await device.makeResidentOperand(request.out, buffers.input(request.operands.elements), options);
    } catch (thrown) {
      this.#failed(device, thrown);
    } finally {
      buffers.wipe();
    }
  }

  async #table(request: TableRequest, options: ExecuteOptions): Promise<void> {
    await this.#options.cpu.execute(request, options);
    for (const device of this.#options.devices) {
      if (device.sick !== undefined) continue;
      try {
        await device.makeResidentTable(request.base, TABLE_EXPONENT_BYTES, options);
      } catch (thrown) {
        this.#failed(device, thrown);
      }
    }
  }
}

/** @throws MixError CONFIG_INVALID unless it is a share */
export function checkedRate(rate: number): number {
  if (!(typeof rate === 'number' && rate >= 0 && rate <= 1)) refuse('options.checkRate', 'a number from 0 to 1', rate);
  return rate;
}

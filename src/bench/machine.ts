// The machine of a benchmark: a time means nothing without the processor, its features, and the measured commit.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Features that decide which code computes. */
const FEATURES = ['bmi2', 'adx', 'avx2', 'avx512f', 'avx512ifma', 'avx_ifma', 'asimd', 'sve'];

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly features: readonly string[];
  readonly memoryGiB: number;
  readonly system: string;
  readonly virtual: boolean;
  readonly node: string;
  readonly openssl: string;
  /** Short hash, with `+` if the tree had changes; null outside a checkout. */
  readonly commit: string | null;
}

/** Flags of the first processor, if the system reports them. */
function cpuFlags(): readonly string[] {
  const file = '/proc/cpuinfo';
  if (!existsSync(file)) return [];
  const line = readFileSync(file, 'utf8').match(/^(?:flags|Features)\s*:\s*(.*)$/m);
  return line?.[1]?.split(' ') ?? [];
}

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** Outside a checkout, MILLRACE_COMMIT names the commit: in an image, on a machine with the files alone. */
function commit(): string | null {
  const hash = git('rev-parse', '--short', 'HEAD');
  if (hash === undefined) return process.env.MILLRACE_COMMIT || null;
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'native', 'kernels', 'scripts');
  return changed ? `${hash}+` : hash;
}

export function describeMachine(): Machine {
  const flags = cpuFlags();
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() || process.arch,
    cores: all.length,
    features: FEATURES.filter((name) => flags.includes(name)),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release().split('-')[0]}`,
    virtual: flags.includes('hypervisor'),
    node: process.versions.node,
    openssl: process.versions.openssl,
    commit: commit(),
  };
}

/** State of a card that only its driver reports. */
export interface CardState {
  /** Version of the driver itself, not of its CUDA. */
  readonly driver: string;
  readonly clockMHz: number;
  readonly clockMaxMHz: number;
  readonly memoryClockMHz: number;
  readonly powerLimitW: number;
  readonly temperatureC: number;
  /** As `generation × lanes`. */
  readonly pcie: string;
}

const QUERY =
  'driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu,pcie.link.gen.current,pcie.link.width.current';

/** Returns the present state of the first card by nvidia-smi; null if there is no nvidia-smi, or no card. */
export function cardState(): CardState | null {
  const { status, stdout } = spawnSync('nvidia-smi', [`--query-gpu=${QUERY}`, '--format=csv,noheader,nounits'], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return status === 0 ? parseCardState(stdout) : null;
}

/** Parses the first line of nvidia-smi's answer; an unknown number is 0. */
export function parseCardState(answer: string): CardState | null {
  const fields = answer
    .split('\n')[0]!
    .split(',')
    .map((field) => field.trim());
  if (fields.length !== QUERY.split(',').length) return null;
  const [driver = '', ...rest] = fields;
  const numbers = rest.map((field) => (Number.isFinite(Number(field)) ? Number(field) : 0));
  const [clockMHz = 0, clockMaxMHz = 0, memoryClockMHz = 0, powerLimitW = 0, temperatureC = 0, generation, lanes] =
    numbers;
  const pcie = `${generation} × ${lanes}`;
  return { driver, clockMHz, clockMaxMHz, memoryClockMHz, powerLimitW, temperatureC, pcie };
}

/** Turns the name of a processor or a card into a part of a file name. */
export function cpuSlug(cpu: string): string {
  const slug = cpu
    .toLowerCase()
    .replaceAll(/\((r|tm)\)|@.*$/g, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  return slug || 'cpu';
}

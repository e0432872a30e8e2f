// Where a benchmark ran: a time means nothing without the processor, what it can do, and the commit that was measured.
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
  /** Short hash, with `+` where the tree had changes; null outside a checkout. */
  readonly commit: string | null;
}

/** Flags of the first processor, where the system tells. */
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

function commit(): string | null {
  const hash = git('rev-parse', '--short', 'HEAD');
  if (hash === undefined) return null;
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

/** A file name's worth of the processor's name. */
export function cpuSlug(cpu: string): string {
  const slug = cpu
    .toLowerCase()
    .replaceAll(/\((r|tm)\)|@.*$/g, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  return slug || 'cpu';
}

// `millrace doctor`: opens every engine of this machine by name, with its self-check against the reference, and measures a power;
// for each engine that does not compute, the reason and the packages to install.
import { asMixError, systemRng } from '../base/index.js';
import { type Engine, type EngineName, openEngine, probeEngines } from '../engine/index.js';
import { type Group, randomElements, randomExponents } from '../math/index.js';
import { markdown } from './compare/report.js';
import { figure } from './stats.js';

/** One engine in the output of `--json`. */
interface EngineFinding {
  readonly name: EngineName;
  /** True if it passed its self-check. */
  readonly available: boolean;
  /** Reason why it is not available, or not by its best path; else empty. */
  readonly reason: string;
  readonly path: string | null;
  /** Microseconds per power with a 256-bit exponent, in a batch, all workers together. */
  readonly powUsPerOp: number | null;
}

const EXPONENT_BYTES = 32;
/** Number of powers measured: for a second or two at 4096 bits, if that is enough of them; `perThread` is multiplied by the workers. */
const POWERS: Record<EngineName, { readonly perThread?: number; readonly inAll?: number }> = {
  cuda: { inAll: 4096 },
  cpu: { perThread: 128 },
  openssl: { perThread: 32 },
  bigint: { perThread: 8 },
  reference: { inAll: 8 },
  gpujs: { inAll: 2 },
  tfjs: { inAll: 64 },
};

async function measure(engine: Engine): Promise<number> {
  const { group, name, threads } = engine;
  const { perThread = 0, inAll = perThread * Math.max(1, threads) } = POWERS[name];
  const bases = randomElements(systemRng, group, inAll);
  const exponents = randomExponents(systemRng, inAll, EXPONENT_BYTES);
  const start = process.hrtime.bigint();
  await engine.pow(bases, exponents, { exponentBytes: EXPONENT_BYTES });
  return Number(process.hrtime.bigint() - start) / 1000 / inAll;
}

/** Tries every engine, one after the other. `say` gets progress lines. */
export async function examineEngines(
  group: Group,
  threads: number,
  say: (line: string) => void,
): Promise<EngineFinding[]> {
  const findings: EngineFinding[] = [];
  for (const { name, available, reason, path } of probeEngines(group)) {
    if (!available) {
      findings.push({ name, available, reason, path: null, powUsPerOp: null });
      continue;
    }
    say(`${name}: self-check and speed`);
    try {
      const engine = await openEngine({ engine: name, group, threads });
      try {
        const powUsPerOp = Number((await measure(engine)).toPrecision(4));
        findings.push({ name, available, reason, path: engine.path, powUsPerOp });
      } finally {
        await engine.close();
      }
    } catch (thrown) {
      findings.push({ name, available: false, reason: asMixError(thrown).message, path, powUsPerOp: null });
    }
  }
  return findings;
}

export function doctorReport(group: Group, findings: readonly EngineFinding[]): string {
  const chosen = findings.find(({ available }) => available)?.name ?? 'none';
  const rows = findings.map(({ name, available, reason, path, powUsPerOp }) => [
    name,
    available ? 'yes' : 'no',
    powUsPerOp === null ? '' : figure(powUsPerOp),
    [path ?? '', reason].filter((text) => text !== '').join('; '),
  ]);
  const about = `${group.name}: self-check against the reference, microseconds a power with a 256-bit exponent`;
  return `${about}\n\n${markdown(['engine', 'computes', 'µs a power', 'path, or why not'], rows)}\n\n\`auto\` takes ${chosen}.`;
}

// Targets of the cpu engine, compared with measurements of the same run: ratios, so that machines can be compared. Apart from
// compare.ts because the reports and other benchmarks use the type Target, too.

import type { PrecomputeCost } from '../round/precompute.js';
import { significant } from '../stats.js';
import type { ComparedOperation, ComparedRow, ComparedTable } from './contestants.js';

export interface Target {
  readonly what: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly measured: number;
  readonly met: boolean;
}

interface Facts {
  readonly tables: readonly ComparedTable[];
  readonly precompute: PrecomputeCost;
}

/** Returns the targets that this run can decide; they are set for 4096 bits and 256-bit exponents. */
export function checkTargets({ tables, precompute }: Facts): Target[] {
  const found: Target[] = [];
  const row = (op: ComparedOperation, contestant: string): ComparedRow | undefined =>
    tables.find((table) => table.op === op)?.rows.find((one) => one.contestant === contestant);
  const note = (what: string, measured: number | undefined, bound: { atLeast: number } | { atMost: number }) => {
    if (measured === undefined || !Number.isFinite(measured)) return;
    const met = 'atLeast' in bound ? measured >= bound.atLeast : measured <= bound.atMost;
    found.push({ what, ...bound, measured: significant(measured), met });
  };
  const scaling = (op: ComparedOperation): number | undefined => {
    const one = row(op, 'cpu');
    const two = one && row(op, `cpu × ${2 * one.threads}`);
    return two && one.usPerOp.min / two.usPerOp.min;
  };
  note('pow, cpu to GMP mpz_powm', row('pow', 'cpu')?.toGmp, { atLeast: 6.5 });
  note('powShared, cpu to GMP mpz_powm', row('powShared', 'cpu')?.toGmp, { atLeast: 6.5 });
  note('powFixed, cpu to GMP mpz_powm', row('powFixed', 'cpu')?.toGmp, { atLeast: 20 });
  note('pow, openssl (the portable path) to GMP mpz_powm', row('pow', 'openssl')?.toGmp, { atLeast: 1 });
  const bare = row('mul', 'bare product, kernel')?.usPerOp.min;
  const product = row('mul', 'cpu')?.usPerOp.min;
  note('mul prepared through the engine to the bare Montgomery product, time', bare && product && product / bare, {
    atMost: 1.3,
  });
  note('mul, twice the workers to one', scaling('mul'), { atLeast: 1.9 });
  note('pow, twice the workers to one', scaling('pow'), { atLeast: 1.9 });
  note('precomputation, CPU ms a slot', precompute.cpuMsPerSlot, { atMost: 0.4 });
  return found;
}

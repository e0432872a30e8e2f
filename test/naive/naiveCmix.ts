// The whole protocol a second time, from the design's table alone: plain bigint, a slot at a time, no engine, no chunks, no
// batches, nothing of src/. The results of src/cmix are compared with it, so that one misunderstanding cannot be in both the code
// and its check. `sign: 'absolute'` is the group Z⁺p; `sign: 'plain'` is Z*p as the xx network uses it, used only by the
// simulation of the Legendre leak.

export interface NaiveGroup {
  readonly p: bigint;
  readonly g: bigint;
  readonly sign: 'absolute' | 'plain';
}

/** All draws of one node. Lists are by slot, then by element. */
export interface NaiveNode {
  /** z_e: by element. */
  readonly z: readonly bigint[];
  readonly r: readonly (readonly bigint[])[];
  readonly s: readonly (readonly bigint[])[];
  /** Exponents of Enc(r) and of Enc(s), by slot. */
  readonly y: readonly bigint[];
  readonly yPrime: readonly bigint[];
  /** source[k]: the slot whose contents go to slot k. */
  readonly source: readonly number[];
  /** The slot keys shared by senders and this node. */
  readonly k: readonly (readonly bigint[])[];
}

type Rows = readonly (readonly bigint[])[];

/** All values that pass between the nodes, in that order. */
export interface NaiveRun {
  readonly teamKey: readonly bigint[];
  /** C after each node of the ring 1→N: rows of (c0, c1..cw). */
  readonly precompDecrypt: readonly Rows[];
  /** C after each node of the ring N→1, node N first. */
  readonly precompPermute: readonly Rows[];
  /** D_i by node. */
  readonly shares: readonly Rows[];
  /** M, submitted by the senders. */
  readonly submitted: Rows;
  readonly realtimeDecrypt: readonly Rows[];
  readonly realtimePermute: readonly Rows[];
  readonly out: Rows;
}

export function normal({ p, sign }: NaiveGroup, x: bigint): bigint {
  const residue = x % p;
  return sign === 'absolute' && p - residue < residue ? p - residue : residue;
}

export function times(group: NaiveGroup, ...factors: readonly bigint[]): bigint {
  return factors.reduce((product, factor) => normal(group, product * factor), 1n);
}

export function raise(group: NaiveGroup, base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = times(group, result, square);
    square = times(group, square, square);
  }
  return result;
}

/** By Fermat's little theorem. */
const inverse = (group: NaiveGroup, x: bigint): bigint => raise(group, x, group.p - 2n);

/** (g^y, m_1 Z_1^y, …, m_w Z_w^y) */
function encrypt(group: NaiveGroup, teamKey: readonly bigint[], plain: readonly bigint[], y: bigint): bigint[] {
  return [raise(group, group.g, y), ...plain.map((m, e) => times(group, m, raise(group, teamKey[e]!, y)))];
}

function precompute(group: NaiveGroup, nodes: readonly NaiveNode[], slots: number, width: number) {
  const elements = Array.from({ length: width }, (_, e) => e);
  const teamKey = elements.map((e) => times(group, ...nodes.map((node) => raise(group, group.g, node.z[e]!))));
  const decrypt: Rows[] = [];
  // Node 1 starts from the encryption of ones: rows of ones.
  let rows: Rows = Array.from({ length: slots }, () => new Array<bigint>(width + 1).fill(1n));
  for (const node of nodes) {
    rows = rows.map((row, j) => {
      const encrypted = encrypt(group, teamKey, node.r[j]!, node.y[j]!);
      return row.map((c, e) => times(group, c, encrypted[e]!));
    });
    decrypt.push(rows);
  }
  const permute: Rows[] = [];
  for (const node of [...nodes].reverse()) {
    const before = rows;
    rows = node.source.map((from, k) => {
      const encrypted = encrypt(group, teamKey, node.s[k]!, node.yPrime[k]!);
      return before[from]!.map((c, e) => times(group, c, encrypted[e]!));
    });
    permute.push(rows);
  }
  return { teamKey, decrypt, permute, mixed: rows };
}

/** One round: `messages` by slot, then element. */
export function naiveRound(group: NaiveGroup, nodes: readonly NaiveNode[], messages: Rows): NaiveRun {
  const width = messages[0]!.length;
  const { teamKey, decrypt, permute, mixed } = precompute(group, nodes, messages.length, width);
  const shares = nodes.map((node) => mixed.map(([c0]) => node.z.map((z) => raise(group, c0!, z))));

  const submitted = messages.map((row, j) =>
    row.map((m, e) => times(group, m, inverse(group, times(group, ...nodes.map((node) => node.k[j]![e]!))))),
  );
  let rows: Rows = submitted;
  const realtimeDecrypt: Rows[] = [];
  for (const node of nodes) {
    rows = rows.map((row, j) => row.map((x, e) => times(group, x, node.k[j]![e]!, node.r[j]![e]!)));
    realtimeDecrypt.push(rows);
  }
  const realtimePermute: Rows[] = [];
  for (const node of [...nodes].reverse()) {
    const before = rows;
    rows = node.source.map((from, k) => before[from]!.map((x, e) => times(group, x, node.s[k]![e]!)));
    realtimePermute.push(rows);
  }
  const out = rows.map((row, k) =>
    row.map((x, e) => {
      const opened = shares.map((share) => share[k]![e]!);
      return times(group, x, ...opened, inverse(group, mixed[k]![e + 1]!));
    }),
  );
  return {
    teamKey,
    precompDecrypt: decrypt,
    precompPermute: permute,
    shares,
    submitted,
    realtimeDecrypt,
    realtimePermute,
    out,
  };
}

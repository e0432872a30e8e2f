// Jobs for the kernels on host lanes, with their results by BigInt as the reference: every operation at every width and lane
// count, on random numbers, on numbers made for long carries or at the edges of the group and of the words, and in batches that
// leave the last warp partly empty.

/** RFC 3526, groups 14 to 16: 2^n − 2^(n−64) − 1 + 2^64·(floor(2^(n−130)·π) + k). */
const K = { 2048: 124476n, 3072: 1690314n, 4096: 240904n };
const WARP = 32;

/** floor(2^bits·π), by Machin's formula with guard bits. */
function scaledPi(bits) {
  const guard = 64n;
  const one = 1n << (BigInt(bits) + guard);
  const arctanOfInverse = (x) => {
    let term = one / x;
    let sum = term;
    for (let n = 3n, sign = -1n; term !== 0n; n += 2n, sign = -sign) {
      term /= x * x;
      sum += (sign * term) / n;
    }
    return sum;
  };
  return (4n * (4n * arctanOfInverse(5n) - arctanOfInverse(239n))) >> guard;
}

/** The prime of a width. */
export function specialModulus(bits) {
  const n = BigInt(bits);
  return (1n << n) - (1n << (n - 64n)) - 1n + (1n << 64n) * (scaledPi(bits - 130) + K[bits]);
}

/** A reproducible generator of numbers: xorshift128+ in 64-bit words. */
export function seeded(seed) {
  const mask = (1n << 64n) - 1n;
  let [a, b] = [BigInt(seed) * 0x9e3779b97f4a7c15n + 1n, 0xd1b54a32d192ed03n];
  const word = () => {
    let x = a & mask;
    a = b;
    x ^= (x << 23n) & mask;
    b = x ^ b ^ (x >> 17n) ^ (b >> 26n);
    return (a + b) & mask;
  };
  const bits = (n) => {
    let x = 0n;
    for (let i = 0; i < n; i += 64) x = (x << 64n) | word();
    return x & ((1n << BigInt(n)) - 1n);
  };
  return {
    bits,
    below: (limit) => bits(limit.toString(2).length + 64) % limit,
    integer: (n) => Number(word() % BigInt(n)),
  };
}

export function hex(x, bytes) {
  return Buffer.from(x.toString(16).padStart(2 * bytes, '0'), 'hex')
    .reverse()
    .toString('hex');
}

const batchHex = (batch, bytes) => (batch.length === 0 ? '-' : batch.map((x) => hex(x, bytes)).join(''));
const u32Hex = (numbers) => numbers.map((n) => hex(BigInt(n), 4)).join('') || '-';

function powModulo(base, exponent, p) {
  let [result, x] = [1n, base % p];
  for (let e = exponent; e > 0n; e >>= 1n) {
    if (e & 1n) result = (result * x) % p;
    x = (x * x) % p;
  }
  return result;
}

function inverseModulo(a, p) {
  let [r0, r1, s0, s1] = [p, a, 0n, 1n];
  while (r1 !== 0n) {
    const q = r0 / r1;
    [r0, r1, s0, s1] = [r1, r0 - q * r1, s1, s0 - q * s1];
  }
  return r0 === 1n ? ((s0 % p) + p) % p : undefined;
}

/** A modulus of one form, and the group's arithmetic on it. */
export function fieldOf(bits, form, p) {
  const canonical = (x) => (x <= p - x ? x : p - x);
  const q = (p - 1n) / 2n;
  return {
    bits,
    form,
    p,
    q,
    bytes: bits / 8,
    mul: (a, b) => canonical((a * b) % p),
    prepare: (a) => canonical((a << BigInt(bits)) % p),
    pow: (a, e) => canonical(powModulo(a, e, p)),
    invert: (a) => canonical(inverseModulo(a, p)),
  };
}

/** Elements of {1..q} with long carries or at an edge: of the group, of words, of the lanes' blocks. */
export function edgeNumbers({ bits, q }) {
  const one = 1n;
  const edges = [one, 2n, q, q - one, q - (one << 64n)];
  for (const bit of [31, 32, 63, 64, 127, 128, 255, 256, 383, 384, 511, 512, bits / 2, bits - 65, bits - 2]) {
    const power = one << BigInt(bit);
    edges.push(power, power - one, power + one);
  }
  const ones = (one << BigInt(bits)) - one;
  // All ones except one word; ones and zeros by words and by blocks.
  for (const word of [0, 1, 3, 4, 7, 8, 15, 16, 31, bits / 64]) edges.push(ones ^ (0xffffffffn << BigInt(32 * word)));
  for (const run of [32, 64, 128, 256, 512]) {
    let pattern = 0n;
    for (let at = 0; at < bits; at += 2 * run) pattern |= ((one << BigInt(run)) - one) << BigInt(at);
    edges.push(pattern, ones ^ pattern);
  }
  return edges.map((x) => x % (q + one) || one);
}

/** `count` elements: edges first, or random. */
function members(field, random, count, kind) {
  const edges = edgeNumbers(field);
  const offset = random.integer(edges.length);
  return Array.from({ length: count }, (_, i) => {
    if (kind === 'edges') return edges[(offset + i) % edges.length];
    return 1n + random.below(field.q);
  });
}

function job(field, tpi, operation, { warps = 2, numbers = [], batches, expected, fault = 'none' }) {
  const head = [
    fault,
    operation,
    field.bits,
    tpi,
    field.form,
    warps,
    hex(field.p, field.bytes),
    numbers.join(',') || '-',
  ];
  return {
    name: `${operation} ${field.bits} bits ${tpi} lanes ${field.form} [${numbers}] ${expected.length}`,
    line: [...head, ...batches].join(' '),
    expected: batchHex(expected, field.bytes),
  };
}

/** Counts that leave the last warp of a shape empty except one number, full, and full except one. */
const counts = (tpi) => {
  const fit = WARP / tpi;
  return [...new Set([1, fit, fit + 1, 3 * fit - 1])].filter((n) => n > 0);
};

/** Products: plain, prepared, permuted. */
export function mulJobs(field, tpi, random, fault = 'none') {
  const jobs = [];
  const add = (operation, more) => jobs.push(job(field, tpi, operation, { fault, ...more }));
  const elements = (batch) => batchHex(batch, field.bytes);
  for (const [kind, count] of [...counts(tpi).map((n) => ['random', n]), ['edges', 64]]) {
    const a = members(field, random, count, kind);
    const b = members(field, random, count, kind);
    const expected = a.map((x, i) => field.mul(x, b[i]));
    add('mul', { numbers: [0], batches: [elements(a), elements(b)], expected });
    add('mul', { numbers: [1], batches: [elements(a), elements(b.map(field.prepare))], expected });
    // Each by itself: squares of extremes.
    if (kind === 'edges')
      add('mul', { numbers: [0], batches: [elements(a), elements(a)], expected: a.map((x) => field.mul(x, x)) });
    add('prepare', { batches: [elements(a)], expected: a.map(field.prepare) });
  }
  const [width, slots, from, to] = [2, 7, 2, 6];
  const a = members(field, random, width * slots, 'random');
  const b = members(field, random, width * slots, 'random');
  const source = [3, 6, 0, 5, 1, 4, 2];
  const expected = Array.from({ length: width * slots }, (_, i) => {
    const slot = Math.floor(i / width);
    return slot < from || slot >= to ? 0n : field.mul(a[source[slot] * width + (i % width)], b[i]);
  });
  const batches = [elements(a), elements(b.map(field.prepare)), u32Hex(source)];
  add('mulGather', { numbers: [1, width, from, to], batches, expected });
  return jobs;
}

/** Powers of every kind. */
export function powJobs(field, tpi, random, exponentBytes = 5, fault = 'none') {
  const jobs = [];
  const add = (operation, more) => jobs.push(job(field, tpi, operation, { fault, ...more }));
  const elements = (batch) => batchHex(batch, field.bytes);
  const exponents = (batch) => batchHex(batch, exponentBytes);
  const top = (1n << BigInt(8 * exponentBytes)) - 1n;
  const count = WARP / tpi + 1;
  const bases = [...members(field, random, count - 1, 'random'), edgeNumbers(field)[2]];
  const secret = [...bases.slice(2).map(() => random.bits(8 * exponentBytes)), 0n, top].slice(-count);
  add('pow', {
    numbers: [exponentBytes],
    batches: [elements(bases), exponents(secret)],
    expected: bases.map((x, i) => field.pow(x, secret[i])),
  });
  for (const width of [1, 3]) {
    const several = [top, random.bits(8 * exponentBytes), 1n].slice(0, width);
    add('powShared', {
      numbers: [exponentBytes, width],
      batches: [elements(bases), exponents(several)],
      expected: bases.flatMap((x) => several.map((e) => field.pow(x, e))),
    });
  }
  for (const digitBits of [3, 6]) {
    const many = [...secret, 1n];
    add('powFixed', {
      numbers: [exponentBytes, digitBits],
      batches: [elements([bases[0]]), exponents(many)],
      expected: many.map((e) => field.pow(bases[0], e)),
    });
  }
  for (const share of [1, 11]) {
    const factors = members(field, random, share, 'random');
    const weights = factors.map(() => random.bits(8 * exponentBytes));
    add('multiExp', {
      numbers: [exponentBytes],
      batches: [elements(factors), exponents(weights)],
      expected: [factors.reduce((product, x, i) => field.mul(product, field.pow(x, weights[i])), 1n)],
    });
  }
  return jobs;
}

/** Inversions and products over batches of all sizes around the fan of the trees. */
export function treeJobs(field, tpi, random, fault = 'none') {
  const jobs = [];
  const add = (operation, more) => jobs.push(job(field, tpi, operation, { fault, ...more }));
  const elements = (batch) => batchHex(batch, field.bytes);
  const invertible = (count, kind) =>
    members(field, random, count, kind).map((x) => (inverseModulo(x, field.p) === undefined ? 1n : x));
  for (const [kind, count] of [
    ['random', 1],
    ['random', 2],
    ['edges', 8],
    ['random', 9],
    ['edges', 73],
  ]) {
    const a = invertible(count, kind);
    const blinding = invertible(1, 'random');
    add('invert', { batches: [elements(a), elements(blinding)], expected: a.map(field.invert) });
  }
  for (const [width, slots] of [
    [1, 0],
    [1, 1],
    [2, 9],
    [3, 70],
  ]) {
    const a = members(field, random, width * slots, 'random');
    const expected = Array.from({ length: width }, (_, e) => a.filter((_, i) => i % width === e).reduce(field.mul, 1n));
    add('product', { numbers: [width], batches: [elements(a)], expected });
  }
  return jobs;
}

/** A modulus of the general form: odd, random, sometimes with leading zeros. */
export function generalModulus(bits, random, leadingZeros = 0) {
  return random.bits(bits - leadingZeros) | 1n | (1n << BigInt(bits - leadingZeros - 1));
}

/** Every operation at every width and lane count. `quick` leaves out jobs that take long under sanitizers. */
export function allJobs({ seed = 1, quick = false } = {}) {
  const random = seeded(seed);
  const jobs = [];
  for (const bits of [2048, 3072, 4096]) {
    const fields = [
      fieldOf(bits, 'special', specialModulus(bits)),
      fieldOf(bits, 'general', specialModulus(bits)),
      fieldOf(bits, 'general', generalModulus(bits, random)),
      fieldOf(bits, 'general', generalModulus(bits, random, 70)),
    ];
    for (const [which, field] of fields.entries()) {
      for (const tpi of [8, 16, 32]) {
        jobs.push(...mulJobs(field, tpi, random));
        if (which === 1 || (quick && which > 0)) continue;
        jobs.push(...powJobs(field, tpi, random, quick ? 3 : 5), ...treeJobs(field, tpi, random));
      }
    }
  }
  // Exponents of the length in use.
  if (!quick) jobs.push(...powJobs(fieldOf(4096, 'special', specialModulus(4096)), 8, random, 32));
  return jobs;
}

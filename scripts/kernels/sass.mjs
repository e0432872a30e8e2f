// Reads machine code from a cubin without a disassembler: an ELF file with instructions of 128 bits (sm_70 on) in its .text.*
// sections, the operation in the lowest 12 bits. Enough to count issued instructions: loops are the backward branches.
const BRANCH = 0x947;
const NOP = 0x918;
/** IMAD.WIDE with registers; the low byte is the operation, the rest gives the place of the operands. */
const WIDE = 0x25;
const SHUFFLES = new Set([0x389, 0x589, 0x989, 0xf89]);

/** Functions of a cubin: name and instructions, each as {low, high} of 64 bits. */
export function functionsOf(cubin) {
  if (cubin.readUInt32BE(0) !== 0x7f454c46 || cubin[4] !== 2) throw new Error('not a 64-bit ELF file');
  const at = Number(cubin.readBigUInt64LE(0x28));
  const [size, count, nameIndex] = [0x3a, 0x3c, 0x3e].map((offset) => cubin.readUInt16LE(offset));
  const section = (i) => {
    const base = at + i * size;
    return {
      name: cubin.readUInt32LE(base),
      offset: Number(cubin.readBigUInt64LE(base + 24)),
      length: Number(cubin.readBigUInt64LE(base + 32)),
    };
  };
  const names = section(nameIndex);
  return Array.from({ length: count }, (_, i) => section(i)).flatMap(({ name, offset, length }) => {
    const start = names.offset + name;
    const text = cubin.toString('latin1', start, cubin.indexOf(0, start));
    if (!text.startsWith('.text.')) return [];
    const code = Array.from({ length: length / 16 }, (_, k) => ({
      low: cubin.readBigUInt64LE(offset + 16 * k),
      high: cubin.readBigUInt64LE(offset + 16 * k + 8),
    }));
    return [{ name: text.slice('.text.'.length), code }];
  });
}

const operation = ({ low }) => Number(low & 0xfffn);
export const isWide = (instruction) => (operation(instruction) & 0xff) === WIDE && operation(instruction) !== 0x825;
export const isShuffle = (instruction) => SHUFFLES.has(operation(instruction));

/** Target of a branch at index k: a signed count of 4-byte units from the next instruction, in two parts. */
function branchTarget({ low, high }, k) {
  const raw = ((((low >> 34n) | ((high & 0x3ffffn) << 30n)) << 8n) | ((low >> 16n) & 0xffn)) & ((1n << 56n) - 1n);
  return k + 1 + Number(BigInt.asIntN(56, raw)) / 4;
}

/** A function's instructions without the padding, and its loops as {from, to}, both inclusive. */
export function loopsOf(code) {
  const loops = [];
  let end = code.length;
  for (const [k, instruction] of code.entries()) {
    if (operation(instruction) !== BRANCH) continue;
    const target = branchTarget(instruction, k);
    // A branch to itself ends a function; the rest is padding.
    if (target === k) {
      end = k;
      break;
    }
    if (target >= 0 && target < k) loops.push({ from: target, to: k });
  }
  while (end > 0 && operation(code[end - 1]) === NOP) end--;
  return { end, loops };
}

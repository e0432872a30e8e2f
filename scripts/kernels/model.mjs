// The instruction-count model: how many instructions a warp issues for each wide multiply-add (32 × 32 bits, 64 added) that the
// arithmetic needs, counted from the machine code of kernels with one multiplication or one squaring. Loop bodies count as often
// as they run: a body's number of wide multiply-adds must divide the loop's total, or the count is refused. The same kernel
// without either is subtracted.
import { readFileSync } from 'node:fs';
import { functionsOf, isShuffle, isWide, loopsOf } from './sass.mjs';

const HELD = ['nothing', 'multiply', 'square'];
/** Instructions of NVIDIA's CGBN per wide multiply-add of a 4096-bit multiplication, by lanes; a squaring costs it the same. */
export const CGBN = { 8: 1.4, 16: 1.76, 32: 2.43 };

/** Limbs a lane and lanes in use, as in kernels/shape.h. */
function shapeOf(bits, tpi) {
  const limbs = bits / 32;
  const perLane = Math.ceil(Math.ceil(limbs / tpi) / 2) * 2;
  return { perLane, blocks: limbs / perLane };
}

/** Wide multiply-adds per lane in the source. */
function wideOf(held, bits, tpi) {
  const { perLane, blocks } = shapeOf(bits, tpi);
  const block = perLane * perLane;
  if (held === 'nothing') return 0;
  if (held === 'multiply' || perLane <= 2) return 2 * blocks * block;
  // Half of the steps add a pair, the last one the diagonal; a row or two of single bits at the end.
  const diagonal = perLane >= 8 && blocks <= 8 ? (perLane * (perLane + 1)) / 2 + perLane : block;
  return blocks * block + (blocks / 2) * block + diagonal + perLane;
}

function countOne({ name, code }) {
  const [, bits, tpi, which] = /holdILi(\d+)ELi(\d+)EL.*?HeldE(\d)/.exec(name) ?? [];
  const held = HELD[Number(which)];
  if (!held) throw new Error(`kernel ${name}: not one of the model's`);
  const { end, loops } = loopsOf(code);
  const wide = code.slice(0, end).filter(isWide).length;
  const needed = wideOf(held, Number(bits), Number(tpi));
  if (held === 'nothing') return { bits: Number(bits), tpi: Number(tpi), held, issued: end, wide: needed, shuffles: 0 };
  if (loops.length > 1) throw new Error(`kernel ${name}: ${loops.length} loops, one was expected`);
  const [loop] = loops;
  const body = loop ? code.slice(loop.from, loop.to + 1) : [];
  const inBody = body.filter(isWide).length;
  const trips = loop ? (needed - (wide - inBody)) / inBody : 1;
  if (!Number.isInteger(trips) || trips < 1) {
    throw new Error(
      `kernel ${name}: ${inBody} wide multiply-adds in the loop and ${wide - inBody} outside do not make ${needed}`,
    );
  }
  const times = (all, inside) => all + (trips - 1) * inside;
  const shuffles = times(code.slice(0, end).filter(isShuffle).length, body.filter(isShuffle).length);
  return { bits: Number(bits), tpi: Number(tpi), held, issued: times(end, body.length), wide: needed, shuffles };
}

/**
 * Reads a cubin of kernels/dev/model.cu: the instructions that a multiplication and a squaring issue, for each width and number
 * of lanes. `perWide` of both is relative to the multiplication's wide multiply-adds, so that their ratio is `squareToMultiply`.
 */
export function instructionModel(cubinPath) {
  const counted = functionsOf(readFileSync(cubinPath)).map(countOne);
  const find = (bits, tpi, held) => counted.find((one) => one.bits === bits && one.tpi === tpi && one.held === held);
  return counted
    .filter(({ held }) => held === 'multiply')
    .map(({ bits, tpi, issued, wide, shuffles }) => {
      const empty = find(bits, tpi, 'nothing');
      const square = find(bits, tpi, 'square');
      if (!empty || !square) throw new Error(`no full set of kernels at ${bits} bits, ${tpi} lanes`);
      const multiply = issued - empty.issued;
      const squared = square.issued - empty.issued;
      return {
        bits,
        tpi,
        multiply: { issued: multiply, wide, shuffles, perWide: multiply / wide },
        square: { issued: squared, wide: square.wide, shuffles: square.shuffles, perWide: squared / wide },
        squareToMultiply: squared / multiply,
        wideSquareToMultiply: square.wide / wide,
      };
    })
    .sort((x, y) => x.bits - y.bits || x.tpi - y.tpi);
}

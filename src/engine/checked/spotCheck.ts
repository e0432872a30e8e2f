// Is a card right? One element of a result, chosen at random, is computed again on the CPU; of an operation whose result is one
// element, all of it. A card with a broken memory or a driver's bug is found after a few results, not after a lost round.
import type { Group } from '../../math/index.js';
import type { DeviceRequest } from '../cuda/calls.js';
import type { ExecuteOptions, Executor } from './request.js';

/** True where the chosen element of `request.out` is what `cpu` makes of the same inputs. */
export async function isRight(
  group: Group,
  cpu: Executor,
  request: DeviceRequest,
  options: ExecuteOptions,
  random: () => number,
): Promise<boolean> {
  const element = group.elementBytes;
  const results = request.out.length / element;
  if (results === 0) return true;
  const index = Math.floor(random() * results);
  const whole = request.op === 'product' || request.op === 'multiExp';
  const expected = new Uint8Array(new SharedArrayBuffer(whole ? request.out.length : element));
  const actual = whole ? request.out : request.out.subarray(index * element, (index + 1) * element);
  await cpu.execute(oneOf(group, request, index, expected), options);
  return Buffer.compare(expected, actual) === 0;
}

/** The request for result element `index` alone, which goes to `out`. */
function oneOf(group: Group, request: DeviceRequest, index: number, out: Uint8Array): DeviceRequest {
  const element = group.elementBytes;
  const at = (batch: Uint8Array, i: number) => batch.subarray(i * element, (i + 1) * element);
  switch (request.op) {
    case 'mul':
      return { ...request, a: at(request.a, index), b: { ...request.b, data: at(request.b.data, index) }, out };
    case 'mulGather': {
      const { a, b, source, width } = request;
      const from = source[Math.floor(index / width)]! * width + (index % width);
      return { op: 'mul', a: at(a, from), b: { ...b, data: at(b.data, index) }, out };
    }
    case 'invertBatch':
      return { ...request, a: at(request.a, index), out };
    case 'pow':
    case 'powFixed':
    case 'powShared': {
      const { exponents, exponentBytes } = request;
      const exponent = (i: number) => exponents.subarray(i * exponentBytes, (i + 1) * exponentBytes);
      if (request.op === 'powFixed') return { ...request, exponents: exponent(index), out };
      if (request.op === 'pow') return { ...request, bases: at(request.bases, index), exponents: exponent(index), out };
      const width = exponents.length / exponentBytes;
      const base = at(request.bases, Math.floor(index / width));
      return { ...request, bases: base, exponents: exponent(index % width), out };
    }
    default:
      return { ...request, out };
  }
}

// The group: named primes, batches, uniform samples.
export { absolute, invert, multiply, power } from './arithmetic.js';
export {
  allocateBatch,
  allocateElements,
  bigintToBytes,
  bytesToBigint,
  CHECK_SLICE,
  checkElements,
  checkElementsInTurns,
  checkWidth,
  countElements,
  elementAt,
  readElement,
  SLOTS_MAX,
  scanElements,
  toBatch,
  toBigints,
  WIDTH_MAX,
  writeElement,
} from './batch.js';
export {
  GROUP_NAMES,
  type Group,
  type GroupName,
  groupOfBits,
  knownGroup,
  namedGroup,
  TEST_GROUP_NAMES,
} from './group.js';
export { hashIntoElement, randomElements, randomExponents, randomScalar } from './sampling.js';

// The group: named primes, batches, uniform samples.
export { absolute, invert, multiply, power } from './arithmetic.js';
export {
  allocateBatch,
  allocateElements,
  batchOf,
  bigintToBytes,
  bytesToBigint,
  CHECK_SLICE,
  checkElements,
  checkElementsInTurns,
  checkWidth,
  countElements,
  elementOf,
  elementsOf,
  readElement,
  SLOTS_MAX,
  scanElements,
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

// Batched arithmetic in the group: one interface, and the engines behind it.
export {
  ENGINE_NAMES,
  type Engine,
  type EngineName,
  type FixedBase,
  type Prepared,
  type WorkOptions,
} from './engine.js';
export { type NativeLibrary, type NativePath, native } from './kernels/native/library.js';
export { type Address, toAddress } from './kernels/openssl/library.js';
export { cudaEngine, degradedBy, openEngine, referenceEngine } from './open.js';
export { findOperation, OPERATIONS, type OperandKind, type OperationName } from './operations.js';
export { QUEUE_LIMIT } from './pool/executor.js';
export { probeEngines } from './probe.js';

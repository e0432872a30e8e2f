// The public interface of the package.
export { type ErrorCode, MixError } from './base/errors.js';
export type { Engine, FixedBase, Prepared } from './engine/engine.js';
export { openEngine } from './engine/open.js';
export { type Group, namedGroup } from './math/group.js';

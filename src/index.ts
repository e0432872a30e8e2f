// The public interface of the package.
export { type ErrorCode, MixError } from './base/errors.js';
export { type Group, namedGroup } from './math/group.js';

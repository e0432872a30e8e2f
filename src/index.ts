// The public interface of the package.
export { type ErrorCode, MixError } from './base/index.js';
export {
  Client,
  type ClientOptions,
  type DeliveryOptions,
  type MessageOutcome,
  type OutgoingMessage,
  Sender,
  type VerifiedOutputs,
} from './client/index.js';
export { type Engine, type FixedBase, openEngine, type Prepared } from './engine/index.js';
export { type Group, namedGroup } from './math/index.js';
export { loadConfig, loadMembership, type NodeConfig, type RunningNode, startNode } from './node/index.js';
export { type Member, Membership } from './protocol/index.js';

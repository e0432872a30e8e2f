// The public interface of the package.
export { type ErrorCode, MixError } from './base/errors.js';
export { Client, type ClientOptions, type VerifiedOutputs } from './client/client.js';
export { type OutgoingMessage, Sender } from './client/compose.js';
export type { DeliveryOptions, Fate } from './client/delivery.js';
export type { Engine, FixedBase, Prepared } from './engine/engine.js';
export { openEngine } from './engine/open.js';
export { type Group, namedGroup } from './math/group.js';
export { type RunningNode, startNode } from './node/node.js';
export { loadConfig, loadMembership, type NodeConfig } from './node/settings/nodeConfig.js';
export { type Member, Membership } from './protocol/membership.js';

// Decides which nodes mix which round, and when: the pool of nodes, the rounds in stock, and the feed to the nodes.
export type { SchedulerView } from './machine/state.js';
export { checkParams, DEFAULT_PARAMS, type SchedulerParams } from './parameters.js';
export type { NodeSpan, RoundRow } from './records.js';
export { Scheduler } from './scheduler.js';
export { SchedulerStore } from './store.js';

// One round on one node, and all rounds of it.
export { RoundDirectory } from './directory.js';
export { DEFAULT_RETRY } from './exchange/retryingSender.js';
export { LinkCare } from './exchange/warmUp.js';
export { RoundLog } from './journal.js';
export { isOver } from './machine/admission.js';
export { phaseMs } from './machine/deadlines.js';
export { RoundRunner, type RunnerDeps } from './manager.js';
export { solve } from './submissions/admission.js';
export type { Submission } from './submissions/desk.js';
export { REGISTER_MAX, RegistrationDesk } from './submissions/registration.js';
export { SenderRegistry } from './submissions/senderRegistry.js';

// The rounds of one node.
export { RoundDirectory } from './directory.js';
export { DEFAULT_RETRY } from './exchange/retryingSender.js';
export { LinkWarmUp } from './exchange/warmUp.js';
export { RoundJournal } from './journal.js';
export { isOver } from './machine/admission.js';
export { phaseMs } from './machine/deadlines.js';
export { RoundManager, type RoundManagerDeps } from './manager.js';
export { solve } from './submissions/admission.js';
export type { Submission } from './submissions/desk.js';
export { REGISTER_MAX, RegistrationDesk } from './submissions/registration.js';
export { SenderRegistry } from './submissions/senderRegistry.js';

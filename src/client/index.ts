// Senders and receivers: messages are sent, followed to their end, and verified.
export { Client, type ClientOptions, type VerifiedOutputs } from './client.js';
export { type OutgoingMessage, Sender } from './compose.js';
export type { DeliveryOptions, MessageOutcome } from './delivery.js';

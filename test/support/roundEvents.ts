// Events of a round's state machine, made by hand: messages without a signature, and trailers with a root alone.
import type { BatchPhase } from '../../src/protocol/batchPhases.js';
import type { TeamMessage } from '../../src/protocol/teamMessages.js';
import type { BatchEnd, Proposal, RoundEvent, Said } from '../../src/round/machine/state.js';

const none = new Uint8Array(0);
export const noProposal: Proposal = { table: [], payloads: [] };

/** A member's message, as the inbox has checked it. */
export const heard = (from: number, message: TeamMessage): RoundEvent =>
  message.kind === 'tableProposal'
    ? { type: 'proposed', from, message, signature: none, proposal: noProposal }
    : { type: 'said', from, message, signature: none };

/** A batch that has arrived. */
export const batchIn = (phase: BatchPhase, from: number, root: Uint8Array = none): RoundEvent => ({
  type: 'batchIn',
  phase,
  from,
  trailer: { root, extra: none, signature: none },
});

/** Messages of a kind by position, each with the value that comparisons use; undefined for none. */
export const saying = (kind: TeamMessage['kind'], ...says: (string | undefined)[]): readonly (Said | undefined)[] =>
  says.map((one) => (one === undefined ? undefined : { message: messages[kind], signature: none, says: one }));

/** Trailers by position; undefined for a batch that has not arrived. */
export const ends = (...roots: (string | undefined)[]): readonly (BatchEnd | undefined)[] =>
  roots.map((root) =>
    root === undefined
      ? undefined
      : { root, trailer: { root: none, extra: none, signature: none }, opening: undefined },
  );

const messages: { readonly [K in TeamMessage['kind']]: TeamMessage & { kind: K } } = {
  keyShare: { kind: 'keyShare', share: none },
  sharesDigest: { kind: 'sharesDigest', digest: none },
  commitment: { kind: 'commitment', cipherDigest: none, revealSignature: none, commitment: none },
  tableProposal: { kind: 'tableProposal', digest: none, table: none },
  tableVerdict: { kind: 'tableVerdict', proposalDigest: none, proposalSignature: none, rejections: [] },
  tableSignature: { kind: 'tableSignature', digest: none },
  mixCommit: { kind: 'mixCommit', digest: none },
  outputSignature: { kind: 'outputSignature', digest: none },
  roundError: { kind: 'roundError', code: 'INTERNAL', culprit: undefined, detail: '' },
};

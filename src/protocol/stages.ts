// The stages that a round goes through on each node, and its phases as an operator may see them.

export const STAGES = ['PENDING', 'PRECOMPUTING', 'STANDBY', 'QUEUED', 'REALTIME', 'COMPLETED', 'FAILED'] as const;
export type Stage = (typeof STAGES)[number];

/** What an operator may see of a round: no slot, no sender, no time of a single message. */
export const PHASES = [
  'generate',
  'precompDecrypt',
  'precompPermute',
  'reveal',
  'realtimeDecrypt',
  'realtimePermute',
  'identify',
] as const;
export type PhaseName = (typeof PHASES)[number];

// Stages of a round on each node, and the names of its phases for operators. Apart from batchPhases.ts, which lists the batches that
// travel.

export const STAGES = ['PENDING', 'PRECOMPUTING', 'STANDBY', 'QUEUED', 'REALTIME', 'COMPLETED', 'FAILED'] as const;
export type Stage = (typeof STAGES)[number];

/** Phases as operators see them: no slot, no sender, no time of a single message. */
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

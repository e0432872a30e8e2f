// Messages and rules that all parties share, without state: members, RoundInfo, stages and phases, team messages, evidence, outcomes,
// sortition, ports.
export {
  BATCH_PHASES,
  type BatchPhase,
  encodeOpening,
  isRealtime,
  listReceivers,
  type OpeningExtra,
  phaseElements,
  sendsPhase,
} from './batchPhases.js';
export {
  decodeEvidence,
  EVIDENCE_BYTES_MAX,
  type Evidence,
  encodeEvidence,
  statementsIn,
  verifyEvidence,
} from './evidence.js';
export { checkFloors, NO_FLOORS, type RoundFloors, SAFE_FLOORS } from './floors.js';
export {
  type BatchHeader,
  type BatchSink,
  type BatchSource,
  type CirclePing,
  CLAIMS_MAX,
  type Claim,
  type ClaimRejection,
  type Link,
  type LinkProbe,
  type LinkReceiver,
} from './link.js';
export {
  certificateFingerprint,
  type Member,
  Membership,
  pinnedCertificates,
  plainFingerprint,
  readCertificate,
} from './membership.js';
export { isAbsent, judgeOutcomes, type Outcome } from './outcome.js';
export {
  checkRoundInfo,
  chunkCount,
  chunkRange,
  isSignedBy,
  memberAt,
  type RoundDeadlines,
  type RoundFacts,
  type RoundInfo,
  ringEntry,
  roundDigest,
  type SignedRoundInfo,
  signRoundInfo,
  TEAM_SIZE_MAX,
  TEAM_SIZE_MIN,
  type TeamMember,
} from './roundInfo.js';
export {
  type FailureReport,
  isSignedUpdate,
  type NodeReport,
  type RoundUpdate,
  type SchedulerPort,
  type SignedUpdate,
  signUpdate,
} from './schedulerPort.js';
export { drawTeam, teamKey } from './sortition.js';
export { PHASES, type PhaseName, STAGES, type Stage } from './stages.js';
export {
  checkMessage,
  checkTrailer,
  decodeFields,
  decodeStatement,
  encodeFields,
  encodeStatement,
  isLocal,
  isStatement,
  messageStatement,
  type PublicFacts,
  proposalStatement,
  readClaim,
  revealStatement,
  STATEMENT_KINDS,
  type Statement,
  shareContext,
} from './statements.js';
export {
  type BatchTrailer,
  isSaidBy,
  messageDigest,
  type SignedTeamMessage,
  signTrailer,
  type TeamMessage,
  type TeamMessageKind,
  trailerDigest,
} from './teamMessages.js';

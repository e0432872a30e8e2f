// Codec of RoundInfos, scheduler updates and node reports. protocol/roundInfo.ts checks the ranges of a RoundInfo; here every field gets
// its type, or the message is refused.
import { isBootId, isErrorCode, isNodeId, isRoundId, type NodeId } from '../base/index.js';
import { SIGNATURE_BYTES } from '../cmix/index.js';
import type { GroupName } from '../math/index.js';
import {
  checkRoundInfo,
  EVIDENCE_BYTES_MAX,
  type FailureReport,
  type NodeReport,
  PHASES,
  type PhaseName,
  type RoundInfo,
  type RoundUpdate,
  type SignedRoundInfo,
  type SignedUpdate,
  STAGES,
  type Stage,
} from '../protocol/index.js';
import { asBytes, fixed, malformed, require_ } from '../transport/index.js';
import type {
  NodeReport__Output,
  NodeReport as WireReport,
} from '../transport/proto/generated/millrace/v1/NodeReport.js';
import type { RoundTrip__Output } from '../transport/proto/generated/millrace/v1/RoundTrip.js';
import type {
  SignedRoundInfo__Output,
  SignedRoundInfo as WireRound,
} from '../transport/proto/generated/millrace/v1/SignedRoundInfo.js';
import type { StageReport__Output } from '../transport/proto/generated/millrace/v1/StageReport.js';
import type { Update__Output, Update as WireUpdate } from '../transport/proto/generated/millrace/v1/Update.js';

const EMPTY = new Uint8Array(0);
const TEXT_MAX = 1_000;
/** Most members in one report, and the longest round trip, ms. */
const MEMBERS_MAX = 10_000;
const ROUND_TRIP_MS_MAX = 600_000;

const isPhase = (name: string): name is PhaseName => (PHASES as readonly string[]).includes(name);

export function encodeRound({ info, signature }: SignedRoundInfo): WireRound {
  return { ...info, team: [...info.team], signature };
}

/** @throws MixError MESSAGE_MALFORMED, ROUND_INFO_INVALID, GROUP_UNKNOWN */
export function decodeRound(wire: SignedRoundInfo__Output): SignedRoundInfo {
  const { network, membership, slots, width, chunkSlots, exponentBytes, minSenders, quotaPerSender, deadlines } = wire;
  require_(isRoundId(wire.round), 'round');
  require_(wire.team.every(isNodeId), 'team');
  require_(deadlines !== null, 'deadlines');
  const { precomputeMs, standbyMs, collectMs, realtimeMs, precomputePhaseMs, realtimePhaseMs } = deadlines;
  const info: RoundInfo = {
    network,
    round: wire.round,
    membership,
    team: wire.team.filter(isNodeId),
    group: wire.group as GroupName,
    slots,
    width,
    chunkSlots,
    exponentBytes,
    minSenders,
    quotaPerSender,
    deadlines: { precomputeMs, standbyMs, collectMs, realtimeMs, precomputePhaseMs, realtimePhaseMs },
  };
  checkRoundInfo(info);
  return { info, signature: fixed(wire.signature, SIGNATURE_BYTES, 'signature') };
}

export function encodeUpdate({ number, signature, update }: SignedUpdate): WireUpdate {
  switch (update.kind) {
    case 'open':
      return { number, signature, open: encodeRound(update.round) };
    case 'assign':
      return { number, signature, assign: { round: update.round } };
    case 'fail':
      return { number, signature, fail: { round: update.round, reason: update.reason } };
  }
}

/** @throws MixError MESSAGE_MALFORMED, ROUND_INFO_INVALID */
export function decodeUpdate(wire: Update__Output): SignedUpdate {
  require_(Number.isSafeInteger(wire.number) && wire.number > 0, 'update number');
  const signature = fixed(wire.signature, SIGNATURE_BYTES, 'signature');
  return { number: wire.number, signature, update: decodeChange(wire) };
}

function decodeChange(wire: Update__Output): RoundUpdate {
  if (wire.update === 'open') return { kind: 'open', round: decodeRound(wire.open!) };
  const kind = wire.update;
  if (kind === undefined) throw malformed('update');
  const { round, reason } = wire[kind]!;
  require_(isRoundId(round), 'round');
  require_(reason.length <= TEXT_MAX, 'reason');
  return kind === 'assign' ? { kind, round } : { kind, round, reason };
}

export function encodeReport(report: NodeReport): WireReport {
  switch (report.kind) {
    case 'online': {
      const { bootId, engine, enginePath, openRounds = 0, paused = '' } = report;
      return { online: { bootId, engine, enginePath, openRounds, paused: paused.slice(0, TEXT_MAX) } };
    }
    case 'wanted':
      return { wanted: {} };
    case 'seen': {
      const { last, newest } = report;
      return { seen: { last: encodeUpdate(last), newest: newest ? encodeRound(newest) : null } };
    }
    case 'roundTrips':
      return { roundTrips: { roundTrips: [...report.roundTrips] } };
    case 'progress': {
      const { round, phase, fraction } = report;
      return { progress: { round, phase, fraction } };
    }
    case 'stage': {
      const { round, bootId, stage, failure } = report;
      const { code = '', reporter = '', detail = '' } = failure ?? {};
      const culprit = failure?.culprit ?? failure?.accused ?? '';
      const { copies = 0 } = report;
      const shown = { copies, reporterSignature: failure?.signature ?? EMPTY, evidence: failure?.evidence ?? EMPTY };
      return { stage: { round, bootId, stage, code, culprit, reporter, detail: detail.slice(0, TEXT_MAX), ...shown } };
    }
  }
}

/** `from`: the authenticated node that sends the report; its words in another's name are hearsay. @throws MixError MESSAGE_MALFORMED */
export function decodeReport(from: NodeId, wire: NodeReport__Output): NodeReport {
  switch (wire.report) {
    case 'online': {
      const { bootId, engine, enginePath, openRounds, paused } = wire.online!;
      require_(isBootId(bootId), 'boot id');
      require_(engine.length <= TEXT_MAX && enginePath.length <= TEXT_MAX, 'engine');
      require_(paused.length <= TEXT_MAX, 'paused');
      const said = { ...(openRounds > 0 && { openRounds }), ...(paused !== '' && { paused }) };
      return { kind: 'online', bootId, engine, enginePath, ...said };
    }
    case 'progress': {
      const { round, phase, fraction } = wire.progress!;
      require_(isRoundId(round), 'round');
      require_(isPhase(phase), 'phase');
      require_(fraction >= 0 && fraction <= 1, 'fraction');
      return { kind: 'progress', round, phase, fraction };
    }
    case 'wanted':
      return { kind: 'wanted' };
    case 'seen': {
      const { last, newest } = wire.seen!;
      require_(last !== null, 'last update');
      return { kind: 'seen', last: decodeUpdate(last), newest: newest ? decodeRound(newest) : undefined };
    }
    case 'stage':
      return decodeStage(from, wire.stage!);
    case 'roundTrips': {
      const { roundTrips } = wire.roundTrips!;
      require_(roundTrips.length <= MEMBERS_MAX, 'round trips');
      return { kind: 'roundTrips', roundTrips: roundTrips.map(decodeRoundTrip) };
    }
    default:
      throw malformed('report');
  }
}

function decodeRoundTrip({ peer, ms }: RoundTrip__Output): { readonly peer: NodeId; readonly ms: number } {
  require_(isNodeId(peer), 'peer');
  require_(ms >= 0 && ms <= ROUND_TRIP_MS_MAX, 'ms');
  return { peer, ms };
}

function decodeStage(from: NodeId, wire: StageReport__Output): NodeReport {
  const { round, bootId, stage } = wire;
  require_(isRoundId(round), 'round');
  require_(isBootId(bootId), 'boot id');
  require_((STAGES as readonly string[]).includes(stage), 'stage');
  const copies = wire.copies > 0 ? { copies: wire.copies } : {};
  return { kind: 'stage', round, bootId, stage: stage as Stage, failure: decodeFailure(from, wire), ...copies };
}

function decodeFailure(from: NodeId, wire: StageReport__Output): FailureReport | undefined {
  const { code, culprit, reporter, detail, reporterSignature, evidence } = wire;
  if (code === '') return undefined;
  require_(isErrorCode(code), 'code');
  require_(culprit === '' || isNodeId(culprit), 'culprit');
  require_(isNodeId(reporter), 'reporter');
  require_(detail.length <= TEXT_MAX, 'detail');
  require_(evidence.length <= EVIDENCE_BYTES_MAX, 'evidence');
  const named = culprit === '' ? undefined : culprit;
  const whom = reporter === from ? { culprit: named } : { culprit: undefined, accused: named };
  const signed = reporterSignature.length > 0;
  return {
    code,
    ...whom,
    reporter,
    detail,
    ...(signed ? { signature: fixed(reporterSignature, SIGNATURE_BYTES, 'reporter signature') } : {}),
    ...(evidence.length > 0 ? { evidence: asBytes(evidence) } : {}),
  };
}

// Checks of the arguments of a client's methods: types at run time, before anything is sent or computed. An error names the argument,
// by its place in a list and its field, so that a caller finds it.
import { checkBytes, checkObject, checkText, checkWhole, isRoundId, type RoundId, refuse } from '../base/index.js';
import type { RoundInfo, SignedRoundInfo } from '../protocol/index.js';
import type { Submission } from '../round/index.js';
import { Sender } from './compose.js';

const INFO_TEXTS = ['network', 'group'] as const;
const INFO_NUMBERS = [
  'membership',
  'slots',
  'width',
  'chunkSlots',
  'exponentBytes',
  'minSenders',
  'quotaPerSender',
] as const;
const DEADLINES = [
  'precomputeMs',
  'standbyMs',
  'collectMs',
  'realtimeMs',
  'precomputePhaseMs',
  'realtimePhaseMs',
] as const;

/** An array, each entry of which passes `check`. A hole is an entry. @throws MixError ARGUMENT_INVALID */
function checkList(value: unknown, argument: string, check: (entry: unknown, argument: string) => void): void {
  if (!Array.isArray(value)) refuse(argument, 'an array', value);
  for (const [index, entry] of value.entries()) check(entry, `${argument}[${index}]`);
}

/** @throws MixError ARGUMENT_INVALID */
export function checkRoundId(value: unknown, argument: string): asserts value is RoundId {
  if (!isRoundId(value)) refuse(argument, 'the number of a round', value);
}

/** @throws MixError ARGUMENT_INVALID */
export function checkNodes(value: unknown, argument: string): void {
  checkList(value, argument, checkText);
}

/** @throws MixError ARGUMENT_INVALID */
export function checkSenders(value: unknown, argument: string): asserts value is readonly Sender[] {
  checkList(value, argument, (sender, place) => {
    if (!(sender instanceof Sender)) refuse(place, 'a Sender (see createSender)', sender);
  });
}

/** Types of all fields: their ranges are checked where a RoundInfo comes in. @throws MixError ARGUMENT_INVALID */
export function checkInfo(value: unknown, argument: string): asserts value is RoundInfo {
  checkObject(value, argument);
  const info = value as RoundInfo;
  checkRoundId(info.round, `${argument}.round`);
  checkNodes(info.team, `${argument}.team`);
  if (info.team.length === 0) refuse(`${argument}.team`, 'at least one node', info.team);
  for (const name of INFO_TEXTS) checkText(info[name], `${argument}.${name}`);
  for (const name of INFO_NUMBERS) checkWhole(info[name], `${argument}.${name}`, 0, Number.MAX_SAFE_INTEGER);
  checkObject(info.deadlines, `${argument}.deadlines`);
  for (const name of DEADLINES) {
    checkWhole(info.deadlines[name], `${argument}.deadlines.${name}`, 0, Number.MAX_SAFE_INTEGER);
  }
}

/** @throws MixError ARGUMENT_INVALID */
export function checkSigned(value: unknown, argument: string): asserts value is SignedRoundInfo {
  checkObject(value, argument);
  const { info, signature } = value as SignedRoundInfo;
  checkInfo(info, `${argument}.info`);
  checkBytes(signature, `${argument}.signature`);
}

/** Types only: a node checks lengths and values, and answers for each submission by itself. @throws MixError ARGUMENT_INVALID */
export function checkSubmission(value: unknown, argument: string): asserts value is Submission {
  checkObject(value, argument);
  const { sender, salt, payload, macs } = value as Submission;
  checkText(sender, `${argument}.sender`);
  checkBytes(salt, `${argument}.salt`);
  checkBytes(payload, `${argument}.payload`);
  checkList(macs, `${argument}.macs`, checkBytes);
}

/** @throws MixError ARGUMENT_INVALID */
export function checkSubmissions(value: unknown, argument: string): asserts value is readonly Submission[] {
  checkList(value, argument, checkSubmission);
}

/** @throws MixError ARGUMENT_INVALID */
export function checkFunction(value: unknown, argument: string): void {
  if (typeof value !== 'function') refuse(argument, 'a function', value);
}

// Original file: src/transport/proto/millrace.proto

import type { KeyShare as _millrace_v1_KeyShare, KeyShare__Output as _millrace_v1_KeyShare__Output } from './KeyShare.js';
import type { DigestStatement as _millrace_v1_DigestStatement, DigestStatement__Output as _millrace_v1_DigestStatement__Output } from './DigestStatement.js';
import type { Commitment as _millrace_v1_Commitment, Commitment__Output as _millrace_v1_Commitment__Output } from './Commitment.js';
import type { TableProposal as _millrace_v1_TableProposal, TableProposal__Output as _millrace_v1_TableProposal__Output } from './TableProposal.js';
import type { TableVerdict as _millrace_v1_TableVerdict, TableVerdict__Output as _millrace_v1_TableVerdict__Output } from './TableVerdict.js';
import type { RoundError as _millrace_v1_RoundError, RoundError__Output as _millrace_v1_RoundError__Output } from './RoundError.js';
import type { Long } from '@grpc/proto-loader';

export interface TeamEnvelope {
  'round'?: (number | string | Long);
  'from'?: (string);
  'signature'?: (Buffer | Uint8Array | string);
  'keyShare'?: (_millrace_v1_KeyShare | null);
  'sharesDigest'?: (_millrace_v1_DigestStatement | null);
  'commitment'?: (_millrace_v1_Commitment | null);
  'tableProposal'?: (_millrace_v1_TableProposal | null);
  'tableVerdict'?: (_millrace_v1_TableVerdict | null);
  'tableSignature'?: (_millrace_v1_DigestStatement | null);
  'mixCommit'?: (_millrace_v1_DigestStatement | null);
  'outputSignature'?: (_millrace_v1_DigestStatement | null);
  'roundError'?: (_millrace_v1_RoundError | null);
  'message'?: "keyShare"|"sharesDigest"|"commitment"|"tableProposal"|"tableVerdict"|"tableSignature"|"mixCommit"|"outputSignature"|"roundError";
}

export interface TeamEnvelope__Output {
  'round': (number);
  'from': (string);
  'signature': (Buffer);
  'keyShare'?: (_millrace_v1_KeyShare__Output | null);
  'sharesDigest'?: (_millrace_v1_DigestStatement__Output | null);
  'commitment'?: (_millrace_v1_Commitment__Output | null);
  'tableProposal'?: (_millrace_v1_TableProposal__Output | null);
  'tableVerdict'?: (_millrace_v1_TableVerdict__Output | null);
  'tableSignature'?: (_millrace_v1_DigestStatement__Output | null);
  'mixCommit'?: (_millrace_v1_DigestStatement__Output | null);
  'outputSignature'?: (_millrace_v1_DigestStatement__Output | null);
  'roundError'?: (_millrace_v1_RoundError__Output | null);
  'message'?: "keyShare"|"sharesDigest"|"commitment"|"tableProposal"|"tableVerdict"|"tableSignature"|"mixCommit"|"outputSignature"|"roundError";
}

// The protocol's pure part: keys, ElGamal, proofs, permutations, message coding.

export { encryptBatch, encryptionHeads, joinCipher, splitCipher } from './elgamal.js';
export { batchLeaves, batchRootInTurns, rootOfLeaves } from './merkle.js';
export { codeId, dummySalt, encodeDummy, encodeMessage, messageCapacity } from './messageCoding.js';
export { checkDummies, type DecodedOutputs, decodeOutputs, outputDigest } from './outputs.js';
export { randomPermutation } from './permutation.js';
export {
  decryptionShares,
  precompDecrypt,
  precompPermute,
  realtimeDecrypt,
  realtimePermute,
  unblind,
} from './phases.js';
export {
  type DecryptionProof,
  decodeDecryptionProof,
  decodeKeyShare,
  encodeDecryptionProof,
  encodeKeyShare,
  type ShareContext,
} from './proofs/codec.js';
export { NONCE_BYTES, openCommitment, shareCommitment } from './proofs/commitment.js';
export { generatorElement, proveDecryption, verifyDecryption } from './proofs/proofs.js';
export {
  blindMessage,
  deriveSenderId,
  EpochKey,
  MAC_BYTES,
  payloadDigest,
  SALT_BYTES,
  SenderKey,
  SenderSecret,
  slotKeys,
  submissionMac,
  verifyMac,
} from './senderKeys.js';
export { deriveNodeId, SIGNATURE_BYTES, SigningKey, verifySignature } from './signatures.js';
export {
  applyRejections,
  decodeTable,
  encodedTableDigest,
  encodeTable,
  REJECTION_REASONS,
  type RejectionReason,
  type SlotEntry,
  type SlotRejection,
  type SlotTable,
  submissionKey,
  TableJudge,
  tableDigest,
} from './slotTable.js';
export { combineTeamKey, createKeyShare, keyShareListDigest, verifyKeyShare } from './teamKey.js';

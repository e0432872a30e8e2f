// What a round takes in from its team: every message and batch is checked here before the state machine hears of it. Who
// says a thing twice must say the same thing; a message comes only when it can; signatures, proofs, roots and openings
// are verified. What is wrong goes back to its sender as an error, and ends the round where it cannot go on.
import { equalBytes, toHex } from '../base/bytes.js';
import { asMixError, type ErrorCode, MixError } from '../base/errors.js';
import type { NodeId } from '../base/ids.js';
import { openCommitment } from '../cmix/commitment.js';
import { verifySignature } from '../cmix/signatures.js';
import { decodeTable, encodedTableDigest } from '../cmix/slotTable.js';
import { decodeKeyShare, verifyKeyShare } from '../cmix/teamKey.js';
import { refusal } from './admission.js';
import { type BatchPhase, sendsPhase } from './batchPhases.js';
import type { BatchHeader, BatchSink } from './link.js';
import { decodeOpening } from './opening.js';
import type { Precompute } from './precompute.js';
import type { Realtime } from './realtime.js';
import { blame, type RoundContext } from './roundContext.js';
import type { RoundEvent, RoundState } from './roundState.js';
import {
  type BatchTrailer,
  isSaidBy,
  messageDigest,
  type SignedTeamMessage,
  type TeamMessage,
  trailerDigest,
} from './teamMessages.js';

export interface IntakeDeps {
  readonly round: RoundContext;
  readonly precompute: Precompute;
  readonly realtime: Realtime;
  readonly state: () => RoundState;
  readonly dispatch: (event: RoundEvent) => void;
}

const EMPTY = new Uint8Array(0);

/** Trouble of this node's own: what a peer sent is not to blame for it. */
const isLocal = (code: ErrorCode): boolean =>
  code === 'INTERNAL' || code === 'BUFFER_OVERLAP' || code.startsWith('ENGINE_') || code.startsWith('HANDLE_');

export class Intake {
  readonly #deps: IntakeDeps;
  /** Every message heard, by kind and position: its digest and signature. */
  readonly #heard = new Map<string, SignedTeamMessage & { readonly digest: string }>();
  readonly #trailers = new Map<BatchPhase, BatchTrailer>();

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
  }

  /** What `position` said of this kind, if it was heard. */
  heard<K extends TeamMessage['kind']>(
    kind: K,
    position: number,
  ): (SignedTeamMessage & { message: TeamMessage & { kind: K } }) | undefined {
    return this.#heard.get(`${kind}/${position}`) as never;
  }

  /** Node 1's signature under the C that it revealed to us. */
  get revealSignature(): Uint8Array | undefined {
    return this.#trailers.get('reveal')?.signature;
  }

  /** Notes what this node itself says. */
  note(signed: SignedTeamMessage): void {
    const digest = toHex(messageDigest(this.#deps.round.facts.digest, signed.from, signed.message));
    this.#heard.set(`${signed.message.kind}/${this.#position(signed.from)}`, { ...signed, digest });
  }

  /** A team member's message. Resolves when it was taken (also: when it was heard before). @throws MixError */
  async onMessage(from: NodeId, signed: SignedTeamMessage): Promise<void> {
    const { facts } = this.#deps.round;
    const position = this.#position(from);
    const { message } = signed;
    if (signed.from !== from || position === facts.position)
      throw new MixError('PHASE_SENDER_WRONG', { kind: message.kind });
    const digest = toHex(messageDigest(facts.digest, from, message));
    const before = this.#heard.get(`${message.kind}/${position}`);
    if (before?.digest === digest) return;
    if (!isSaidBy(facts.publicKeys[position]!, facts.digest, from, message, signed.signature)) {
      throw new MixError('SIGNATURE_INVALID', { kind: message.kind });
    }
    // A second round error says nothing new, whatever it says.
    if (before && message.kind === 'roundError') return;
    if (before) throw this.#fault(blame('EQUIVOCATION', position, message.kind));
    const refused = refusal(this.#deps.state(), message.kind, position);
    if (refused) throw new MixError(refused, { kind: message.kind, stage: this.#deps.state().stage });
    this.#heard.set(`${message.kind}/${position}`, { ...signed, digest });
    try {
      await this.#verify(position, message);
    } catch (thrown) {
      throw this.#fault(asMixError(thrown), position);
    }
    this.#deps.dispatch({ type: 'said', from: position, message });
  }

  async #verify(position: number, message: TeamMessage): Promise<void> {
    const { facts, ports } = this.#deps.round;
    const { info, group, digest } = facts;
    switch (message.kind) {
      case 'keyShare': {
        const share = decodeKeyShare(group, info.width, message.share);
        await verifyKeyShare(ports.engine, share, this.#deps.precompute.shareContext(position));
        this.#deps.precompute.keepKeyShare(position, share);
        return;
      }
      case 'commitment': {
        const evidence = trailerDigest(digest, info.team[0]!, 'reveal', message.cipherDigest, EMPTY);
        if (!verifySignature(facts.publicKeys[0]!, evidence, message.revealSignature))
          throw blame('SIGNATURE_INVALID', position);
        return;
      }
      case 'tableProposal': {
        const table = decodeTable(message.table, { slots: info.slots, teamSize: info.team.length });
        if (!equalBytes(encodedTableDigest(digest, message.table), message.digest))
          throw blame('TABLE_INVALID', position, 'digest');
        this.#deps.realtime.proposal = { table, digest: message.digest };
        return;
      }
      case 'tableVerdict': {
        // Only the digest is signed, so the signature can be checked without the table itself.
        const proposal: TeamMessage = { kind: 'tableProposal', digest: message.proposalDigest, table: EMPTY };
        const holds = isSaidBy(facts.publicKeys[0]!, digest, info.team[0]!, proposal, message.proposalSignature);
        if (!holds) throw blame('SIGNATURE_INVALID', position);
        if (message.rejections.some(({ slot }) => !Number.isInteger(slot) || slot < 0 || slot >= info.slots)) {
          throw blame('SLOT_COUNT', position);
        }
        this.#deps.realtime.keepVerdict(position, message.rejections);
        return;
      }
      default:
        return;
    }
  }

  /** A batch stream opens. @throws MixError where it cannot be, before anything is allocated */
  onBatch(from: NodeId, header: BatchHeader): BatchSink {
    const { round } = this.#deps;
    const position = this.#position(from);
    const { phase } = header;
    if (!sendsPhase(phase, position, round.facts.position, round.size))
      throw new MixError('PHASE_SENDER_WRONG', { phase });
    const refused = refusal(this.#deps.state(), phase, position);
    // A stream that was acknowledged once is acknowledged again as long as the round lives.
    if (refused && !round.received(phase, position))
      throw new MixError(refused, { phase, stage: this.#deps.state().stage });
    const batch = this.incoming(phase, position);
    batch.checkHeader(header);
    return batch;
  }

  /** The incoming batch of a phase; made on first use, also by the ring that will wait for it. */
  incoming(phase: BatchPhase, position: number) {
    return this.#deps.round.incoming(phase, position, {
      verify: (trailer) => this.#verifyTrailer(phase, position, trailer),
      complete: (trailer) => {
        this.#trailers.set(phase, trailer);
        this.#deps.dispatch({ type: 'batchIn', phase, from: position, root: toHex(trailer.root) });
      },
      misbehaved: (error) => this.#fault(error, position),
    });
  }

  async #verifyTrailer(phase: BatchPhase, position: number, trailer: BatchTrailer): Promise<void> {
    const { facts } = this.#deps.round;
    const signed = trailerDigest(facts.digest, facts.info.team[position]!, phase, trailer.root, trailer.extra);
    if (!verifySignature(facts.publicKeys[position]!, signed, trailer.signature))
      throw blame('SIGNATURE_INVALID', position);
    if (phase === 'opening') this.#verifyOpening(position, trailer);
    else if (trailer.extra.length > 0) throw blame('MESSAGE_MALFORMED', position);
  }

  #verifyOpening(position: number, trailer: BatchTrailer): void {
    const { round, realtime } = this.#deps;
    const { facts } = round;
    const { info, group, digest } = facts;
    const extra = decodeOpening(group, info.width, trailer.extra);
    const committed = this.heard('commitment', position);
    const opens =
      committed !== undefined &&
      openCommitment(committed.message.commitment, {
        roundDigest: digest,
        node: info.team[position]!,
        cipherDigest: committed.message.cipherDigest,
        shares: round.received('opening', position)!.bytes,
        proof: extra.proof,
        nonce: extra.nonce,
      });
    if (!opens) throw blame('COMMITMENT_OPENING', position);
    const mixCommit: TeamMessage = { kind: 'mixCommit', digest: extra.mixDigest };
    if (!isSaidBy(facts.publicKeys[0]!, digest, info.team[0]!, mixCommit, extra.mixSignature)) {
      throw blame('SIGNATURE_INVALID', position);
    }
    realtime.openings[position] = extra;
  }

  #position(node: NodeId): number {
    const position = this.#deps.round.facts.info.team.indexOf(node);
    if (position < 0) throw new MixError('PHASE_SENDER_WRONG', { what: 'not in the team' });
    return position;
  }

  /** Ends the round over an error; names the culprit that the error carries, else `suspect`. Aborts name nobody. */
  #fault(error: MixError, suspect?: number): MixError {
    if (error.code === 'ABORTED') return error;
    const named = typeof error.values.culprit === 'number' ? error.values.culprit : suspect;
    const culprit = isLocal(error.code) ? undefined : named;
    this.#deps.dispatch({
      type: 'fault',
      code: error.code,
      detail: error.message,
      ...(culprit === undefined ? {} : { culprit }),
    });
    return error;
  }
}

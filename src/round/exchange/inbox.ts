// The input of a round from its team: every message and batch is checked here before it reaches the state machine. A repeated
// message must equal the first; a message is accepted only at a step at which it can exist; signatures, proofs, roots and
// openings are verified. A wrong message is refused with an error to its sender; it ends the round if the round cannot go on
// without it.
import { asMixError, equalBytes, MixError, type NodeId, toHex } from '../../base/index.js';
import { decodeTable, encodedTableDigest, openCommitment, type SlotTable, verifySignature } from '../../cmix/index.js';
import {
  type BatchHeader,
  type BatchPhase,
  type BatchSink,
  type BatchTrailer,
  checkMessage,
  checkTrailer,
  decodeEvidence,
  decodeStatement,
  isLocal,
  isSaidBy,
  isStatement,
  memberAt,
  messageDigest,
  messageStatement,
  type OpeningExtra,
  type SignedTeamMessage,
  type Statement,
  sendsPhase,
  type TeamMember,
  type TeamMessage,
  trailerDigest,
  verifyEvidence,
} from '../../protocol/index.js';
import { refusal } from '../machine/admission.js';
import { type ProposalMessage, type RoundEvent, type RoundState, saidBy } from '../machine/state.js';
import { blame, type RoundContext } from '../run/context.js';

interface InboxDeps {
  readonly round: RoundContext;
  readonly state: () => RoundState;
  readonly dispatch: (event: RoundEvent) => void;
}

/** Kinds of messages that can be invalid by themselves, verifiable by anyone. */
const CHECKED: readonly TeamMessage['kind'][] = ['keyShare', 'commitment', 'tableVerdict'];

/** A message that has arrived, accepted or not. The same message again changes nothing; a different one is an equivocation. */
interface Received {
  readonly digest: string;
  readonly statement: Statement;
}

export class Inbox {
  readonly #deps: InboxDeps;
  /** By kind and position. The messages that the machine accepted are in its state. */
  readonly #received = new Map<string, Received>();

  constructor(deps: InboxDeps) {
    this.#deps = deps;
  }

  /** Handles a team member's message. Resolves when it is accepted, also if it was accepted before. @throws MixError */
  async onMessage(from: NodeId, signed: SignedTeamMessage): Promise<void> {
    const { facts } = this.#deps.round;
    const { position, publicKey } = this.#member(from);
    const { message, signature } = signed;
    if (signed.from !== from || position === facts.position)
      throw new MixError('PHASE_SENDER_WRONG', { kind: message.kind });
    const digest = toHex(messageDigest(facts.digest, from, message));
    const key = `${message.kind}/${position}`;
    const before = this.#received.get(key);
    if (before?.digest === digest) return;
    if (!isSaidBy(publicKey, facts.digest, from, message, signature)) {
      throw new MixError('SIGNATURE_INVALID', { kind: message.kind });
    }
    // A second round error adds nothing, even if it differs.
    if (before && message.kind === 'roundError') return;
    const statement = messageStatement(from, message, signature);
    if (before) {
      throw this.#fault(blame('EQUIVOCATION', position, message.kind), { shown: [statement, before.statement] });
    }
    const refused = refusal(this.#deps.state(), message.kind, position);
    if (refused) throw new MixError(refused, { kind: message.kind, stage: this.#deps.state().stage });
    this.#received.set(key, { digest, statement });
    if (message.kind === 'roundError' && message.heard) {
      await this.#onHeard(position, message.heard, message.evidence);
      // The answer to a claim brings that claim, and is one itself. Any other error is only passed on.
      if (message.code !== 'DEADLINE_MISSED') return;
    }
    let event: RoundEvent;
    try {
      event = await this.#verified(position, message, signature);
    } catch (thrown) {
      const error = asMixError(thrown);
      const isInvalid = CHECKED.includes(message.kind) && !isLocal(error.code);
      throw this.#fault(error, { suspect: position, shown: isInvalid ? [statement] : [] });
    }
    this.#deps.dispatch(event);
  }

  /** Verifies a message and returns its event. @throws MixError */
  async #verified(position: number, message: TeamMessage, signature: Uint8Array): Promise<RoundEvent> {
    const { facts, ports } = this.#deps.round;
    await checkMessage(facts, ports.engine, memberAt(facts, position).node, message);
    if (message.kind === 'tableProposal') {
      const table = this.#decoded(position, message);
      return { type: 'proposed', from: position, message, signature, proposal: { table, payloads: [] } };
    }
    const proven = message.kind === 'roundError' ? await this.#convicted(position, message) : undefined;
    return { type: 'said', from: position, message, signature, proven };
  }

  #decoded(position: number, message: ProposalMessage): SlotTable {
    const { info, digest } = this.#deps.round.facts;
    const table = decodeTable(message.table, { slots: info.slots, teamSize: info.team.length });
    if (!equalBytes(encodedTableDigest(digest, message.table), message.digest))
      throw blame('TABLE_INVALID', position, 'digest');
    return table;
  }

  /** Handles a round error that passes on another member's signed round error: it counts as if it had come from that member. */
  async #onHeard(position: number, heard: Uint8Array, evidence: Uint8Array | undefined): Promise<void> {
    const { facts } = this.#deps.round;
    try {
      const statement = decodeStatement(heard);
      const { position: source } = this.#member(statement.from);
      const isWord =
        statement.kind === 'message' && statement.message.kind === 'roundError' && isStatement(facts, statement);
      if (!isWord) throw blame('SIGNATURE_INVALID', position, 'heard');
      const key = `roundError/${source}`;
      if (source === facts.position || this.#received.has(key)) return;
      const message = { ...statement.message, evidence };
      const event = await this.#verified(source, message, statement.signature);
      this.#received.set(key, { digest: toHex(messageDigest(facts.digest, statement.from, message)), statement });
      this.#deps.dispatch(event);
    } catch (thrown) {
      // An honest member checks what it passes on: any error here is the fault of the member that passed it on.
      throw this.#fault(new MixError(asMixError(thrown).code, { culprit: position }, { cause: thrown }));
    }
  }

  /**
   * Returns the position that the evidence in a round error convicts. @throws MixError naming the speaker if the evidence does
   * not convict the member that it accuses
   */
  async #convicted(
    position: number,
    { culprit, evidence }: TeamMessage & { kind: 'roundError' },
  ): Promise<number | undefined> {
    const { facts, ports } = this.#deps.round;
    const { team } = facts.info;
    if (culprit !== undefined && !team.includes(culprit)) throw blame('MESSAGE_MALFORMED', position, 'culprit');
    if (!evidence) return undefined;
    const { culprits, certain } = await verifyEvidence(facts, ports.engine, decodeEvidence(evidence));
    if (!certain) return undefined;
    if (culprit === undefined || !culprits.includes(culprit)) throw blame('EVIDENCE_INVALID', position);
    return team.indexOf(culprit);
  }

  /** Opens a batch stream. @throws MixError if the stream is not possible now, before anything is allocated */
  onBatch(from: NodeId, header: BatchHeader): BatchSink {
    const { round } = this.#deps;
    const { position } = this.#member(from);
    const { phase } = header;
    if (!sendsPhase(phase, position, round.facts.position, round.size))
      throw new MixError('PHASE_SENDER_WRONG', { phase });
    const refused = refusal(this.#deps.state(), phase, position);
    // A stream that was acknowledged once is acknowledged again while the round lives.
    if (refused && !round.received(phase, position))
      throw new MixError(refused, { phase, stage: this.#deps.state().stage });
    const batch = this.incoming(phase, position);
    batch.checkHeader(header);
    return batch;
  }

  /** Returns the incoming batch of a phase; made on first use, which may be the ring that waits for it. */
  incoming(phase: BatchPhase, position: number) {
    const member = memberAt(this.#deps.round.facts, position);
    return this.#deps.round.incoming(phase, position, {
      verify: (trailer) => this.#verifyTrailer(phase, member, trailer),
      complete: (trailer, opening) => {
        this.#deps.dispatch({ type: 'batchIn', phase, from: position, trailer, opening });
      },
      misbehaved: (error) => this.#fault(error, { suspect: position }),
    });
  }

  /** @returns the trailer of an opening, verified against its sender's commitment */
  async #verifyTrailer(
    phase: BatchPhase,
    member: TeamMember,
    trailer: BatchTrailer,
  ): Promise<OpeningExtra | undefined> {
    const { facts } = this.#deps.round;
    const signed = trailerDigest(facts.digest, member.node, phase, trailer.root, trailer.extra);
    if (!verifySignature(member.publicKey, signed, trailer.signature))
      throw blame('SIGNATURE_INVALID', member.position);
    try {
      const extra = checkTrailer(facts, phase, trailer.extra);
      if (extra) this.#verifyOpening(member, extra);
      return extra;
    } catch (thrown) {
      // The signed trailer convicts its sender. The batch then reports `misbehaved` as well, which changes nothing.
      const shown: Statement[] = [{ kind: 'batch', from: member.node, phase, ...trailer }];
      throw this.#fault(asMixError(thrown), { suspect: member.position, shown });
    }
  }

  #verifyOpening({ position, node }: TeamMember, { proof, nonce }: OpeningExtra): void {
    const { round } = this.#deps;
    const { digest: roundDigest } = round.facts;
    const committed = saidBy(this.#deps.state(), 'commitment', position);
    if (!committed) throw blame('COMMITMENT_OPENING', position);
    const { commitment, cipherDigest } = committed.message;
    const shares = round.whole('opening', position);
    if (!openCommitment(commitment, { roundDigest, node, cipherDigest, shares, proof, nonce }))
      throw blame('COMMITMENT_OPENING', position);
  }

  #member(node: NodeId): TeamMember {
    const member = this.#deps.round.facts.members.find((one) => one.node === node);
    if (!member) throw new MixError('PHASE_SENDER_WRONG', { what: 'not in the team' });
    return member;
  }

  /**
   * Ends the round over an error. The culprit is the one that the error carries, else `suspect`; aborts name nobody. `shown`:
   * statements of the culprit that convict it.
   */
  #fault(
    error: MixError,
    { suspect, shown = [] }: { readonly suspect?: number; readonly shown?: readonly Statement[] } = {},
  ): MixError {
    if (error.code === 'ABORTED') return error;
    const named = typeof error.values.culprit === 'number' ? error.values.culprit : suspect;
    const culprit = isLocal(error.code) ? undefined : named;
    this.#deps.dispatch({
      type: 'fault',
      code: error.code,
      detail: error.message,
      shown,
      ...(culprit === undefined ? {} : { culprit }),
    });
    return error;
  }
}

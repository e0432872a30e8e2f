// What a round takes in from its team: every message and batch is checked here before the state machine hears of it. Who
// says a thing twice must say the same thing; a message comes only when it can; signatures, proofs, roots and openings
// are verified. What is wrong goes back to its sender as an error, and ends the round where it cannot go on.
import { asMixError, equalBytes, MixError, type NodeId, toHex } from '../../base/index.js';
import { decodeKeyShare, decodeTable, encodedTableDigest, openCommitment, verifySignature } from '../../cmix/index.js';
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
  messageDigest,
  messageStatement,
  type OpeningExtra,
  type SignedTeamMessage,
  type Statement,
  sendsPhase,
  type TeamMessage,
  trailerDigest,
  verifyEvidence,
} from '../../protocol/index.js';
import { refusal } from '../machine/admission.js';
import type { RoundEvent, RoundFailure, RoundState } from '../machine/state.js';
import { blame, type RoundContext } from '../run/context.js';
import { findEvidence } from '../run/findings.js';
import type { Precompute } from '../run/precompute.js';
import type { Realtime } from '../run/realtime.js';

interface InboxDeps {
  readonly round: RoundContext;
  readonly precompute: Precompute;
  readonly realtime: Realtime;
  readonly state: () => RoundState;
  readonly dispatch: (event: RoundEvent) => void;
}

/** Kinds of messages that can be wrong by themselves, for anybody to see. */
const CHECKED: readonly TeamMessage['kind'][] = ['keyShare', 'commitment', 'tableVerdict'];

export class Inbox {
  readonly #deps: InboxDeps;
  /** Every message heard, by kind and position: its digest and signature. */
  readonly #heard = new Map<string, SignedTeamMessage & { readonly digest: string }>();
  /** Signed ends of batches, by phase and position, and what convicts a position by itself, or beside what it said before. */
  readonly #trailers = new Map<string, BatchTrailer>();
  readonly #invalid = new Map<number, Statement>();
  readonly #second = new Map<number, Statement>();

  constructor(deps: InboxDeps) {
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
    return this.#trailers.get('reveal/0')?.signature;
  }

  /** What shows to anybody that a failure is as this node has found it; undefined where it has only its word for that. */
  evidenceOf(failure: RoundFailure): Uint8Array | undefined {
    const { round, precompute, realtime } = this.#deps;
    const { position: self } = round.facts;
    return findEvidence(round.facts, failure, {
      message: (kind, position) => this.heard(kind, position),
      trailer: (phase, position) => this.#trailers.get(`${phase}/${position}`),
      batch: (phase, position) => {
        if (position !== self) return round.received(phase, position)?.bytes;
        return phase === 'opening' ? precompute.own?.shares : round.outgoing(phase).bytes;
      },
      invalid: (position) => this.#invalid.get(position),
      second: (position) => this.#second.get(position),
      mixCommits: realtime.openings.flatMap((opening) =>
        opening ? [{ digest: opening.mixDigest, signature: opening.mixSignature }] : [],
      ),
    });
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
    const statement = messageStatement(from, message, signed.signature);
    if (before) {
      this.#second.set(position, statement);
      throw this.#fault(blame('EQUIVOCATION', position, message.kind));
    }
    const refused = refusal(this.#deps.state(), message.kind, position);
    if (refused) throw new MixError(refused, { kind: message.kind, stage: this.#deps.state().stage });
    this.#heard.set(`${message.kind}/${position}`, { ...signed, digest });
    if (message.kind === 'roundError' && message.heard) {
      await this.#onHeard(position, message);
      return;
    }
    let proven: number | undefined;
    try {
      proven = await this.#verify(position, message);
    } catch (thrown) {
      const error = asMixError(thrown);
      if (CHECKED.includes(message.kind) && !isLocal(error.code)) this.#invalid.set(position, statement);
      throw this.#fault(error, position);
    }
    this.#deps.dispatch({ type: 'said', from: position, message, proven });
  }

  /** @returns of a round error: the position that its evidence convicts */
  async #verify(position: number, message: TeamMessage): Promise<number | undefined> {
    const { facts, ports } = this.#deps.round;
    const { info, group, digest } = facts;
    await checkMessage(facts, ports.engine, info.team[position]!, message);
    switch (message.kind) {
      case 'keyShare':
        this.#deps.precompute.keepKeyShare(position, decodeKeyShare(group, info.width, message.share));
        return undefined;
      case 'tableProposal': {
        const table = decodeTable(message.table, { slots: info.slots, teamSize: info.team.length });
        if (!equalBytes(encodedTableDigest(digest, message.table), message.digest))
          throw blame('TABLE_INVALID', position, 'digest');
        this.#deps.realtime.proposal = { table, digest: message.digest };
        return undefined;
      }
      case 'tableVerdict':
        this.#deps.realtime.keepVerdict(position, message.rejections);
        return undefined;
      case 'roundError':
        return await this.#convicted(position, message);
      default:
        return undefined;
    }
  }

  /** What a member has ended the round for, and passes on: another's signed word, which is that one's, as if it had come from there. */
  async #onHeard(position: number, { heard, evidence }: TeamMessage & { kind: 'roundError' }): Promise<void> {
    const { facts } = this.#deps.round;
    try {
      const statement = decodeStatement(heard!);
      const source = this.#position(statement.from);
      const isWord =
        statement.kind === 'message' && statement.message.kind === 'roundError' && isStatement(facts, statement);
      if (!isWord) throw blame('SIGNATURE_INVALID', position, 'heard');
      if (source === facts.position || this.#heard.has(`roundError/${source}`)) return;
      const message = { ...statement.message, evidence };
      const proven = await this.#verify(source, message);
      const digest = toHex(messageDigest(facts.digest, statement.from, message));
      const { signature, from } = statement;
      this.#heard.set(`roundError/${source}`, { round: facts.info.round, from, message, signature, digest });
      this.#deps.dispatch({ type: 'said', from: source, message, proven });
    } catch (thrown) {
      // Nobody passes on what it has not checked: whatever is wrong, it is who passes it on that is to blame.
      throw this.#fault(new MixError(asMixError(thrown).code, { culprit: position }, { cause: thrown }));
    }
  }

  /** Whom the evidence in a round error convicts. @throws MixError that names its speaker: what it brought shows nothing of the kind */
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
    this.#trailers.set(`${phase}/${position}`, trailer);
    let extra: OpeningExtra | undefined;
    try {
      extra = checkTrailer(facts, phase, trailer.extra);
    } catch (thrown) {
      this.#invalid.set(position, { kind: 'batch', from: facts.info.team[position]!, phase, ...trailer });
      throw thrown;
    }
    if (extra) this.#verifyOpening(position, extra);
  }

  #verifyOpening(position: number, extra: OpeningExtra): void {
    const { round, realtime } = this.#deps;
    const { info, digest } = round.facts;
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

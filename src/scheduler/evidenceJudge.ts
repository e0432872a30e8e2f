// Judges a node's report of a failure before the machine takes it in: finds its source and checks its evidence. Hearsay is a node's word
// only with that node's signature. Evidence is checked, kept, and convicts; false evidence counts against the node that brought it.
// Statements of one round are compared with each other, whichever node brings them: a member that told two of them different things is
// convicted by what both have shown.
import { asMixError, type NodeId, type RoundId } from '../base/index.js';
import type { Logger } from '../base/log.js';
import type { Engine } from '../engine/index.js';
import { type GroupName, namedGroup } from '../math/index.js';
import {
  decodeEvidence,
  type Evidence,
  encodeEvidence,
  type FailureReport,
  isStatement,
  messageStatement,
  type PublicFacts,
  type RoundInfo,
  readClaim,
  roundDigest,
  type SignedRoundInfo,
  type Statement,
  statementsIn,
  verifyEvidence,
} from '../protocol/index.js';
import type { Testimony } from './machine/state.js';

/** Rounds whose statements are remembered: enough for those that fail while others are settled. */
const ROUNDS_MAX = 100;

interface EvidenceJudgeDeps {
  readonly roundOf: (round: RoundId) => SignedRoundInfo | undefined;
  /** Key of a member; undefined for other nodes, whose signatures cannot be checked. */
  readonly publicKeyOf: (node: NodeId) => Uint8Array | undefined;
  /** Engine that checks proofs; opened on first use. */
  readonly engineOf: (group: GroupName) => Promise<Engine>;
  readonly log: Logger;
  /** Called if evidence holds; it is stored before anything follows from it. */
  readonly onConvicted: (round: SignedRoundInfo, culprit: NodeId, evidence: Uint8Array) => Promise<void>;
  /** Called if statements of a whole team are known and those of `nodes` differ from the majority's. */
  readonly onDissent: (round: RoundId, nodes: readonly NodeId[]) => void;
  /** Called if a node has brought words in the name of others that they have not signed, or evidence that proves nothing. */
  readonly onFalse: (round: SignedRoundInfo, node: NodeId, what: string) => void;
}

/** The known facts of a round that fails. */
interface Case {
  readonly facts: PublicFacts;
  readonly signed: SignedRoundInfo;
  /** The first statement that was shown, by signer and subject. */
  readonly statements: Map<string, Statement>;
  readonly convicted: Set<NodeId>;
}

export class EvidenceJudge {
  readonly #deps: EvidenceJudgeDeps;
  readonly #cases = new Map<RoundId, Case>();
  /** Pieces of evidence are examined one after the other, so that a flood of them occupies one engine. */
  #examined: Promise<void> = Promise.resolve();

  constructor(deps: EvidenceJudgeDeps) {
    this.#deps = deps;
  }

  /** Judges a node's report; resolves when its evidence is checked and the consequences are stored. */
  async hear(node: NodeId, round: RoundId, failure: FailureReport): Promise<Testimony> {
    const { code, detail, reporter, evidence } = failure;
    const named = failure.culprit ?? failure.accused;
    const about = this.#findCase(round, node);
    const source = reporter === node ? node : about && (await this.#findSource(about, node, failure, named));
    const shown = about === undefined || (evidence !== undefined && (await this.#examineNext(about, node, evidence)));
    return { code, named, source, shown, detail };
  }

  /** Undefined if the node is not in the round's team, or a key of the team is unknown, so that its signatures cannot be checked. */
  #findCase(round: RoundId, node: NodeId): Case | undefined {
    const known = this.#cases.get(round);
    if (known) return known.facts.info.team.includes(node) ? known : undefined;
    const signed = this.#deps.roundOf(round);
    const facts = signed?.info.team.includes(node) ? this.#makeFacts(signed.info) : undefined;
    if (!signed || !facts) return undefined;
    const opened = { facts, signed, statements: new Map(), convicted: new Set<NodeId>() };
    this.#cases.set(round, opened);
    const [oldest] = this.#cases.keys();
    if (this.#cases.size > ROUNDS_MAX && oldest !== undefined) this.#cases.delete(oldest);
    return opened;
  }

  #makeFacts(info: RoundInfo): PublicFacts | undefined {
    const members = info.team.flatMap((node, position) => {
      const publicKey = this.#deps.publicKeyOf(node);
      return publicKey ? [{ position, node, publicKey }] : [];
    });
    if (members.length < info.team.length) return undefined;
    return { info, digest: roundDigest(info), group: namedGroup(info.group), members };
  }

  /** The node whose word hearsay is: its signer; undefined without a valid signature. */
  async #findSource(
    about: Case,
    node: NodeId,
    { code, detail, reporter, signature }: FailureReport,
    named: NodeId | undefined,
  ): Promise<NodeId | undefined> {
    if (!signature) return undefined;
    const said = messageStatement(reporter, { kind: 'roundError', code, culprit: named, detail }, signature);
    if (!isStatement(about.facts, said)) {
      this.#deps.onFalse(about.signed, node, `what ${reporter} has not signed`);
      return undefined;
    }
    await this.#compare(about, [said]);
    return reporter;
  }

  async #examineNext(about: Case, node: NodeId, bytes: Uint8Array): Promise<boolean> {
    const examined = this.#examined.then(() => this.#examine(about, node, bytes));
    this.#examined = examined.then(
      () => {},
      // The caller gets the error; the next piece is examined all the same.
      () => {},
    );
    return await examined;
  }

  /** True if evidence holds. @throws MixError STORE_FAILED, and errors of the engine: the node then brings it again */
  async #examine(about: Case, node: NodeId, bytes: Uint8Array): Promise<boolean> {
    const { facts, signed } = about;
    let evidence: Evidence;
    try {
      evidence = decodeEvidence(bytes);
      const engine = await this.#deps.engineOf(facts.info.group);
      const { culprits, certain } = await verifyEvidence(facts, engine, evidence);
      if (!certain) this.#deps.onDissent(facts.info.round, culprits);
      else for (const culprit of culprits) await this.#convict(about, culprit, bytes);
    } catch (thrown) {
      const error = asMixError(thrown);
      const isFalse = error.code === 'EVIDENCE_INVALID' || error.code.startsWith('MESSAGE_');
      if (!isFalse) throw error;
      this.#deps.onFalse(signed, node, error.message);
      return false;
    }
    await this.#compare(about, statementsIn(evidence));
    return true;
  }

  /** Compares statements, whose signatures are checked already, with those that were shown before. */
  async #compare(about: Case, statements: readonly Statement[]): Promise<void> {
    for (const statement of statements) {
      const { subject, says } = readClaim(about.facts, statement);
      const key = `${statement.from}/${subject}`;
      const before = about.statements.get(key);
      if (!before) about.statements.set(key, statement);
      else if (readClaim(about.facts, before).says !== says) {
        const evidence: Evidence = { kind: 'equivocation', first: before, second: statement };
        await this.#convict(about, statement.from, encodeEvidence(evidence));
      }
    }
  }

  /** Convicts a node, at most once in each round. */
  async #convict(about: Case, culprit: NodeId, evidence: Uint8Array): Promise<void> {
    if (about.convicted.has(culprit)) return;
    about.convicted.add(culprit);
    this.#deps.log.warn({ round: about.facts.info.round, node: culprit }, 'evidence convicts a node');
    await this.#deps.onConvicted(about.signed, culprit, evidence);
  }
}

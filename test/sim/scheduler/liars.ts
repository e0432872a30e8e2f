// Nodes that lie: messages of a liar to its scheduler and its team when a round of its own reaches a stage. Each lie has a name;
// the liar tells it in every round that it can.
import type { ErrorCode } from '../../../src/base/errors.js';
import type { BootId, NodeId } from '../../../src/base/ids.js';
import { randomBelow, randomBytes } from '../../../src/base/rng.js';
import type { RoundInfo } from '../../../src/protocol/roundInfo.js';
import type { FailureReport, NodeReport } from '../../../src/protocol/schedulerPort.js';
import type { Stage } from '../../../src/protocol/stages.js';
import { count } from './invariants.js';
import type { SimNode } from './simNode.js';
import { contradiction, signedError, type Word } from './simRounds.js';
import type { SchedulerSim } from './world.js';

/** Stages for a lie: the round enters the stage and still goes on. */
export const LIE_STAGES = ['PRECOMPUTING', 'STANDBY', 'QUEUED', 'REALTIME'] as const satisfies readonly Stage[];
export type LieStage = (typeof LIE_STAGES)[number];

interface Lying {
  readonly self: SimNode;
  readonly info: RoundInfo;
  readonly others: readonly NodeId[];
  /** `victim`: another member, at random; `target`: the same node in all rounds, if it is in this one. */
  readonly victim: NodeId;
  readonly target: NodeId | undefined;
  /** Sends to one member. */
  tell(to: NodeId, word: Word): void;
  /** Ends the round, with this report to the scheduler. */
  report(failure: Partial<FailureReport> & Pick<FailureReport, 'code'>): void;
  /** Tells the scheduler that it is another process, or that it takes no rounds for now and at once that it does again. */
  restart(): void;
  pauseAndGoOn(): void;
  /** Cuts its links to its scheduler and its team until they have lost it, and is back at once. */
  goAway(): void;
}

/** Ends the round for the whole team by a signed round error, and reports the same. */
function endBy(lying: Lying, said: Pick<FailureReport, 'code' | 'culprit'> & Partial<FailureReport>): void {
  const { self, info, others } = lying;
  const failure = { detail: '', reporter: self.id, ...said };
  for (const to of others) lying.tell(to, signedError(self.key, info, failure));
  lying.report(failure);
}

const nobody = undefined;

/** The lies, by name. `report …`: to the scheduler alone. */
export const LIES = {
  'report: another confesses': ({ victim, report }) =>
    report({ code: 'DECRYPTION_PROOF', culprit: undefined, accused: victim, reporter: victim }),
  'report: another accuses a third': ({ victim, others, report }) =>
    report({ code: 'PEER_LOST', accused: victim, reporter: others.find((one) => one !== victim)!, culprit: nobody }),
  'report: a forged signature': ({ victim, report }) =>
    report({
      code: 'PEER_LOST',
      accused: victim,
      culprit: nobody,
      reporter: victim,
      signature: new Uint8Array(64).fill(1),
    }),
  'report: evidence that is none': ({ victim, report }) =>
    report({ code: 'EQUIVOCATION', culprit: victim, evidence: new Uint8Array(80).fill(1) }),
  'report: evidence against itself': ({ self, info, victim, report }) =>
    report({ code: 'EQUIVOCATION', culprit: victim, evidence: contradiction(self.key, info) }),
  'report: another is to blame': ({ victim, report }) => report({ code: 'ELEMENT_RANGE', culprit: victim }),
  'report: the scheduler gave it up': ({ report }) => report({ code: 'SCHEDULER_FAILED', culprit: nobody }),
  'another is to blame': (lying) => endBy(lying, { code: 'ELEMENT_RANGE', culprit: lying.victim }),
  'another is lost': (lying) => endBy(lying, { code: 'PEER_LOST', culprit: lying.victim }),
  'another has lied, which could be shown': (lying) =>
    endBy(lying, { code: 'COMMITMENT_OPENING', culprit: lying.victim }),
  'one and the same is to blame, by what could be shown': (lying) => {
    if (lying.target) endBy(lying, { code: 'DECRYPTION_PROOF', culprit: lying.target });
  },
  'one and the same is lost': (lying) => {
    if (lying.target) endBy(lying, { code: 'PEER_LOST', culprit: lying.target });
  },
  'another to each': (lying) => {
    for (const to of lying.others) {
      const failure = { code: 'ELEMENT_RANGE', culprit: to, reporter: lying.self.id, detail: '' } as const;
      lying.tell(to, signedError(lying.self.key, lying.info, failure));
    }
    lying.report({ code: 'ELEMENT_RANGE', culprit: lying.victim });
  },
  'nobody is to blame': (lying) => endBy(lying, { code: 'INTERNAL', culprit: nobody }),
  'its keys have expired': (lying) => endBy(lying, { code: 'EPOCH_EXPIRED', culprit: nobody }),
  'a deadline is missed': (lying) => endBy(lying, { code: 'DEADLINE_MISSED', culprit: nobody }),
  'outputs disagree': (lying) => endBy(lying, { code: 'OUTPUTS_DISAGREE', culprit: nobody }),
  'too few senders': (lying) => {
    if (lying.info.team[0] === lying.self.id) endBy(lying, { code: 'TOO_FEW_SENDERS', culprit: nobody });
  },
  'garbage to one': ({ victim, tell }) => tell(victim, { kind: 'garbage' }),
  'nothing to its scheduler': () => {},
  'restarts again and again': ({ restart }) => restart(),
  'pauses on and off': ({ pauseAndGoOn }) => pauseAndGoOn(),
  'is lost and back at once': ({ goAway }) => goAway(),
  // In PRECOMPUTING: at the opening (see refusal).
  'refuses ids as used, twenty at a time': ({ self, report }) => report({ code: 'ROUND_REUSED', culprit: self.id }),
} as const satisfies Record<string, (lying: Lying) => void>;

export type Lie = keyof typeof LIES;
export const LIE_NAMES = Object.keys(LIES) as Lie[];
/**
 * The lie that cannot be distinguished from its opposite: nothing shows which of the two has lost the other, and no third node is
 * involved.
 */
export const FEUD: Lie = 'one and the same is lost';

const REFUSES_IDS: Lie = 'refuses ids as used, twenty at a time';
/** Refusals after which such a liar lets one round be precomputed. */
const REFUSED_IN_A_ROW = 20;

export class Liars {
  readonly #sim: SchedulerSim;
  readonly #ids = new Set<NodeId>();
  /** The process that a liar claims to be. */
  readonly #claimed = new Map<NodeId, BootId>();
  readonly #refused = new Map<NodeId, number>();

  constructor(sim: SchedulerSim) {
    this.#sim = sim;
  }

  add(node: NodeId): void {
    this.#ids.add(node);
  }

  get ids(): ReadonlySet<NodeId> {
    return this.#ids;
  }

  onStage(self: SimNode, info: RoundInfo | undefined, stage: Stage): void {
    const { scenario, clock } = this.#sim;
    const { lie } = scenario;
    if (!lie || !info || stage !== lie.stage || clock.nowMs() < lie.fromMs || !this.#ids.has(self.id)) return;
    if (lie.name === REFUSES_IDS && !this.#refusesNext(self.id)) return;
    clock.after(1, () => this.#tell(self, info, lie.name));
  }

  /** The code by which a liar refuses a round at its opening; undefined if it opens the round. */
  refusal(node: NodeId): ErrorCode | undefined {
    const { lie } = this.#sim.scenario;
    const isTime = lie?.name === REFUSES_IDS && lie.stage === 'PRECOMPUTING' && this.#sim.clock.nowMs() >= lie.fromMs;
    if (!isTime || !this.#ids.has(node) || !this.#refusesNext(node)) return undefined;
    count(this.#sim.coverage, `lie: ${lie.name}`);
    return 'ROUND_REUSED';
  }

  #refusesNext(node: NodeId): boolean {
    const refused = (this.#refused.get(node) ?? 0) + 1;
    this.#refused.set(node, refused);
    return refused % (REFUSED_IN_A_ROW + 1) > 0;
  }

  /** A liar's report as it is sent: in the name of the process that it claims to be. */
  disguised(node: NodeId, report: NodeReport): NodeReport | undefined {
    const bootId = this.#claimed.get(node);
    return bootId !== undefined && 'bootId' in report && report.bootId !== bootId ? { ...report, bootId } : undefined;
  }

  /** Says that a liar is online, as the process that it claims to be. */
  #sayOnline(self: SimNode, bootId: BootId, paused?: string): void {
    const { run } = this.#sim;
    const online: NodeReport = { kind: 'online', bootId, engine: 'sim', enginePath: 'sim', paused };
    if (run?.alive) run.scheduler.onReport(self.id, online).catch(() => {});
  }

  #restart(self: SimNode): void {
    const bootId = Buffer.from(randomBytes(this.#sim.rng, 16)).toString('hex') as BootId;
    this.#claimed.set(self.id, bootId);
    this.#sayOnline(self, bootId);
  }

  #pauseAndGoOn(self: SimNode): void {
    if (self.bootId === undefined) return;
    this.#sayOnline(self, self.bootId, 'a disk is full');
    this.#sayOnline(self, self.bootId);
  }

  /** Returns false if a report does not leave the node. */
  lets(node: NodeId, stage: Stage): boolean {
    const { lie } = this.#sim.scenario;
    const isSilent = lie?.name === 'nothing to its scheduler' && this.#ids.has(node);
    return !isSilent || stage !== (lie.stage === 'PRECOMPUTING' ? 'STANDBY' : 'COMPLETED');
  }

  #tell(self: SimNode, info: RoundInfo, name: Lie): void {
    const { rng, nodes } = this.#sim;
    // Liars spare each other.
    const others = info.team.filter((node) => !this.#ids.has(node));
    if (others.length === 0) return;
    const target = nodes.find(({ id }) => !this.#ids.has(id))!.id;
    if (!self.rounds?.isOpen(info.round)) return;
    count(this.#sim.coverage, `lie: ${name}`);
    LIES[name]({
      self,
      info,
      others,
      victim: others[randomBelow(rng, others.length)]!,
      target: others.includes(target) ? target : undefined,
      tell: (to, word) => this.#sim.tellOne(self, to, info.round, word),
      report: (failure) =>
        self.rounds?.abandon(info.round, { culprit: undefined, reporter: self.id, detail: '', ...failure }),
      restart: () => this.#restart(self),
      pauseAndGoOn: () => this.#pauseAndGoOn(self),
      goAway: () => this.#sim.goAway(self),
    });
  }
}

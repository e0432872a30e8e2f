// Plays one scenario: opens the rounds, lets them take messages, causes the mishaps, waits until everything has ended, and checks
// the invariants. The result of a seed is always the same, including the hash of its trace.
import { asMixError } from '../../src/base/errors.js';
import { roundDigest } from '../../src/protocol/roundInfo.js';
import type { Stage } from '../../src/protocol/stages.js';
import { isOver } from '../../src/round/machine/admission.js';
import { type Break, brokenNode } from './breaks.js';
import { forgeMessage } from './forge.js';
import {
  checkBlame,
  checkEnded,
  checkMessages,
  checkReuse,
  checkSecrets,
  checkStall,
  type PlayedRound,
} from './invariants.js';
import { drawScenario, type Mishap, type Scenario } from './scenario.js';
import { type Sent, sendAll } from './senders.js';
import { SimTeam } from './team.js';
import { type Violation, Watch } from './watch.js';

/** Long enough for a slow network that recovers, short enough that a stalled round costs little to play. */
const DEADLINES = {
  precomputeMs: 60_000,
  standbyMs: 25_000,
  collectMs: 1_500,
  realtimeMs: 60_000,
  precomputePhaseMs: 14_000,
  realtimePhaseMs: 12_000,
};
/** The sum of all deadlines, the claims after them, and a margin. */
const ROUND_MS_MAX = 60_000 + 25_000 + (1_500 + 60_000) + 60_000 + 10_000;
/** Time for late messages of an ended round. */
const SETTLE_MS = 2_500;

export interface SimResult {
  readonly scenario: Scenario;
  readonly violations: readonly Violation[];
  readonly traceHash: string;
  /** How each round ended, node by node. */
  readonly ends: readonly (readonly string[])[];
  readonly virtualMs: number;
  readonly packets: number;
}

interface Play {
  signed: ReturnType<SimTeam['roundInfo']>;
  opened: boolean;
  sent: Sent[] | undefined;
  readonly assigned: Set<number>;
}

export async function playSeed(seed: string | number, broken?: Break): Promise<SimResult> {
  return new Simulation(drawScenario(seed), broken).play();
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #broken: Break | undefined;
  readonly #team: SimTeam;
  readonly #watch: Watch;
  readonly #plays: Play[] = [];
  readonly #pending: Mishap[];
  #restarts = 0;

  constructor(scenario: Scenario, broken: Break | undefined) {
    this.#scenario = scenario;
    this.#broken = broken;
    this.#pending = [...scenario.mishaps];
    const { seed, nodes, slots, width, chunkSlots, minSenders, quotaPerSender, faults } = scenario;
    this.#team = new SimTeam({
      ...{ seed, nodes, slots, width, chunkSlots, minSenders, quotaPerSender, faults },
      deadlines: DEADLINES,
      remake: (index) => brokenNode(broken, index, () => this.#team),
    });
    this.#watch = new Watch(this.#team);
    if (broken === 'forget-reservation') {
      this.#team.nodes[0]!.disk.forgets = (key) => key.startsWith('realtime/');
    }
  }

  async play(): Promise<SimResult> {
    const onUnhandled = (reason: unknown) =>
      this.#watch.violate('nothing throws unhandled', asMixError(reason).message);
    process.on('unhandledRejection', onUnhandled);
    try {
      await this.#team.start(this.#scenario.senders);
      for (const _ of this.#scenario.rounds) {
        this.#plays.push({ signed: this.#team.roundInfo(), opened: false, sent: undefined, assigned: new Set() });
      }
      await this.#runOut();
      await this.#check();
    } catch (error) {
      this.#watch.violate('nothing throws', (error as Error).stack ?? String(error));
    } finally {
      this.#team.close();
      await turn();
      process.off('unhandledRejection', onUnhandled);
    }
    return this.#result();
  }

  /** Advances time until every round has ended and every mishap is over. */
  async #runOut(): Promise<void> {
    const { clock } = this.#team;
    const limitMs = ROUND_MS_MAX * this.#plays.length;
    while (!(await this.#tick())) {
      if (clock.nowMs() > limitMs || !clock.step()) break;
    }
    const endMs = clock.nowMs() + SETTLE_MS;
    while (clock.nowMs() < endMs && clock.step()) await turn();
  }

  /** Does everything due now; returns true when nothing is left to do. */
  async #tick(): Promise<boolean> {
    await turn();
    await this.#happen();
    let ended = this.#restarts === 0;
    for (const [number, play] of this.#plays.entries()) {
      const before = this.#plays[number - 1];
      if (!play.opened && (!before || this.#scenario.overlap || this.#isOver(before))) await this.#open(play);
      if (play.opened) await this.#advance(play, number);
      ended &&= play.opened && this.#isOver(play);
    }
    return ended;
  }

  async #open(play: Play): Promise<void> {
    play.opened = true;
    this.#watch.open(play.signed.info);
    for (const node of this.#team.nodes) {
      if (!node.alive) continue;
      for (const sender of this.#team.senders) {
        if (!sender.knows(node.id, node.registry.epoch)) this.#team.register(sender, node);
      }
      await node.manager.openRound(play.signed);
    }
  }

  /** The part of the scheduler and the senders: rounds in STANDBY are assigned, and get messages. */
  async #advance(play: Play, number: number): Promise<void> {
    const { info } = play.signed;
    for (const node of this.#team.nodes) {
      if (!node.alive || play.assigned.has(node.index) || this.#team.stage(node, info.round) !== 'STANDBY') continue;
      play.assigned.add(node.index);
      node.manager.assign(info.round);
    }
    const first = this.#team.first(info);
    if (play.sent || !first.alive || this.#team.stage(first, info.round) !== 'QUEUED') return;
    const drop = this.#broken === 'drop-message' && number === 0;
    play.sent = await sendAll(this.#team, info, this.#scenario.rounds[number]!, drop);
    for (const { kind, answer } of play.sent) this.#watch.note('sent', info.round, kind, answer);
  }

  #isOver({ signed }: Play): boolean {
    return this.#team.everyAlive((node) => {
      const stage = this.#team.stage(node, signed.info.round);
      return stage === undefined || isOver(stage as Stage);
    });
  }

  async #happen(): Promise<void> {
    const { network } = this.#team;
    for (const mishap of this.#pending.filter(({ atPacket }) => network.packets >= atPacket)) {
      this.#pending.splice(this.#pending.indexOf(mishap), 1);
      const node = this.#team.nodes[mishap.node]!;
      this.#watch.note('mishap', mishap.kind, mishap.node);
      if (mishap.kind === 'crash') this.#crash(mishap);
      else if (mishap.kind === 'stall') network.stall(node.id, mishap.silent);
      else if (mishap.kind === 'lie') this.#lie(mishap);
      else this.#partition(mishap);
    }
  }

  #crash({ node: index, restartMs }: Mishap & { kind: 'crash' }): void {
    const node = this.#team.nodes[index]!;
    if (!node.alive) return;
    this.#team.crash(node);
    if (restartMs === undefined) return;
    this.#restarts++;
    this.#team.clock.after(restartMs, () => {
      this.#watch.note('restart', index);
      void this.#team.restart(node).then(() => this.#restarts--);
    });
  }

  /** Tells all others at once a lie about every open round, signed by the liar. */
  #lie({ node: index, victim, code }: Mishap & { kind: 'lie' }): void {
    const { nodes, network } = this.#team;
    const liar = nodes[index]!;
    for (const { signed, opened } of this.#plays) {
      if (!opened || !liar.alive) continue;
      const facts = { info: signed.info, digest: roundDigest(signed.info), group: this.#team.engine.group };
      const message = { kind: 'roundError', code, culprit: nodes[victim]!.id, detail: 'a lie' } as const;
      const said = forgeMessage(facts, liar.key, message);
      // Nodes that are cut off do not receive it.
      for (const { id } of nodes) if (id !== liar.id) network.tell(liar.id, id, said).catch(() => {});
    }
  }

  #partition({ node: index, healMs }: Mishap & { kind: 'partition' }): void {
    const { network, nodes, clock } = this.#team;
    const cutAll = (isCut: boolean) => {
      for (const other of nodes) if (other.index !== index) network.cut(nodes[index]!.id, other.id, isCut);
    };
    cutAll(true);
    clock.after(healMs, () => cutAll(false));
  }

  async #check(): Promise<void> {
    const played: PlayedRound[] = this.#plays.map(({ signed, sent }) => ({
      signed,
      info: signed.info,
      sent: sent ?? [],
    }));
    checkSecrets(this.#team, this.#watch);
    const suspects = new Set(this.#scenario.mishaps.map(({ node }) => node));
    for (const round of played) {
      checkBlame(this.#team, this.#watch, round, suspects);
      checkEnded(this.#team, this.#watch, round);
      checkStall(this.#team, this.#watch, round, this.#scenario.mishaps);
      checkMessages(this.#team, this.#watch, round);
      await checkReuse(this.#team, this.#watch, round);
    }
  }

  #result(): SimResult {
    const ends = this.#plays.map(({ signed }) =>
      this.#team.nodes.map((node) => this.#endOf(node.index, signed.info.round)),
    );
    for (const [number, nodes] of ends.entries()) this.#watch.note('end', number, ...nodes);
    return {
      scenario: this.#scenario,
      violations: this.#watch.violations,
      traceHash: this.#watch.traceHash(),
      ends,
      virtualMs: Math.round(this.#team.clock.nowMs()),
      packets: this.#team.network.packets,
    };
  }

  #endOf(index: number, round: Play['signed']['info']['round']): string {
    const node = this.#team.nodes[index]!;
    const failure = this.#team.failure(node, round);
    if (!failure) return this.#team.stage(node, round) ?? 'ABSENT';
    const culprit = this.#team.nodes.findIndex(({ id }) => id === failure.culprit);
    return culprit < 0 ? failure.code : `${failure.code}(node ${culprit + 1})`;
  }
}

/** Everything between two timers is microtasks: one turn of the event loop ends them all. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

// Watches a running simulation: hashes all events into a trace, so that two runs of a seed can be compared, and checks two things
// at the moment they happen, because they cannot be seen afterwards: no opening leaves a node before the node holds all
// commitments over one C and H(x′), and no realtime byte leaves it before the round is written to disk.
import { createHash } from 'node:crypto';
import { toHex } from '../../src/base/bytes.js';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import type { BatchSource } from '../../src/protocol/link.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import type { SignedTeamMessage } from '../../src/protocol/teamMessages.js';
import type { SimTeam } from './team.js';

export interface Violation {
  readonly invariant: string;
  readonly detail: string;
}

/** A node's view of a round: H(C) of each commitment, by its sender, and if it has H(x′). */
interface Held {
  readonly commitments: Map<NodeId, string>;
  readonly mixCommits: Set<string>;
}

export class Watch {
  readonly #team: SimTeam;
  readonly #held = new Map<string, Held>();
  readonly #infos = new Map<RoundId, RoundInfo>();
  readonly #trace = createHash('sha256');
  readonly violations: Violation[] = [];

  constructor(team: SimTeam) {
    this.#team = team;
    team.network.observer = {
      packet: (from, to, what) => this.note('packet', this.#name(from), this.#name(to), what),
      said: (from, message) => this.#hold(from, message),
      arrived: (at, message) => this.#hold(at, message),
      refused: (at, message) => this.#release(at, message),
      sending: (from, source) => this.#onSending(from, source),
    };
  }

  open(info: RoundInfo): void {
    this.#infos.set(info.round, info);
  }

  note(...parts: readonly (string | number | boolean | undefined)[]): void {
    this.#trace.update(`${this.#team.clock.nowMs()} ${parts.join(' ')}\n`);
  }

  violate(invariant: string, detail: string): void {
    this.violations.push({ invariant, detail });
  }

  traceHash(): string {
    return this.#trace.copy().digest('hex');
  }

  #name(node: NodeId): number {
    return this.#team.nodes.findIndex(({ id }) => id === node);
  }

  #of(node: NodeId, round: RoundId): Held {
    const key = `${node}/${round}`;
    const held = this.#held.get(key) ?? { commitments: new Map(), mixCommits: new Set() };
    this.#held.set(key, held);
    return held;
  }

  #hold(at: NodeId, { round, from, message }: SignedTeamMessage): void {
    if (message.kind === 'commitment') this.#of(at, round).commitments.set(from, toHex(message.cipherDigest));
    if (message.kind === 'mixCommit') this.#of(at, round).mixCommits.add(toHex(message.digest));
  }

  #release(at: NodeId, { round, from, message }: SignedTeamMessage): void {
    if (message.kind === 'commitment') this.#of(at, round).commitments.delete(from);
    if (message.kind === 'mixCommit') this.#of(at, round).mixCommits.delete(toHex(message.digest));
  }

  #onSending(from: NodeId, { header }: BatchSource): void {
    const { round, phase } = header;
    this.note('sending', this.#name(from), round, phase);
    const info = this.#infos.get(round);
    if (!info) return;
    const who = `node ${this.#name(from) + 1}, round ${round}`;
    if (phase === 'opening') {
      const { commitments, mixCommits } = this.#of(from, round);
      const missing = info.team.filter((node) => !commitments.has(node)).length;
      const over = new Set(commitments.values()).size;
      if (missing > 0 || over !== 1 || mixCommits.size === 0) {
        const held = `${missing} commitments missing, over ${over} C, H(x′) ${mixCommits.size > 0 ? 'held' : 'not held'}`;
        this.violate('commit before release', `${who} opens its shares: ${held}`);
      }
    }
    if (phase === 'realtimeDecrypt') {
      const { writes } = this.#team.nodes[this.#name(from)]!.disk;
      const reserved = writes.get(`realtime/${String(round).padStart(16, '0')}`) ?? 0;
      if (reserved !== 1) {
        this.violate('a precomputation is used once', `${who} sends realtime bytes, written down ${reserved} times`);
      }
    }
  }
}

// Whole nodes from their configuration files, in one process: they outlast a scheduler that is away, also while they start, and
// change certificates and membership while rounds go on.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.js';
import { systemClock } from '../../src/base/clock.js';
import type { RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { systemRng } from '../../src/base/rng.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { createCertificate } from '../../src/comms/certificates.js';
import { type CallFacts, Gate } from '../../src/comms/gate.js';
import { addHandshakeService } from '../../src/comms/handshakeService.js';
import { type Member, Membership } from '../../src/comms/peers.js';
import { SCHEDULER_ID } from '../../src/comms/schedulerClient.js';
import { addSchedulerService } from '../../src/comms/schedulerService.js';
import { type Listener, listen } from '../../src/comms/server.js';
import { loadConfig, membershipEntry } from '../../src/node/config.js';
import { createKeyFiles, keyFilesIn } from '../../src/node/keyFiles.js';
import { type RunningNode, startNode } from '../../src/node/node.js';
import { configTemplate, TEMPLATE_DEFAULTS } from '../../src/node/template.js';
import type { RoundInfo } from '../../src/round/roundInfo.js';
import { RoundFeed } from '../../src/scheduler/roundFeed.js';
import { freePorts } from '../support/ports.js';

const NETWORK = 'nodes';
const LIMIT_MS = 60_000;

class Nodes {
  readonly directory = mkdtempSync(join(tmpdir(), 'millrace-nodes-'));
  readonly authority = SigningKey.generate(systemRng);
  readonly feed = new RoundFeed(this.authority, NETWORK);
  readonly running: RunningNode[] = [];
  members: Member[] = [];
  generation = 1;
  #ports: number[] = [];
  #scheduler: Listener | undefined;
  #round = 0;

  async create(count: number): Promise<void> {
    this.#ports = await freePorts(3 * count + 1);
    const certificate = await createCertificate('scheduler', 2);
    writeFileSync(join(this.directory, 'scheduler.pem'), certificate.certificate);
    writeFileSync(join(this.directory, 'scheduler.key'), certificate.privateKey);
    for (let i = 0; i < count; i++) {
      mkdirSync(this.at(i));
      const files = keyFilesIn(this.at(i));
      const key = await createKeyFiles(files, 2);
      const [address, gatewayAddress] = [this.#address(3 * i), this.#address(3 * i + 1)];
      const pem = readFileSync(files.certificateFile, 'utf8');
      this.members.push({ node: key.nodeId, identityKey: key.publicKey, address, gatewayAddress, certificate: pem });
      const paths = { membershipFile: '../membership.toml', schedulerCertificateFile: '../scheduler.pem' };
      const config = configTemplate({
        ...TEMPLATE_DEFAULTS,
        ...paths,
        network: NETWORK,
        team: address,
        gateway: gatewayAddress,
        http: this.#address(3 * i + 2),
        schedulerAddress: this.#address(3 * count),
        schedulerKey: toHex(this.authority.publicKey),
        engine: 'reference',
        groups: ['TEST-512'],
      });
      writeFileSync(join(this.at(i), 'node.toml'), config);
    }
    this.writeMembership();
  }

  at(node: number): string {
    return join(this.directory, `node-${node}`);
  }

  #address(port: number): string {
    return `127.0.0.1:${this.#ports[port]}`;
  }

  writeMembership(): void {
    const text = `generation = ${this.generation}\n\n${this.members.map(membershipEntry).join('\n')}`;
    writeFileSync(join(this.directory, 'membership.toml'), text);
  }

  /** The list as the scheduler has it, and as all nodes have it after the next reload. */
  get membership(): Membership {
    return new Membership(this.generation, this.members);
  }

  async start(node: number): Promise<void> {
    this.running.push(await startNode(loadConfig(join(this.at(node), 'node.toml'), [], {}), silentLog));
  }

  async startScheduler(): Promise<void> {
    const read = (name: string) => readFileSync(join(this.directory, name), 'utf8');
    const certificate = { certificate: read('scheduler.pem'), privateKey: read('scheduler.key') };
    const gate = new Gate({
      network: NETWORK,
      self: { id: SCHEDULER_ID, sign: (digest) => this.authority.sign(digest) },
      membership: () => this.membership,
      clock: systemClock,
      rng: systemRng,
    });
    const address = this.#address(3 * this.members.length);
    const authenticate = (call: CallFacts) => void gate.admit(call);
    const options = { address, certificate, authenticate, log: silentLog, metrics: createMetrics() };
    this.#scheduler = await listen(options, (server, errors) => {
      addHandshakeService(server, errors, gate);
      addSchedulerService(server, errors, { feed: this.feed, identify: (context) => gate.identify(context) });
    });
  }

  async stopScheduler(): Promise<void> {
    await this.#scheduler?.close(0);
    this.#scheduler = undefined;
  }

  async readiness(node: number): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.running[node]!.httpPort}/readyz`);
    return { status: response.status, text: await response.text() };
  }

  info(team = this.members.map(({ node }) => node)): RoundInfo {
    const minute = 60_000;
    return {
      network: NETWORK,
      round: ++this.#round as RoundId,
      membership: this.generation,
      team,
      group: 'TEST-512',
      slots: 4,
      width: 1,
      chunkSlots: 2,
      exponentBytes: 32,
      minSenders: 1,
      quotaPerSender: 4,
      deadlines: {
        precomputeMs: minute,
        standbyMs: minute,
        collectMs: minute,
        realtimeMs: minute,
        precomputePhaseMs: minute / 2,
        realtimePhaseMs: minute / 2,
      },
    };
  }

  /** A round that is precomputed by all members. */
  async standby(): Promise<RoundInfo> {
    const info = this.info();
    this.feed.open(info);
    await this.feed.reached(info.round, 'STANDBY');
    return info;
  }

  async close(): Promise<void> {
    await Promise.all(this.running.map((node) => node.close('the test is over')));
    await this.stopScheduler();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

let nodes: Nodes;
beforeEach(() => {
  nodes = new Nodes();
});
afterEach(() => nodes.close());

describe('a scheduler that is away', () => {
  it('while nodes start keeps none from starting: they say what is missing, and join when it comes', {
    timeout: LIMIT_MS,
  }, async () => {
    await nodes.create(2);
    for (const node of [0, 1]) await nodes.start(node);
    for (const node of [0, 1]) {
      const { status, text } = await nodes.readiness(node);
      expect(status).toBe(503);
      expect(text).toContain('no connection to the scheduler');
    }
    await nodes.startScheduler();
    await nodes.standby();
    expect((await nodes.readiness(0)).status).toBe(200);
  });

  it('in the middle of a round ends none, and finds the nodes where they were', { timeout: LIMIT_MS }, async () => {
    await nodes.create(2);
    await nodes.startScheduler();
    for (const node of [0, 1]) await nodes.start(node);
    const first = nodes.info();
    nodes.feed.open(first);
    await nodes.stopScheduler();
    // Its feed lives on: only the connection was lost.
    await nodes.startScheduler();
    await nodes.feed.reached(first.round, 'STANDBY');
    await nodes.stopScheduler();
    const second = nodes.info();
    nodes.feed.open(second);
    await nodes.startScheduler();
    await nodes.feed.reached(second.round, 'STANDBY');
    nodes.feed.assign(first.round);
    await nodes.feed.reached(first.round, 'QUEUED');
  });
});

describe('while rounds go on', () => {
  beforeEach(async () => {
    await nodes.create(3);
    await nodes.startScheduler();
    for (const node of [0, 1, 2]) await nodes.start(node);
    await nodes.standby();
  });
  const reloadAll = () => {
    for (const node of nodes.running) node.reload();
  };

  it('a certificate is changed without a restart and without a failed round', { timeout: LIMIT_MS }, async () => {
    const held = await nodes.standby();
    const [changing, ...others] = nodes.members;
    const next = await createCertificate(changing!.node, 2);
    // Everybody lists both, then its owner changes over, then the old one goes.
    nodes.members = [{ ...changing!, nextCertificate: next.certificate }, ...others];
    nodes.writeMembership();
    reloadAll();
    await nodes.standby();
    const files = keyFilesIn(nodes.at(0));
    writeFileSync(files.certificateFile, next.certificate);
    writeFileSync(files.certificateKeyFile, next.privateKey);
    nodes.running[0]!.reload();
    await nodes.standby();
    nodes.members = [{ ...changing!, certificate: next.certificate }, ...others];
    nodes.writeMembership();
    reloadAll();
    await nodes.standby();
    nodes.feed.assign(held.round);
    await nodes.feed.reached(held.round, 'QUEUED');
  });

  it('a member that is taken off the list fails its rounds by name, and only those', {
    timeout: LIMIT_MS,
  }, async () => {
    const [first, second, leaving] = nodes.members;
    const staying = nodes.info([first!.node, second!.node]);
    nodes.feed.open(staying);
    await nodes.feed.reached(staying.round, 'STANDBY');
    const lost = await nodes.standby();
    const failed = nodes.feed.reached(lost.round, 'COMPLETED').catch((error) => error.values);
    nodes.members = [first!, second!];
    nodes.generation = 2;
    nodes.writeMembership();
    for (const node of nodes.running.slice(0, 2)) node.reload();
    expect(await failed).toMatchObject({ code: 'PEER_UNKNOWN', culprit: leaving!.node });
    nodes.feed.assign(staying.round);
    await nodes.feed.reached(staying.round, 'QUEUED');
    // Rounds of the new generation are of the two that are left.
    await nodes.standby();
  });

  it('files that cannot be used change nothing', { timeout: LIMIT_MS }, async () => {
    const file = join(nodes.directory, 'membership.toml');
    const good = readFileSync(file, 'utf8');
    const unpinned = await createCertificate('x', 2);
    const files = keyFilesIn(nodes.at(0));
    const own = readFileSync(files.certificateFile, 'utf8');
    const broken: (() => void)[] = [
      () => writeFileSync(file, good.slice(0, 200)),
      () => writeFileSync(file, good.replace('generation = 1', 'generation = 0')),
      () => writeFileSync(file, good.replace(nodes.members[0]!.node, 'f'.repeat(32))),
      () => writeFileSync(files.certificateFile, unpinned.certificate),
    ];
    for (const harm of broken) {
      harm();
      expect(() => nodes.running[0]!.reload()).toThrow(/CONFIG_INVALID|CERTIFICATE_INVALID|PEER_UNKNOWN/);
      writeFileSync(file, good);
      writeFileSync(files.certificateFile, own);
    }
    nodes.running[0]!.reload();
    await nodes.standby();
  });
});

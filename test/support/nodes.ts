// Whole nodes from configuration files in a temporary directory, all in this process, and their scheduler: by default a bare feed
// that a test drives, or none.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../src/base/bytes.js';
import { systemClock } from '../../src/base/clock.js';
import type { RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { systemRng } from '../../src/base/rng.js';
import { freePorts } from '../../src/cli/demo/processes.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { SCHEDULER_ID } from '../../src/comms/scheduler/client.js';
import { addSchedulerService } from '../../src/comms/scheduler/service.js';
import { type RunningNode, startNode } from '../../src/node/node.js';
import { createKeyFiles, keyFilesIn } from '../../src/node/settings/keyFiles.js';
import { membershipEntry } from '../../src/node/settings/membershipFile.js';
import { loadConfig, nodeConfigFile } from '../../src/node/settings/nodeConfig.js';
import { toFloorKeys } from '../../src/node/settings/sections.js';
import { NO_FLOORS } from '../../src/protocol/floors.js';
import { type Member, Membership } from '../../src/protocol/membership.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { RoundFeed } from '../../src/scheduler/feed.js';
import { createCertificate } from '../../src/transport/certificates.js';
import { CallAuthenticator, type CallFacts } from '../../src/transport/serving/callAuthenticator.js';
import { addHandshakeService } from '../../src/transport/serving/handshakeService.js';
import { type Listener, listen } from '../../src/transport/serving/server.js';

export const NETWORK = 'nodes';

export class Nodes {
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
      const config = nodeConfigFile({
        network: NETWORK,
        membership_file: '../membership.toml',
        listen: { team: address, gateway: gatewayAddress, http: this.#address(3 * i + 2) },
        scheduler: {
          address: this.#address(3 * count),
          certificate_file: '../scheduler.pem',
          key: toHex(this.authority.publicKey),
        },
        engine: { name: 'reference', groups: ['TEST-512'] },
        floors: toFloorKeys(NO_FLOORS),
      });
      writeFileSync(join(this.at(i), 'node.toml'), config);
    }
    this.writeMembership();
  }

  at(node: number): string {
    return join(this.directory, `node-${node}`);
  }

  /** Address at which the nodes expect their scheduler. */
  get schedulerAddress(): string {
    return this.#address(3 * this.members.length);
  }

  schedulerPublicKey = this.authority.publicKey;

  /** Makes the nodes follow the scheduler with this key. */
  schedulerKey(hex: string): void {
    for (const [node] of this.members.entries()) {
      const file = join(this.at(node), 'node.toml');
      const changed = readFileSync(file, 'utf8').replace(toHex(this.authority.publicKey), hex);
      writeFileSync(file, changed);
    }
    this.schedulerPublicKey = new Uint8Array(Buffer.from(hex, 'hex'));
  }

  /** Makes a node register with this code when it starts. */
  giveCode(node: number, code: string): void {
    writeFileSync(join(this.at(node), 'registration.code'), code, { mode: 0o600 });
    const file = join(this.at(node), 'node.toml');
    const key = 'registration_code_file = "registration.code"';
    writeFileSync(file, readFileSync(file, 'utf8').replace(`# ${key}`, key));
  }

  #address(port: number): string {
    return `127.0.0.1:${this.#ports[port]}`;
  }

  writeMembership(): void {
    const text = `generation = ${this.generation}\n\n${this.members.map(membershipEntry).join('\n')}`;
    writeFileSync(join(this.directory, 'membership.toml'), text);
  }

  /** The list of the scheduler, and of all nodes after the next reload. */
  get membership(): Membership {
    return new Membership(this.generation, this.members);
  }

  async start(node: number): Promise<void> {
    this.running.push(await startNode(loadConfig(join(this.at(node), 'node.toml'), [], {}), silentLog));
  }

  async startScheduler(): Promise<void> {
    const read = (name: string) => readFileSync(join(this.directory, name), 'utf8');
    const certificate = { certificate: read('scheduler.pem'), privateKey: read('scheduler.key') };
    const authenticator = new CallAuthenticator({
      network: NETWORK,
      self: { id: SCHEDULER_ID, sign: (digest) => this.authority.sign(digest) },
      membership: () => this.membership,
      clock: systemClock,
      rng: systemRng,
    });
    const address = this.#address(3 * this.members.length);
    const authenticate = (call: CallFacts) => void authenticator.admit(call);
    const options = { address, certificate, authenticate, log: silentLog, metrics: createMetrics() };
    this.#scheduler = await listen(options, (server, errors) => {
      addHandshakeService(server, errors, authenticator);
      addSchedulerService(server, errors, { feed: this.feed, identify: (context) => authenticator.identify(context) });
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

  /** Opens a round, precomputed by all members. */
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

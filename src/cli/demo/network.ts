// A whole network on loopback: one process per node, each with its own keys, configuration and data directory, real gRPC,
// real mutual TLS; and in this process the minimal scheduler. Whatever happens, stop() leaves no process and no file.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toHex } from '../../base/bytes.js';
import { systemClock } from '../../base/clock.js';
import { MixError } from '../../base/errors.js';
import type { NodeId } from '../../base/ids.js';
import { createLog, type LogLevel } from '../../base/log.js';
import { createMetrics } from '../../base/metrics.js';
import { systemRng } from '../../base/rng.js';
import { SigningKey } from '../../cmix/signatures.js';
import { createCertificate } from '../../comms/certificates.js';
import { type CallFacts, Gate } from '../../comms/gate.js';
import { addHandshakeService } from '../../comms/handshakeService.js';
import { type Member, Membership } from '../../comms/peers.js';
import { SCHEDULER_ID } from '../../comms/schedulerClient.js';
import { addSchedulerService } from '../../comms/schedulerService.js';
import { type Listener, listen } from '../../comms/server.js';
import { membershipEntry } from '../../node/config.js';
import { createKeyFiles, keyFilesIn } from '../../node/keyFiles.js';
import { configTemplate, TEMPLATE_DEFAULTS } from '../../node/template.js';
import { type FeedListener, RoundFeed } from '../../scheduler/roundFeed.js';

/** The compiled command, from src/cli/demo and from dist/cli/demo alike. */
const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 6_000;
const CERTIFICATE_DAYS = 2;

export interface DemoNetworkOptions {
  readonly nodes: number;
  readonly engine: string;
  readonly threads: number;
  readonly groups: readonly string[];
  readonly logLevel?: LogLevel;
  readonly listener?: FeedListener;
  /** What everybody else is told of an address that is listened on: for tests that stand in between. */
  readonly advertise?: (address: string) => Promise<string>;
}

export interface DemoNode {
  readonly id: NodeId;
  /** Counted from 1, as the display does. */
  readonly number: number;
  readonly directory: string;
  readonly httpAddress: string;
  process: ChildProcess;
}

/** Free loopback ports: held all at once, so that none is given twice. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export class DemoNetwork {
  readonly name = 'demo';
  readonly authority: SigningKey;
  readonly feed: RoundFeed;
  readonly nodes: DemoNode[] = [];
  readonly directory: string;
  membership!: Membership;
  readonly #options: DemoNetworkOptions;
  #listener: Listener | undefined;
  #stopping = false;

  constructor(options: DemoNetworkOptions) {
    this.#options = options;
    this.authority = SigningKey.generate(systemRng);
    this.feed = new RoundFeed(this.authority, this.name, options.listener ?? {});
    this.directory = mkdtempSync(join(tmpdir(), 'millrace-demo-'));
  }

  /** Creates keys and configurations, starts all processes and waits until every node is online. */
  async start(): Promise<void> {
    await this.#create();
    await this.#allOnline();
  }

  async #create(): Promise<void> {
    const { nodes, engine, threads, groups, logLevel = 'info' } = this.#options;
    const advertise = this.#options.advertise ?? (async (listening: string) => listening);
    const ports = await freePorts(3 * nodes);
    const address = (index: number) => `127.0.0.1:${ports[index]}`;
    const members: Member[] = [];
    for (let i = 0; i < nodes; i++) {
      const directory = join(this.directory, `node-${i + 1}`);
      mkdirSync(directory);
      const files = keyFilesIn(directory);
      const key = await createKeyFiles(files, CERTIFICATE_DAYS);
      members.push({
        node: key.nodeId,
        address: await advertise(address(3 * i)),
        gatewayAddress: await advertise(address(3 * i + 1)),
        identityKey: key.publicKey,
        certificate: readFileSync(files.certificateFile, 'utf8'),
      });
    }
    this.membership = new Membership(1, members);
    writeFileSync(
      join(this.directory, 'membership.toml'),
      `generation = 1\n\n${members.map(membershipEntry).join('\n')}`,
    );
    const schedulerAddress = await advertise(await this.#listen());
    // Stopped while keys were being made: nothing may be started any more.
    if (this.#stopping) throw new MixError('ABORTED');
    for (const [i, member] of members.entries()) {
      const directory = join(this.directory, `node-${i + 1}`);
      const config = configTemplate({
        ...TEMPLATE_DEFAULTS,
        network: this.name,
        team: address(3 * i),
        gateway: address(3 * i + 1),
        http: address(3 * i + 2),
        membershipFile: '../membership.toml',
        schedulerAddress,
        schedulerCertificateFile: '../scheduler.pem',
        schedulerKey: toHex(this.authority.publicKey),
        engine,
        threads,
        groups,
        logLevel,
      });
      writeFileSync(join(directory, 'node.toml'), config);
      const node = { id: member.node, number: i + 1, directory, httpAddress: address(3 * i + 2) };
      this.nodes.push({ ...node, process: this.#spawn(directory) });
    }
  }

  async #listen(): Promise<string> {
    const certificate = await createCertificate('scheduler', CERTIFICATE_DAYS);
    writeFileSync(join(this.directory, 'scheduler.pem'), certificate.certificate);
    const gate = new Gate({
      network: this.name,
      self: { id: SCHEDULER_ID, sign: (digest) => this.authority.sign(digest) },
      membership: () => this.membership,
      clock: systemClock,
      rng: systemRng,
    });
    const authenticate = (call: CallFacts) => void gate.admit(call);
    const log = createLog({ name: 'scheduler', level: 'error' });
    const options = { address: '127.0.0.1:0', certificate, log, metrics: createMetrics(), authenticate };
    this.#listener = await listen(options, (server, errors) => {
      addHandshakeService(server, errors, gate);
      addSchedulerService(server, errors, { feed: this.feed, identify: (context) => gate.identify(context) });
    });
    return `127.0.0.1:${this.#listener.port}`;
  }

  #spawn(directory: string): ChildProcess {
    const log = openSync(join(directory, 'node.log'), 'a');
    const args = [MAIN, 'run', '--config', join(directory, 'node.toml'), '--exit-with-parent'];
    // The pipe to its standard input is how a node learns that this process is gone, even by kill -9.
    return spawn(process.execPath, args, { stdio: ['pipe', 'ignore', log] });
  }

  async #allOnline(): Promise<void> {
    const died = new Promise<never>((_, reject) => {
      for (const node of this.nodes) {
        node.process.once('exit', (code, signal) => {
          if (this.#stopping) return;
          const values = { node: node.number, exit: code ?? signal ?? '', log: this.logTail(node) };
          reject(new MixError('PEER_LOST', values));
        });
      }
    });
    const late = new Promise<never>((_, reject) =>
      setTimeout(
        () => reject(new MixError('DEADLINE_MISSED', { what: 'nodes did not come up' })),
        START_LIMIT_MS,
      ).unref(),
    );
    died.catch(() => {});
    await Promise.race([this.feed.online(this.nodes.map(({ id }) => id)), died, late]);
  }

  /** The end of a node's log, for an error message. */
  logTail(node: DemoNode): string {
    return readFileSync(join(node.directory, 'node.log'), 'utf8').trim().split('\n').slice(-3).join(' | ').slice(-600);
  }

  find(id: NodeId): DemoNode | undefined {
    return this.nodes.find((node) => node.id === id);
  }

  /** Kills whatever runs, at once: for when this process itself must go. */
  killAll(): void {
    for (const { process: child } of this.nodes) child.kill('SIGKILL');
  }

  /** Stops every process (SIGTERM, then SIGKILL) and removes all files. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.nodes.map(({ process: child }) => stopProcess(child)));
    await this.#listener?.close(500);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    child.once('exit', () => {
      clearTimeout(force);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

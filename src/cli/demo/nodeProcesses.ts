// The nodes of a network on loopback: one process each, with keys, configuration and a data directory of its own, real gRPC, real mutual
// TLS. The caller names the scheduler that they follow. Whatever happens, stop() leaves no process, and removeFiles() no file.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MixError, type NodeId, toHex } from '../../base/index.js';
import type { LogLevel } from '../../base/log.js';
import type { EngineName } from '../../engine/index.js';
import type { GroupName } from '../../math/index.js';
import { createKeyFiles, keyFilesIn, membershipEntry, nodeConfigFile, toFloorKeys } from '../../node/index.js';
import { type Member, Membership, type RoundFloors } from '../../protocol/index.js';
import { freePorts, readTail, settingFlags, startMillrace, stopProcess } from './processes.js';

export const CERTIFICATE_DAYS = 2;
/** A network that is stopped as a whole need not drain. */
const QUICK = { 'limits.drain_ms': 0 };

export interface NodeProcessesOptions {
  readonly network: string;
  readonly nodes: number;
  readonly engine: EngineName | 'auto';
  readonly threads: number;
  readonly groups: readonly GroupName[];
  /** Floors of the nodes. */
  readonly floors: RoundFloors;
  readonly logLevel?: LogLevel;
  /** Keys of node.toml, `section.key` to value. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Gives the address that others are told for a listening one: for tests that stand in between. */
  readonly advertise?: (address: string) => Promise<string>;
}

/** The scheduler that the nodes follow. */
interface SchedulerFacts {
  readonly address: string;
  /** PEM */
  readonly certificate: string;
  /** Ed25519: signs rounds and updates. */
  readonly publicKey: Uint8Array;
}

export interface NodeProcess {
  readonly id: NodeId;
  /** Counted from 1, as the display does. */
  readonly number: number;
  readonly directory: string;
  readonly httpAddress: string;
  process: ChildProcess;
}

export class NodeProcesses {
  readonly nodes: NodeProcess[] = [];
  readonly directory = mkdtempSync(join(tmpdir(), 'millrace-demo-'));
  membership!: Membership;
  readonly #options: NodeProcessesOptions;
  #addresses: string[] = [];
  #stopping = false;

  constructor(options: NodeProcessesOptions) {
    this.#options = options;
  }

  /** Creates keys and the membership list; nothing is started yet. */
  async create(): Promise<void> {
    const { nodes, advertise = async (listening: string) => listening } = this.#options;
    const ports = await freePorts(3 * nodes);
    this.#addresses = ports.map((port) => `127.0.0.1:${port}`);
    const members: Member[] = [];
    for (let i = 0; i < nodes; i++) {
      const directory = this.#nodeDirectory(i);
      mkdirSync(directory);
      const files = keyFilesIn(directory);
      const key = await createKeyFiles(files, CERTIFICATE_DAYS);
      members.push({
        node: key.nodeId,
        address: await advertise(this.#addresses[3 * i]!),
        gatewayAddress: await advertise(this.#addresses[3 * i + 1]!),
        identityKey: key.publicKey,
        certificate: readFileSync(files.certificateFile, 'utf8'),
      });
    }
    this.membership = new Membership(1, members);
    writeFileSync(this.membershipFile, `generation = 1\n\n${members.map(membershipEntry).join('\n')}`);
  }

  /** Starts all of them, as followers of this scheduler. */
  start(scheduler: SchedulerFacts): void {
    // Stopped while keys were being made: nothing may be started any more.
    if (this.#stopping) throw new MixError('ABORTED');
    writeFileSync(join(this.directory, 'scheduler.pem'), scheduler.certificate);
    for (const [i, { node: id }] of this.membership.members.entries()) {
      const directory = this.#nodeDirectory(i);
      writeFileSync(join(directory, 'node.toml'), this.#nodeConfig(i, scheduler));
      const httpAddress = this.#addresses[3 * i + 2]!;
      this.nodes.push({ id, number: i + 1, directory, httpAddress, process: this.#spawn(directory) });
    }
  }

  get membershipFile(): string {
    return join(this.directory, 'membership.toml');
  }

  #nodeDirectory(index: number): string {
    return join(this.directory, `node-${index + 1}`);
  }

  #nodeConfig(index: number, scheduler: SchedulerFacts): string {
    const { network, engine, threads, groups, floors, logLevel = 'info' } = this.#options;
    const [team, gateway, http] = this.#addresses.slice(3 * index);
    return nodeConfigFile({
      network,
      membership_file: '../membership.toml',
      listen: { team: team!, gateway: gateway!, http: http! },
      scheduler: {
        address: scheduler.address,
        certificate_file: '../scheduler.pem',
        key: toHex(scheduler.publicKey),
      },
      engine: { name: engine, threads, groups: [...groups] },
      floors: toFloorKeys(floors),
      log: { level: logLevel },
    });
  }

  #spawn(directory: string): ChildProcess {
    const args = [
      'run',
      '--config',
      join(directory, 'node.toml'),
      ...settingFlags({ ...QUICK, ...this.#options.settings }),
    ];
    return startMillrace(args, join(directory, 'node.log'));
  }

  /** Starts a node again whose process has ended. */
  restart(node: NodeProcess): void {
    if (!this.#stopping) node.process = this.#spawn(node.directory);
  }

  /** Rejects when a node's process ends by itself. @throws MixError PEER_LOST with the end of its log */
  anyDied(): Promise<never> {
    const died = new Promise<never>((_, reject) => {
      for (const node of this.nodes) {
        node.process.once('exit', (code, signal) => {
          if (this.#stopping) return;
          const log = readTail(join(node.directory, 'node.log'));
          reject(new MixError('PEER_LOST', { node: node.number, exit: code ?? signal ?? '', log }));
        });
      }
    });
    // Callers that wait get the error. Without one, it is not an error.
    died.catch(() => {});
    return died;
  }

  find(id: NodeId): NodeProcess | undefined {
    return this.nodes.find((node) => node.id === id);
  }

  /** Kills all processes at once, for when this process itself must end. */
  killAll(): void {
    for (const { process: child } of this.nodes) child.kill('SIGKILL');
  }

  /** Stops every process (SIGTERM, then SIGKILL). */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.nodes.map(({ process: child }) => stopProcess(child)));
  }

  /** Removes all files; only once everything is stopped. */
  removeFiles(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

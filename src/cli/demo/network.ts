// A whole network on loopback: a scheduler and its nodes, each a process of its own. The scheduler's page is followed as a browser would,
// so this sees only what a stranger can see.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { abort, MixError, sleep, systemClock } from '../../base/index.js';
import type { LiveView, RoundTable } from '../../dashboard/index.js';
import { createKeyFiles, keyFilesIn, schedulerConfigFile } from '../../node/index.js';
import { CERTIFICATE_DAYS, NodeProcesses, type NodeProcessesOptions } from './nodeProcesses.js';
import { freePorts, readTail, settingFlags, startMillrace, stopProcess } from './processes.js';

const START_LIMIT_MS = 60_000;
const POLL_MS = 100;
/** Longest silence of the scheduler's page before it is asked for again. */
const SILENT_MS = 5_000;

interface DemoNetworkOptions extends Omit<NodeProcessesOptions, 'network'> {
  /** Keys of scheduler.toml, `section.key` to value. */
  readonly scheduler: Readonly<Record<string, string | number>>;
}

export class DemoNetwork {
  readonly name = 'demo';
  readonly nodes: NodeProcesses;
  /** Ed25519 key of the round authority, whose signature makes a RoundInfo valid. */
  roundAuthority!: Uint8Array;
  schedulerProcess: ChildProcess | undefined;
  /** Set before processes are ended on purpose, so that their end is not reported. */
  stopping = false;
  readonly #options: DemoNetworkOptions;
  readonly #stop = new AbortController();
  #addresses: { readonly nodes: string; readonly http: string } = { nodes: '', http: '' };
  #view: LiveView | undefined;

  constructor(options: DemoNetworkOptions) {
    this.#options = options;
    this.nodes = new NodeProcesses({ ...options, network: this.name });
  }

  /** Creates keys and configurations, starts all processes and waits until every node is active at the scheduler. */
  async start(): Promise<void> {
    await this.nodes.create();
    const [nodesPort, httpPort] = await freePorts(2);
    this.#addresses = { nodes: `127.0.0.1:${nodesPort}`, http: `127.0.0.1:${httpPort}` };
    const directory = join(this.nodes.directory, 'scheduler');
    mkdirSync(directory);
    const files = keyFilesIn(directory);
    const key = await createKeyFiles(files, CERTIFICATE_DAYS);
    writeFileSync(join(directory, 'scheduler.toml'), schedulerConfigFile());
    this.roundAuthority = key.publicKey;
    if (this.#stop.signal.aborted) throw new MixError('ABORTED');
    this.startScheduler();
    const certificate = readFileSync(files.certificateFile, 'utf8');
    const { advertise = async (address: string) => address } = this.#options;
    this.nodes.start({ address: await advertise(this.#addresses.nodes), certificate, publicKey: key.publicKey });
    void this.#follow();
    await Promise.race([this.#allActive(), this.nodes.anyDied()]);
  }

  /** Starts the scheduler, also again after its process has ended: it continues from its store. */
  startScheduler(): void {
    const directory = join(this.nodes.directory, 'scheduler');
    const settings = {
      network: this.name,
      membership_file: '../membership.toml',
      'listen.nodes': this.#addresses.nodes,
      'listen.http': this.#addresses.http,
      ...this.#options.scheduler,
    };
    const args = ['scheduler', '--config', join(directory, 'scheduler.toml'), ...settingFlags(settings)];
    this.schedulerProcess = startMillrace(args, join(directory, 'scheduler.log'));
  }

  /** The live page. */
  get page(): string {
    return `http://${this.#addresses.http}/`;
  }

  /** The last view from the scheduler's page. */
  get view(): LiveView | undefined {
    return this.#view;
  }

  async #allActive(): Promise<void> {
    const endMs = systemClock.nowMs() + START_LIMIT_MS;
    const active = () => this.#view?.nodes.filter(({ status }) => status === 'active').length ?? 0;
    while (active() < this.nodes.nodes.length) {
      this.checkScheduler();
      if (systemClock.nowMs() > endMs) {
        const scheduler = this.#schedulerLog();
        throw new MixError('DEADLINE_MISSED', { what: 'the network did not come up', active: active(), scheduler });
      }
      await sleep(systemClock, POLL_MS, this.#stop.signal);
    }
  }

  /** Reads the page's events until the network is stopped; it may go away and come back. */
  async #follow(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // If the page is away, it is read again; checkScheduler reports a scheduler that has died.
      await this.#read().catch(() => {});
      await sleep(systemClock, POLL_MS, this.#stop.signal);
    }
  }

  async #read(): Promise<void> {
    const silent = new AbortController();
    let cancel = systemClock.after(SILENT_MS, () => abort(silent));
    const signal = AbortSignal.any([this.#stop.signal, silent.signal]);
    const response = await fetch(`${this.page}events`, { signal });
    let text = '';
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
      cancel();
      cancel = systemClock.after(SILENT_MS, () => abort(silent));
      text += Buffer.from(part).toString('utf8');
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      const last = events.at(-1);
      if (last) this.#view = JSON.parse(last.slice('data: '.length)) as LiveView;
    }
  }

  /** The scheduler's table of rounds. @throws the errors of fetch, while it is away */
  async rounds(): Promise<RoundTable> {
    const response = await fetch(`${this.page}rounds`, { signal: AbortSignal.timeout(SILENT_MS) });
    return (await response.json()) as RoundTable;
  }

  #schedulerLog(): string {
    return readTail(join(this.nodes.directory, 'scheduler', 'scheduler.log'));
  }

  /** @throws MixError SCHEDULER_FAILED if its process has ended, with the end of its log */
  checkScheduler(): void {
    const { exitCode, signalCode } = this.schedulerProcess!;
    if (exitCode === null && signalCode === null) return;
    const exit = signalCode ?? exitCode ?? '';
    throw new MixError('SCHEDULER_FAILED', { what: 'its process has ended', exit, log: this.#schedulerLog() });
  }

  /** Waits until the page has counted so many completed rounds, at most SILENT_MS: the page is half a second behind. */
  async sees(completed: number): Promise<void> {
    const endMs = systemClock.nowMs() + SILENT_MS;
    while ((this.#view?.completed ?? 0) < completed && systemClock.nowMs() < endMs) await sleep(systemClock, POLL_MS);
  }

  /** Kills all processes and removes all files at once, because this process ends now. */
  abandon(): void {
    this.killAll();
    try {
      this.nodes.removeFiles();
    } catch {
      // A dying process may still have written something.
    }
  }

  killAll(): void {
    this.nodes.killAll();
    this.schedulerProcess?.kill('SIGKILL');
  }

  /** Stops every process; their files stay. */
  async stopProcesses(): Promise<void> {
    this.stopping = true;
    abort(this.#stop);
    await this.nodes.stop();
    if (this.schedulerProcess) await stopProcess(this.schedulerProcess);
  }

  /** Stops every process and removes all files. */
  async stop(): Promise<void> {
    await this.stopProcesses();
    this.nodes.removeFiles();
  }
}

// The link itself: bench/link/forwarder.c, which makes two network namespaces with a TUN device each and carries packets between
// them, built with the machine's C compiler. Its requirements are checked first; the error names what is missing and how to get
// it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MixError } from '../../base/index.js';
import { findCompiler } from '../compiler.js';

const projectFile = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const SOURCES = ['bench/link/forwarder.c', 'bench/link/line.h'].map(projectFile);
const PROGRAM = projectFile('build/bench/forwarder');
const DEVICE = '/dev/net/tun';
/** Exit status of the forwarder after a refused system call. */
const REFUSED = 3;

/** The requirements of the link, as found on this machine. */
export interface Surroundings {
  readonly platform: string;
  readonly hasSource: boolean;
  readonly compiler: string | undefined;
  readonly tun: 'usable' | 'forbidden' | 'missing';
}

/** Returns the first missing requirement and how to get it; undefined if none is missing. */
export function findMissing(found: Surroundings): { readonly missing: string; readonly get: string } | undefined {
  const { platform, hasSource, compiler, tun } = found;
  if (platform !== 'linux') return { missing: 'Linux', get: 'run it on Linux: it needs network namespaces and TUN' };
  if (!hasSource) return { missing: 'bench/link/forwarder.c', get: 'run it from a checkout of the sources' };
  if (compiler === undefined) return { missing: 'a C compiler', get: 'install gcc or clang, or name one in CC' };
  if (tun === 'missing') {
    return {
      missing: DEVICE,
      get: 'modprobe tun; in a container: --device=/dev/net/tun --cap-add=NET_ADMIN,SYS_ADMIN',
    };
  }
  if (tun === 'forbidden') return { missing: `the right to open ${DEVICE}`, get: 'run it as root' };
  return undefined;
}

function tunState(): Surroundings['tun'] {
  if (!existsSync(DEVICE)) return 'missing';
  try {
    accessSync(DEVICE, constants.R_OK | constants.W_OK);
    return 'usable';
  } catch {
    // The error is the answer.
    return 'forbidden';
  }
}

export function surroundings(): Surroundings {
  return {
    platform: process.platform,
    hasSource: SOURCES.every((file) => existsSync(file)),
    compiler: findCompiler(),
    tun: tunState(),
  };
}

/** Builds the program if it is missing or older than its sources. @throws MixError BENCH_UNAVAILABLE */
export function buildForwarder(found: Surroundings = surroundings()): string {
  const missing = findMissing(found);
  if (missing) throw new MixError('BENCH_UNAVAILABLE', missing);
  const newest = Math.max(...SOURCES.map((file) => statSync(file).mtimeMs));
  if (existsSync(PROGRAM) && statSync(PROGRAM).mtimeMs >= newest) return PROGRAM;
  mkdirSync(dirname(PROGRAM), { recursive: true });
  const fresh = `${PROGRAM}.${process.pid}`;
  const args = ['-std=c11', '-O2', '-Wall', '-Wextra', SOURCES[0]!, '-o', fresh];
  const { status, stderr } = spawnSync(found.compiler!, args, { encoding: 'utf8' });
  if (status !== 0) {
    const get = "install the C library's and the kernel's headers (libc6-dev, linux-libc-dev)";
    throw new MixError('BENCH_UNAVAILABLE', {
      missing: 'what forwarder.c compiles with',
      get,
      said: stderr.slice(0, 500),
    });
  }
  renameSync(fresh, PROGRAM);
  return PROGRAM;
}

interface Line {
  /** One way. */
  readonly delayNs: number;
  /** 0: as fast as the forwarder can. */
  readonly bitsPerSecond: number;
  readonly queueBytes: number;
}

/** Counts since the last request. */
export interface Carried {
  readonly packets: number;
  readonly bytes: number;
  /** Packets dropped by a full queue, as on a real link. */
  readonly queueDrops: number;
  /** Packets lost by the forwarder's own fault. */
  readonly otherDrops: number;
  /** Delay of packets after their due time: the 99th percentile, and the largest. */
  readonly lateP99Us: number;
  readonly lateMaxUs: number;
  readonly cpuMs: number;
}

interface Ready {
  readonly ends: readonly [string, string];
  readonly realtime: boolean;
}

/** Requests that wait for the forwarder's next lines. */
type Waiting = { resolve: (line: string) => void; reject: (error: MixError) => void }[];

/** Each end has one address, in a namespace of its own. */
export const CLIENT_ADDRESS = '192.0.2.1';
export const SERVER_ADDRESS = '192.0.2.2';

export class Forwarder {
  /** True if it runs with realtime priority; without, packets may leave late. */
  readonly realtime: boolean;
  readonly #program: string;
  readonly #child: ChildProcess;
  readonly #ready: Ready;
  readonly #waiting: Waiting;

  private constructor(program: string, child: ChildProcess, ready: Ready, waiting: Waiting) {
    this.#program = program;
    this.#child = child;
    this.#ready = ready;
    this.#waiting = waiting;
    this.realtime = ready.realtime;
  }

  /** @throws MixError BENCH_UNAVAILABLE if a requirement is missing or forbidden */
  static async open(mtu: number): Promise<Forwarder> {
    const program = buildForwarder();
    const child = spawn(program, ['forward', String(mtu)], { stdio: ['pipe', 'pipe', 'pipe'] });
    const waiting: Waiting = [];
    let said = '';
    child.stderr.on('data', (text) => {
      said += text;
    });
    createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.resolve(line));
    child.stdin.on('error', () => {});
    child.on('error', (error) => {
      said += error.message;
    });
    child.on('close', (status) => {
      const error =
        status === REFUSED ? refusal(said) : new MixError('INTERNAL', { what: 'the forwarder ended', said });
      for (const { reject } of waiting.splice(0)) reject(error);
    });
    const first = await new Promise<string>((resolve, reject) => waiting.push({ resolve, reject }));
    return new Forwarder(program, child, JSON.parse(first) as Ready, waiting);
  }

  /** Sets the line; packets under way are lost. */
  async set({ delayNs, bitsPerSecond, queueBytes }: Line): Promise<void> {
    await this.#ask(`set ${delayNs} ${bitsPerSecond} ${queueBytes}`);
  }

  async carried(): Promise<Carried> {
    return JSON.parse(await this.#ask('stats')) as Carried;
  }

  /** Runs Node.js at one end, with a message channel to this process. */
  spawn(end: 'client' | 'server', args: readonly string[]): ChildProcess {
    const namespace = this.#ready.ends[end === 'client' ? 0 : 1];
    const command = ['inside', namespace, process.execPath, ...args];
    return spawn(this.#program, command, { stdio: ['ignore', 2, 2, 'ipc'] });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return resolve();
      this.#child.once('close', () => resolve());
      this.#child.stdin!.end();
    });
  }

  #ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin!.write(`${line}\n`);
    });
  }
}

function refusal(said: string): MixError {
  const get = 'run it as root; in a container: --cap-add=NET_ADMIN,SYS_ADMIN';
  return new MixError('BENCH_UNAVAILABLE', { missing: said.trim(), get });
}

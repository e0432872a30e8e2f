// GMP as a contestant: bench/peers/gmp.c, built with the machine's C compiler where libgmp and its header are there. It runs
// as a child that answers one measurement a line, so that it takes its turns in the same run.
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MixError } from '../../base/index.js';
import type { Group } from '../../math/index.js';
import { findCompiler } from '../compiler.js';

const SOURCE = fileURLToPath(new URL('../../../bench/peers/gmp.c', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../../../build/bench/gmp', import.meta.url));

/** What the program can measure; see bench/peers/gmp.c. */
type GmpOperation = 'powm' | 'powm_sec' | 'mulmod' | 'mulredc' | 'invert';

/** Builds the program where it is missing or older than its source. Returns why it cannot be built. */
function build(): string | undefined {
  if (!existsSync(SOURCE)) return 'its source is not part of this installation';
  if (existsSync(PROGRAM) && statSync(PROGRAM).mtimeMs >= statSync(SOURCE).mtimeMs) return undefined;
  mkdirSync(dirname(PROGRAM), { recursive: true });
  const compiler = findCompiler();
  if (!compiler) return 'there is no C compiler';
  const built = spawnSync(compiler, ['-O2', SOURCE, '-o', PROGRAM, '-lgmp'], { stdio: 'ignore' });
  return built.status === 0 ? undefined : 'libgmp or its header is missing (install libgmp-dev)';
}

export class GmpPeer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.#waiting.shift()?.resolve(line));
    const ended = () => {
      for (const { reject } of this.#waiting.splice(0)) {
        reject(new MixError('INTERNAL', { what: 'the GMP peer ended' }));
      }
    };
    child.on('error', ended).on('close', ended);
    child.stdin.on('error', ended);
  }

  /** The peer, having shown that it computes the right power; or why there is none. */
  static async open(group: Group): Promise<GmpPeer | string> {
    const missing = build();
    if (missing !== undefined) return missing;
    const peer = new GmpPeer(spawn(PROGRAM, [], { stdio: 'pipe' }));
    await peer.#ask(`modulus ${group.p.toString(16)}`);
    const exponent = group.q >> 3n;
    const [answer, check] = [await peer.#ask(`check 3 ${exponent.toString(16)}`), await peer.#ask('check 1 1')];
    // 3 to q >> 3, raised again and multiplied up, is 3^q: 1 or −1 for any safe prime.
    const rest = group.q - (exponent << 3n);
    const power = (BigInt(`0x${answer}`) ** 8n * 3n ** rest) % group.p;
    if (check === '1' && (power === 1n || power === group.p - 1n)) return peer;
    peer.close();
    return 'it computed a wrong power';
  }

  /** Microseconds an operation; undefined where this GMP has it not. */
  async measure(op: GmpOperation, exponentBits: number, count: number): Promise<number | undefined> {
    const ns = Number(await this.#ask(`measure ${op} ${exponentBits} ${count}`));
    return Number.isFinite(ns) ? ns / 1000 / count : undefined;
  }

  close(): void {
    this.#child.stdin.end();
  }

  #ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${line}\n`);
    });
  }
}

// GMP as a contestant: bench/peers/gmp.c, built with the machine's C compiler if libgmp and its header are installed. It runs as
// a child process that answers one measurement per line, so that it takes turns with the others.
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

/** Measurements of the program; see bench/peers/gmp.c. */
type GmpOperation = 'powm' | 'powm_sec' | 'mulmod' | 'mulredc' | 'invert';

/** Builds the program if it is missing or older than its source. Returns the reason if it cannot be built. */
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

  /** Starts the peer and checks that it computes a power correctly; returns the reason if there is none. */
  static async open(group: Group): Promise<GmpPeer | string> {
    const missing = build();
    if (missing !== undefined) return missing;
    const peer = new GmpPeer(spawn(PROGRAM, [], { stdio: 'pipe' }));
    await peer.#ask(`modulus ${group.p.toString(16)}`);
    const exponent = group.q >> 3n;
    const [answer, check] = [await peer.#ask(`check 3 ${exponent.toString(16)}`), await peer.#ask('check 1 1')];
    // 3^(q >> 3), raised to the 8th power and multiplied by the rest, is 3^q: 1 or −1 for any safe prime.
    const rest = group.q - (exponent << 3n);
    const power = (BigInt(`0x${answer}`) ** 8n * 3n ** rest) % group.p;
    if (check === '1' && (power === 1n || power === group.p - 1n)) return peer;
    peer.close();
    return 'it computed a wrong power';
  }

  /** Measures microseconds per operation; undefined if this GMP does not have it. */
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

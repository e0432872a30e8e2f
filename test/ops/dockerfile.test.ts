// Checks of Dockerfile.cuda without building it: its stages, its user, that copied files exist and are not ignored, and that
// ports, paths and the command are those of the program.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'smol-toml';
import { afterAll, describe, expect, it } from 'vitest';
import { CUDA_LIBRARY } from '../../src/engine/cuda/library.js';
import { nodeConfigFile } from '../../src/node/settings/nodeConfig.js';

/** Addresses in the configuration that `millrace init` writes. */
const { listen } = parse(nodeConfigFile()) as { listen: Record<'team' | 'gateway' | 'http', string> };
const root = fileURLToPath(new URL('../..', import.meta.url));
const text = readFileSync(join(root, 'Dockerfile.cuda'), 'utf8');
/** Option of Node.js 22.14 and newer. */
const FLAG = '--disable-sigusr1';

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** Instructions with continued lines joined, comments left out. */
const instructions: readonly Instruction[] = text
  .split('\n')
  .filter((line) => !line.startsWith('#'))
  .join('\n')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const [, name = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    return { name, rest: rest.trim() };
  });

/** The instructions of each stage; before the first FROM there are only arguments. */
const stages: Instruction[][] = [];
for (const one of instructions) {
  if (one.name === 'FROM') stages.push([]);
  stages.at(-1)?.push(one);
}
const runtime = stages.at(-1) ?? [];
const only = (stage: readonly Instruction[], name: string): string[] =>
  stage.filter((one) => one.name === name).map(({ rest }) => rest);

const port = (address: string): string => address.slice(address.lastIndexOf(':') + 1);

describe('Dockerfile.cuda', () => {
  it('builds on a CUDA image and runs on a slim one, with images that can be replaced by arguments', () => {
    const args = new Map(instructions.slice(0, 2).map(({ rest }) => rest.split('=') as [string, string]));
    expect(args.get('CUDA_IMAGE')).toMatch(/^nvidia\/cuda:13\.\d+\.\d+-devel-/);
    expect(args.get('NODE_IMAGE')).toMatch(/^node:20.*-slim$/);
    const images = stages.map((stage) => stage[0]?.rest.replaceAll(/\$\{(\w+)\}/g, '$1'));
    expect(images).toEqual(['NODE_IMAGE AS node', 'CUDA_IMAGE AS build', 'NODE_IMAGE']);
  });

  it('copies files that exist and are not ignored', () => {
    const allowed = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
    expect(allowed).toContain('*');
    const copied = instructions.filter(({ name, rest }) => name === 'COPY' && !rest.startsWith('--from'));
    expect(copied.length).toBeGreaterThan(5);
    for (const source of copied.flatMap(({ rest }) => rest.split(/\s+/).slice(0, -1))) {
      expect([source, existsSync(join(root, source))]).toEqual([source, true]);
      expect(allowed).toContain(`!${source.split('/')[0]}`);
    }
  });

  it('copies between stages only from existing stages, and only their products', () => {
    const names = stages.flatMap((stage) => / AS (\w+)$/.exec(stage[0]?.rest ?? '')?.[1] ?? []);
    const from = instructions.filter(({ name, rest }) => name === 'COPY' && rest.startsWith('--from'));
    for (const { rest } of from) expect(names).toContain(/^--from=(\w+)/.exec(rest)?.[1]);
    const taken = only(runtime, 'COPY').filter((rest) => rest.startsWith('--from=build'));
    const made = taken.map((rest) => rest.split(/\s+/)[1]);
    expect(made).toEqual(['node_modules', 'dist', 'build'].map((name) => `/millrace/${name}`));
    // The program looks for the library beside itself.
    expect(CUDA_LIBRARY).toBe(join(root, 'build/cuda/libmillrace_cuda.so'));
  });

  it('has all files that the program reads from its package', () => {
    const files = only(runtime, 'COPY').flatMap((rest) => rest.split(/\s+/).slice(0, -1));
    expect(files).toContain('package.json');
    expect(files).toContain('src/transport/proto/millrace.proto');
  });

  it('runs scripts that exist', () => {
    const scripts = [...text.matchAll(/node (scripts\/\w+\.mjs)/g)].map(([, path]) => path!);
    expect(scripts.length).toBe(2);
    for (const path of scripts) expect(existsSync(join(root, path))).toBe(true);
  });

  it('runs as a user other than root, after all steps that need root', () => {
    const users = only(runtime, 'USER');
    expect(users).toEqual(['node']);
    const after = runtime.slice(runtime.findIndex(({ name }) => name === 'USER'));
    expect(after.filter(({ name }) => ['RUN', 'COPY', 'ADD'].includes(name))).toEqual([]);
    expect(only(runtime, 'RUN').join()).toContain('chown node:node /etc/millrace');
  });

  it("asks /healthz on the configuration's own port, and exposes those of team and gateway", () => {
    const [check = ''] = only(runtime, 'HEALTHCHECK');
    expect(check).toContain(`http://${listen.http}/healthz`);
    const command = JSON.parse(check.slice(check.indexOf('['))) as string[];
    expect(command.slice(0, 2)).toEqual(['node', '-e']);
    expect(() => new Function(command[2]!)).not.toThrow();
    const ports = [listen.team, listen.gateway].map(port).join(' ');
    expect(only(runtime, 'EXPOSE')).toEqual([ports]);
  });

  it('has its configuration in a volume, and requests the card', () => {
    expect(only(runtime, 'VOLUME')).toEqual(['/etc/millrace']);
    const [environment = ''] = only(runtime, 'ENV');
    expect(environment).toContain('NVIDIA_VISIBLE_DEVICES=all');
    expect(environment).toContain('NVIDIA_DRIVER_CAPABILITIES=compute,utility');
  });
});

describe("the image's command", () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-image-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const [entry] = only(runtime, 'ENTRYPOINT').map((rest) => JSON.parse(rest) as string[]);
  const [command] = only(runtime, 'CMD').map((rest) => JSON.parse(rest) as string[]);
  const main = join(root, 'dist/cli/main.js');

  it('is a command of the program, with the file in the volume', () => {
    expect(entry).toEqual(['millrace']);
    expect(command?.at(-1)).toBe('/etc/millrace/node.toml');
    const help = spawnSync(process.execPath, [main, command?.[0] ?? '', '--help'], { encoding: 'utf8' });
    expect(help.status).toBe(0);
    for (const option of command?.filter((word) => word.startsWith('--')) ?? []) expect(help.stdout).toContain(option);
  });

  it('disables SIGUSR1 where Node.js can, gives no other Node.js an option that it refuses, and is process 1 itself', () => {
    const [made = ''] = only(runtime, 'RUN').flatMap((rest) =>
      rest.split('&&').filter((step) => step.includes('> /usr/local/bin/millrace')),
    );
    for (const knows of [false, true]) {
      const home = mkdtempSync(join(directory, 'bin-'));
      const file = join(home, 'millrace');
      const flags = join(home, 'flags.cjs');
      writeFileSync(flags, `process.allowedNodeEnvironmentFlags = new Set(${JSON.stringify(knows ? [FLAG] : [])});`);
      const env = { ...process.env, NODE_OPTIONS: `--require ${flags}` };
      const step = made.replaceAll('/usr/local/bin/millrace', file).replaceAll('/millrace/dist/', `${root}dist/`);
      const { status, stderr } = spawnSync('sh', ['-c', step], { env, encoding: 'utf8' });
      expect([status, stderr]).toEqual([0, '']);
      // A Node.js that says what it was started with, and as which process.
      writeFileSync(join(home, 'node'), '#!/bin/sh\necho $$\nfor each; do echo "$each"; done\n', { mode: 0o755 });
      const started = spawnSync('sh', [file, 'run', '--config', 'a file'], {
        env: { ...process.env, PATH: `${home}:${process.env.PATH}` },
        encoding: 'utf8',
      });
      const options = knows ? [FLAG] : [];
      const said = [String(started.pid), ...options, main, 'run', '--config', 'a file', ''];
      expect(started.stdout.split('\n')).toEqual(said);
    }
  });

  it('has the Node.js that docs/operating.md names, with the option for others', () => {
    const operating = readFileSync(join(root, 'docs/operating.md'), 'utf8');
    const image = /NODE_IMAGE=node:(\d+)/.exec(text)?.[1];
    expect(operating).toContain(`NODE_OPTIONS=${FLAG}`);
    expect(/the default is (\d+)/.exec(operating)?.[1]).toBe(image);
  });

  it('finds in the volume the files that `millrace init` writes', () => {
    const target = join(directory, 'etc');
    const { status } = spawnSync(process.execPath, [main, 'init', '--dir', target], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(existsSync(join(target, 'node.toml'))).toBe(true);
  });
});

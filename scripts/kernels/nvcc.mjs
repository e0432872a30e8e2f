// Compiles the kernels with nvcc, a cubin per target, and reads each kernel's resources from ptxas: registers, spills, stack.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../lib/compile.mjs';

/** From the oldest target of nvcc 13 to the H100 and H200; PTX of the newest for later cards. */
export const TARGETS = ['sm_75', 'sm_80', 'sm_86', 'sm_89', 'sm_90'];
export const PTX = 'compute_90';
export const WIDTHS = [2048, 3072, 4096];

/** The first nvcc that answers; undefined if there is none. */
export function findNvcc() {
  for (const name of [process.env.NVCC, 'nvcc', '/usr/local/cuda/bin/nvcc']) {
    if (name && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name;
  }
  return undefined;
}

/** `17MulGatherBodyINS0_5ShapeILi4096ELi8ENS0_7ShippedEEE…` as `MulGather 4096/8 special`; `hold` kernels by their contents. */
function kernelName(mangled) {
  const body = /([A-Z][A-Za-z]+)BodyINS0_5ShapeILi(\d+)ELi(\d+)E\w+?ELNS0_4FormE(\d)/.exec(mangled);
  if (body) return `${body[1]} ${body[2]}/${body[3]} ${body[4] === '1' ? 'special' : 'general'}`;
  const held = /holdILi(\d+)ELi(\d+)EL.*?HeldE(\d)/.exec(mangled);
  return held ? `${['nothing', 'multiply', 'square'][Number(held[3])]} ${held[1]}/${held[2]} special` : mangled;
}

/** Parses the report of ptxas -v on each kernel. */
export function resourcesOf(said) {
  const kernels = [];
  let name;
  let memory = { stack: 0, spillStores: 0, spillLoads: 0 };
  for (const line of said.split('\n')) {
    name = /Compiling entry function '(\w+)'/.exec(line)?.[1] ?? name;
    const bytes = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (bytes) memory = { stack: Number(bytes[1]), spillStores: Number(bytes[2]), spillLoads: Number(bytes[3]) };
    const registers = /Used (\d+) registers/.exec(line)?.[1];
    if (registers && name) {
      kernels.push({ name: kernelName(name), registers: Number(registers), ...memory });
      name = undefined;
      memory = { stack: 0, spillStores: 0, spillLoads: 0 };
    }
  }
  return kernels;
}

/** Compiles `source` for one target into `directory`; returns the cubin's path and the kernels' resources. */
export async function compileFor(nvcc, root, source, target, directory, defines = []) {
  mkdirSync(directory, { recursive: true });
  const tag = [source.replaceAll(/\W/g, '-'), target, ...defines.map((define) => define.replaceAll(/\W/g, ''))].join(
    '.',
  );
  const cubin = join(directory, `${tag}.cubin`);
  const flags = ['-std=c++17', '-Xptxas', '-v', `-arch=${target}`, '-cubin', ...defines.map((define) => `-D${define}`)];
  const said = await run(nvcc, [...flags, join(root, source), '-o', cubin], { mayWarn: true });
  if (said.includes('warning')) throw new Error(said.slice(0, 4000));
  const kernels = resourcesOf(said);
  if (kernels.length === 0) throw new Error(`${source} for ${target}: ptxas named no kernel`);
  return { target, cubin, kernels };
}

/** Compiles PTX, for future cards, to check that it compiles. */
export async function compilePtx(nvcc, root, source, directory, defines = []) {
  mkdirSync(directory, { recursive: true });
  const flags = ['-std=c++17', `-arch=${PTX}`, '-ptx', ...defines.map((define) => `-D${define}`)];
  await run(nvcc, [...flags, join(root, source), '-o', join(directory, `${defines.join('')}.ptx`)], { mayWarn: true });
}

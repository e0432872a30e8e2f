// A node's configuration: one commented TOML file, every key of which an environment variable (MILLRACE_SECTION_KEY) and a
// flag (--set section.key=value) can override, in that order. Unknown keys are refused, and every error names its key.
import { existsSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname, resolve } from 'node:path';
import { parse } from 'smol-toml';
import { z } from 'zod';
import { checkText, fromHex, isNodeId, MixError, refuse } from '../../base/index.js';
import { LOG_LEVELS } from '../../base/log.js';
import { ENGINE_NAMES } from '../../engine/index.js';
import { GROUP_NAMES, type GroupName, namedGroup, TEST_GROUP_NAMES } from '../../math/index.js';
import { type Member, Membership, type RoundFloors, SAFE_FLOORS } from '../../protocol/index.js';
import { LOOPBACK_PREFIXES } from '../../transport/index.js';

const PORT_MAX = 65_535;
/** host:port, with a port that can be. An IPv6 host stands in brackets. */
export const address = z.string().refine((text) => Number(/^.+:(\d{1,5})$/.exec(text)?.[1] ?? Number.NaN) <= PORT_MAX, {
  error: `expected host:port, with a port from 0 to ${PORT_MAX}`,
});
const key = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits');
export const whole = (least: number, most: number) => z.int().min(least).max(most);
/** How a node and a scheduler log. */
export const logSection = z
  .strictObject({
    level: z.enum(LOG_LEVELS).default('info'),
    format: z.enum(['auto', 'pretty', 'json']).default('auto'),
  })
  .prefault({});
/** Names, besides loopback's and the address itself, under which HTTP may be asked for. */
export const httpHosts = z.array(z.string().min(1).max(255)).default([]);
/** The least that a party takes part in, whatever is signed: protocol/floors.ts. */
export const floorsSection = z
  .strictObject({
    team: whole(1, 64).default(SAFE_FLOORS.team),
    slots: whole(1, 1 << 20).default(SAFE_FLOORS.slots),
    senders: whole(1, 1 << 20).default(SAFE_FLOORS.senders),
    group_bits: whole(1, 1 << 16).default(SAFE_FLOORS.groupBits),
  })
  .prefault({});

export const floorsOf = ({ team, slots, senders, group_bits }: z.infer<typeof floorsSection>): RoundFloors => ({
  team,
  slots,
  senders,
  groupBits: group_bits,
});
const MIB = 1 << 20;
/** Half of what there is, of what the process may have where that is less: engines, connections and the rest need some, too. */
const defaultMemoryMib = (): number => {
  const constrained = process.constrainedMemory() || Infinity;
  return Math.max(16, Math.floor(Math.min(constrained, totalmem()) / 2 / MIB));
};
const groups = [...GROUP_NAMES, ...TEST_GROUP_NAMES] as [GroupName, ...GroupName[]];

const schema = z.strictObject({
  network: z.string().min(1).max(64),
  data_dir: z.string().min(1),
  membership_file: z.string().min(1),
  identity: z.strictObject({
    key_file: z.string().min(1),
    certificate_file: z.string().min(1),
    certificate_key_file: z.string().min(1),
  }),
  listen: z.strictObject({ team: address, gateway: address, http: address, http_hosts: httpHosts }),
  scheduler: z.strictObject({
    address,
    certificate_file: z.string().min(1),
    key,
    registration_code_file: z.string().min(1).optional(),
  }),
  engine: z
    .strictObject({
      name: z.enum(['auto', ...ENGINE_NAMES]).default('auto'),
      threads: whole(0, 1024).default(0),
      check_rate: z
        .number()
        .min(0)
        .max(1)
        .default(1 / 16),
      groups: z.array(z.enum(groups)).min(1).default(['MODP-4096']),
    })
    .prefault({}),
  limits: z
    .strictObject({
      open_rounds: whole(1, 1024).default(64),
      kept_rounds: whole(0, 10_000).default(32),
      slots: whole(1, 1 << 20).default(1 << 16),
      width: whole(1, 15).default(15),
      memory_mib: whole(16, 1 << 24).default(defaultMemoryMib),
      senders: whole(1, 10_000_000).default(100_000),
      epoch_hours: z.number().positive().max(24).default(24),
      peer_lost_ms: whole(500, 600_000).default(8_000),
      drain_ms: whole(0, 3_600_000).default(60_000),
    })
    .prefault({}),
  floors: floorsSection,
  comms: z
    .strictObject({
      tokens: z.enum(['optional', 'required']).default('optional'),
      keep_warm_ms: whole(0, 60_000).default(200),
    })
    .prefault({}),
  strangers: z
    .strictObject({
      by_connection: z.array(z.string()).default([...LOOPBACK_PREFIXES]),
      connections: whole(8, 65_536).default(4_096),
      memory_mib: whole(4, 65_536).default(128),
    })
    .prefault({}),
  log: logSection,
});

export type NodeConfig = z.infer<typeof schema>;

const membershipSchema = z.strictObject({
  generation: z.int().min(0),
  members: z
    .array(
      z.strictObject({
        node: z.string(),
        address,
        gateway: address,
        identity_key: key,
        certificate: z.string().min(1),
        next_certificate: z.string().min(1).optional(),
      }),
    )
    .min(2),
});

function readToml(file: string): Record<string, unknown> {
  if (!existsSync(file)) throw new MixError('CONFIG_INVALID', { file, why: 'there is no such file' });
  try {
    return parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  } catch (cause) {
    throw new MixError('CONFIG_INVALID', { file, why: (cause as Error).message.split('\n')[0]! }, { cause });
  }
}

export function validated<T>(type: z.ZodType<T>, value: unknown, file: string): T {
  const result = type.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const at = [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys : [])].join('.');
  throw new MixError('CONFIG_INVALID', { file, key: at || '(top level)', why: issue.message });
}

/** A value as a flag or variable writes it: a TOML value where it is one, else text. */
function parseValue(text: string): unknown {
  try {
    return (parse(`value = ${text}`) as { value: unknown }).value;
  } catch {
    // No TOML: text, and the schema says whether text may stand there.
    return text;
  }
}

function set(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head, ...rest] = path;
  if (rest.length === 0) {
    target[head!] = value;
    return;
  }
  const inner = target[head!];
  const next: Record<string, unknown> = typeof inner === 'object' && inner !== null ? { ...inner } : {};
  set(next, rest, value);
  target[head!] = next;
}

/** A configuration file with what flags (`section.key=value` each) override. @throws MixError CONFIG_INVALID */
export function withFlags(file: string, flags: readonly string[]): Record<string, unknown> {
  const merged = readToml(file);
  setFlags(merged, flags);
  return merged;
}

function setFlags(merged: Record<string, unknown>, flags: readonly string[]): void {
  for (const flag of flags) {
    const at = flag.indexOf('=');
    if (at < 1) throw new MixError('CONFIG_INVALID', { flag, why: 'expected section.key=value' });
    set(merged, flag.slice(0, at).split('.'), parseValue(flag.slice(at + 1)));
  }
}

/** Environment variables that name a key of the file: MILLRACE_LOG_LEVEL is log.level, MILLRACE_DATA_DIR is data_dir. */
function fromEnvironment(env: NodeJS.ProcessEnv): [readonly string[], unknown][] {
  const overrides: [readonly string[], unknown][] = [];
  for (const [name, field] of Object.entries(schema.shape)) {
    const inner = field instanceof z.ZodPrefault ? field.def.innerType : field;
    const paths = inner instanceof z.ZodObject ? Object.keys(inner.shape).map((sub) => [name, sub]) : [[name]];
    for (const path of paths) {
      const value = env[`MILLRACE_${path.join('_').toUpperCase()}`];
      if (value !== undefined) overrides.push([path, parseValue(value)]);
    }
  }
  return overrides;
}

/**
 * Reads a node's configuration; relative paths in it are relative to the file. `flags`: `section.key=value` each.
 * @throws MixError CONFIG_INVALID naming file and key
 */
export function loadConfig(
  file: string,
  flags: readonly string[] = [],
  env: NodeJS.ProcessEnv = process.env,
): NodeConfig {
  checkText(file, 'file');
  if (!Array.isArray(flags)) refuse('flags', 'an array of strings', flags);
  const merged = readToml(file);
  for (const [path, value] of fromEnvironment(env)) set(merged, path, value);
  setFlags(merged, flags);
  const config = aboveFloors(validated(schema, merged, file), file);
  const from = (path: string) => resolve(dirname(file), path);
  const codeFile = config.scheduler.registration_code_file;
  return {
    ...config,
    data_dir: from(config.data_dir),
    membership_file: from(config.membership_file),
    identity: {
      key_file: from(config.identity.key_file),
      certificate_file: from(config.identity.certificate_file),
      certificate_key_file: from(config.identity.certificate_key_file),
    },
    scheduler: {
      ...config.scheduler,
      certificate_file: from(config.scheduler.certificate_file),
      ...(codeFile === undefined ? {} : { registration_code_file: from(codeFile) }),
    },
  };
}

/**
 * A configuration that a program wrote: as strict as a file's, but its paths are taken as they are.
 * @throws MixError CONFIG_INVALID naming the key
 */
export function checkConfig(config: NodeConfig): NodeConfig {
  return aboveFloors(validated(schema, config, '(config)'), '(config)');
}

/** A group that no round may have is a mistake: a toy group, or a floor that was not lowered knowingly. */
function aboveFloors(config: NodeConfig, file: string): NodeConfig {
  const floor = config.floors.group_bits;
  const low = config.engine.groups.find((name) => namedGroup(name).bits < floor);
  if (low === undefined) return config;
  const why = `${low} is below floors.group_bits = ${floor}`;
  throw new MixError('CONFIG_INVALID', { file, key: 'engine.groups', why });
}

/** Reads a membership list. @throws MixError CONFIG_INVALID, CERTIFICATE_INVALID */
export function loadMembership(file: string): Membership {
  checkText(file, 'file');
  const { generation, members } = validated(membershipSchema, readToml(file), file);
  const list = members.map((member): Member => {
    if (!isNodeId(member.node)) throw new MixError('CONFIG_INVALID', { file, key: 'members.node', got: member.node });
    return {
      node: member.node,
      address: member.address,
      gatewayAddress: member.gateway,
      identityKey: fromHex(member.identity_key)!,
      certificate: member.certificate,
      nextCertificate: member.next_certificate,
    };
  });
  return new Membership(generation, list);
}

/** One member's entry of a membership file. */
export function membershipEntry(member: Member): string {
  const { node, address: team, gatewayAddress, identityKey, certificate, nextCertificate } = member;
  const hex = Buffer.from(identityKey).toString('hex');
  return [
    '[[members]]',
    `node = "${node}"`,
    `address = "${team}"`,
    `gateway = "${gatewayAddress}"`,
    `identity_key = "${hex}"`,
    `certificate = """\n${certificate.trim()}\n"""`,
    ...(nextCertificate === undefined ? [] : [`next_certificate = """\n${nextCertificate.trim()}\n"""`]),
    '',
  ].join('\n');
}

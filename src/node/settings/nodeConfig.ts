// A node's configuration: its keys with their types, defaults and meaning.
import { totalmem } from 'node:os';
import { z } from 'zod';
import { checkText, MixError, refuse } from '../../base/index.js';
import { ENGINE_NAMES } from '../../engine/index.js';
import { namedGroup } from '../../math/index.js';
import { LOOPBACK_PREFIXES } from '../../transport/index.js';
import { commentedFile, notes, pathIn, readConfig, validated } from './configFile.js';
import {
  addressFor,
  file,
  floorsSection,
  groupName,
  httpHosts,
  identity,
  identityIn,
  key,
  logSection,
  network,
  whole,
} from './sections.js';

const MIB = 1 << 20;
/** Half of the machine's memory, or of the process's limit: engines, connections and the rest need some, too. */
const defaultMemoryMib = (): number => {
  const constrained = process.constrainedMemory() || Infinity;
  return Math.max(16, Math.floor(Math.min(constrained, totalmem()) / 2 / MIB));
};

const schedulerSection = z.strictObject({
  address: addressFor('Address of the scheduler for nodes.', 'scheduler.example:7410'),
  certificate_file: file('scheduler.pem', "Copy of the scheduler's certificate.pem: pinned."),
  key: key.clone().register(notes, {
    about: 'Ed25519 public key that signs rounds and updates, 64 hex digits.',
    first: '0'.repeat(64),
  }),
  registration_code_file: z.string().min(1).optional().register(notes, {
    about: "File with the registration code, if the scheduler asks for one; readable by the node's user only.",
    commented: 'registration.code',
  }),
});

const engineSection = z
  .strictObject({
    name: z
      .enum(['auto', ...ENGINE_NAMES])
      .default('auto')
      .register(notes, { about: `auto, ${ENGINE_NAMES.join(', ')}` }),
    threads: whole(0, 1024).default(0).register(notes, {
      about:
        'Cores to compute on; 0 means all. Each has one worker for realtime and one for precomputation, which yields to the first.',
    }),
    check_rate: z
      .number()
      .min(0)
      .max(1)
      .default(1 / 16)
      .register(notes, {
        about:
          "Share of a card's results of which one unit (an element, a slot, a base) is computed again on the CPU: 0 to 1.",
      }),
    groups: z.array(groupName).min(1).default(['MODP-4096']).register(notes, {
      about: "Groups this node mixes in. The first one's engine is opened at start.",
    }),
  })
  .prefault({});

const limitsSection = z
  .strictObject({
    open_rounds: whole(1, 1024).default(64).register(notes, {
      about: 'Limit of open rounds.',
    }),
    kept_rounds: whole(0, 10_000).default(32).register(notes, {
      about: 'Ended rounds whose outputs are kept in memory.',
    }),
    slots: whole(1, 1 << 20)
      .default(1 << 16)
      .register(notes, { about: 'Largest number of slots of a round.' }),
    width: whole(1, 15).default(15).register(notes, { about: 'Largest width of a round: elements of a message.' }),
    memory_mib: whole(16, 1 << 24)
      .default(defaultMemoryMib)
      .register(notes, {
        about:
          'Limit of the memory of all open rounds together, estimated before each is opened. Default: half of the memory.',
        commented: 4096,
      }),
    senders: whole(1, 10_000_000).default(100_000).register(notes, {
      about: 'Limit of registered senders (a KiB of memory each).',
    }),
    epoch_hours: z.number().positive().max(24).default(24).register(notes, {
      about: 'Length of a key epoch, after which senders register again.',
    }),
    peer_lost_ms: whole(500, 600_000).default(8_000).register(notes, {
      about: 'A team member that cannot be reached for this long is lost, and with it the round.',
    }),
    drain_ms: whole(0, 3_600_000).default(60_000).register(notes, {
      about:
        'SIGTERM: the node takes no new rounds, and ends when the rounds that take messages or mix are over, after this time at the latest.',
    }),
  })
  .prefault({});

const commsSection = z
  .strictObject({
    tokens: z.enum(['optional', 'required']).default('optional').register(notes, {
      about: 'optional: members of protocol 1.0, which has no session tokens, may call. required: they may not.',
    }),
    keep_warm_ms: whole(0, 60_000)
      .default(200)
      .register(notes, {
        about:
          'Pause between warm-ups, ms. While messages are collected, a node sends its team twice a batch at each: Linux slows down connections\n' +
          'that were idle for a round trip or two. 0, or 0 in net.ipv4.tcp_slow_start_after_idle, means once.',
      }),
  })
  .prefault({});

const strangersSection = z
  .strictObject({
    by_connection: z
      .array(z.string())
      .default([...LOOPBACK_PREFIXES])
      .register(notes, {
        about:
          'Prefixes of addresses that many senders share, such as a proxy or this machine: there each connection has a share of its own.',
      }),
    connections: whole(8, 65_536).default(4_096).register(notes, {
      about: 'Limit of connections to the gateway; lower if the process has too few descriptors.',
    }),
    memory_mib: whole(4, 65_536).default(128).register(notes, {
      about: 'Limit of the memory of all their calls.',
    }),
  })
  .prefault({})
  .register(notes, {
    about:
      'Limits of senders and receivers. If more than half of a limit is in use, each address (an IPv6 /64 is one) has its share only.',
  });

const schema = z.strictObject({
  network: network('Name of the network. Rounds of another network are refused.'),
  data_dir: file('data', 'Directory of the records of rounds. One node per directory.'),
  membership_file: file(
    'membership.toml',
    'The members: node ids, addresses, identity keys and pinned certificates. The same file on every node.',
  ),
  identity: identity("Created by `millrace keys create`; readable by the node's user only."),
  listen: z.strictObject({
    team: addressFor('Team members: mutual TLS 1.3, certificates pinned to the membership list.', '0.0.0.0:7411'),
    gateway: addressFor("Senders and receivers of messages: TLS 1.3, this node's certificate.", '0.0.0.0:7412'),
    http: addressFor('/healthz /readyz /metrics /status. Keep it on loopback.', '127.0.0.1:7413'),
    http_hosts: httpHosts('node.internal'),
  }),
  scheduler: schedulerSection,
  engine: engineSection,
  floors: floorsSection,
  limits: limitsSection,
  comms: commsSection,
  strangers: strangersSection,
  log: logSection,
});

export type NodeConfig = z.infer<typeof schema>;

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
  const config = aboveFloors(readConfig(schema, file, { prefix: 'MILLRACE', env, flags }), file);
  const codeFile = config.scheduler.registration_code_file;
  return {
    ...config,
    data_dir: pathIn(file, config.data_dir),
    membership_file: pathIn(file, config.membership_file),
    identity: identityIn(file, config.identity),
    scheduler: {
      ...config.scheduler,
      certificate_file: pathIn(file, config.scheduler.certificate_file),
      ...(codeFile === undefined ? {} : { registration_code_file: pathIn(file, codeFile) }),
    },
  };
}

/**
 * Checks a configuration that a program wrote: as strictly as a file's, but its paths are taken as they are.
 * @throws MixError CONFIG_INVALID naming the key
 */
export function checkConfig(config: NodeConfig): NodeConfig {
  return aboveFloors(validated(schema, config, '(config)'), '(config)');
}

/** Refuses a group that no round may have: a toy group, or a floor that was not lowered knowingly. */
function aboveFloors(config: NodeConfig, file: string): NodeConfig {
  const floor = config.floors.group_bits;
  const low = config.engine.groups.find((name) => namedGroup(name).bits < floor);
  if (low === undefined) return config;
  const why = `${low} is below floors.group_bits = ${floor}`;
  throw new MixError('CONFIG_INVALID', { file, key: 'engine.groups', why });
}

type NodeConfigValues = Partial<{ [Section in keyof NodeConfig]: Partial<NodeConfig[Section]> }>;

/** Makes a commented configuration file with these values, defaults for the rest. Relative paths in it are relative to the file. */
export function nodeConfigFile(values: NodeConfigValues = {}): string {
  const intro =
    'Millrace node. An environment variable (MILLRACE_LOG_LEVEL) overrides this file, a flag (--set log.level=debug) overrides both.\n' +
    'Unknown keys are refused.';
  return commentedFile(schema, intro, values);
}

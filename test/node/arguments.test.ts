// Arguments of the exported functions of nodes: a wrong type or value is named, before anything is opened.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig, loadMembership, Membership, namedGroup, Sender, startNode } from '../../src/index.js';
import { nodeConfigFile } from '../../src/node/settings/nodeConfig.js';
import { loadSchedulerConfig, schedulerConfigFile, toParams } from '../../src/node/settings/schedulerConfig.js';
import { address } from '../../src/node/settings/sections.js';
import { DEFAULT_PARAMS } from '../../src/scheduler/parameters.js';

describe('startNode', () => {
  it.each([
    ['(top level)', undefined],
    ['(top level)', null],
    ['(top level)', 'node.toml'],
    ['network', {}],
    ['network', { network: 5 }],
  ])('names %s of a configuration that is %j', async (key, config) => {
    await expect(startNode(config as never)).rejects.toMatchObject({ code: 'CONFIG_INVALID', values: { key } });
  });
});

describe('an address', () => {
  it.each(['127.0.0.1:99999', '127.0.0.1:65536', ':7411', '7411', '127.0.0.1:', 'host:12a'])('is not %s', (text) => {
    expect(address.safeParse(text).success).toBe(false);
  });

  it.each(['127.0.0.1:0', '[::1]:65535', 'node.example:7411'])('can be %s', (text) => {
    expect(address.safeParse(text).success).toBe(true);
  });
});

describe('toy groups', () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-config-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const written = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };

  it.each(['TEST-64', 'TEST-512', 'MODP-2048'])('%s is not accepted for a node without an explicit floor', (group) => {
    const file = written('node.toml', nodeConfigFile());
    const flags = [`engine.groups=["MODP-4096", "${group}"]`];
    expect(() => loadConfig(file, flags, {})).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', values: expect.objectContaining({ key: 'engine.groups' }) }),
    );
    expect(loadConfig(file, [...flags, 'floors.group_bits=64'], {}).engine.groups).toContain(group);
  });

  it.each([
    ['rounds.group="TEST-512"', 'floors.group_bits=512'],
    ['rounds.team_size=2', 'floors.team=2'],
    ['rounds.slots=10', 'floors.slots=10'],
    ['rounds.min_senders=1', 'floors.senders=1'],
  ])('and small rounds are not opened without an explicit floor: %s', (low, lowered) => {
    const file = written('scheduler.toml', schedulerConfigFile());
    const flags = [
      low,
      ...(low.startsWith('rounds.slots') ? ['rounds.min_senders=10', 'rounds.quota_per_sender=5'] : []),
    ];
    expect(() => loadSchedulerConfig(file, flags)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', values: expect.objectContaining({ key: 'rounds' }) }),
    );
    expect(() => loadSchedulerConfig(file, [...flags, lowered])).not.toThrow();
  });
});

describe('a configuration', () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-overrides-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('of a node and of a scheduler are overridden alike, each by its own variables: these override the file, a flag overrides both', () => {
    const [node, scheduler] = [join(directory, 'node.toml'), join(directory, 'scheduler.toml')];
    writeFileSync(node, nodeConfigFile({ limits: { slots: 100 } }));
    writeFileSync(scheduler, schedulerConfigFile());
    const env = {
      MILLRACE_LOG_LEVEL: 'debug',
      MILLRACE_LIMITS_SLOTS: '200',
      MILLRACE_SCHEDULER_ROUNDS_SLOTS: '300',
      MILLRACE_SCHEDULER_LOG_LEVEL: 'warn',
    };
    expect(loadConfig(node, [], {}).limits.slots).toBe(100);
    expect(loadConfig(node, [], { ...env, MILLRACE_NETWORK: '"7"' })).toMatchObject({
      ...{ network: '7', log: { level: 'debug' }, limits: { slots: 200 } },
    });
    expect(loadConfig(node, ['limits.slots=400'], { MILLRACE_LIMITS_SLOTS: '200' }).limits.slots).toBe(400);
    expect(loadSchedulerConfig(scheduler, [], { ...env, MILLRACE_NETWORK: 'node' })).toMatchObject({
      ...{ network: 'example', log: { level: 'warn' }, rounds: { slots: 300 } },
    });
    expect(loadSchedulerConfig(scheduler, ['rounds.slots=400'], env).rounds.slots).toBe(400);
    expect(() => loadSchedulerConfig(scheduler, [], { MILLRACE_SCHEDULER_ROUNDS_SLOTS: 'many' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', values: expect.objectContaining({ key: 'rounds.slots' }) }),
    );
  });

  it('as written first has every key with an explanation, and the defaults', () => {
    const file = join(directory, 'first.toml');
    writeFileSync(file, schedulerConfigFile());
    const loaded = loadSchedulerConfig(file, [], {});
    const text = schedulerConfigFile();
    for (const [section, keys] of Object.entries(loaded)) {
      if (typeof keys === 'object')
        for (const key of Object.keys(keys)) expect(text, section).toMatch(new RegExp(`^#? ?${key} = `, 'm'));
    }
    expect(toParams(loaded)).toEqual(DEFAULT_PARAMS);
  });
});

describe('the other functions', () => {
  it('name the wrong argument', () => {
    const named = (argument: string) =>
      expect.objectContaining({ code: 'ARGUMENT_INVALID', values: expect.objectContaining({ argument }) });
    expect(() => namedGroup(4096 as never)).toThrow(named('name'));
    expect(() => namedGroup(Symbol('MODP-4096') as never)).toThrow(named('name'));
    expect(() => loadConfig({} as never)).toThrow(named('file'));
    expect(() => loadConfig('node.toml', 'log.level=debug' as never)).toThrow(named('flags'));
    expect(() => loadMembership(5 as never)).toThrow(named('file'));
    expect(() => new Sender({} as never)).toThrow(named('key'));
    expect(() => new Membership('1' as never, [])).toThrow(named('generation'));
    expect(() => new Membership(1, null as never)).toThrow(named('members'));
    expect(() => new Membership(1, [null] as never)).toThrow(named('members[0]'));
    const member = { node: 'a', address: 'a:1', gatewayAddress: 'a:2', identityKey: 'ab', certificate: 'x' };
    expect(() => new Membership(1, [member] as never)).toThrow(named('members[0].identityKey'));
  });
});

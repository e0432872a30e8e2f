// What a program passes to the exported functions of nodes: a wrong type or value is named, before anything is opened.
import { describe, expect, it } from 'vitest';
import { loadConfig, loadMembership, namedGroup, startNode } from '../../src/index.js';
import { address } from '../../src/node/config.js';

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

describe('the other functions', () => {
  it('name what is wrong', () => {
    const named = (argument: string) =>
      expect.objectContaining({ code: 'ARGUMENT_INVALID', values: expect.objectContaining({ argument }) });
    expect(() => namedGroup(4096 as never)).toThrow(named('name'));
    expect(() => namedGroup(Symbol('MODP-4096') as never)).toThrow(named('name'));
    expect(() => loadConfig({} as never)).toThrow(named('file'));
    expect(() => loadConfig('node.toml', 'log.level=debug' as never)).toThrow(named('flags'));
    expect(() => loadMembership(5 as never)).toThrow(named('file'));
  });
});

// Arguments of options: accepted values, and each wrong one refused by name, with status 2, before a command does anything.
import { type Command, CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { benchCommand } from '../../src/cli/bench.js';
import { demoCommand } from '../../src/cli/demo/command.js';
import { doctorCommand } from '../../src/cli/doctor.js';
import { keysCommand } from '../../src/cli/keys.js';
import { schedulerCommand } from '../../src/cli/scheduler.js';

const COMMANDS = {
  bench: benchCommand,
  demo: demoCommand,
  doctor: doctorCommand,
  keys: keysCommand,
  scheduler: schedulerCommand,
};

/** The options that a command line of `millrace` parses to. @throws CommanderError */
function optionsOf(line: string, ...args: readonly string[]): Record<string, unknown> {
  const [name, ...below] = line.split(' ') as [keyof typeof COMMANDS, ...string[]];
  let command: Command = COMMANDS[name]();
  for (const child of below) command = command.commands.find((one) => one.name() === child)!;
  command.exitOverride().configureOutput({ writeErr: () => {} });
  command.parseOptions([...args]);
  return command.opts();
}

function refused(line: string, option: string, value: string): CommanderError | undefined {
  try {
    optionsOf(line, option, value);
    return undefined;
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(CommanderError);
    return thrown as CommanderError;
  }
}

describe('arguments of options', () => {
  it('become numbers, words and lists', () => {
    expect(optionsOf('bench engine', '--engine', 'cpu', '--op', 'mul', '--bits', '3072')).toMatchObject({
      ...{ engine: 'cpu', op: 'mul', bits: 3072, exponentBits: 256, batch: 1000, threads: 1, repeat: 7, json: false },
    });
    expect(optionsOf('bench gpu', '--widths', '2048', '--batches', '1,7', '--compliance', '12,0')).toMatchObject({
      ...{
        minutes: 4,
        quick: false,
        widths: [2048],
        batches: [1, 7],
        slots: 1000,
        compliance: { passed: 12, failed: 0 },
      },
    });
    const sysctls = ['--sysctl', 'tcp_wmem=4096 16384 33554432', '--sysctl', 'tcp_slow_start_after_idle=0'];
    expect(optionsOf('bench link', '--payloads', '7,8', '--rtt-ms', '0.5', ...sysctls)).toMatchObject({
      ...{ rttMs: 0.5, mbitPerS: 1000, payloads: [7, 8], bits: 4096, repeat: 3, mtu: 1500, collectMs: 1000, idleMs: 0 },
      sysctl: { tcp_wmem: '4096 16384 33554432', tcp_slow_start_after_idle: '0' },
    });
    expect(optionsOf('demo', '--duration', '1.5m', '--teams', '3')).toMatchObject({
      duration: 90_000,
      teams: 3,
      nodes: 8,
    });
    expect(optionsOf('scheduler', '--set', 'a.b=1', '--set', 'c=2').set).toEqual(['a.b=1', 'c=2']);
  });

  it.each([
    ['bench engine', '--bits', ['1024', '4096.0', '']],
    ['bench engine', '--exponent-bits', ['0', '8200', 'long']],
    ['bench engine', '--batch', ['0', '65537', '1e3']],
    ['bench engine', '--threads', ['0', '-1']],
    ['bench engine', '--repeat', ['', 'many']],
    ['bench engine', '--engine', ['abacus']],
    ['bench engine', '--op', ['sqrt', '']],
    ['bench gpu', '--minutes', ['0', 'ten', '601']],
    ['bench gpu', '--widths', ['1024', '4096,']],
    ['bench gpu', '--batches', ['32,', '65537']],
    ['bench gpu', '--slots', ['0']],
    ['bench gpu', '--threads', ['-1']],
    ['bench gpu', '--compliance', ['all', '1,', '1,2,3']],
    ['bench link', '--rtt-ms', ['-1', '2001']],
    ['bench link', '--mbit-per-s', ['0']],
    ['bench link', '--payloads', ['10,,20', '40001']],
    ['bench link', '--windows', ['narrow']],
    ['bench link', '--bits', ['1000']],
    ['bench link', '--repeat', ['1e3', '0']],
    ['bench link', '--mtu', ['500']],
    ['bench link', '--collect-ms', ['long']],
    ['bench link', '--idle-ms', ['']],
    ['bench link', '--sysctl', ['../../kernel/panic=1', 'a']],
    ['demo', '--nodes', ['1', '65']],
    ['demo', '--batch', ['0']],
    ['demo', '--bits', ['1024']],
    ['demo', '--width', ['16']],
    ['demo', '--engine', ['abacus']],
    ['demo', '--teams', ['1']],
    ['demo', '--duration', ['soon', '0s', '1000h']],
    ['doctor', '--bits', ['512']],
    ['doctor', '--threads', ['0']],
    ['keys create', '--days', ['0', 'ten', '3651']],
    ['scheduler', '--new-codes', ['0', '10001', 'x']],
  ] as const)('of millrace %s are refused by name: %s %j', (line, option, values) => {
    for (const value of values) {
      const error = refused(line, option, value);
      expect(error?.code, value).toBe('commander.invalidArgument');
      expect(error?.message).toContain(option);
    }
  });
});

// The demo's lanes and message counts: the picture matches the data, and a missing, doubled or changed message is detected.
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.js';
import { DemoDisplay, drawLane, toCells } from '../../src/cli/demo/display.js';
import { MessageBook } from '../../src/cli/demo/messageBook.js';
import { roundLine, roundResult, roundTable } from '../../src/cli/demo/results.js';
import type { LiveView } from '../../src/dashboard/dashboard.js';
import type { RoundRow } from '../../src/scheduler/records.js';

/** Lines of the picture besides its lanes. */
const FRAME = 5;

/** Thirty seconds as six cells of five. */
const lane = (...spans: LiveView['timeline'][string]) => drawLane(toCells(spans, 6, 300), false);

describe('a lane', () => {
  it("shows a node's work, the newest at the right", () => {
    expect(lane()).toBe('······');
    expect(lane([1, 'p', 300, 200])).toBe('pp····');
    expect(lane([1, 'r', 50, 0])).toBe('·····M');
    expect(lane([1, 'p', 260, 110], [2, 'r', 190, 150], [1, 'r', 20, 0])).toBe('pp'.concat('Xp', '·M'));
  });

  it('shows the number of concurrent precomputations, and mixing above precomputing', () => {
    const cells = toCells(
      [
        [1, 'p', 300, 0],
        [2, 'p', 100, 0],
        [3, 'r', 50, 0],
      ],
      6,
      300,
    );
    expect(cells.map(({ precomputing }) => precomputing)).toEqual([1, 1, 1, 1, 2, 2]);
    const coloured = drawLane(cells, true);
    expect(coloured.endsWith('\x1b[0m')).toBe(true);
    expect(coloured.split('\x1b[0;').length - 1).toBe(6);
    expect(coloured.at(-5)).toBe('▀');
  });
});

it('a display that is no terminal gets lines only, and no escape sequence', () => {
  const out = new PassThrough();
  const display = new DemoDisplay(out as unknown as NodeJS.WriteStream, {
    view: () => undefined,
    nameOf: (node) => node,
    page: () => '',
  });
  display.begin();
  display.say('a line');
  display.end();
  expect(String(out.read())).toBe('a line\n');
});

describe('the picture on a terminal', () => {
  const node = (i: number) => ({ node: `n${i}`, status: 'active', stages: { STANDBY: i }, engine: 'cpu' });
  const view = (count: number) => {
    const nodes = Array.from({ length: count }, (_, i) => node(i));
    const counts = { completed: 123, failed: 4, roundsPerMinute: 56.7, stock: 8, stockTarget: 9, overlapShare: 1 };
    return { nodes, ...counts, timeline: { n0: [[1, 'r', 300, 0]] } } as unknown as LiveView;
  };
  /** The output of a display that draws, prints two lines and ends, as pictures: each with the number of lines erased before it. */
  function drawn(columns: number, rows: number, nodes: number) {
    let text = '';
    const write = (part: string) => {
      text += part;
    };
    const options = {
      view: () => view(nodes),
      nameOf: (id: string) => `node ${id}`,
      page: () => 'http://127.0.0.1:1/',
    };
    const out = { isTTY: true, columns, rows, write } as unknown as NodeJS.WriteStream;
    const display = new DemoDisplay(out, options);
    display.begin();
    display.say('first');
    display.say('second');
    display.end();
    const [before, ...parts] = text.split('\x1b[');
    const pictures = [{ erased: 0, text: before! }];
    for (const part of parts) {
      const [sequence, number] = /^([\d;]*)[A-Za-z]/.exec(part)!;
      if (sequence.endsWith('A')) pictures.push({ erased: Number(number), text: '' });
      pictures.at(-1)!.text += part.slice(sequence.length);
    }
    return pictures;
  }

  it.each([
    [60, 24, 8],
    [30, 10, 8],
    [12, 4, 3],
    [200, 50, 64],
  ])('has no line that wraps and none that scrolls away, at %i × %i with %i nodes', (columns, rows, nodes) => {
    const pictures = drawn(columns, rows, nodes);
    expect(pictures).toHaveLength(3);
    for (const { text } of pictures) {
      const lines = text.split('\n').filter((line) => line !== 'first' && line !== 'second');
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
      expect(lines.length).toBeLessThanOrEqual(Math.max(rows, FRAME + 1));
    }
  });

  it('erases exactly what it drew', () => {
    const pictures = drawn(100, 24, 3);
    for (const [i, { erased }] of pictures.slice(1).entries()) {
      // The printed line stands above it and stays.
      const said = i < 2 ? 1 : 0;
      expect(erased).toBe(pictures[i]!.text.split('\n').length - 1 - said);
    }
  });
});

function row(more: Partial<RoundRow> = {}): RoundRow {
  const times = { openedMs: 1_000, standbyMs: 3_500, queuedMs: 4_000, realtimeMs: 6_000, endedMs: 7_000 };
  const phases = { generate: { startMs: 1_100, endMs: 2_100 }, reveal: { startMs: 2_000, endMs: undefined } };
  const rest = { team: ['a', 'b'] as never[], slots: 3, failure: undefined, blamed: [] };
  return { round: 7 as never, state: 'COMPLETED', ...rest, ...times, phases, ...more };
}

const book = (outputs: string[], inputs: string[], invalid = 0) => {
  const made = new MessageBook(row(), outputs.map(utf8), invalid);
  for (const input of inputs) made.expect(utf8(input));
  return made;
};

describe('a book of messages', () => {
  it('is equal if every message came out once, in any order, with doubles', () => {
    expect(book(['b', 'a', 'a'], ['a', 'b', 'a']).equal).toBe(true);
  });

  it.each<[string, MessageBook]>([
    ['a message that did not come out', book(['a'], ['a', 'b'])],
    ['one that came out twice', book(['a', 'a'], ['a'])],
    ['one that nobody sent', book(['a', 'x'], ['a', 'b'])],
    ['one that was mauled', book(['a'], ['a'], 1)],
  ])('is not equal with %s', (_, made) => {
    expect(made.equal).toBe(false);
  });
});

describe('a round’s result', () => {
  it('has precomputation, realtime and phases by one clock, and invents no time', () => {
    const result = roundResult(1, book(['a'], ['a']), 5_200);
    expect(result).toMatchObject({ id: 7, precomputeMs: 2_500, realtimeMs: 1_800, messagesIn: 1, messagesOut: 1 });
    expect(result.phaseMs).toMatchObject({ generate: 1_000, reveal: 0, identify: 0 });
    // Without the time of the last accepted message: from the nodes' start.
    expect(roundResult(1, book(['a'], ['a']), undefined).realtimeMs).toBe(1_000);
    const text = roundLine(result, row(), (node) => ({ a: '1', b: '2' })[node]!);
    expect(text).toBe('round   1  team 1 2  precompute 2.50 s  realtime 1.80 s  1 in, 1 out');
  });

  it('appears in a table of the last rounds', () => {
    const results = Array.from({ length: 30 }, (_, i) => roundResult(i + 1, book(['a'], ['a']), undefined));
    const lines = roundTable(results).split('\n');
    expect(lines).toHaveLength(22);
    expect(lines[1]!.trim().startsWith('11 ')).toBe(true);
    expect(lines.at(-1)).toContain('10 earlier rounds');
  });
});

// The demo on a terminal: a lane for each node with its work, drawn over itself a few times a second, and lines of events above it.
// Without a terminal (a pipe, a log) the lines only.
import type { LiveView } from '../../dashboard/index.js';

const REDRAW_MS = 250;
/** Time that the lanes show, in tenths of a second, and limits of their width. */
const WINDOW_TENTHS = 300;
const LANE_WIDTH_MAX = 80;
const LANE_WIDTH_MIN = 8;
const LABEL_WIDTH = 34;
/** Lines around the lanes: an empty one, the counts, the number of further nodes, the key, and the line of the cursor. */
const FRAME_LINES = 5;

const ORANGE = 208;
const BLUES = [25, 32, 39];

interface DisplayOptions {
  /** The live view, while there is one. */
  readonly view: () => LiveView | undefined;
  /** Name of a node. */
  readonly nameOf: (node: string) => string;
  readonly page: () => string;
}

/** A cell of a lane: whether a round was mixed then, and how many were precomputed. */
interface Cell {
  readonly mixing: boolean;
  readonly precomputing: number;
}

type Spans = LiveView['timeline'][string];

/** A lane as cells, the oldest first. */
export function toCells(spans: Spans, width: number, windowTenths: number = WINDOW_TENTHS): Cell[] {
  const tenths = windowTenths / width;
  return Array.from({ length: width }, (_, cell) => {
    const [from, to] = [windowTenths - cell * tenths, windowTenths - (cell + 1) * tenths];
    const inside = spans.filter(([, , begun, ended]) => ended < from && begun > to);
    return {
      mixing: inside.some(([, kind]) => kind === 'r'),
      precomputing: inside.filter(([, kind]) => kind === 'p').length,
    };
  });
}

/** Upper half: mixing. Lower half: precomputing, brighter for several rounds. Letters if there are no colours. */
export function drawLane(cells: readonly Cell[], colours: boolean): string {
  if (!colours) {
    const letter = ({ mixing, precomputing }: Cell) =>
      mixing ? (precomputing > 0 ? 'X' : 'M') : precomputing > 0 ? 'p' : '·';
    return cells.map(letter).join('');
  }
  return cells
    .map(({ mixing, precomputing }) => {
      const below = precomputing > 0 ? BLUES[Math.min(precomputing, BLUES.length) - 1]! : undefined;
      if (!mixing && below === undefined) return '\x1b[0m ';
      if (!mixing) return `\x1b[0;38;5;${below}m▄`;
      return `\x1b[0;38;5;${ORANGE}${below === undefined ? '' : `;48;5;${below}`}m▀`;
    })
    .join('')
    .concat('\x1b[0m');
}

export class DemoDisplay {
  readonly #out: NodeJS.WriteStream;
  readonly #options: DisplayOptions;
  readonly #colours: boolean;
  #timer: NodeJS.Timeout | undefined;
  /** Lines of the live picture that stand on the terminal. */
  #lines = 0;

  constructor(out: NodeJS.WriteStream, options: DisplayOptions) {
    this.#out = out;
    this.#options = options;
    // no-color.org: present, and not empty.
    this.#colours = !process.env.NO_COLOR;
  }

  /** Draws from now on, on a terminal. */
  begin(): void {
    if (!this.#out.isTTY) return;
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    this.#timer.unref();
  }

  /** Leaves the last picture standing. */
  end(): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#draw();
    this.#lines = 0;
  }

  say(text: string): void {
    this.#erase();
    this.#out.write(`${text}\n`);
    if (this.#timer) this.#draw();
  }

  #erase(): void {
    if (this.#lines > 0) this.#out.write(`\x1b[${this.#lines}A\x1b[0J`);
    this.#lines = 0;
  }

  #draw(): void {
    const view = this.#options.view();
    if (!view) return;
    const lines = ['', ...this.#picture(view)];
    this.#erase();
    this.#out.write(lines.map((line) => `${line}\n`).join(''));
    this.#lines = lines.length;
  }

  /** No line is wider than the terminal, and there are fewer lines than rows: otherwise erasing would leave a part of the picture. */
  #picture(view: LiveView): string[] {
    const { columns = 80, rows = 24 } = this.#out;
    const width = Math.min(LANE_WIDTH_MAX, columns - LABEL_WIDTH);
    const overlap = view.overlapShare === null ? '–' : `${Math.round(100 * view.overlapShare)} %`;
    const shown = view.nodes.slice(0, Math.max(1, rows - FRAME_LINES));
    const lanes = shown.map(({ node, status, stages }) => {
      const count = (...names: (keyof typeof stages)[]) => names.reduce((sum, name) => sum + (stages[name] ?? 0), 0);
      const at = `${count('PENDING', 'PRECOMPUTING')} pre  ${count('STANDBY')} ready  ${count('QUEUED', 'REALTIME')} mix`;
      const label = clipped(`${this.#options.nameOf(node).padEnd(8)} ${status === 'active' ? at : status}`, columns);
      if (width < LANE_WIDTH_MIN) return label;
      return `${label.padEnd(LABEL_WIDTH - 1)} ${drawLane(toCells(view.timeline[node] ?? [], width), this.#colours)}`;
    });
    const more = view.nodes.length - shown.length;
    return [
      clipped(
        `${view.completed} rounds mixed · ${view.failed} failed · ${view.roundsPerMinute.toFixed(1)} a minute · ready ${view.stock} of ${view.stockTarget} · overlap ${overlap}`,
        columns,
      ),
      ...lanes,
      ...(more > 0 ? [`… and ${more} more`] : []),
      clipped(
        `${this.#options.page()} · ${WINDOW_TENTHS / 10} s, now at the right · upper half: mixing, lower half: precomputing`,
        columns,
      ),
    ];
  }
}

/** Cuts a text without escapes to the width of a line. */
const clipped = (text: string, columns: number): string =>
  text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`;

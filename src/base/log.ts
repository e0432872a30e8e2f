// Logging: pino, readable on a terminal, else one JSON object per line. Secrets are of type Secret, which prints as `[secret]`;
// in addition, fields whose names indicate key material are redacted.
import { writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import pretty from 'pino-pretty';

export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'child'>;

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const REDACTED = ['seed', 'secret', 'privateKey', 'token', 'registrationCode', '*.seed', '*.secret', '*.privateKey'];

export interface LogOptions {
  readonly name: string;
  readonly level: LogLevel;
  /** Output of lines: standard error by default, so that standard output is a command's own. */
  readonly destination?: DestinationStream;
  /** `auto` is pretty on a terminal. */
  readonly format?: 'auto' | 'pretty' | 'json';
}

export function createLog(options: LogOptions): Logger {
  const { name, level, format = 'auto' } = options;
  const usePretty = format === 'pretty' || (format === 'auto' && !options.destination && process.stderr.isTTY);
  const settings = { name, level, redact: { paths: REDACTED, censor: '[secret]' } };
  const destination = options.destination ?? standardError;
  if (!usePretty) return pino(settings, destination);
  return pino(
    settings,
    pretty({
      destination: streamTo(destination),
      colorize: !options.destination && process.stderr.isTTY,
      sync: true,
      ignore: 'pid,hostname',
      translateTime: 'SYS:HH:MM:ss.l',
    }),
  );
}

const STANDARD_ERROR = 2;
/** Number of waits for a slow reader, a millisecond each: a log must not stop the process for longer. */
const WAITS_MAX = 5;

/**
 * Standard error, which may be a file on a full disk, or a pipe without a reader: a line that cannot be written is dropped and
 * counted, and mixing goes on. After the first line that can be written again, another reports how many were lost.
 */
class StandardError implements DestinationStream {
  #dropped = 0;
  #unsaid = 0;

  /** Lines that could not be written. */
  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    if (!writeWhole(line)) {
      this.#dropped++;
      this.#unsaid++;
    } else if (
      this.#unsaid > 0 &&
      writeWhole(`${JSON.stringify({ level: 40, msg: 'log lines were dropped', lines: this.#unsaid })}\n`)
    ) {
      this.#unsaid = 0;
    }
  }
}

/** Returns false if the line could not be written in full. */
function writeWhole(line: string): boolean {
  const bytes = Buffer.from(line);
  for (let at = 0, waits = 0; at < bytes.length; ) {
    try {
      at += writeSync(STANDARD_ERROR, bytes, at);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN' || ++waits > WAITS_MAX) return false;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
  return true;
}

const standardError = new StandardError();

/** Log lines of this process that could not be written. */
export const droppedLogLines = (): number => standardError.dropped;

/** The readable form is a pipeline, and needs a Writable at its end. */
const streamTo = (destination: DestinationStream): Writable =>
  new Writable({
    write(line, _encoding, done) {
      destination.write(String(line));
      done();
    },
  });

/** A silent log, for tests and the simulator. */
export const silentLog: Logger = pino({ level: 'silent' });

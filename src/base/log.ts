// Logging: pino, readable on a terminal, one JSON object a line otherwise. Secrets are of type Secret, which prints as
// `[secret]`; on top of that, fields whose names say that they hold key material are redacted.
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
  /** Where lines go: standard error unless told, so that standard output stays a command's own. */
  readonly destination?: DestinationStream;
  /** `auto` is pretty on a terminal. */
  readonly format?: 'auto' | 'pretty' | 'json';
}

export function createLog(options: LogOptions): Logger {
  const { name, level, format = 'auto' } = options;
  const usePretty = format === 'pretty' || (format === 'auto' && !options.destination && process.stderr.isTTY);
  const settings = { name, level, redact: { paths: REDACTED, censor: '[secret]' } };
  const destination = options.destination ?? pino.destination({ dest: 2, sync: true });
  if (!usePretty) return pino(settings, destination);
  return pino(
    settings,
    pretty({
      destination: options.destination ? streamTo(options.destination) : 2,
      sync: true,
      ignore: 'pid,hostname',
      translateTime: 'SYS:HH:MM:ss.l',
    }),
  );
}

/** The readable form is a pipeline, and needs a whole stream at its end. */
const streamTo = (destination: DestinationStream): Writable =>
  new Writable({
    write(line, _encoding, done) {
      destination.write(String(line));
      done();
    },
  });

/** A log that says nothing, for tests and the simulator. */
export const silentLog: Logger = pino({ level: 'silent' });

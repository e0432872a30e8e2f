// Command lines and parsers of option arguments, for all commands: commander names the option and ends with status 2 before a command
// does anything.
import { Command, InvalidArgumentError } from 'commander';

type Parse<T> = (text: string) => T;

function numberIn(text: string, form: RegExp, least: number, most: number): number {
  const value = Number(text);
  if (!form.test(text) || value < least || value > most)
    throw new InvalidArgumentError(`Expected ${least} to ${most}.`);
  return value;
}

/** A whole number, in digits. */
export const whole =
  (least: number, most: number): Parse<number> =>
  (text) =>
    numberIn(text, /^\d{1,9}$/, least, most);

/** A number with up to three decimals. */
export const decimal =
  (least: number, most: number): Parse<number> =>
  (text) =>
    numberIn(text, /^\d{1,6}(\.\d{1,3})?$/, least, most);

/** One of these words. */
export const oneOf =
  <T extends string>(words: readonly T[]): Parse<T> =>
  (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new InvalidArgumentError(`Expected ${words.join(', ')}.`);
    return found;
  };

/** Bits of the modulus of a production group. */
export const groupBits: Parse<number> = (text) => Number(oneOf(['2048', '3072', '4096'])(text));

/** Several arguments, with commas between them. */
export const listOf =
  <T>(parse: Parse<T>): Parse<readonly T[]> =>
  (text) =>
    text.split(',').map(parse);

const UNITS_MS: Readonly<Record<string, number>> = { '': 1_000, s: 1_000, m: 60_000, h: 3_600_000 };
const DURATION_MS_MAX = 30 * 24 * 3_600_000;

/** `90`, `90s`, `10m` or `1h`, in milliseconds. */
export const duration: Parse<number> = (text) => {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([smh]?)$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS_MS[unit ?? ''] ?? Number.NaN);
  if (!(ms > 0) || ms > DURATION_MS_MAX) throw new InvalidArgumentError('Expected 90s, 10m or 1h.');
  return ms;
};

/** For an option that may be given several times. */
export const gathered = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** A program's command line: help and version end it with status 0, wrong use with 2. */
export const commandLine = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .showHelpAfterError('(see --help)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

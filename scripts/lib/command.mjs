// Command lines of scripts, which run before TypeScript is compiled; programs in TypeScript use src/cli/common/arguments.ts.
import { Command, InvalidArgumentError } from 'commander';

/** Help ends a script with status 0, wrong usage with 2, before anything is done. */
export const commandLine = (name, description) =>
  new Command(name)
    .description(description)
    .showHelpAfterError('(see --help)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

/** A number from `least` to `most`, by default a whole one. */
export const number =
  (least, most, { whole = true } = {}) =>
  (text) => {
    const value = Number(text);
    if (!/^\d{1,9}(\.\d{1,9})?$/.test(text) || value < least || value > most || (whole && !Number.isInteger(value))) {
      throw new InvalidArgumentError(`Expected ${whole ? 'a whole number, ' : ''}${least} to ${most}.`);
    }
    return value;
  };

/** A subset of `words`, separated by commas. */
export const someOf = (words) => (text) => {
  const given = text.split(',');
  const unknown = given.filter((word) => !words.includes(word));
  if (unknown.length > 0)
    throw new InvalidArgumentError(`There is no ${unknown}; expected some of ${words.join(', ')}.`);
  return given;
};

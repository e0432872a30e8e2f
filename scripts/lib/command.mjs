// Command lines of scripts, which run before TypeScript is compiled; programs in TypeScript have src/cli/common/arguments.ts.
import { Command, InvalidArgumentError } from 'commander';

/** Help ends a script with status 0, wrong use with 2, before anything is done. */
export const commandLine = (name, description) =>
  new Command(name)
    .description(description)
    .showHelpAfterError('(see --help)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

/** A number from `least` to `most`, a whole one unless told otherwise. */
export const number =
  (least, most, { whole = true } = {}) =>
  (text) => {
    const value = Number(text);
    if (!/^\d{1,9}(\.\d{1,9})?$/.test(text) || value < least || value > most || (whole && !Number.isInteger(value))) {
      throw new InvalidArgumentError(`Expected ${whole ? 'a whole number, ' : ''}${least} to ${most}.`);
    }
    return value;
  };

/** Some of `words`, with commas between them. */
export const someOf = (words) => (text) => {
  const given = text.split(',');
  const unknown = given.filter((word) => !words.includes(word));
  if (unknown.length > 0)
    throw new InvalidArgumentError(`There is no ${unknown}; expected some of ${words.join(', ')}.`);
  return given;
};

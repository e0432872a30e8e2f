// Reads and writes configurations. A schema defines everything: the keys, their types, their defaults and their meaning. A TOML file
// gives values, environment variables override it (PREFIX_SECTION_KEY), flags override both (section.key=value), unknown keys are
// refused, and every error names its key. The commented file that init writes comes from the same schema.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'smol-toml';
import { z } from 'zod';
import { MixError } from '../../base/index.js';

type Table = Record<string, unknown>;

/** Text on a key or a section in the commented file. */
interface KeyNote {
  /** Comment lines. */
  readonly about?: string;
  /** Initial value of a key that has no default. */
  readonly first?: unknown;
  /** Value of a key that is commented out, because most do without it. */
  readonly commented?: unknown;
}

export const notes = z.registry<KeyNote>();

function readToml(file: string): Table {
  if (!existsSync(file)) throw new MixError('CONFIG_INVALID', { file, why: 'there is no such file' });
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const [why = ''] = (cause as Error).message.split('\n');
    throw new MixError('CONFIG_INVALID', { file, why }, { cause });
  }
}

/** @throws MixError CONFIG_INVALID naming file and key */
export function validated<T>(type: z.ZodType<T>, value: unknown, file: string): T {
  const result = type.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys : [];
  const at = [...(issue?.path ?? []), ...unknown].join('.');
  throw new MixError('CONFIG_INVALID', { file, key: at || '(top level)', why: issue?.message ?? '' });
}

/** Parses the value of a flag or a variable: TOML if it is that, else text. */
function parseValue(text: string): unknown {
  try {
    return parse(`value = ${text}`).value;
  } catch {
    // Not TOML, so it is text; the schema decides whether text may stand there.
    return text;
  }
}

const isTable = (value: unknown): value is Table => typeof value === 'object' && value !== null;

function set(target: Table, [head = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    target[head] = value;
    return;
  }
  const inner = target[head];
  const next: Table = isTable(inner) ? { ...inner } : {};
  set(next, rest, value);
  target[head] = next;
}

/** The keys below a section; undefined if the field is no section. */
function sectionKeys(field: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> | undefined {
  const inner = field instanceof z.ZodPrefault ? field.def.innerType : field;
  return inner instanceof z.ZodObject ? inner.shape : undefined;
}

/**
 * Values of environment variables that name a key: with the prefix MILLRACE, MILLRACE_LOG_LEVEL is log.level, MILLRACE_DATA_DIR is
 * data_dir.
 */
function fromEnvironment(schema: z.ZodObject, { prefix, env }: Overrides): [readonly string[], unknown][] {
  const paths = Object.entries(schema.shape).flatMap(([name, field]) => {
    const below = sectionKeys(field);
    return below ? Object.keys(below).map((key) => [name, key]) : [[name]];
  });
  return paths.flatMap((path): [readonly string[], unknown][] => {
    const value = env[`${prefix}_${path.join('_').toUpperCase()}`];
    return value === undefined ? [] : [[path, parseValue(value)]];
  });
}

/** Values that override a file. */
interface Overrides {
  /** Prefix of environment variables: those of a node and of a scheduler on one machine must differ. */
  readonly prefix: string;
  readonly env: NodeJS.ProcessEnv;
  /** `section.key=value` each. */
  readonly flags: readonly string[];
}

/** Reads a configuration file; environment and flags override it. @throws MixError CONFIG_INVALID naming file and key */
export function readConfig<T>(schema: z.ZodObject & z.ZodType<T>, file: string, overrides: Overrides): T {
  const merged = readToml(file);
  for (const [path, value] of fromEnvironment(schema, overrides)) set(merged, path, value);
  for (const flag of overrides.flags) {
    const at = flag.indexOf('=');
    if (at < 1) throw new MixError('CONFIG_INVALID', { flag, why: 'expected section.key=value' });
    set(merged, flag.slice(0, at).split('.'), parseValue(flag.slice(at + 1)));
  }
  return validated<T>(schema, merged, file);
}

/** Reads a file without overrides. @throws MixError CONFIG_INVALID naming file and key */
export const readPlain = <T>(type: z.ZodType<T>, file: string): T => validated(type, readToml(file), file);

/** Resolves a path that stands in a file: relative to that file. */
export const pathIn = (file: string, path: string): string => resolve(dirname(file), path);

function written(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(written).join(', ')}]` : JSON.stringify(value);
}

const comment = (about: string | undefined): string[] => about?.split('\n').map((line) => `# ${line}`) ?? [];

function keyLines(name: string, field: z.core.$ZodType, given: unknown): string[] {
  const { about, first, commented } = notes.get(field) ?? {};
  const value = given ?? first ?? (field instanceof z.ZodDefault ? field.def.defaultValue : undefined);
  if (given === undefined && commented !== undefined) return [...comment(about), `# ${name} = ${written(commented)}`];
  return value === undefined ? [] : [...comment(about), `${name} = ${written(value)}`];
}

/**
 * Makes a commented file of all keys, with `values` for those that are given, and defaults for the others.
 * @param intro the comment at its head
 */
export function commentedFile(schema: z.ZodObject, intro: string, values: Table = {}): string {
  const blocks = [[...comment(intro)]];
  for (const [name, field] of Object.entries(schema.shape)) {
    const below = sectionKeys(field);
    if (!below) blocks.push(keyLines(name, field, values[name]));
    else {
      const given = values[name];
      const keys = Object.entries(below).map(([key, type]) =>
        keyLines(key, type, isTable(given) ? given[key] : undefined),
      );
      const about = comment(notes.get(field)?.about);
      // A blank line, or it would read on into the comment of the first key.
      blocks.push([`[${name}]`, ...about, ...(about.length > 0 ? [''] : []), ...keys.flat()]);
    }
  }
  return `${blocks.map((block) => block.join('\n')).join('\n\n')}\n`;
}

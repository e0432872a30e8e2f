// Packages that an engine can use where they are installed: found without loading them, loaded by `import()`, and where they
// are missing an error that says what to install. Nothing of them is known to the compiler: whoever loads one says its shape.
import { createRequire } from 'node:module';
import { asMixError, MixError } from '../base/index.js';
import type { EngineName } from './engine.js';

const require = createRequire(import.meta.url);

/** Where a package begins; undefined where it is not installed. */
export function findPackage(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    // Not installed.
    return undefined;
  }
}

/** What to do about packages that are missing; empty where all are there. */
export function missingPackages(names: readonly string[]): string {
  const missing = names.filter((name) => findPackage(name) === undefined);
  return missing.length === 0 ? '' : `not installed: \`npm install ${missing.join(' ')}\` brings it`;
}

/** @throws MixError ENGINE_UNAVAILABLE where it is missing or does not load, with what to install. */
export async function loadPackage(engine: EngineName, name: string): Promise<unknown> {
  const missing = missingPackages([name]);
  if (missing) throw new MixError('ENGINE_UNAVAILABLE', { engine, reason: missing });
  try {
    const loaded = (await import(name)) as { readonly default?: unknown };
    // CommonJS: what it exports is the default.
    return loaded.default ?? loaded;
  } catch (cause) {
    const reason = `${name} does not load: ${asMixError(cause).message}`;
    throw new MixError('ENGINE_UNAVAILABLE', { engine, reason }, { cause });
  }
}

// Optional packages of engines: found without loading them, loaded by `import()`; if one is missing, the error names the command
// that installs it. The compiler does not know them: the caller of loadPackage declares its type. Apart from probe.ts because
// engines load with it, too.
import { createRequire } from 'node:module';
import { asMixError, MixError } from '../base/index.js';
import type { EngineName } from './engine.js';

const require = createRequire(import.meta.url);

/** Entry file of a package; undefined if it is not installed. */
export function findPackage(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    // Not installed.
    return undefined;
  }
}

/** Advice about missing packages; empty if all are there. */
export function missingPackages(names: readonly string[]): string {
  const missing = names.filter((name) => findPackage(name) === undefined);
  return missing.length === 0 ? '' : `not installed: \`npm install ${missing.join(' ')}\` brings it`;
}

/** @throws MixError ENGINE_UNAVAILABLE if the package is missing, with the install command, or does not load */
export async function loadPackage(engine: EngineName, name: string): Promise<unknown> {
  const missing = missingPackages([name]);
  if (missing) throw new MixError('ENGINE_UNAVAILABLE', { engine, reason: missing });
  try {
    const loaded = (await import(name)) as { readonly default?: unknown };
    // CommonJS: its exports are the default.
    return loaded.default ?? loaded;
  } catch (cause) {
    const reason = `${name} does not load: ${asMixError(cause).message}`;
    throw new MixError('ENGINE_UNAVAILABLE', { engine, reason }, { cause });
  }
}

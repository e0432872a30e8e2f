// Rules of the source tree, as tests: which room may import which, no cycles, no dead files, limits of files and functions that
// can be read in one go, and patterns that src must not contain.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const src = join(root, 'src');

/** Rooms from the lowest up, in the order of the design: a room imports itself and rooms before it. */
const ROOMS: readonly string[] = [
  'base',
  'math',
  'engine',
  'cmix',
  'protocol',
  'transport',
  'round',
  'section',
  'overlay',
  'comms',
  'scheduler',
  'client',
  'node',
  'bench',
  'dashboard',
  'cli',
];
/** Files that other rooms import beside a room's index.ts: each loads a library that not every importer of the room needs. */
const OWN_FACES = ['base/log.ts', 'base/metrics.ts', 'base/store.ts'];
/** Limit of files in a folder, besides its index.ts and its subfolders. */
const FOLDER_FILES_MAX = 12;
const FILE_LINES_MAX = 800;
/** A file with fewer says in its first comment why it stands alone; a command has a file of its own for any length. */
const FILE_LINES_MIN = 60;
const FUNCTION_LINES_MAX = 70;
/** Limit of non-null assertions in a room that passes values from step to step. */
const ASSERTED_MAX = 3;
/** Entry points; the worker is loaded by its path. */
const ENTRIES = ['cli/main.ts', 'index.ts', 'engine/pool/worker.ts'];

interface SourceFile {
  /** Path below src, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
  /** Paths below src. */
  readonly imports: readonly string[];
}

function read(path: string): SourceFile {
  const text = readFileSync(join(src, path), 'utf8');
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  return { path, text, tree, imports: importsOf(path, tree) };
}

/** Relative imports and exports of a file, as paths below src. */
function importsOf(path: string, tree: ts.SourceFile): SourceFile['imports'] {
  const found: string[] = [];
  const note = (specifier: string) => {
    if (!specifier.startsWith('.')) return;
    const target = relative(src, resolve(src, dirname(path), specifier)).replaceAll('\\', '/');
    found.push(target.replace(/\.js$/, '.ts'));
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      note(node.moduleSpecifier.text);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
      note(node.moduleSpecifier.text);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier && ts.isStringLiteral(specifier)) note(specifier.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

const all = readdirSync(src, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'));
const files = all.filter((path) => path.endsWith('.ts') && !path.startsWith('transport/proto/generated/')).map(read);
const byPath = new Map(files.map((file) => [file.path, file]));
const isGenerated = (path: string) => path.startsWith('transport/proto/generated');
const roomOf = (path: string): string | undefined =>
  path.includes('/') ? path.slice(0, path.indexOf('/')) : undefined;

/** Names that a file imports from other files, each as `path name`. */
function namesFrom(path: string, tree: ts.SourceFile): string[] {
  return tree.statements.flatMap((statement) => {
    const isImport = ts.isImportDeclaration(statement);
    if (!isImport && !ts.isExportDeclaration(statement)) return [];
    const { moduleSpecifier } = statement;
    const bindings = isImport ? statement.importClause?.namedBindings : statement.exportClause;
    if (!moduleSpecifier || !ts.isStringLiteral(moduleSpecifier) || !bindings || !('elements' in bindings)) return [];
    const target = relative(src, resolve(src, dirname(path), moduleSpecifier.text)).replaceAll('\\', '/');
    return bindings.elements.map(
      ({ name, propertyName }) => `${target.replace(/\.js$/, '.ts')} ${(propertyName ?? name).text}`,
    );
  });
}

/** Names that an index.ts re-exports. */
const exportedNames = (tree: ts.SourceFile): string[] =>
  tree.statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause)
      ? statement.exportClause.elements.map(({ name }) => name.text)
      : [],
  );

/** Files that a file imports as a whole: by `export *`, or by `import()` at run time. */
const wholesFrom = (path: string, tree: ts.SourceFile): string[] => {
  const found: string[] = [];
  const note = (specifier: ts.Expression | undefined) => {
    if (!specifier || !ts.isStringLiteral(specifier)) return;
    found.push(
      relative(src, resolve(src, dirname(path), specifier.text))
        .replaceAll('\\', '/')
        .replace(/\.js$/, '.ts'),
    );
  };
  const visit = (node: ts.Node): void => {
    if (ts.isExportDeclaration(node) && !node.exportClause) note(node.moduleSpecifier);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) note(node.arguments[0]);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
};

/** Names that a file defines and exports. */
const declaredExports = (tree: ts.SourceFile): string[] =>
  tree.statements.flatMap((statement) => {
    const isExported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    if (!isExported) return [];
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.map(({ name }) => name.getText(tree));
    return 'name' in statement && statement.name ? [(statement.name as ts.Identifier).text] : [];
  });

describe('rooms', () => {
  it('are those of the design, and every file belongs to one', () => {
    for (const { path } of files) {
      if (path !== 'index.ts') expect([path, ROOMS]).toEqual([path, expect.arrayContaining([roomOf(path)])]);
    }
  });

  it('import only themselves and rooms before them in the list, also for types', () => {
    const broken = files.flatMap(({ path, imports }) => {
      const room = roomOf(path);
      if (room === undefined) return [];
      return imports
        .filter((target) => ROOMS.indexOf(roomOf(target) ?? 'cli') > ROOMS.indexOf(room))
        .map((target) => `${path} imports ${target}`);
    });
    expect(broken).toEqual([]);
  });

  it('import only the index of other rooms', () => {
    const isFace = (path: string) =>
      path.endsWith('/index.ts') || OWN_FACES.includes(path) || isGenerated(path) || roomOf(path) === undefined;
    const broken = files.flatMap(({ path, imports }) =>
      imports
        .filter((target) => roomOf(target) !== roomOf(path) && !isFace(target))
        .map((target) => `${path} imports ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it('have no unused exports in an index', () => {
    const used = new Set(files.flatMap(({ path, tree }) => namesFrom(path, tree)));
    const idle = files
      .filter(({ path }) => path.endsWith('/index.ts'))
      .flatMap(({ path, tree }) => exportedNames(tree).map((name) => `${path} ${name}`));
    expect(idle.filter((name) => !used.has(name))).toEqual([]);
  });

  it('import files that exist', () => {
    const missing = files.flatMap(({ path, imports }) =>
      imports
        .filter((target) => !byPath.has(target) && !isGenerated(target))
        .map((target) => `${path} imports ${target}`),
    );
    expect(missing).toEqual([]);
  });
});

describe('folders', () => {
  it(`have at most ${FOLDER_FILES_MAX} files besides their index`, () => {
    const counts = new Map<string, number>();
    for (const { path } of files) {
      if (!path.endsWith('/index.ts')) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
    }
    expect([...counts].filter(([, count]) => count > FOLDER_FILES_MAX)).toEqual([]);
  });
});

describe('files', () => {
  it('import each other without cycles, also for types', () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, way: readonly string[]): void => {
      if (way.includes(path)) {
        cycles.push([...way.slice(way.indexOf(path)), path].join(' → '));
        return;
      }
      if (done.has(path)) return;
      for (const target of byPath.get(path)?.imports ?? []) {
        visit(target, [...way, path]);
      }
      done.add(path);
    };
    for (const { path } of files) visit(path, []);
    expect(cycles).toEqual([]);
  });

  it('are all reachable from an entry point', () => {
    const entries = ENTRIES.filter((path) => byPath.has(path));
    const reached = new Set<string>();
    const visit = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const target of byPath.get(path)?.imports ?? []) visit(target);
    };
    for (const entry of entries) visit(entry);
    expect(entries).toContain('cli/main.ts');
    expect(files.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([]);
  });

  it('have no unused exports', () => {
    const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).map((path) =>
      join('test', path),
    );
    const studies = readdirSync(join(root, 'bench'), { recursive: true, encoding: 'utf8' }).map((path) =>
      join('bench', path),
    );
    const outside = [...tests, ...studies]
      .filter((path) => /\.ts$/.test(path))
      .map((path) => readFileSync(join(root, path), 'utf8'));
    const words = new Set(outside.flatMap((text) => text.match(/\w+/g) ?? []));
    const used = new Set(files.flatMap(({ path, tree }) => namesFrom(path, tree)));
    const whole = new Set(files.flatMap(({ path, tree }) => wholesFrom(path, tree)));
    const isUsed = (path: string, name: string) => used.has(`${path} ${name}`) || whole.has(path) || words.has(name);
    const idle = files.flatMap(({ path, tree }) =>
      declaredExports(tree)
        .filter((name) => !isUsed(path, name))
        .map((name) => `${path} ${name}`),
    );
    expect(idle).toEqual([]);
  });

  it('begin with a comment that states their purpose', () => {
    // The first line of a program may be a shebang.
    const silent = files.filter(({ text }) => !/^(#!.*\n)?(\/\/ \S.{20,}|\/\*\*?[\s*]+\S.{20,})/.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it(`have at most ${FILE_LINES_MAX} lines`, () => {
    const long = files.map(({ path, text }) => `${path}: ${text.split('\n').length - 1}`);
    expect(long.filter((line) => Number(line.split(': ')[1]) > FILE_LINES_MAX)).toEqual([]);
  });

  it(`state a reason to stand alone if they have under ${FILE_LINES_MIN} lines`, () => {
    const isShort = ({ path, text }: SourceFile) =>
      text.split('\n').length - 1 < FILE_LINES_MIN && !/index\.ts$|\/generated\//.test(path);
    const short = files.filter(isShort);
    expect(short.length).toBeGreaterThan(30);
    const hasReason = ({ text }: SourceFile) => {
      const [purpose = ''] = text.replace(/^#!.*\n/, '').match(/^(\/\/.*\n)+/) ?? [];
      return /\bapart\b|shared by|here because|the one place|^\/\/ (the )?`millrace/i.test(
        purpose.replace(/\n\/\//g, ''),
      );
    };
    expect(short.filter((file) => !hasReason(file)).map(({ path }) => path)).toEqual([]);
  });

  it(`have functions of under ${FUNCTION_LINES_MAX} lines`, () => {
    const long: string[] = [];
    for (const { path, tree } of files) {
      const lineOf = (position: number) => tree.getLineAndCharacterOfPosition(position).line + 1;
      const visit = (node: ts.Node): void => {
        if (ts.isFunctionLike(node) && 'body' in node && node.body) {
          const first = lineOf(node.getStart(tree));
          const lines = lineOf(node.end) - first + 1;
          if (lines >= FUNCTION_LINES_MAX) long.push(`${path}:${first}: ${lines} lines`);
        }
        ts.forEachChild(node, visit);
      };
      visit(tree);
    }
    expect(long).toEqual([]);
  });
});

/** Places in code (not in comments or strings) for which `find` is true. */
function places(find: (node: ts.Node, tree: ts.SourceFile) => boolean, but: (path: string) => boolean = () => false) {
  const found: string[] = [];
  for (const { path, tree } of files) {
    if (but(path)) continue;
    const visit = (node: ts.Node): void => {
      if (find(node, tree)) found.push(`${path}:${tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1}`);
      ts.forEachChild(node, visit);
    };
    visit(tree);
  }
  return found;
}

const COMMENT = /\/\/ \S|\/\*\*? ?\S/;

/** True if the node throws or contains a comment. */
function isExplained(node: ts.Node, tree: ts.SourceFile): boolean {
  const doesThrow = (inner: ts.Node): boolean =>
    ts.isThrowStatement(inner) || (ts.forEachChild(inner, doesThrow) ?? false);
  return doesThrow(node) || COMMENT.test(node.getText(tree));
}

/** Place of the handler of a failure among the arguments of a promise's method. */
const HANDLERS: ReadonlyMap<string, number> = new Map([
  ['catch', 0],
  ['then', 1],
]);

/** True if the node uses the error that is bound to this name, or a part of it. */
function uses(node: ts.Node, bound: ts.BindingName | undefined): boolean {
  if (!bound) return false;
  const names = ts.isIdentifier(bound)
    ? [bound.text]
    : bound.elements.flatMap((part) =>
        ts.isBindingElement(part) && ts.isIdentifier(part.name) ? [part.name.text] : [],
      );
  const visit = (inner: ts.Node): boolean =>
    (ts.isIdentifier(inner) && names.includes(inner.text)) || (ts.forEachChild(inner, visit) ?? false);
  return visit(node);
}

/** True if a comment stands directly before the node's statement. */
function isCommented(node: ts.Node, tree: ts.SourceFile): boolean {
  let statement = node;
  while (!ts.isStatement(statement) && statement.parent) statement = statement.parent;
  return COMMENT.test(tree.text.slice(statement.getFullStart(), statement.getStart(tree)));
}

const isMember = (object: string, name?: string) => (node: ts.Node) =>
  ts.isPropertyAccessExpression(node) &&
  ts.isIdentifier(node.expression) &&
  node.expression.text === object &&
  (name === undefined || node.name.text === name);

const inCli = (path: string) => roomOf(path) === 'cli';

describe('src', () => {
  it('takes randomness from the Rng port only: no Math.random', () => {
    expect(places(isMember('Math', 'random'))).toEqual([]);
  });

  it('takes the time from the Clock port only', () => {
    const inClock = (path: string) => path === 'base/clock.ts';
    expect(places(isMember('Date', 'now'), inClock)).toEqual([]);
    expect(places(isMember('performance', 'now'), inClock)).toEqual([]);
    const isNow = (node: ts.Node) =>
      ts.isNewExpression(node) &&
      ts.isIdentifier(node.expression) &&
      node.expression.text === 'Date' &&
      (node.arguments?.length ?? 0) === 0;
    expect(places(isNow, inClock)).toEqual([]);
  });

  it('aborts with the one reason that keeps no stack, and makes no other', () => {
    const isBareAbort = (node: ts.Node) =>
      ts.isCallExpression(node) &&
      ts.isPropertyAccessExpression(node.expression) &&
      node.expression.name.text === 'abort' &&
      node.arguments.length === 0;
    expect(places(isBareAbort)).toEqual([]);
  });

  it('prints and exits in commands only', () => {
    expect(places(isMember('console'), inCli)).toEqual([]);
    expect(places(isMember('process', 'exit'), inCli)).toEqual([]);
    expect(places(isMember('process', 'stdout'), inCli)).toEqual([]);
  });

  it('has no `any`', () => {
    expect(places((node) => node.kind === ts.SyntaxKind.AnyKeyword)).toEqual([]);
  });

  /** `x!` and `x!: T`: asserted, not checked. */
  const isAsserted = (node: ts.Node): boolean =>
    ts.isNonNullExpression(node) ||
    ((ts.isPropertyDeclaration(node) || ts.isVariableDeclaration(node)) && node.exclamationToken !== undefined);

  it.each(['round', 'scheduler'])(
    `passes values from step to step in %s: at most ${ASSERTED_MAX} non-null assertions`,
    (room) => {
      const asserted = places(isAsserted, (path) => roomOf(path) !== room);
      expect(asserted.length > ASSERTED_MAX ? asserted : []).toEqual([]);
    },
  );

  it('recognizes non-null assertions', () => {
    const count = (text: string) => {
      let found = 0;
      const visit = (node: ts.Node): void => {
        if (isAsserted(node)) found++;
        ts.forEachChild(node, visit);
      };
      visit(ts.createSourceFile('planted.ts', text, ts.ScriptTarget.Latest, true));
      return found;
    };
    expect(count('a!.b; c[0]![1]!; let d!: string; class E { f!: number; }')).toBe(5);
    expect(count("if (!a && a !== b) throw '!'; // a!\nclass E { f?: number; g = !h; }")).toBe(0);
  });

  it('has no TODO mark and no suppression of a check', () => {
    const marks = /\b(TODO|FIXME|XXX|HACK)\b|@ts-(ignore|nocheck|expect-error)|biome-ignore/;
    expect(files.filter(({ text }) => marks.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it('has no silent catch: it rethrows, takes the error, or comments on why nothing is lost', () => {
    const isSilent = (node: ts.Node, tree: ts.SourceFile): boolean => {
      if (ts.isCatchClause(node)) {
        const { variableDeclaration: taken, block } = node;
        return !uses(block, taken?.name) && !isExplained(block, tree);
      }
      if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false;
      const handler = node.arguments[HANDLERS.get(node.expression.name.text) ?? -1];
      if (!handler || !(ts.isArrowFunction(handler) || ts.isFunctionExpression(handler))) return false;
      const before = tree.text.slice(handler.getFullStart(), handler.getStart(tree));
      const isCommentedOn = COMMENT.test(before) || isCommented(node, tree);
      return !uses(handler.body, handler.parameters[0]?.name) && !isExplained(handler, tree) && !isCommentedOn;
    };
    expect(places(isSilent)).toEqual([]);
    const planted = (text: string) => {
      const tree = ts.createSourceFile('planted.ts', text, ts.ScriptTarget.Latest, true);
      const visit = (node: ts.Node): boolean => isSilent(node, tree) || (ts.forEachChild(node, visit) ?? false);
      return visit(tree);
    };
    expect(planted('try { a(); } catch { }')).toBe(true);
    expect(planted('// Before it.\na().catch(() => {});\nb().catch(() => undefined);')).toBe(true);
    expect(planted('try { a(); } catch (e) {}')).toBe(true);
    expect(planted('try { a(); } catch (e) { return undefined; }')).toBe(true);
    expect(planted('a().catch((e) => {});')).toBe(true);
    expect(planted('a().catch(function (e) {});')).toBe(true);
    expect(planted('a().then(ok, () => {});')).toBe(true);
    expect(planted('a().then(() => ok(), (e) => undefined);')).toBe(true);
    expect(planted('try { a(); } catch { throw new Error(); }')).toBe(false);
    expect(planted('try { a(); } catch (e) { log(e); }')).toBe(false);
    expect(planted('try { a(); } catch ({ code }) { return code; }')).toBe(false);
    expect(planted('try { a(); } catch (e) {\n  // It is gone already.\n}')).toBe(false);
    expect(planted('a().then(ok, (error) => log(error));')).toBe(false);
    expect(planted('a().then(ok, () => all);')).toBe(true);
    expect(planted('a().then(\n  ok,\n  // The caller has seen it.\n  () => {},\n);')).toBe(false);
    expect(planted('a().then(() => {});')).toBe(false);
    expect(planted('try { a(); } catch {\n  // It is gone already.\n}')).toBe(false);
    expect(planted('// It is gone already.\nawait a().catch(() => {});')).toBe(false);
    expect(planted('a().catch((error) => log(error));')).toBe(false);
  });

  it('contains no absolute path', () => {
    const places = /["'`](\/(home|root|Users|work|tmp|var|opt|usr)\/|[A-Z]:\\)/;
    expect(files.filter(({ text }) => places.test(text)).map(({ path }) => path)).toEqual([]);
  });
});

describe('metrics', () => {
  const FACTORIES = ['counter', 'gauge', 'observed', 'histogram'];
  const REVEALING = /sender|slot|permut|salt|message_?id|payload|position|per_message/i;

  /** Names and labels of every metric that src makes. */
  function metricWords(): string[] {
    const words: string[] = [];
    places((node) => {
      if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false;
      const [name] = node.arguments;
      if (!FACTORIES.includes(node.expression.name.text) || !name || !ts.isStringLiteral(name)) return false;
      words.push(name.text);
      for (const argument of node.arguments.slice(2)) {
        const visit = (inner: ts.Node): void => {
          if (ts.isStringLiteral(inner)) words.push(inner.text);
          ts.forEachChild(inner, visit);
        };
        if (ts.isArrayLiteralExpression(argument)) visit(argument);
      }
      return false;
    });
    return words;
  }

  it('name no sender, no slot, no permutation and no message', () => {
    const words = metricWords();
    expect(words.length).toBeGreaterThan(8);
    expect(words).toContain('calls_failed_total');
    expect(words.filter((word) => REVEALING.test(word))).toEqual([]);
  });

  it('are named in lower-case words, joined by underscores or in camel case', () => {
    for (const word of metricWords()) expect(word).toMatch(/^[a-z]+([_A-Z]?[a-z]+)*$/);
  });
});

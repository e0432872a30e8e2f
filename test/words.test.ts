// One word for one thing: names that a better word has replaced, sentences that are hard to parse, and the glossary, each term of
// which must occur in the code.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Words in names that contradict the glossary or say nothing to a newcomer, each with its replacement. */
const NAMES: Readonly<Record<string, string>> = {
  aftermath: 'outcome inquiry',
  care: 'warm-up',
  court: 'evidence judge',
  courier: 'retrying sender',
  courtroom: 'evidence judge',
  engineFront: 'checked engine',
  fate: 'outcome',
  fates: 'outcomes',
  identifyFactor: 'unblind',
  gate: 'call authenticator',
  intake: 'inbox',
  Kept: 'resident',
  linkCare: 'warm-up',
  material: 'credentials',
  multiplyIn: 'accumulate',
  overdue: 'blame',
  Places: 'origins',
  roundLog: 'journal',
  roundRunner: 'round manager',
  runner: 'round manager',
  standBack: 'yield',
  standsBack: 'yields to realtime',
  teamDraw: 'sortition',
};
/** Plain words with this ending. */
const OF = ['indexOf', 'lastIndexOf', 'oneOf', 'listOf', 'valueOf'];
/** Beginnings of sentences that hide the subject. */
const BEGINNINGS = /(?:^|[.:;!?] |\* |\/\/ |\| |- |\*\*|['"`])(Whoever|What is|Who does not|Whom)\b/gm;

/** A comment that begins as a question and asks none. */
const QUESTIONS = /^ *(?:\/\/|\/\*\*|\*) ?(?:What|Who|Whose|Whether|How (?:often|many|long)) [^?\n]*$/gm;

const below = (directory: string, ending: RegExp): string[] =>
  readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .map((path) => `${directory}/${path.replaceAll('\\', '/')}`)
    .filter((path) => ending.test(path) && !path.includes('/generated/'));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const sources = below('src', /\.ts$/);
const natives = [...below('kernels', /\.(h|cpp|cu)$/), ...below('native', /\.(h|cpp)$/)];
const documents = ['README.md', 'CONTRIBUTING.md', ...below('docs', /\.md$/)];

/** Names that a file declares. */
function declared(path: string): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node)) {
      if ((node.parent as ts.NamedDeclaration).name === node) names.push(node.text.replace('#', ''));
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true));
  return names;
}

/** Names of the functions, methods and function constants that a file declares. */
function functionsIn(path: string): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    const isFunction =
      ts.isFunctionDeclaration(node) ||
      ts.isMethodDeclaration(node) ||
      (ts.isVariableDeclaration(node) && node.initializer !== undefined && ts.isArrowFunction(node.initializer));
    if (isFunction && node.name && (ts.isIdentifier(node.name) || ts.isPrivateIdentifier(node.name))) {
      names.push(node.name.text.replace('#', ''));
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true));
  return names;
}

describe('names', () => {
  it('use no word that has a replacement', () => {
    const banned = new Map(
      Object.entries(NAMES).flatMap(([word, better]) => [
        [word, better],
        [word[0]!.toUpperCase() + word.slice(1), better],
      ]),
    );
    const found = sources.flatMap((path) =>
      [...new Set(declared(path))]
        .filter((name) => banned.has(name))
        .map((name) => `${path}: ${name} (${banned.get(name)})`),
    );
    const inFiles = [...sources, ...natives].filter((path) =>
      banned.has(path.slice(path.lastIndexOf('/') + 1).replace(/\.\w+$/, '')),
    );
    expect([...found, ...inFiles]).toEqual([]);
  });

  it('of functions are verbs or plain nouns and do not end in "Of"', () => {
    const found = sources.flatMap((path) =>
      functionsIn(path)
        .filter((name) => name.endsWith('Of') && !OF.includes(name))
        .map((name) => `${path}: ${name}`),
    );
    expect(found).toEqual([]);
  });
});

describe('sentences', () => {
  it('begin with their subject', () => {
    const found = [...sources, ...natives, ...documents].flatMap((path) =>
      [...read(path).matchAll(BEGINNINGS)].map(([, words], i) => `${path}: ${i + 1}. ${words}`),
    );
    expect(found).toEqual([]);
  });

  it('of a comment do not begin with a question that nobody asks', () => {
    const found = [...sources, ...natives].flatMap((path) =>
      [...read(path).matchAll(QUESTIONS)].map(([line]) => `${path}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });
});

describe('the glossary', () => {
  const text = read('docs/glossary.md').replaceAll(/^.*\(to come\).*$/gm, '');
  const terms = [...text.matchAll(/^\| (\*\*.*?\*\*(?:, \*\*.*?\*\*)*) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/\*\*(.*?)\*\*/g)].map(([, term]) => term!),
  );

  it('has more than 50 terms', () => expect(terms.length).toBeGreaterThan(50));

  it('has only terms that occur', () => {
    // A term of several words is one name, or several words in a row.
    const spoken = [...sources, ...natives]
      .map(read)
      .join('\n')
      .toLowerCase()
      .replaceAll(/[^a-z]/g, '');
    const plain = (term: string) => term.toLowerCase().replaceAll(/[^a-z]/g, '');
    expect(terms.filter((term) => !spoken.includes(plain(term)))).toEqual([]);
  });

  it('is linked from the README', () => expect(read('README.md')).toContain('(docs/glossary.md)'));
});

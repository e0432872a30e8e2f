// Titles of the tests of a file, read from its source with those of the test files that it imports. A title that is computed, or that a
// table fills in (%s, %i, $name), is a pattern: its open places may be any words that the source has.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import ts from 'typescript';

/** Characters of a title; undefined is an open place. */
type Pattern = readonly (string | undefined)[];

/** Characters of a name that a title itself must have, if the name is that long. */
const LITERAL_MIN = 5;
const TABLES = ['each', 'for', 'skipIf', 'runIf'];
const PLACEHOLDERS = /%[sdifjoOc#]|\$[A-Za-z_][\w.]*/;

const literal = (text: string): Pattern =>
  text.split(PLACEHOLDERS).flatMap((part, i) => [...(i > 0 ? [undefined] : []), ...part]);

function patternIn(title: ts.Expression | undefined): Pattern {
  if (!title) return [undefined];
  if (ts.isStringLiteralLike(title)) return literal(title.text);
  if (ts.isTemplateExpression(title)) {
    return [
      ...literal(title.head.text),
      ...title.templateSpans.flatMap((span) => [undefined, ...literal(span.literal.text)]),
    ];
  }
  if (ts.isBinaryExpression(title)) return [...patternIn(title.left), ...patternIn(title.right)];
  return [undefined];
}

/** `it`, `test`, `describe` or `describeWith` of a call, through `.each(…)` and the like. */
function callee(node: ts.Expression): string | undefined {
  if (ts.isIdentifier(node)) return node.text;
  if (ts.isPropertyAccessExpression(node) || ts.isCallExpression(node)) return callee(node.expression);
  return undefined;
}

export class Titles {
  readonly #patterns: Pattern[] = [];
  readonly #words = new Set<string>();
  readonly #seen = new Set<string>();

  /** `path`: a test file. */
  static read(path: string): Titles {
    const titles = new Titles();
    titles.#read(path);
    return titles;
  }

  static parse(text: string): Titles {
    const titles = new Titles();
    titles.#parse('planted.ts', text);
    return titles;
  }

  #read(path: string): void {
    if (this.#seen.has(path) || !existsSync(path)) return;
    this.#seen.add(path);
    for (const specifier of this.#parse(path, readFileSync(path, 'utf8'))) {
      const target = resolve(dirname(path), specifier).replace(/\.js$/, '.ts');
      if (/[/\\]test[/\\]/.test(target)) this.#read(target);
    }
  }

  /** Returns the files that it imports. */
  #parse(path: string, text: string): string[] {
    const imports: string[] = [];
    for (const word of text.match(/[\p{L}\p{N}]+/gu) ?? []) this.#words.add(word);
    const visit = (node: ts.Node, around: Pattern): void => {
      if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier))
        imports.push(node.moduleSpecifier.text);
      let inner = around;
      // The call `it.each(table)` has no title: the call of what it returns has.
      if (
        ts.isCallExpression(node) &&
        !(ts.isPropertyAccessExpression(node.expression) && TABLES.includes(node.expression.name.text))
      ) {
        const kind = callee(node.expression);
        const title = patternIn(node.arguments[kind === 'describeWith' ? 1 : 0]);
        if (kind?.startsWith('describe')) inner = [...around, ...title, ' '];
        else if (kind === 'it' || kind === 'test') this.#patterns.push([...around, ...title]);
      } else if (ts.isFunctionDeclaration(node)) {
        // It is called within a describe of another place.
        inner = [undefined];
      }
      ts.forEachChild(node, (child) => visit(child, inner));
    };
    visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true), []);
    return imports;
  }

  /** True if `name` can be a part of the full name of one of the tests. */
  has(name: string): boolean {
    if (!(name.match(/[\p{L}\p{N}]+/gu) ?? []).every((word) => this.#hasWord(word))) return false;
    return this.#patterns.some((pattern) => literalsIn(pattern, name) >= Math.min(LITERAL_MIN, name.length));
  }

  /** A name may end in the middle of a word. */
  #hasWord(word: string): boolean {
    return this.#words.has(word) || [...this.#words].some((known) => known.includes(word));
  }
}

/** The most characters of `name` that are the pattern's own if `name` is a part of it; 0 if it is none. */
function literalsIn(pattern: Pattern, name: string): number {
  const none = Number.NEGATIVE_INFINITY;
  // best[j]: for the rest of the name from j on, at the place of the pattern that is looked at; from the pattern's end back.
  let best = Array.from({ length: name.length + 1 }, (_, j) => (j === name.length ? 0 : none));
  let most = best[0]!;
  for (const token of [...pattern].reverse()) {
    const next = best;
    best = new Array<number>(name.length + 1).fill(0);
    for (let j = name.length - 1; j >= 0; j--) {
      best[j] = token === undefined ? Math.max(next[j]!, best[j + 1]!) : token === name[j] ? 1 + next[j + 1]! : none;
    }
    most = Math.max(most, best[0]!);
  }
  return Math.max(0, most);
}

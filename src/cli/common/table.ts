// Rows as a table on a terminal, for the demo and `millrace status`: columns are as wide as their content.
// Apart because both commands draw it.

/** Lines of a table without rules. `isFigure`: columns that are aligned at the right. */
export function alignedLines(rows: readonly (readonly string[])[], isFigure: (column: number) => boolean): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const pad = (cell: string, column: number) =>
    isFigure(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
  return rows.map((row) => row.map(pad).join('  ').trimEnd());
}

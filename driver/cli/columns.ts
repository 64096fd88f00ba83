/** docker-machine's table: Go's tabwriter with these settings. */
const MIN_WIDTH = 5;
const PADDING = 3;

/** Lays rows out in columns; the last cell of a row has no padding behind it. */
export function formatColumns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? MIN_WIDTH, lengthOf(cell) + PADDING);
    });
  }
  return rows
    .map((row) =>
      row.map((cell, column) =>
        column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - lengthOf(cell)),
      ),
    )
    .map((cells) => cells.join(''))
    .join('\n');
}

function lengthOf(cell: string): number {
  return [...cell].length;
}

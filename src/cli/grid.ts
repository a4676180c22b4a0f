/** Rows of cells as lines with aligned columns; the last column is not padded. */
export function columns(rows: readonly (readonly string[])[], gap = 2): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, text] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, text.length)
    }
  }
  return rows
    .map((row) =>
      row
        .map((text, index) => text.padEnd((widths[index] ?? 0) + gap))
        .join('')
        .trimEnd(),
    )
    .join('\n')
}

/**
 * The assignment problem: rows to columns, one each, at the least total cost. Exact, O(n^3), by shortest augmenting
 * paths with dual variables (Jonker and Volgenant 1987). Used to give every ghost map a place in the wiring.
 */

/** The column of each row of `cost` [rows, columns], rows <= columns; costs are finite. */
export function assign(cost: Float64Array, rows: number, columns: number): Int32Array {
  // 1-based, column 0 is the start of every path
  const rowPrice = new Float64Array(rows + 1);
  const columnPrice = new Float64Array(columns + 1);
  const rowOf = new Int32Array(columns + 1);
  const before = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    const least = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY);
    const seen = new Uint8Array(columns + 1);
    rowOf[0] = row;
    let column = 0;
    do {
      seen[column] = 1;
      const from = rowOf[column] as number;
      const base = (from - 1) * columns - 1;
      let delta = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let j = 1; j <= columns; j++) {
        if (seen[j]) continue;
        const reduced = (cost[base + j] as number) - (rowPrice[from] as number) - (columnPrice[j] as number);
        if (reduced < (least[j] as number)) {
          least[j] = reduced;
          before[j] = column;
        }
        if ((least[j] as number) < delta) {
          delta = least[j] as number;
          next = j;
        }
      }
      for (let j = 0; j <= columns; j++) {
        if (seen[j]) {
          const at = rowOf[j] as number;
          rowPrice[at] = (rowPrice[at] as number) + delta;
          columnPrice[j] = (columnPrice[j] as number) - delta;
        } else least[j] = (least[j] as number) - delta;
      }
      column = next;
    } while (rowOf[column] !== 0);
    while (column !== 0) {
      const previous = before[column] as number;
      rowOf[column] = rowOf[previous] as number;
      column = previous;
    }
  }
  const columnOf = new Int32Array(rows);
  for (let j = 1; j <= columns; j++) {
    const row = rowOf[j] as number;
    if (row > 0) columnOf[row - 1] = j - 1;
  }
  return columnOf;
}

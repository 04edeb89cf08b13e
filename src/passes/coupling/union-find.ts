/** Disjoint sets of whole numbers that grow: union by size, paths halved. Knows nothing of channels. */
export class UnionFind {
  readonly #parent: number[] = [];
  readonly #size: number[] = [];

  /** A new element in a set of its own; elements are numbered from 0. */
  add(): number {
    this.#parent.push(this.#parent.length);
    this.#size.push(1);
    return this.#parent.length - 1;
  }

  find(element: number): number {
    let at = element;
    while (this.#parent[at] !== at) {
      const above = this.#parent[this.#parent[at] as number] as number;
      this.#parent[at] = above;
      at = above;
    }
    return at;
  }

  join(a: number, b: number): void {
    const [x, y] = [this.find(a), this.find(b)];
    if (x === y) return;
    const [large, small] = (this.#size[x] as number) >= (this.#size[y] as number) ? [x, y] : [y, x];
    this.#parent[small] = large;
    this.#size[large] = (this.#size[large] as number) + (this.#size[small] as number);
  }

  /** The sets numbered from 0 in the order of their first elements, by element. */
  number(): { readonly unitOf: Int32Array; readonly count: number } {
    const numbers = new Map<number, number>();
    const unitOf = Int32Array.from(this.#parent, (_, element) => {
      const root = this.find(element);
      const known = numbers.get(root) ?? numbers.size;
      numbers.set(root, known);
      return known;
    });
    return { unitOf, count: numbers.size };
  }
}

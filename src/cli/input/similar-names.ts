/** Which known names somebody may have meant by one that is not known. */

/** Letters and digits only: `MobileNet-V2` and `mobilenet_v2` are one. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

/** Letters to put in, take out or change until `a` is `b` (Levenshtein's distance). */
function edits(a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++)
      row.push(
        Math.min(
          (before[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (before[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      );
    before = row;
  }
  return before[b.length] ?? 0;
}

/** At most `most` of `names`, nearest first: one begins with the other, or few letters differ. */
export function similarNames(given: string, names: readonly string[], most = 4): readonly string[] {
  const wanted = plain(given);
  if (wanted.length < 3) return [];
  return names
    .flatMap((name) => {
      const known = plain(name);
      const begins = known.startsWith(wanted) || wanted.startsWith(known);
      const distance = begins ? Math.abs(known.length - wanted.length) / 4 : edits(known, wanted);
      return distance <= Math.max(2, wanted.length / 5) ? [{ name, distance }] : [];
    })
    .sort((a, b) => a.distance - b.distance)
    .slice(0, most)
    .map(({ name }) => name);
}

/** The colours that tell pairs of feature maps apart, in frames as in words: those of the paper's figure 1, and more. */

export type Rgb = readonly [red: number, green: number, blue: number];

export interface PairColor {
  readonly name: string;
  /** 0..255. */
  readonly rgb: Rgb;
}

const pairColors: readonly [PairColor, ...PairColor[]] = [
  { name: 'red', rgb: [220, 38, 38] },
  { name: 'green', rgb: [22, 163, 74] },
  { name: 'blue', rgb: [37, 99, 235] },
  { name: 'orange', rgb: [234, 130, 20] },
  { name: 'violet', rgb: [147, 51, 234] },
  { name: 'teal', rgb: [13, 148, 136] },
];

/** Colour of the pair in place `k`; after the last they begin again, with a number in the name (`red 2`). */
export function pairColor(k: number): PairColor {
  const round = Math.floor(k / pairColors.length);
  const color = pairColors[k % pairColors.length] ?? pairColors[0];
  return round === 0 ? color : { ...color, name: `${color.name} ${round + 1}` };
}
